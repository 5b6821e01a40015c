import RecSource
import RecStream
import RecSyntax

/// Calls as other libraries write them: `torch.tanh(x)`, `F.softmax(x, dim=-1)`, `h.sum(-1)`. Reading has reported them; here the mend
/// is named with the axes of the value, and typing goes on with what was meant.
extension ModelTyper {
    func foreignCall(_ name: Identifier, _ arguments: [Argument], _ span: SourceSpan) throws -> Meaning {
        let path = name.text.split(separator: ".").map(String.init)
        let function = path[path.count - 1]
        let library = path.dropLast().joined(separator: ".")
        // What is wrong within the arguments is told, too.
        let values = arguments.map { argument in try? value(of: argument.value) }
        let known = OtherNames.renamed(function)
        var call: Builtins.Call?
        if let known {
            let axis = chosenAxis(known, arguments, values)
            // `max` and `min` also take several values.
            let isReduction = ReductionNames.all.contains(known) && (axis != nil || known != "max" && known != "min")
            let taken = arguments.filter { $0.label == nil }.map(\.value).prefix(isReduction ? 1 : .max)
            call = Builtins.Call(
                name: Identifier(text: known, span: name.span), brackets: axis.map { [Expression(.name($0), name.span)] },
                arguments: taken.map { Argument(label: nil, value: $0) }, span: span)
        }
        var help = OtherNames.function(function)
        if let known, let call {
            let axis = call.brackets.map { _ in chosenAxis(known, arguments, values) ?? "K" }.map { "[\($0)]" } ?? ""
            help = "write \(known)\(axis)(\(call.positional.map { sources.text(of: $0.span) }.joined(separator: ", ")))"
        }
        let what = library.isEmpty
            ? "'\(arguments.first.map { shortened($0.value.span) } ?? "")' has no function '\(function)'"
            : "'\(library).\(function)' is a function of another library"
        report(.unknownName, what, at: name.span, help: help ?? "the functions of the language stand in docs/language.md")
        guard let call, let meaning = try? quietly({ try self.builtin(call) }) else { throw Abandoned() }
        return meaning
    }

    /// The name of the axis that an argument such as `-1` or `dim=1` chooses by its position; nil where none does.
    private func chosenAxis(_ function: String, _ arguments: [Argument], _ values: [ValueID?]) -> String? {
        guard ReductionNames.all.contains(function), let first = values.first, let subject = first else { return nil }
        let labelled = arguments.first { ["dim", "axis", "dims", "axes"].contains($0.label?.text ?? "") }?.value
        let second = arguments.count > 1 && arguments[1].label == nil ? arguments[1].value : nil
        guard let place = labelled ?? second, let number = try? quietly({ try self.constantInteger(place, "") }) else { return nil }
        let shape = model[subject].shape
        let axis = number < 0 ? shape.count + number : number
        return shape.indices.contains(axis) ? shape[axis].name : nil
    }

    /// `torch.nn` where that is no name of the model.
    func foreignLibrary(_ expression: Expression) -> String? {
        var path: [String] = []
        var next = expression
        while case .member(let base, let name) = next.kind {
            path.append(name.text)
            next = base
        }
        guard case .name(let root) = next.kind, Habits.libraries.contains(root), definitions[root] == nil, environment == nil else { return nil }
        return ([root] + path.reversed()).joined(separator: ".")
    }
}
