import Rec
import RecSource
import RecTyping

/// `--predict x`, `--predict target=x`: an input that is another stream some steps ahead.
package struct Prediction {
    /// The input; nil for the one that the data lack.
    package let target: String?
    /// An input, or a column of the table.
    package let source: String
    package let ahead: Int

    package init(_ text: String, ahead: Int) {
        let sides = text.split(separator: "=", maxSplits: 1).map(String.init)
        target = sides.count == 2 ? sides[0] : nil
        source = sides.last ?? text
        self.ahead = ahead
    }

    /// The input that is to be predicted.
    package func target(in model: TypedModel, given: Set<String>) throws(DiagnosticList) -> String {
        let names = model.inputs.map(\.name)
        if let target {
            guard names.contains(target) else {
                throw DiagnosticList(
                    .unknownName, "'\(model.name)' has no input '\(target)' to predict",
                    help: nearest(target, among: names).map { "did you mean '\($0)'?" } ?? "its inputs are \(names.joined(separator: ", "))")
            }
            return target
        }
        let rank = model.inputs.first { $0.name == source }.map { model[$0.value].shape.count } ?? 0
        let without = model.inputs.filter { !$0.isOnce && !given.contains($0.name) && $0.name != source }
        let fitting = without.filter { model[$0.value].shape.count == rank }
        let open = (fitting.isEmpty ? without : fitting).map(\.name)
        guard open.count == 1, let only = open.first else {
            throw DiagnosticList(
                open.isEmpty ? .missingTensor : .badCall,
                open.isEmpty
                    ? "'\(model.name)' has no input that takes what is to be predicted"
                    : "what is to be predicted could be \(open.joined(separator: " or "))",
                help: open.isEmpty ? "write one: input target, of the type of '\(source)'" : "say which: --predict \(open[0])=\(source)")
        }
        return only
    }
}
