import RecAnalysis
import RecCodeGen
import RecSchedule
import RecScheduling
import RecStream
import RecSyntax
import RecTyping

/// The stages of compilation that can be looked at.
package enum EmittedStage: String, CaseIterable, Sendable {
    case tree, typed, graph, facts, plan, llvm, asm, object

    /// Whether dims must be known.
    package var needsDims: Bool { self != .tree && self != .typed }
}

extension Program {
    /// The syntax tree of the main file.
    package var treeText: String {
        onDeepStack {
            var text = ""
            dump(parse(FileID(0), in: sources).tree.items, to: &text)
            return text
        }
    }
}

extension TypedModel {
    /// Every value with its shape, symbolic in the dims.
    package var text: String {
        var lines = ["model \(name)(\(dims.joined(separator: ", ")))"]
        for (index, value) in values.enumerated() {
            let shape = "[\(value.shape.map { $0.name == $0.size.description ? $0.name : "\($0.name) = \($0.size)" }.joined(separator: ", "))]"
            lines.append("  %\(index)\(value.name.map { " \($0)" } ?? ""): \(value.element.rawValue)\(shape) = \(value.operation)")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Model {
    /// A stage of the model's compilation, as text (an object file for `object`).
    package func emitted(_ stage: EmittedStage, precision: Precision = .f32, forcing forms: [String: PlanForm] = [:]) throws -> [UInt8] {
        switch stage {
        case .tree: return Array(program.treeText.utf8)
        case .typed: return Array(typed.text.utf8)
        case .graph: return Array(graph.text.utf8)
        case .facts: return Array(graph.factsText.utf8)
        case .plan, .llvm, .asm, .object:
            try checkHasOnePlan()
            let divided = try formsOfWholeRuns(forms)
            guard divided.isEmpty, !attends else {
                try check(divided)
                return try rewritten(divided.chunks, nil).emittedPartition(stage, precision, forms.others, solving: divided.solved)
            }
            return try plan(forcing: forms).emitted(stage, precision, weights)
        }
    }
}

extension GradientModel {
    /// The same of the model's gradients; the tree and the typed program are the model's.
    package func emitted(_ stage: EmittedStage, precision: Precision = .f32, forcing forms: [String: PlanForm] = [:]) throws -> [UInt8] {
        switch stage {
        case .tree, .typed: return try model.emitted(stage)
        case .graph: return Array(graph.text.utf8)
        case .facts: return Array(graph.factsText.utf8)
        case .plan, .llvm, .asm, .object:
            try model.checkHasOnePlan()
            let divided = try model.formsOfWholeRuns(forms)
            guard divided.isEmpty, !model.attends else {
                return try rewritten(divided.chunks).emittedPartition(stage, precision, forms.others, solving: divided.solved)
            }
            return try plan(forcing: forms).emitted(stage, precision)
        }
    }
}

extension StreamGraph {
    /// The parts of a graph in which recurrences have forms of whole runs, one behind the other.
    fileprivate func emittedPartition(
        _ stage: EmittedStage, _ precision: Precision, _ forms: [String: PlanForm], solving solved: [String: PlanForm]
    ) throws -> [UInt8] {
        let parts = try DividedModel(self, solving: solved, times: nil).leaves
        guard stage != .object || parts.count == 1 else {
            throw DiagnosticList(
                .planRefused, "what runs in this form is \(parts.count) parts here, and they do not go into one object file",
                help: "'--emit plan' shows them")
        }
        var result: [UInt8] = []
        for part in parts {
            switch part {
            case .steps(let graph): result += try Pipeline.simplestPlan(graph).emitted(stage, precision)
            case .solved(let recurrence): result += try Pipeline.simplestPlan(recurrence.repeated).emitted(stage, precision)
            case .traversal(let schedule): result += try schedule.emitted(stage, precision)
            case .parts: continue
            case .pairs(let traversal): result += try traversal.schedule.emitted(stage, traversal.holdsInts ? .f64 : precision)
            }
        }
        return result
    }
}

extension Schedule {
    fileprivate func emitted(_ stage: EmittedStage, _ precision: Precision) throws -> [UInt8] {
        switch stage {
        case .llvm: try CompiledSchedule.listing(.llvm, of: self, precision: precision)
        case .asm: try CompiledSchedule.listing(.assembly, of: self, precision: precision)
        case .object: try CompiledSchedule.listing(.object, of: self, precision: precision)
        case .plan, .tree, .typed, .graph, .facts: Array(text.utf8)
        }
    }
}

extension Plan {
    fileprivate func emitted(
        _ stage: EmittedStage, _ precision: Precision, _ weights: WeightFormat = .full
    ) throws -> [UInt8] {
        switch stage {
        case .llvm: try CompiledPlan.listing(.llvm, of: self, precision: precision, weights: weights)
        case .asm: try CompiledPlan.listing(.assembly, of: self, precision: precision, weights: weights)
        case .object: try CompiledPlan.listing(.object, of: self, precision: precision, weights: weights)
        case .plan, .tree, .typed, .graph, .facts: Array(text.utf8)
        }
    }
}

extension StreamGraph {
    /// What each recurrence is.
    fileprivate var factsText: String {
        var text = ""
        for facts in recurrences(of: Pipeline.prepare(self)) {
            text += "recurrence of \(facts.states.joined(separator: ", ")): \(facts.kind), \(facts.transitionDescription)\n"
            for line in facts.step { text += "  \(line)\n" }
            if let reason = facts.notAffine { text += "  \(reason.text): \(reason.conclusion)\n" }
        }
        return text.isEmpty ? "no recurrence\n" : text
    }
}
