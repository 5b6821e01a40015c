import Rec
import RecInterpreter
import RecScheduling
import RecStream
import RecSyntax

/// The front end, and rewritings of the graph by the interpreter.
extension Checker {
    /// The formatter keeps the program, and what it gives is its own layout.
    mutating func checkSource(_ program: Program, _ model: Model) throws {
        let once = program.formatted
        let again = Program(text: once)
        try expect("formatted text", again.hasErrors ? again.diagnostics.map(\.message).joined(separator: "; ") : nil)
        try expect("formatted twice", Self.difference(once, again.formatted))
        let graph = try must("formatted text") { try Model(again).graph }
        try expect("graph of formatted text", Self.difference(model.graph.text, graph.text))
    }

    /// Each pass gives a sound graph that computes the same.
    mutating func checkRewritings(_ model: Model) throws -> Reference {
        try expect("graph", model.graph.violations().first)
        let read = try must("graph text") { try StreamGraph(text: model.graph.text) }
        try expect("graph text", Self.difference(read.text, model.graph.text))
        let data = CaseData(item).bound(for: model.graph)
        let reference = Reference(model.graph, data)
        try compare("graph text", read, with: reference, isSame: true)
        var graph = model.graph
        for pass in Pipeline.passes {
            graph = pass.run(graph)
            try compare(pass.name, graph, with: reference)
        }
        try compare("join-products", graph.joiningProducts(), with: reference)
        return reference
    }

    /// A graph held against a reference.
    mutating func compare(_ check: String, _ graph: StreamGraph, with reference: Reference, isSame: Bool = false) throws {
        try expect("\(check): graph", graph.violations().first)
        var got = RunNumbers(Interpreter(graph).run(reference.data), of: graph)
        got.joinComplexStates(like: reference.numbers)
        try expect(check, isSame ? got.firstDifference(from: reference.numbers) : reference.mismatch(got, .double))
    }

    /// Plans are made without a trap, and that of the simplest form in any case.
    mutating func checkPlanning(_ model: Model) throws {
        // Some models are for the interpreter alone, and say so.
        guard let choice = try? PlanChoice(model) else { return outcome.count("interpreter only") }
        try plan(choice, "plan")
    }

    mutating func plan(_ choice: PlanChoice, _ check: String) throws {
        _ = try must(check) { try choice.plan(scanning: []) }
        outcome.count(check)
        let scans = choice.forms.recurrences.indices.filter { choice.forms.recurrences[$0].refusal == nil }
        // A form that is asked for may be refused, with a reason.
        for set in scans.map({ [$0] as Set }) + (scans.count > 1 ? [Set(scans)] : []) {
            outcome.count(choice.refusal(of: set) == nil ? "\(check) with scans" : "refused scans")
        }
    }
}

extension Program {
    /// The main file in its one layout.
    fileprivate var formatted: String { format(parse(FileID(0), in: sources).tree, in: sources) }
}

extension RunNumbers {
    /// Puts the parts of complex states together where the other results have them so.
    mutating func joinComplexStates(like other: RunNumbers) {
        for item in other.items where item.name.hasPrefix("final ") && !items.contains(where: { $0.name == item.name }) {
            guard let re = items.first(where: { $0.name == item.name + ".re" }), let im = items.first(where: { $0.name == item.name + ".im" })
            else { continue }
            let numbers = zip(re.numbers, im.numbers).flatMap { [$0, $1] }
            items.append(Item(name: item.name, shape: re.shape + [2], numbers: numbers, rowLength: 2 * re.rowLength))
        }
    }
}
