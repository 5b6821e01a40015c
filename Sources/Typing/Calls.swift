import RecSource
import RecStream
import RecSyntax

extension ModelTyper {
    /// A call of a function of the program, a layer or a built-in function.
    func call(_ name: Identifier, _ brackets: [Expression]?, _ arguments: [Argument], _ span: SourceSpan) throws -> Meaning {
        if name.text.contains(".") { return try foreignCall(name, arguments, span) }
        if environment == nil, case .layer(let layer) = definitions[name.text] {
            try noBrackets(brackets, name)
            return try callLayer(layer, name, arguments, span)
        }
        if environment == nil, hasFailed(name.text) { throw Abandoned() }
        if program.fullName(name.text, at: name.span).map(failedFunctions.contains) ?? false { throw Abandoned() }
        if let function = program.function(name) {
            try noBrackets(brackets, name)
            return try inline(function, name, arguments, span)
        }
        if Builtins.names.contains(name.text) {
            return try builtin(Builtins.Call(name: name, brackets: brackets, arguments: arguments, span: span))
        }
        if program.model(name) != nil {
            throw report(
                .wrongArgument, "'\(name.text)' is a model; a layer of it can be called", at: name.span,
                help: "declare one: layer \(name.text.lowercased()) = \(name.text)(…)")
        }
        if definitions[name.text] != nil {
            let isDelay = arguments.contains { mentionsAxis($0.value) }
            throw report(
                .wrongArgument, "'\(name.text)' is a value, not a function", at: name.span,
                help: isDelay
                    ? "another step is written in brackets: \(name.text)[\(model.axes[0].name)-1]"
                    : "multiply with '*'; an index stands in brackets: \(name.text)[…]")
        }
        throw report(
            .unknownName, "there is no function '\(name.text)'", at: name.span,
            help: (program.monoid(name) != nil ? "a monoid is applied with 'fold \(name.text)(…)'" : nil)
                ?? mend(ofUnknown: name.text, arguments)
                ?? OtherNames.mend(name.text, among: program.names(of: \.functions, at: name.span) + layerNames))
    }

    /// Whether a name was to be defined, and could not be.
    private func hasFailed(_ name: String) -> Bool {
        switch definitions[name] {
        case .failed: true
        case .equation(let index, _): if case .failed = progress[index] { true } else { false }
        case .value, .state, .layer, nil: false
        }
    }

    private var layerNames: [String] {
        definitions.compactMap { if case .layer = $0.value { $0.key } else { nil } }
    }

    private func noBrackets(_ brackets: [Expression]?, _ name: Identifier) throws {
        guard let first = brackets?.first else { return }
        throw report(.wrongArgument, "'\(name.text)' takes no names of axes", at: first.span)
    }

    /// Deeper calls than this are not meant.
    private static let deepestCall = 50

    private func inline(
        _ function: FunctionDeclaration, _ name: Identifier, _ arguments: [Argument], _ span: SourceSpan
    ) throws -> Meaning {
        guard arguments.count == function.parameters.count, arguments.allSatisfy({ $0.label == nil }) else {
            throw report(
                .wrongArgument, "'\(name.text)' takes \(function.parameters.count) argument\(function.parameters.count == 1 ? "" : "s"), not \(arguments.count)",
                at: span, labels: [Diagnostic.Label(span: function.name.span, text: "defined here")])
        }
        guard callSites.count < Self.deepestCall else {
            throw report(.nestingTooDeep, "functions call each other more than \(Self.deepestCall) levels deep", at: name.span)
        }
        var meanings: [String: Meaning] = [:]
        var values: [ValueID] = []
        for (parameter, argument) in zip(function.parameters, arguments) {
            values.append(try value(of: argument.value))
            meanings[parameter.text] = .value(values[values.count - 1])
        }
        let saved = environment
        environment = Environment(meanings)
        callSites.append((name.text, span))
        defer {
            environment = saved
            callSites.removeLast()
        }
        let result = try meaning(of: function.body)
        guard let gradient = function.gradient else { return result }
        return .value(try own(gradient, of: function, single(result, at: function.body.span), values, span))
    }
}
