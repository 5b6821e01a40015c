import Rec
import RecCodeGen
import RecDifferentiation
import RecInterpreter
import RecLowering
import RecSchedule
import RecStream
import RecTensors

/// Axes as dims of the steps of others: all of a graph, and with streams along the axis in parts of their own.
extension Checker {
    /// More values than these take the interpreter long.
    private static let mostValues = 4000

    mutating func checkUnfolding(_ model: Model) throws {
        let graph = model.graph
        var dice = Dice(seed: item.checkSeed, for: "unfolding")
        guard graph.dataAxes.count > 1, dice.chance(60) else { return }
        let whole = CaseData(item).bound(for: graph)
        let axis = dice.pick(Array(graph.dataAxes))
        guard whole.extents[axis] > 0, graph.keepsLayout(unfolding: axis) else { return }
        try compareUnfolded("unfolding", graph, axis, whole)
        try compareParts("unfolding, parts", graph, axis, whole)
        guard item.values != .notFinite, item.values != .huge else { return }
        var request = Self.request(model, withFinals: false)
        // The states of steps have names of their own.
        request.targets.removeAll { if case .initialState = $0 { true } else { false } }
        guard !request.seeds.isEmpty, !request.targets.isEmpty else { return }
        let plain = try must("unfolding: gradient") { try gradient(of: graph, request) }
        let data = CaseData(item).bound(for: plain, within: graph)
        try compareUnfolded("unfolding of the gradient", plain, axis, data)
        try compareParts("unfolding of the gradient, parts", plain, axis, data)
        // Where several elements are the largest, one way of writing it down shares the gradient otherwise than another.
        guard item.values == .usual, let unfolded = graph.unfolding(axis, count: whole.extents[axis]), (try? checkDirections(of: unfolded)) != nil,
            unfolded.values.count < Self.mostValues
        else { return }
        let own = try must("gradient of the unfolded graph") { try gradient(of: unfolded, request) }
        // Poles are foreseen behind what stands in the same step, and not behind delays: where one counts as 0 another way of writing it down has NaN.
        guard Reference(plain, data).isFinite else { return }
        try compare("gradient of the unfolded graph", own, without: axis, plain, data)
    }

    private mutating func compareUnfolded(_ check: String, _ graph: StreamGraph, _ axis: Int, _ data: BoundData) throws {
        guard graph.countUnfolding(axis, count: data.extents[axis]) < Self.mostValues, let unfolded = graph.unfolding(axis, count: data.extents[axis]),
            (try? checkDirections(of: unfolded)) != nil
        else { return outcome.count("refused \(check)") }
        try expect("\(check): graph", unfolded.violations().first)
        try compare(check, unfolded, without: axis, graph, data)
    }

    /// Compares a graph with one that lacks an axis.
    private mutating func compare(_ check: String, _ unfolded: StreamGraph, without axis: Int, _ graph: StreamGraph, _ data: BoundData) throws {
        var (own, unfolded) = (data, unfolded)
        own.extents.remove(at: axis)
        // Over several axes there are no last states to compare with.
        unfolded.states = []
        var reference = graph
        reference.states = []
        var got = Interpreter(unfolded).run(own)
        let expected = Reference(reference, data)
        // A dim in front of all others has the place of the axis.
        got.finalStates = []
        try expect(check, expected.mismatch(RunNumbers(got, of: reference), .double))
    }

    private mutating func compareParts(_ check: String, _ graph: StreamGraph, _ axis: Int, _ data: BoundData) throws {
        // Parts hand on real numbers.
        let split = graph.splittingComplex()
        guard split.countUnfolding(axis, count: data.extents[axis], keepingStreams: true) < Self.mostValues,
            let rewritten = split.keepingStreams(along: axis, count: data.extents[axis]), (try? checkDirections(of: rewritten)) != nil
        else { return outcome.count("refused \(check)") }
        try expect("\(check): graph", rewritten.violations().first)
        guard let partition = try? AxisPartition(rewritten) else { return outcome.count("refused \(check)") }
        for part in partition.parts { try expect("\(check): graph of a part", part.graph.violations().first) }
        guard partition.parts.allSatisfy({ (try? checkDirections(of: $0.graph)) != nil }) else { return outcome.count("refused \(check)") }
        var reference = graph
        reference.states = []
        try expect(check, Reference(reference, data).mismatch(RunNumbers(PartitionEvaluation(Partition(partition)).run(data), of: reference), .double))
    }

    // MARK: Code

    /// Runs, and gradients, of a model in which an axis is a dim of each step.
    mutating func checkUnfoldedCode(_ model: Model, _ dice: inout Dice) throws {
        let context = CompileContext(effort: effort)
        outcome.isOptimized = effort == .full
        try compareUnfoldedCode("unfolded", model.graph, item.runs.indices.map { CaseData(item, run: $0).bound(for: model.graph) }, &dice) { precision, parameters in
            try Runner(model, precision: precision, parameters: parameters, context: context)
        }
        let request = Self.request(model, withFinals: false)
        guard isWanted("gradient", 45, &dice), !request.seeds.isEmpty, !request.targets.isEmpty else { return }
        let gradients = try must("gradient") { try GradientModel(model, request) }
        let plain = try must("gradient") { try gradient(of: model.graph, request) }
        let data = item.runs.indices.map { CaseData(item, run: $0).bound(for: plain, within: model.graph) }
        try compareUnfoldedCode("gradient, unfolded", plain, data, &dice) { precision, parameters in
            try Runner(gradients, precision: precision, parameters: parameters, context: context)
        }
    }

    private mutating func compareUnfoldedCode(
        _ check: String, _ graph: StreamGraph, _ data: [BoundData], _ dice: inout Dice, _ runner: (Precision, [String: Tensor]) throws -> Runner
    ) throws {
        for precision in [Precision.f64, .f32] {
            guard precision == .f64 || isWanted("\(check), f32", 50, &dice), let first = data.first else { continue }
            guard let runner = try? runner(precision, first.parameters) else { return outcome.count("refused \(check)") }
            outcome.plans += 1
            // What has many steps has much code.
            for run in data where run.extents.allSatisfy({ (1...12).contains($0) }) {
                let reference = Reference(graph, run)
                let one = try must(check) { try runner.run(run, pool: ThreadPool(count: 1, leastWork: 0)) }
                try expect("\(check), \(precision.rawValue)", mismatch(RunNumbers(one, of: graph), reference, precision, "unfolded"))
                let three = try must(check) { try runner.run(run, pool: ThreadPool(count: 3, leastWork: 0)) }
                try expect("\(check), threads", RunNumbers(three, of: graph).firstDifference(from: RunNumbers(one, of: graph)))
            }
        }
    }
}
