import RecSource
import RecStream
import RecSyntax

/// Calls as other libraries write them: `torch.tanh(x)`, `F.softmax(x, dim=-1)`, `h.sum(-1)`, `nn.ReLU()(x)`, `self.cell(x)`. Reading has
/// reported them; here the mend is named with the axes of the value, and typing goes on with what was meant. A mend is told as one only
/// where it has been typed itself, or follows from the types of its operands.
extension ModelTyper {
    func foreignCall(_ name: Identifier, _ arguments: [Argument], _ span: SourceSpan) throws -> Meaning {
        let path = name.text.split(separator: ".").map(String.init)
        let function = path[path.count - 1]
        let library = path.dropLast().joined(separator: ".")
        if library.isEmpty, let first = arguments.first, isSelf(first.value) {
            return try ownCall(Identifier(text: function, span: name.span), Array(arguments.dropFirst()), span)
        }
        // What is wrong within the arguments is told, too.
        let values = arguments.map { argument in argument.label == nil || !Self.choosesHow(argument) ? tellingFaults(of: argument.value) : nil }
        let what = library.isEmpty
            ? "'\(arguments.first.map { shortened($0.value.span) } ?? "")' has no function '\(function)'"
            : "'\(library).\(function)' is a function of another library"
        let other = "the functions of the language stand in docs/language.md"
        if ["reshape", "view", "flatten", "ravel"].contains(function), let (text, value) = reshaped(arguments, values, function, span) {
            report(.unknownName, what, at: name.span, help: "write \(text)")
            note(text, inPlaceOf: span)
            return .value(value)
        }
        if let known = OtherNames.renamed(function), let (help, text, meaning) = knownCall(known, as: function, arguments, values, span) {
            report(.unknownName, what, at: name.span, help: help)
            if let text { note(text, inPlaceOf: span) }
            guard let meaning else { throw Abandoned() }
            return meaning
        }
        if let formula = OtherNames.formula(function) {
            // A matrix is turned whatever axes are named.
            let isMatrix = if case .matrix = formula.operands { true } else { false }
            let axes = chosenAxes(arguments, values, behind: 0)
            let operands = arguments.filter { $0.label == nil }.map(\.value).prefix(isMatrix || !axes.isEmpty ? 1 : .max)
            if let text = applied(formula, Array(operands), values, axes: axes) {
                note(text, inPlaceOf: span)
                throw report(.unknownName, what, at: name.span, help: "write \(text)")
            }
            throw report(.unknownName, what, at: name.span, help: misfit(formula, values) ?? OtherNames.function(function) ?? other)
        }
        throw report(.unknownName, what, at: name.span, help: OtherNames.function(function) ?? other)
    }

    /// An argument as far as it is a value; the items of a list are looked at one by one.
    private func tellingFaults(of expression: Expression) -> ValueID? {
        guard case .array(let items) = expression.kind else { return try? value(of: expression) }
        for item in items { _ = try? value(of: item) }
        return nil
    }

    /// Whether an argument says how a function works, as `dim=-1`, `keepdim=True`, and is no value.
    private static func choosesHow(_ argument: Argument) -> Bool {
        guard let label = argument.label?.text else { return false }
        if axisLabels.contains(label) || neutralLabels.contains(label) { return true }
        if case .name(let name) = argument.value.kind { return ["True", "False", "None"].contains(name) }
        return false
    }

    private static let axisLabels = ["dim", "axis", "dims", "axes"]
    private static let neutralLabels = ["keepdim", "keepdims", "inplace", "dtype", "device", "out"]

    // MARK: Functions that the language has

    /// A call of a function of the language: what is to be said, what is to be written, and what it stands for. The latter are nil where
    /// the call does not fit.
    func knownCall(
        _ known: String, as name: String, _ arguments: [Argument], _ values: [ValueID?], _ span: SourceSpan?
    ) -> (help: String, text: String?, meaning: Meaning?)? {
        guard let span = span ?? arguments.first?.value.span else { return ("write \(known)(…)", nil, nil) }
        let call = rewritten(known, as: name, arguments, values, span)
        guard !call.arguments.isEmpty else { return ("write \(known)(…)", nil, nil) }
        let axes = call.axes.isEmpty ? "" : "[\(call.axes.joined(separator: ", "))]"
        let text = "\(known)\(axes)(\(call.arguments.map { ($0.label.map { "\($0): " } ?? "") + $0.text }.joined(separator: ", ")))"
        let builtin = Builtins.Call(
            name: Identifier(text: known, span: span), brackets: call.axes.isEmpty ? nil : call.axes.map { Expression(.name($0), span) },
            arguments: call.arguments.map { Argument(label: $0.label.map { Identifier(text: $0, span: span) }, value: $0.value) }, span: span)
        if let meaning = try? quietly({ try self.builtin(builtin) }) {
            return ("write \(text)\(call.lost.map { "; it has no '\($0)'" } ?? "")", text, meaning)
        }
        // Where an argument has a fault of its own, the call may be right.
        let areValues = call.arguments.allSatisfy { argument in
            if case .array = argument.value.kind { true } else { (try? quietly { try value(of: argument.value) }) != nil }
        }
        return areValues ? ("'\(known)' is a function of the language, which takes other arguments: docs/language.md", nil, nil) : ("write \(text)", text, nil)
    }

    private struct Rewritten {
        var axes: [String] = []
        var arguments: [(label: String?, value: Expression, text: String)] = []
        /// An argument that has been left out, and matters.
        var lost: String?
    }

    /// The arguments of a function as the language takes them.
    private func rewritten(_ known: String, as name: String, _ arguments: [Argument], _ values: [ValueID?], _ span: SourceSpan) -> Rewritten {
        let plain = arguments.filter { $0.label == nil }.map(\.value)
        var labels = Dictionary(arguments.compactMap { argument in argument.label.map { ($0.text, argument.value) } }) { first, _ in first }
        var result = Rewritten()
        func take(_ value: Expression, _ label: String? = nil) { result.arguments.append((label, value, mendedText(of: value.span))) }
        func labelled(_ names: [String]) -> Expression? {
            for name in names { if let value = labels.removeValue(forKey: name) { return value } }
            return nil
        }
        func infinity(_ text: String) {
            let name = Expression(.name("inf"), span)
            result.arguments.append((nil, text == "inf" ? name : Expression(.unary(.negate, name), span), text))
        }
        switch known {
        case "concat":
            var isList = false
            if let first = plain.first, case .array(let items) = first.kind {
                isList = true
                for item in items { take(item) }
                let subject = items.first.flatMap { item in try? quietly { try value(of: item) } }
                result.axes = chosenAxes(arguments, [subject], behind: 0)
                if let subject, result.axes == model[subject].shape.prefix(1).map(\.name) { result.axes = [] }
            }
            if !isList { for value in plain { take(value) } }
        case "split":
            for value in plain.prefix(2) { take(value) }
            result.axes = chosenAxes(arguments, values, behind: 1)
            if let subject = values.first, let subject, result.axes == model[subject].shape.prefix(1).map(\.name) { result.axes = [] }
        case "clamp":
            guard let first = plain.first else { break }
            take(first)
            if let low = plain.dropFirst().first ?? labelled(["min", "a_min"]) { take(low) } else { infinity("-inf") }
            if let high = plain.dropFirst(2).first ?? labelled(["max", "a_max"]) { take(high) } else { infinity("inf") }
        case "elu", "leaky_relu":
            guard let first = plain.first else { break }
            take(first)
            let names = known == "elu" ? ["alpha"] : ["slope", "negative_slope"]
            if let factor = plain.dropFirst().first ?? labelled(names) { take(factor, names[0]) }
        case "rmsnorm", "layernorm":
            // Other libraries are told the sizes of what is normalised.
            if let first = plain.first { take(first) }
            if let epsilon = labelled(["eps"]) { take(epsilon, "eps") }
        default:
            // `max` and `min` also take several values.
            let takesValues = ["maximum", "minimum", "fmax", "fmin"].contains(name)
            if ReductionNames.all.contains(known), !takesValues { result.axes = chosenAxes(arguments, values, behind: 0) }
            let isReduction = ReductionNames.all.contains(known) && (!result.axes.isEmpty || known != "max" && known != "min")
            for value in plain.prefix(isReduction ? 1 : .max) { take(value) }
        }
        result.lost = labels.keys.sorted().first { !Self.axisLabels.contains($0) && !Self.neutralLabels.contains($0) }
        return result
    }

    /// The names of the axes that an argument such as `-1`, `dim=1` or `(0, 1)` chooses by their positions; none where none does.
    ///
    /// - Parameter count: how many arguments without a name stand between the value and that one.
    private func chosenAxes(_ arguments: [Argument], _ values: [ValueID?], behind count: Int) -> [String] {
        guard let first = values.first, let subject = first else { return [] }
        let labelled = arguments.first { Self.axisLabels.contains($0.label?.text ?? "") }?.value
        let plain = arguments.filter { $0.label == nil }.map(\.value)
        guard let place = labelled ?? plain.dropFirst(1 + count).first else { return [] }
        let places = if case .array(let items) = place.kind { items } else { [place] }
        let shape = model[subject].shape
        let axes = places.compactMap { try? quietly { [item = $0] in try self.constantInteger(item, "") } }.map { $0 < 0 ? shape.count + $0 : $0 }
        return axes.count == places.count && axes.allSatisfy(shape.indices.contains) ? axes.map { shape[$0].name } : []
    }

    /// `x.reshape(1, D)`, `x.view(-1, 4)`, `W.flatten()`; nil where the sizes are not known or do not fit.
    private func reshaped(_ arguments: [Argument], _ values: [ValueID?], _ function: String, _ span: SourceSpan) -> (text: String, value: ValueID)? {
        guard let subject = arguments.first?.value, let first = values.first, let value = first else { return nil }
        let named = arguments.first { ["shape", "newshape", "size"].contains($0.label?.text ?? "") }?.value
        var items = named.map { [$0] } ?? arguments.dropFirst().filter { $0.label == nil }.map(\.value)
        if let only = items.first, items.count == 1, case .array(let list) = only.kind { items = list }
        let text = mendedText(of: subject.span)
        let old = model[value].shape
        func product(_ shape: [TypedDim]) -> DimExpression? {
            shape.reduce(DimExpression(1)) { total, dim in total.flatMap { DimExpression.product($0, dim.size) } }
        }
        guard let total = product(old) else { return nil }
        var dims: [TypedDim?] = []
        if function == "flatten" || function == "ravel" {
            dims = [nil]
        } else {
            for item in items {
                if let number = try? quietly({ try constantInteger(item, "") }), number == -1 {
                    dims.append(nil)
                } else if let dim = try? quietly({ try typedDim(item) }) {
                    dims.append(dim)
                } else {
                    return nil
                }
            }
        }
        guard !dims.isEmpty, dims.count(where: { $0 == nil }) <= 1, let rest = product(dims.compactMap { $0 }),
            let missing = DimExpression.quotient(total, rest), !missing.symbols.isEmpty || missing.constant ?? 0 > 0
        else { return nil }
        let shape = dims.map { $0 ?? namedDim(missing) }
        guard product(shape) == total else { return nil }
        if shape == old { return (text, value) }
        return (
            "reshape(\(text), [\(shape.map(\.name).joined(separator: ", "))])",
            add(.primitive(.reshape(value)), model[value].element, shape, model[value].variance, span)
        )
    }

    // MARK: The object that a class knows itself as

    /// Whether an expression is `self`, where that is no name of the model.
    func isSelf(_ expression: Expression) -> Bool {
        guard case .name(let name) = expression.kind, name == "self" || name == "this" else { return false }
        return definitions[name] == nil && environment == nil
    }

    /// `self.W`: the name stands alone.
    func ownMember(_ name: Identifier, _ span: SourceSpan) throws -> ValueID {
        let isKnown = definitions[name.text] != nil || dims[name.text] != nil
        report(
            .unknownName, "a model has no '\(sources.text(of: span).prefix { $0 != "." })': its names stand alone", at: span,
            help: isKnown ? "write \(name.text)" : "write \(name.text), and declare it: as an input, a param or a state")
        note(name.text, inPlaceOf: span)
        guard isKnown else { throw Abandoned() }
        return try value(of: Expression(.name(name.text), name.span))
    }

    /// `self.cell(x)`: a layer, a function of the program or one of the language.
    private func ownCall(_ name: Identifier, _ arguments: [Argument], _ span: SourceSpan) throws -> Meaning {
        for argument in arguments { _ = tellingFaults(of: argument.value) }
        let operands = arguments.map { mendedText(of: $0.value.span) }
        let own = if let known = OtherNames.renamed(name.text), definitions[name.text] == nil { known } else { name.text }
        let call = Identifier(text: own, span: name.span)
        let meaning = try? quietly { try self.call(call, nil, arguments, span) }
        var text = "\(own)(\(operands.joined(separator: ", ")))"
        var product: Meaning?
        if meaning == nil, arguments.count == 1, let matrix = definitions[own] {
            // A module that holds a matrix applies it.
            if case .layer = matrix {} else {
                let left = Expression(.name(own), name.span)
                product = try? quietly { .value(try value(of: Expression(.binary(.matmul, left, arguments[0].value), span))) }
                if product != nil { text = "\(own) @ \(Self.isOneOperand(operands[0]) ? operands[0] : "(\(operands[0]))")" }
            }
        }
        let isWhole = meaning != nil || product != nil
        report(
            .unknownName, "a model has no 'self': its names stand alone", at: name.span,
            help: isWhole ? "write \(text)" : "declare it: param \(own): […] or layer \(own) = …")
        guard let result = meaning ?? product else { throw Abandoned() }
        note(text, inPlaceOf: span)
        return result
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
