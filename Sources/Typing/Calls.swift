import RecSource
import RecStream
import RecSyntax

extension ModelTyper {
    /// A call of a function of the program, a layer or a built-in function.
    func call(_ name: Identifier, _ brackets: [Expression]?, _ arguments: [Argument], _ span: SourceSpan) throws -> Meaning {
        if environment == nil, case .layer(let layer) = definitions[name.text] {
            try noBrackets(brackets, name)
            return try callLayer(layer, name, arguments, span)
        }
        if environment == nil, case .failed = definitions[name.text] { throw Abandoned() }
        if let function = program.functions[name.text] {
            try noBrackets(brackets, name)
            return try inline(function, name, arguments, span)
        }
        if Builtins.names.contains(name.text) {
            return try builtin(Builtins.Call(name: name, brackets: brackets, arguments: arguments, span: span))
        }
        if program.models[name.text] != nil {
            throw report(
                .wrongArgument, "'\(name.text)' is a model; a layer of it can be called", at: name.span,
                help: "declare one: layer \(name.text.lowercased()) = \(name.text)(…)")
        }
        if definitions[name.text] != nil {
            throw report(
                .wrongArgument, "'\(name.text)' is a value, not a function", at: name.span, help: "multiply with '*'")
        }
        let known = Builtins.names + program.functions.keys + layerNames
        throw report(
            .unknownName, "there is no function '\(name.text)'", at: name.span,
            help: nearest(name.text, among: known.sorted()).map { "did you mean '\($0)'?" })
    }

    private var layerNames: [String] {
        definitions.compactMap { if case .layer = $0.value { $0.key } else { nil } }
    }

    private func noBrackets(_ brackets: [Expression]?, _ name: Identifier) throws {
        guard let first = brackets?.first else { return }
        throw report(.wrongArgument, "'\(name.text)' takes no names of axes", at: first.span)
    }

    /// Deeper calls than this are a function that calls itself.
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
            throw report(.circularModel, "the function '\(name.text)' calls itself", at: name.span)
        }
        var meanings: [String: Meaning] = [:]
        for (parameter, argument) in zip(function.parameters, arguments) {
            meanings[parameter.text] = .value(try value(of: argument.value))
        }
        let saved = environment
        environment = Environment(meanings)
        callSites.append(span)
        defer {
            environment = saved
            callSites.removeLast()
        }
        return try meaning(of: function.body)
    }

    // MARK: Layers

    func declare(layer declaration: LayerDeclaration) -> Int? {
        guard program.models[declaration.model.text] != nil else {
            report(
                .unknownName, "there is no model '\(declaration.model.text)'", at: declaration.model.span,
                help: nearest(declaration.model.text, among: program.models.keys.sorted()).map { "did you mean '\($0)'?" }
                    ?? "define it in this file, or import its file")
            return nil
        }
        guard let inner = lookUpModel(declaration.model.text) else { return nil }
        var values: [String: DimExpression] = [:]
        for (position, argument) in declaration.arguments.enumerated() {
            let name: String
            if let label = argument.label {
                name = label.text
            } else if position < inner.dims.count {
                name = inner.dims[position]
            } else {
                report(
                    .wrongArgument, "'\(inner.name)' has \(inner.dims.count) dims: \(inner.dims.joined(separator: ", "))",
                    at: argument.value.span)
                return nil
            }
            guard inner.dims.contains(name) else {
                report(.unknownDim, "'\(inner.name)' has no dim '\(name)'", at: argument.label?.span ?? argument.value.span)
                return nil
            }
            guard let size = try? dimExpression(argument.value) else { return nil }
            values[name] = size
        }
        for dim in inner.dims where values[dim] == nil {
            guard let value = inner.defaults[dim]?.substituting(values) else {
                report(
                    .unsolvableDim, "the layer does not say what '\(dim)' of '\(inner.name)' is", at: declaration.span,
                    help: "write \(inner.name)(\(inner.dims.joined(separator: ", ")))")
                return nil
            }
            values[dim] = value
        }
        var axes: [Int] = []
        for axis in inner.axes {
            if let same = model.axes.firstIndex(where: { $0.name == axis.name }) {
                axes.append(same)
            } else if inner.axes.count == 1, model.axes.count == 1 {
                axes.append(0)
            } else {
                report(
                    .unsupported, "'\(inner.name)' runs over '\(axis.name)', '\(model.name)' does not", at: declaration.span,
                    help: "name the axes alike")
                return nil
            }
        }
        var count: DimExpression?
        if let expression = declaration.count {
            guard let value = try? dimExpression(expression) else { return nil }
            count = value
            let streams = inner.inputs.filter { !$0.isOnce }
            guard streams.count == 1, inner.outputs.count == 1 else {
                report(
                    .wrongArgument,
                    "'repeat' chains a model with one input stream and one output; '\(inner.name)' has \(streams.count) and \(inner.outputs.count)",
                    at: declaration.model.span)
                return nil
            }
            let from = inner[streams[0].value].shape.map { $0.size.substituting(values) }
            let to = inner[inner.outputs[0].value].shape.map { $0.size.substituting(values) }
            guard from == to else {
                report(
                    .shapeMismatch, "the output of '\(inner.name)' cannot be the input of the next copy", at: declaration.model.span,
                    caption: "\(describe(inner[streams[0].value].shape, .real)) in, \(describe(inner[inner.outputs[0].value].shape, .real)) out")
                return nil
            }
        }
        model.layers.append(
            TypedLayer(
                name: declaration.name.text, model: inner.name, count: count, dims: values, axes: axes,
                span: declaration.span))
        return model.layers.count - 1
    }

    private func callLayer(_ index: Int, _ name: Identifier, _ arguments: [Argument], _ span: SourceSpan) throws -> Meaning {
        let layer = model.layers[index]
        guard let inner = lookUpModel(layer.model) else { throw Abandoned() }
        let streams = inner.inputs.filter { !$0.isOnce }
        var given: [String: ValueID] = [:]
        var position = 0
        for argument in arguments {
            let input: TypedInput
            if let label = argument.label {
                guard let found = inner.inputs.first(where: { $0.name == label.text }) else {
                    throw report(
                        .wrongArgument, "'\(inner.name)' has no input '\(label.text)'", at: label.span,
                        help: nearest(label.text, among: inner.inputs.map(\.name)).map { "did you mean '\($0)'?" })
                }
                input = found
            } else {
                guard position < streams.count else {
                    throw report(
                        .wrongArgument, "'\(name.text)' takes \(streams.count) stream\(streams.count == 1 ? "" : "s"): \(streams.map(\.name).joined(separator: ", "))",
                        at: argument.value.span, help: "'once' inputs are named: \(name.text)(x, h0: …)")
                }
                input = streams[position]
                position += 1
            }
            guard given[input.name] == nil else {
                throw report(.wrongArgument, "'\(input.name)' is given twice", at: argument.value.span)
            }
            given[input.name] = try argumentValue(argument.value, for: input, of: inner, layer)
        }
        for input in inner.inputs where given[input.name] == nil {
            if case .primitive(.input(_, let fallback?)) = inner[input.value].operation {
                given[input.name] = constant(fallback, span)
                continue
            }
            throw report(
                .wrongArgument, "'\(name.text)' is called without '\(input.name)'", at: span,
                help: input.isOnce ? "add \(input.name): …" : nil)
        }
        model.calls.append(TypedCall(layer: index, inputs: given, span: span))
        let call = model.calls.count - 1
        let outputs = try inner.outputs.enumerated().map { position, output -> (name: String, value: ValueID) in
            let value = inner[output.value]
            let shape = try value.shape.map { dim -> TypedDim in
                guard let size = dim.size.substituting(layer.dims) else { throw report(.tooLarge, "this size is too large", at: span) }
                return namedDim(size)
            }
            var axes: UInt8 = 0
            for (k, axis) in layer.axes.enumerated() where value.variance.varies(over: k) { axes |= 1 << UInt8(axis) }
            let variance = Variance(batch: true, axes: axes)
            return (output.name, add(.callOutput(call: call, output: position), value.element, shape, variance, span))
        }
        return .record(outputs, of: name.text)
    }

    private func argumentValue(
        _ expression: Expression, for input: TypedInput, of inner: TypedModel, _ layer: TypedLayer
    ) throws -> ValueID {
        let expected = inner[input.value]
        let value = try converted(try value(of: expression), to: expected.element, expression.span)
        let sizes = expected.shape.map { $0.size.substituting(layer.dims) }
        let isScalar = model[value].shape.isEmpty
        guard isScalar || model[value].shape.map({ Optional($0.size) }) == sizes else {
            let wanted = sizes.map { $0.map(\.description) ?? "?" }.joined(separator: ", ")
            throw report(
                .shapeMismatch, "'\(input.name)' of '\(inner.name)' is [\(wanted)], given is \(describe(value))",
                at: expression.span)
        }
        if input.isOnce, model[value].variance.isStream {
            throw report(
                .onceNeedsConstant, "'\(input.name)' is given once, this varies over time", at: expression.span,
                help: "take one of its steps: first[\(model.axes[0].name)](x)")
        }
        return value
    }

    // MARK: Folds

    func fold(_ name: Identifier, _ elements: [Expression], _ span: SourceSpan) throws -> Meaning {
        guard let monoid = program.monoids[name.text] else {
            throw report(
                .unknownName, "there is no monoid '\(name.text)'", at: name.span,
                help: nearest(name.text, among: program.monoids.keys.sorted()).map { "did you mean '\($0)'?" }
                    ?? "define it: monoid \(name.text)(…) { identity (…) combine (a, b) { … } }")
        }
        let fields = monoid.fields.flatMap { group in group.names.map { (name: $0, type: group.type) } }
        guard elements.count == fields.count else {
            throw report(
                .wrongArgument, "'\(name.text)' has \(fields.count) fields, \(elements.count) values are given", at: span,
                help: "give \(fields.map(\.name.text).joined(separator: ", "))")
        }
        guard monoid.identity.count == fields.count else {
            throw report(
                .wrongArgument, "the identity of '\(name.text)' has \(monoid.identity.count) values for \(fields.count) fields",
                at: monoid.identity.first?.span ?? monoid.name.span)
        }
        var values: [ValueID] = []
        for (field, expression) in zip(fields, elements) {
            let value = try converted(try value(of: expression), to: .real, expression.span)
            let rank = field.type?.dims?.count ?? 0
            guard model[value].shape.count == rank || model[value].shape.isEmpty else {
                throw report(
                    .shapeMismatch, "the field '\(field.name.text)' of '\(name.text)' has \(rank) axes, this is \(describe(value))",
                    at: expression.span, labels: [Diagnostic.Label(span: field.name.span, text: "declared here")])
            }
            values.append(value)
        }
        let identity = try monoid.identity.map { try constantNumber($0) }
        let types = values.map { TypeInfo(element: .real, shape: model[$0].shape) }

        var offsets = [Int](repeating: 0, count: model.axes.count)
        offsets[0] = -1
        var previous: [(name: String, value: ValueID)] = []
        for (k, field) in fields.enumerated() {
            let start = try broadcast(constant(identity[k], span), to: types[k].shape, span)
            let delay = add(
                .primitive(.delay(ValueID(0), offsets: offsets, initial: start)), .real, types[k].shape, allAxes, span)
            previous.append((field.name.text, delay))
        }
        let elementRecord = zip(fields, values).map { (name: $0.name.text, value: $1) }
        let combined = try combine(monoid, previous, elementRecord, types, span)
        for (k, value) in combined.enumerated() {
            guard case .primitive(.delay(_, let offsets, let initial)) = model[previous[k].value].operation else { continue }
            model.values[previous[k].value.index].operation = .primitive(
                .delay(value, offsets: offsets, initial: initial))
        }
        model.folds.append(
            TypedFold(
                monoid: name.text, fields: fields.map(\.name.text), elements: values, states: combined,
                identity: identity.map { .real($0) }, combine: try combineModel(monoid, fields.map(\.name.text), types),
                span: span))
        return .record(zip(fields, combined).map { (name: $0.name.text, value: $1) }, of: name.text)
    }

    /// The fields of the combination of two records.
    private func combine(
        _ monoid: MonoidDeclaration, _ a: [(name: String, value: ValueID)], _ b: [(name: String, value: ValueID)],
        _ types: [TypeInfo], _ span: SourceSpan
    ) throws -> [ValueID] {
        let local = Environment([
            monoid.left.text: .record(a, of: monoid.left.text), monoid.right.text: .record(b, of: monoid.right.text),
        ])
        for equation in monoid.equations {
            for (component, name) in equation.names.enumerated() {
                guard local.equations[name.text] == nil else {
                    throw report(.duplicateDefinition, "'\(name.text)' has two equations", at: name.span)
                }
                local.equations[name.text] = (equation, component)
            }
        }
        let saved = environment
        environment = local
        callSites.append(span)
        defer {
            environment = saved
            callSites.removeLast()
        }
        return try zip(a.map(\.name), types).map { field, type in
            guard let (equation, _) = local.equations[field] else {
                throw report(
                    .stateWithoutEquation, "'combine' of '\(monoid.name.text)' has no equation for the field '\(field)'",
                    at: monoid.name.span, help: "add '\(field) = …'")
            }
            let value = try single(meaning(of: field, at: equation.span), at: equation.value.span)
            return try fit(value, to: type, what: "the field '\(field)'", at: equation.value.span)
        }
    }

    /// The operator as a model of its own, for checking that it is associative.
    private func combineModel(_ monoid: MonoidDeclaration, _ fields: [String], _ types: [TypeInfo]) throws -> TypedModel {
        let typer = ModelTyper(
            nil, named: monoid.name.text, span: monoid.span, program: program, sources: sources, lookUpModel: lookUpModel)
        typer.dims = dims
        typer.dimOrder = dimOrder
        func inputs(_ side: String) -> [(name: String, value: ValueID)] {
            zip(fields, types).map { field, type in
                let name = "\(side).\(field)"
                let value = typer.add(
                    .primitive(.input(name: name, fallback: nil)), .real, type.shape, .none, monoid.span, named: name)
                typer.model.inputs.append(TypedInput(name: name, isOnce: true, value: value))
                return (field, value)
            }
        }
        let (a, b) = (inputs("a"), inputs("b"))
        let combined = try typer.combine(monoid, a, b, types, monoid.span)
        typer.model.outputs = zip(fields, combined).map { TypedOutput(name: $0, value: $1, span: monoid.span) }
        return typer.model
    }
}
