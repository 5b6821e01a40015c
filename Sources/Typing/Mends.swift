import RecSource
import RecStream
import RecSyntax

/// What is to be written in place of a part of the source.
extension ModelTyper {
    /// The source as it is to be written: with the mends that have been told of its parts.
    func mendedText(of span: SourceSpan) -> String {
        let inside = mends.filter { $0.span.file == span.file && $0.span.start >= span.start && $0.span.end <= span.end }
            .sorted { ($0.span.start, $1.span.end) < ($1.span.start, $0.span.end) }
        var (result, place) = ("", span.start)
        for mend in inside where mend.span.start >= place {
            result += sources.text(of: SourceSpan(file: span.file, start: place, end: mend.span.start))
            let rest = sources.text(of: SourceSpan(file: span.file, start: mend.span.end, end: span.end))
            let isWhole = Self.endsArgument(rest) && Self.beginsArgument(result)
            result += isWhole || Self.isOneOperand(mend.text) ? mend.text : "(\(mend.text))"
            place = mend.span.end
        }
        return result + sources.text(of: SourceSpan(file: span.file, start: place, end: span.end))
    }

    /// Records a mend for what encloses it.
    func note(_ text: String, inPlaceOf span: SourceSpan) {
        if mends.count < Diagnostic.most { mends.append((span, text)) }
    }

    private static func beginsArgument(_ before: String) -> Bool { before.isEmpty || before.hasSuffix("(") || before.hasSuffix(", ") }
    private static func endsArgument(_ after: String) -> Bool { after.isEmpty || after.hasPrefix(")") || after.hasPrefix(",") }

    /// Whether a text needs no parentheses, whatever stands around it.
    static func isOneOperand(_ text: String) -> Bool {
        var open = 0
        for character in text {
            switch character {
            case "(", "[": open += 1
            case ")", "]": open -= 1
            default: if open == 0, !(character.isLetter || character.isNumber || "._'".contains(character)) { return false }
            }
        }
        return true
    }

    // MARK: Formulas

    /// A formula with the arguments of a call in it; nil where it does not hold for them.
    func applied(_ formula: OtherNames.Formula, _ arguments: [Expression], _ values: [ValueID?], axes: [String]) -> String? {
        let values = values.prefix(arguments.count).compactMap { $0 }
        guard values.count == arguments.count, let first = values.first else { return nil }
        let shape = model[first].shape
        func isNumber(_ value: ValueID) -> Bool { [.real, .int].contains(model[value].element) }
        func lineUp(_ a: ValueID, _ b: ValueID) -> Bool {
            isNumber(a) && isNumber(b) && (model[a].shape == model[b].shape || model[a].shape.isEmpty || model[b].shape.isEmpty)
        }
        var axis = axes.isEmpty ? "" : "[\(axes.joined(separator: ", "))]"
        switch formula.operands {
        case .number: guard values.count == 1, isNumber(first) else { return nil }
        case .pair: guard values.count == 2, lineUp(values[0], values[1]) else { return nil }
        case .vectors: guard values.count == 2, lineUp(values[0], values[1]), values.contains(where: { !model[$0].shape.isEmpty }) else { return nil }
        case .reduced(let overAll):
            guard isNumber(first), !shape.isEmpty, repeatedName(shape) == nil else { return nil }
            if axis.isEmpty, !overAll, shape.count > 1, let last = shape.last { axis = "[\(last.name)]" }
        case .conditions: guard model[first].element == .bool, !shape.isEmpty, repeatedName(shape) == nil || axis.isEmpty else { return nil }
        case .contracted, .contractedBackwards:
            guard values.count == 2, isNumber(values[0]), isNumber(values[1]) else { return nil }
            let isInOrder = if case .contracted = formula.operands { true } else { false }
            let (left, right) = isInOrder ? (values[0], values[1]) : (values[1], values[0])
            guard let last = model[left].shape.last, last.size == model[right].shape.first?.size else { return nil }
        case .matrix: guard shape.count == 2 else { return nil }
        case .choice: guard values.count == 3, model[first].element == .bool, lineUp(values[1], values[2]) else { return nil }
        }
        return Self.filled(formula.text.replacing("[K]", with: axis), with: arguments.map { mendedText(of: $0.span) })
    }

    /// A formula with texts in place of `x`, `y` and `z`.
    private static func filled(_ formula: String, with arguments: [String]) -> String {
        let names = ["x", "y", "z"]
        var (result, word) = ("", "")
        let rest = Array(formula) + [" "]
        for (k, character) in rest.enumerated() {
            if character.isLetter || character.isNumber || character == "_" {
                word.append(character)
                continue
            }
            if let number = names.firstIndex(of: word), number < arguments.count {
                let after = String(rest[k...].dropLast())
                let isWhole = ["(", ", ", "if ", "then ", "else "].contains { result.hasSuffix($0) } || result.isEmpty
                let ends = after.isEmpty || [")", ",", " then ", " else "].contains { after.hasPrefix($0) }
                let argument = arguments[number]
                result += (isWhole && ends && !argument.hasPrefix("if ")) || isOneOperand(argument) ? argument : "(\(argument))"
            } else {
                result += word
            }
            word = ""
            if k < rest.count - 1 { result.append(character) }
        }
        return result
    }

    /// The mend of a call of a function that there is not; nil where there is none.
    func mend(ofUnknown name: String, _ arguments: [Argument]) -> String? {
        let known = OtherNames.renamed(name)
        guard known != nil || OtherNames.formula(name) != nil else { return nil }
        let values = arguments.map { argument in try? quietly { try value(of: argument.value) } }
        if let known { return knownCall(known, as: name, arguments, values, arguments.first?.value.span)?.help }
        guard let formula = OtherNames.formula(name) else { return nil }
        return applied(formula, arguments.filter { $0.label == nil }.map(\.value), values, axes: []).map { "write \($0)" } ?? misfit(formula, values)
    }

    /// What is said where a formula does not hold for its operands.
    func misfit(_ formula: OtherNames.Formula, _ values: [ValueID?]) -> String? {
        let first = values.first.flatMap { $0 }
        switch formula.operands {
        case .reduced, .conditions:
            guard let first else { return nil }
            if model[first].shape.isEmpty { return "it runs over axes, and this is a single number at each step" }
            if case .conditions = formula.operands, model[first].element != .bool { return "it takes conditions, as in x > 0" }
            return nil
        case .contracted, .contractedBackwards: return "a contraction is written W @ x"
        case .matrix: return "the transpose of a matrix is W.T; '@' takes a vector on either side as it is"
        case .number, .pair, .vectors, .choice: return nil
        }
    }
}
