import RecSource

extension Parser {
    /// `file := { import | func | monoid | model }`
    mutating func topLevelItems() -> [TopLevelItem] {
        var items: [TopLevelItem] = []
        while true {
            skipNewlines()
            if next.kind == .end { return items }
            do { items.append(try topLevelItem()) } catch {
                recoverAtTopLevel()
            }
        }
    }

    private mutating func topLevelItem() throws -> TopLevelItem {
        let documentation = documentation()
        switch next.kind {
        case .keyword(.import): return .importFile(try importDeclaration())
        case .keyword(.func): return .function(try functionDeclaration(documentation))
        case .keyword(.monoid): return .monoid(try monoidDeclaration(documentation))
        case .keyword(.model): return .model(try modelDeclaration(documentation))
        case .identifier(let name):
            let close = nearest(name, among: ["model", "func", "monoid", "import"])
            throw unexpected("a model, func, monoid or import", help: close.map { "did you mean '\($0)'?" } ?? Habits.topLevel(name))
        case .keyword, .integer, .real, .text, .symbol, .newline, .invalid, .end:
            throw unexpected("a model, func, monoid or import")
        }
    }

    private mutating func importDeclaration() throws -> ImportDeclaration {
        let start = advance().span.start
        let place = next.span.start
        let source: ImportDeclaration.Source
        switch next.kind {
        case .text(let path):
            advance()
            source = .file(path)
        case .identifier: source = .module(try moduleName())
        case .keyword, .integer, .real, .symbol, .newline, .invalid, .end:
            throw unexpected("a path in quotes, or a module of the library, after 'import'", help: "write import \"gru.rec\", or import std.gru")
        }
        let result = ImportDeclaration(source: source, sourceSpan: span(from: place), span: span(from: start))
        try endOfStatement("the import")
        return result
    }

    /// `module := NAME "." NAME { "." NAME }`
    private mutating func moduleName() throws -> String {
        var names = [try identifier("the name of a module").text]
        if !isNext(".") {
            throw unexpected(
                "'.' and a name, as in 'std.gru', or a path in quotes",
                help: names[0] == "std" ? "name a module of it, as in import std.gru" : "write import \"\(names[0]).rec\", or import std.\(names[0])")
        }
        while accept(".") { names.append(try identifier("the name of a module after '.'").text) }
        return names.joined(separator: ".")
    }

    private mutating func functionDeclaration(_ documentation: String?) throws -> FunctionDeclaration {
        let start = advance().span.start
        let name = try identifier("a name for the function")
        try expect("(", "after the function's name")
        let parameters = try list(until: ")", "in the parameters") { try $0.identifier("a parameter's name") }
        try expect("=", "before the function's body")
        let body = try expression()
        var gradient: FunctionDeclaration.Gradient?
        // Outside of models no other line begins with a name.
        if nextOnAnyLine.kind == .identifier("gradient") {
            skipNewlines()
            gradient = try functionGradient()
        }
        let result = FunctionDeclaration(
            documentation: documentation, name: name, parameters: parameters, body: body, gradient: gradient, span: span(from: start))
        try endOfStatement("the function")
        return result
    }

    private mutating func functionGradient() throws -> FunctionDeclaration.Gradient {
        let start = advance().span.start
        try expect("(", "after 'gradient'", help: "the derivative of the result has a name: gradient (dy) = …")
        let names = try list(until: ")", "behind the name of the derivative of the result") { try $0.identifier("a name for the derivative of the result") }
        guard names.count == 1 else {
            report(
                .wrongArgument, "'gradient' names one derivative, that of the result, not \(names.count)", at: names.last?.span ?? next.span,
                help: "write gradient (dy) = …, with an expression for each parameter")
            throw Abandoned()
        }
        try expect("=", "before the gradient of each parameter")
        var values = [try expression()]
        while accept(",") { values.append(try expression()) }
        return FunctionDeclaration.Gradient(adjoint: names[0], values: values, span: span(from: start))
    }

    private mutating func monoidDeclaration(_ documentation: String?) throws -> MonoidDeclaration {
        let start = advance().span.start
        let name = try identifier("a name for the monoid")
        try expect("(", "after the monoid's name")
        let groups = try fieldGroups()
        try expect("{", "before the monoid's body")
        skipNewlines()
        let identityStart = next.span.start
        guard acceptWord("identity") else { throw unexpected("'identity' and its values") }
        try expect("(", "after 'identity'")
        let identity = try list(until: ")", "in the identity") { try $0.expression() }
        let identitySpan = span(from: identityStart)
        skipNewlines()
        let combineStart = next.span.start
        guard acceptWord("combine") else { throw unexpected("'combine (a, b) { … }'") }
        try expect("(", "after 'combine'")
        let names = try list(until: ")", "in the two elements") { try $0.identifier("a name for an element") }
        guard names.count == 2 else {
            report(.wrongArgument, "'combine' takes two elements, not \(names.count)", at: names.last?.span ?? next.span, help: "write combine (a, b) { … }")
            throw Abandoned()
        }
        try expect("{", "before the equations of 'combine'")
        var equations: [Equation] = []
        skipNewlines()
        while !isNext("}") {
            if next.kind == .end { throw unexpected("'}' at the end of 'combine'") }
            equations.append(try equation())
            skipNewlines()
        }
        advance()
        let combineSpan = span(from: combineStart)
        skipNewlines()
        try expect("}", "at the end of the monoid")
        return MonoidDeclaration(
            documentation: documentation, name: name, fields: groups, identity: identity, identitySpan: identitySpan, left: names[0], right: names[1],
            equations: equations, combineSpan: combineSpan, span: span(from: start))
    }

    /// `m, u: [], w: [V]`: a type belongs to all the names before it.
    private mutating func fieldGroups() throws -> [MonoidDeclaration.FieldGroup] {
        var groups: [MonoidDeclaration.FieldGroup] = []
        var names: [Identifier] = []
        brackets += 1
        defer { brackets -= 1 }
        while !isNext(")") {
            names.append(try identifier("the name of a field"))
            if accept(":") {
                groups.append(MonoidDeclaration.FieldGroup(names: names, type: try type()))
                names = []
            }
            guard accept(",") else { break }
        }
        guard isNext(")") else { throw unexpected("',' or ')' in the fields") }
        advance()
        if !names.isEmpty { groups.append(MonoidDeclaration.FieldGroup(names: names, type: nil)) }
        return groups
    }

    private mutating func modelDeclaration(_ documentation: String?) throws -> ModelDeclaration {
        let start = advance().span.start
        let name = try identifier("a name for the model")
        var dims: [ModelDeclaration.DimParameter] = []
        if accept("(") {
            dims = try list(until: ")", "in the dims of the model") { parser in
                let name = try parser.identifier("the name of a dim")
                let value = parser.accept("=") ? try parser.expression() : nil
                return ModelDeclaration.DimParameter(name: name, defaultValue: value)
            }
        }
        let axes = try accept(.over) ? axisDeclarations() : []
        let until = try !axes.isEmpty && acceptWord("until") ? identifier("the name of the condition that ends the rounds") : nil
        skipNewlines()
        var help: String?
        if isNext("["), dims.isEmpty, axes.isEmpty { help = "dims stand in parentheses: model \(name.text)(D)" }
        if isNext(","), !axes.isEmpty { help = "two axes stand in parentheses: over (i, j)" }
        if until != nil, !isNext("{") { help = "'until' takes a name, which an equation gives its value: \(until?.text ?? "halt") = …" }
        if axes.isEmpty, isNextWord("until") { help = "rounds within a step end so: over (t, k: 8) until halt" }
        try expect("{", "before the model's body", help: help)
        var members: [Member] = []
        while true {
            skipNewlines()
            if isNext("}") { break }
            if next.kind == .end {
                report(
                    .unexpectedToken, "the model '\(name.text)' is not closed", at: next.span, help: "add a '}'",
                    labels: [Diagnostic.Label(span: name.span, text: "it begins here")])
                break
            }
            let start = index
            do { members.append(try member()) } catch {
                let names = namesDefined(from: start)
                recoverWithinModel()
                members.append(.broken(names))
            }
        }
        if isNext("}") { advance() }
        return ModelDeclaration(
            documentation: documentation, name: name, dims: dims, axes: axes, until: until, members: members, span: span(from: start))
    }

    private mutating func axisDeclarations() throws -> [ModelDeclaration.AxisDeclaration] {
        func axis(_ parser: inout Parser) throws -> ModelDeclaration.AxisDeclaration {
            let name = try parser.identifier("the name of an axis")
            let length = parser.accept(":") ? try parser.expression() : nil
            return ModelDeclaration.AxisDeclaration(name: name, length: length)
        }
        guard accept("(") else { return [try axis(&self)] }
        if isNext(")") { throw unexpected("the name of an axis") }
        return try list(until: ")", "in the axes of the model", axis)
    }
}
