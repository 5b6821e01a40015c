import RecSource

/// The lines of a model.
extension Parser {
    mutating func member() throws -> Member {
        let member: Member
        switch next.kind {
        case .keyword(.input): member = .input(try inputDeclaration())
        case .keyword(.param): member = .parameter(try parameterDeclaration(isTrained: true))
        case .keyword(.const): member = .parameter(try parameterDeclaration(isTrained: false))
        case .keyword(.state): member = .state(try stateDeclaration())
        case .keyword(.dim): member = .dim(try dimDeclaration())
        case .keyword(.layer): member = .layer(try layerDeclaration())
        case .keyword(.output): member = .output(try outputDeclaration())
        case .keyword(.loss): member = .loss(try lossDeclaration())
        case .keyword(.require): member = .require(try requireDeclaration())
        case .keyword(.example): member = .example(try exampleDeclaration())
        case .identifier(let name):
            if case .identifier = second.kind {
                let close = nearest(name, among: Self.memberWords)
                throw unexpected("an equation or a declaration", help: close.map { "did you mean '\($0)'?" } ?? Habits.member(name))
            }
            return .equation(try equation())
        case .keyword, .integer, .real, .text, .symbol, .newline, .invalid, .end:
            throw unexpected("an equation or a declaration")
        }
        try endOfStatement(member.described)
        return member
    }

    private static let memberWords = ["input", "param", "const", "state", "dim", "layer", "output", "loss", "require", "example"]

    mutating func equation() throws -> Equation {
        let start = next.span.start
        var names = [try identifier("a name")]
        while accept(",") { names.append(try identifier("a name")) }
        try expect("=", names.count == 1 ? "after '\(names[0].text)'" : "after the names", help: Habits.equation(names[0].text, next.kind))
        let value = try expression()
        let result = Equation(names: names, value: value, span: span(from: start))
        try endOfStatement("the equation")
        return result
    }

    private mutating func names() throws -> [Identifier] {
        var names = [try identifier("a name")]
        while accept(",") { names.append(try identifier("a name")) }
        return names
    }

    /// `complex[N]`, `[H, D]`, `int`
    mutating func type() throws -> TypeSyntax {
        let start = next.span.start
        var element: Identifier?
        if case .identifier(let name) = next.kind {
            let token = advance()
            element = Identifier(text: name, span: token.span)
        }
        var dims: [Expression]?
        if accept("[") { dims = try list(until: "]", "in the dims of the type") { try $0.expression() } }
        guard element != nil || dims != nil else {
            throw unexpected("a type such as [H], int or complex[N]")
        }
        return TypeSyntax(element: element, dims: dims, span: span(from: start))
    }

    private mutating func inputDeclaration() throws -> InputDeclaration {
        let start = advance().span.start
        let names = try names()
        try expect(":", "and a type after the name of an input")
        let type = try type()
        let axes = try overAxes()
        let isOnce = acceptWord("once")
        let value = accept("=") ? try expression() : nil
        return InputDeclaration(names: names, type: type, axes: axes, isOnce: isOnce, defaultValue: value, span: span(from: start))
    }

    /// `over s`, `over (t, s)`, where it stands: axes of the model.
    private mutating func overAxes() throws -> [Identifier] {
        guard accept(.over) else { return [] }
        guard accept("(") else { return [try identifier("the name of an axis")] }
        if isNext(")") { throw unexpected("the name of an axis") }
        return try list(until: ")", "in the axes") { try $0.identifier("the name of an axis") }
    }

    private mutating func parameterDeclaration(isTrained: Bool) throws -> ParameterDeclaration {
        let start = advance().span.start
        let names = try names()
        try expect(":", "and a type after the name of a parameter")
        let type = try type()
        let initializer = accept("=") ? try expression() : nil
        let tensorName = try tensorName()
        return ParameterDeclaration(
            isTrained: isTrained, names: names, type: type, initializer: initializer, tensorName: tensorName,
            span: span(from: start))
    }

    /// `from "lstm.{}_l0"`, where it stands.
    private mutating func tensorName() throws -> TextSyntax? {
        guard acceptWord("from") else { return nil }
        guard case .text(let name) = next.kind else { throw unexpected("a tensor's name in quotes after 'from'") }
        return TextSyntax(text: name, span: advance().span)
    }

    private mutating func stateDeclaration() throws -> StateDeclaration {
        let start = advance().span.start
        let names = try names()
        try expect(":", "and a type after the name of a state")
        let type = try type()
        let initial = accept("=") ? try expression() : nil
        return StateDeclaration(names: names, type: type, initial: initial, span: span(from: start))
    }

    private mutating func dimDeclaration() throws -> DimDeclaration {
        let start = advance().span.start
        let name = try identifier("a name for the dim")
        try expect("=", "after the dim's name")
        let value = try expression()
        return DimDeclaration(name: name, value: value, span: span(from: start))
    }

    private mutating func layerDeclaration() throws -> LayerDeclaration {
        let start = advance().span.start
        let name = try identifier("a name for the layer")
        try expect("=", "after the layer's name")
        let reversed = try reversal()
        var count: Expression?
        let isRepeated = isNextWord("repeat") && second.kind == .symbol("(")
        if isRepeated {
            advance()
            try expect("(", "after 'repeat'")
            brackets += 1
            count = try expression()
            try expect(",", "after the number of copies")
        }
        let model = try identifier("the name of a model")
        var arguments: [Argument] = []
        if accept("(") { arguments = try list(until: ")", "in the dims of the layer") { try $0.argument() } }
        if isRepeated {
            guard isNext(")") else { throw unexpected("')' at the end of 'repeat'", help: axesWithin) }
            advance()
            brackets -= 1
        }
        if reversed != nil {
            guard isNext(")") else { throw unexpected("')' at the end of 'reverse'", help: axesWithin) }
            advance()
            brackets -= 1
        }
        let axes = try overAxes()
        let tensors = try tensorName()
        return LayerDeclaration(
            name: name, reversed: reversed, count: count, model: model, arguments: arguments, axes: axes, tensors: tensors, span: span(from: start))
    }

    /// Help for axes that stand within `reverse(…)` or `repeat(…)`.
    private var axesWithin: String? {
        next.kind == .keyword(.over) ? "axes stand behind the last parenthesis, as in layer b = reverse(Cell(D)) over s" : nil
    }

    /// `reverse(` or `reverse[i](` in front of an instance; nil where a model is called so: what stands in its parentheses are dims.
    private mutating func reversal() throws -> ReversalSyntax? {
        guard case .identifier("reverse") = next.kind, beginsReversal else { return nil }
        let word = try identifier("'reverse'")
        let axes = accept("[") ? try list(until: "]", "in the axes of 'reverse'") { try $0.expression() } : nil
        try expect("(", "after 'reverse'")
        brackets += 1
        return ReversalSyntax(word: word, axes: axes)
    }

    /// Whether what follows the word is an instance: a name, and behind it a parenthesis, or axes, which do not belong there.
    private var beginsReversal: Bool {
        if second.kind == .symbol("[") { return true }
        guard second.kind == .symbol("(") else { return false }
        let rest = tokens[min(index + 2, tokens.count)...].lazy.filter { $0.kind != .newline }.prefix(2).map(\.kind)
        guard case .identifier? = rest.first else { return false }
        let behind = rest.dropFirst().first
        return behind == .symbol("(") || behind == .symbol(")") || behind == .keyword(.over)
    }

    private mutating func outputDeclaration() throws -> OutputDeclaration {
        let start = advance().span.start
        let name = try identifier("a name for the output")
        var value: Expression?
        if accept("=") { value = try expression() }
        return OutputDeclaration(name: name, value: value, span: span(from: start))
    }

    private mutating func lossDeclaration() throws -> LossDeclaration {
        let start = advance().span.start
        let name = try identifier("a name for the loss")
        try expect("=", "after the loss's name")
        return LossDeclaration(name: name, value: try expression(), span: span(from: start))
    }

    private mutating func requireDeclaration() throws -> RequireDeclaration {
        let start = advance().span.start
        let property = try identifier("'affine', 'diagonal' or 'plan' after 'require'")
        try expect("(", "after '\(property.text)'")
        brackets += 1
        let state = try identifier("the name of a state")
        guard isNext(")") else { throw unexpected("')' after the state's name") }
        advance()
        brackets -= 1
        var choices: [Identifier] = []
        if acceptWord("in") {
            try expect("(", "after 'in'")
            choices = try list(until: ")", "in the plans") { try $0.identifier("the name of a plan") }
        }
        return RequireDeclaration(property: property, state: state, choices: choices, span: span(from: start))
    }

    private mutating func exampleDeclaration() throws -> ExampleDeclaration {
        let start = advance().span.start
        var given: [ExampleDeclaration.Binding] = []
        while !isNext("->") {
            given.append(try binding(allowsApproximate: false))
            guard accept(",") else { break }
            skipNewlines()
        }
        if nextOnAnyLine.kind == .symbol("->") { skipNewlines() }
        try expect("->", "and the expected outputs")
        skipNewlines()
        var expected = [try binding(allowsApproximate: true)]
        while accept(",") {
            skipNewlines()
            expected.append(try binding(allowsApproximate: true))
        }
        return ExampleDeclaration(given: given, expected: expected, span: span(from: start))
    }

    private mutating func binding(allowsApproximate: Bool) throws -> ExampleDeclaration.Binding {
        if case .integer = next.kind { throw unexpected("a name", help: "a sequence stands in brackets: [1, 2]") }
        let name = try identifier("a name")
        var isApproximate = false
        if allowsApproximate, accept("~") {
            isApproximate = true
        } else {
            try expect("=", allowsApproximate ? "or '~' after '\(name.text)'" : "after '\(name.text)'")
        }
        return ExampleDeclaration.Binding(name: name, isApproximate: isApproximate, value: try expression())
    }
}

extension Member {
    /// As messages call what ends here.
    fileprivate var described: String {
        switch self {
        case .output(let output): output.value == nil ? "the output" : "the equation"
        case .loss, .equation: "the equation"
        case .input, .parameter, .state, .dim, .layer, .require, .example, .broken: "the declaration"
        }
    }
}
