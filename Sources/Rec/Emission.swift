import RecAnalysis
import RecCodeGen
import RecScheduling
import RecStream
import RecSyntax
import RecTyping

/// The stages of compilation that can be looked at.
public enum EmittedStage: String, CaseIterable, Sendable {
    case tree, typed, graph, facts, plan, llvm, asm, object

    /// Whether dims must be known.
    public var needsDims: Bool { self != .tree && self != .typed }
}

extension Program {
    /// The syntax tree of the main file.
    public var treeText: String {
        onDeepStack {
            var text = ""
            dump(parse(FileID(0), in: sources).tree.items, to: &text)
            return text
        }
    }
}

extension TypedModel {
    /// Every value with its shape, symbolic in the dims.
    public var text: String {
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
    public func emitted(_ stage: EmittedStage, precision: Precision = .f32) throws -> [UInt8] {
        switch stage {
        case .tree: return Array(program.treeText.utf8)
        case .typed: return Array(typed.text.utf8)
        case .graph: return Array(graph.text.utf8)
        case .facts:
            var text = ""
            for facts in recurrences(of: graph) {
                text += "recurrence of \(facts.states.joined(separator: ", ")): \(facts.members.count) values, "
                text += facts.notAffine.map { "not affine (\($0.text)), " } ?? "affine, "
                text += facts.notDiagonal.map { "not diagonal (\($0.text))\n" } ?? "diagonal\n"
            }
            return Array((text.isEmpty ? "no recurrence\n" : text).utf8)
        case .plan: return Array(try plan().text.utf8)
        case .llvm: return try CompiledPlan.listing(.llvm, of: plan(), precision: precision)
        case .asm: return try CompiledPlan.listing(.assembly, of: plan(), precision: precision)
        case .object: return try CompiledPlan.listing(.object, of: plan(), precision: precision)
        }
    }
}
