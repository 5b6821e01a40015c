import RecSource
import RecStream
import RecSyntax

/// What a model declares: dims, axes, inputs, parameters, states, layers, and the names of its equations.
extension ModelTyper {
    func declareDims(_ syntax: ModelDeclaration) {
        for parameter in syntax.dims {
            guard define(dim: parameter.name, as: DimExpression(symbol: parameter.name.text)) else { continue }
            model.dims.append(parameter.name.text)
            if let value = parameter.defaultValue, let size = try? dimExpression(value) {
                model.defaults[parameter.name.text] = size
            }
        }
        // A dim may use one that is declared below it.
        let waiting = syntax.members.compactMap { if case .dim(let dim) = $0 { dim } else { nil } }
        let place = Dictionary(waiting.enumerated().map { ($1.name.text, $0) }, uniquingKeysWith: { first, _ in first })
        let uses = waiting.map { dim in namesIn(dim.value).compactMap { place[$0] }.sorted() }
        for component in stronglyConnected(uses) {
            let dim = waiting[component[0]]
            if component.count > 1 || uses[component[0]].contains(component[0]) {
                report(.instantCycle, "the dim '\(dim.name.text)' depends on itself", at: dim.name.span, help: "give one of its dims a number")
                for member in component where claim(waiting[member].name) { failedDims.insert(waiting[member].name.text) }
                continue
            }
            if let value = try? dimExpression(dim.value) {
                if define(dim: dim.name, as: value) { model.aliases[dim.name.text] = value }
            } else if claim(dim.name) {
                failedDims.insert(dim.name.text)
            }
        }
        // Sizes take the names of dims in the order of declaration.
        dimOrder = model.dims + waiting.map(\.name.text).filter { model.aliases[$0] != nil }
    }

    func define(dim name: Identifier, as value: DimExpression) -> Bool {
        guard claim(name) else { return false }
        dims[name.text] = value
        dimOrder.append(name.text)
        return true
    }

    /// The names in a size.
    func namesIn(_ expression: Expression) -> Set<String> {
        var names: Set<String> = []
        var stack = [expression]
        while let next = stack.popLast() {
            if case .name(let name) = next.kind { names.insert(name) }
            stack += next.children
        }
        return names
    }

    func declareAxes(_ syntax: ModelDeclaration) {
        var axes: [(name: String, length: DimExpression?)] = []
        for axis in syntax.axes.prefix(Self.mostAxes) where claim(axis.name) {
            axes.append((axis.name.text, axis.length.flatMap { try? dimExpression($0) }))
        }
        if syntax.axes.count > Self.mostAxes {
            report(.unsupported, "a model runs over \(Self.mostAxes) axes at most, not \(syntax.axes.count)", at: syntax.axes[Self.mostAxes].name.span)
        }
        let own = axesOfInputs(syntax)
        if axes.isEmpty, own.isEmpty || own.contains(where: { $0.name == "t" }) || !syntax.axes.isEmpty || syntax.hasPlainStreams {
            axes = [(syntax.axes.first?.name.text ?? "t", nil)]
            if definitionSpans["t"] == nil, syntax.axes.isEmpty { definitionSpans["t"] = syntax.name.span }
        }
        if let first = syntax.axes.first, first.length != nil {
            report(
                .unsupported, "the first axis '\(first.name.text)' cannot have a fixed length", at: first.name.span,
                help: "give the length to the second axis")
        }
        model.axes = axes
        headAxes = allAxes
        for axis in own where !model.axes.contains(where: { $0.name == axis.name }) {
            guard syntax.axes.count < 2 else {
                report(
                    .unknownName, "there is no axis '\(axis.name)' here", at: axis.span,
                    help: nearest(axis.name, among: syntax.axes.map(\.name.text)).map { "did you mean '\($0)'?" }
                        ?? "the model runs over \(syntax.axes.map { "'\($0.name.text)'" }.joined(separator: " and "))")
                continue
            }
            guard model.axes.count < Self.mostAxes else {
                report(.unsupported, "a model and its inputs run over \(Self.mostAxes) axes at most", at: axis.span)
                return
            }
            guard claim(Identifier(text: axis.name, span: axis.span)) else { continue }
            model.axes.append((axis.name, nil))
        }
        if headAxes == Variance(batch: true, axes: 0) { headAxes = allAxes }
        checkRoundsAreBounded(syntax)
    }

    /// Takes a name; false where it is taken already.
    func claim(_ name: Identifier) -> Bool {
        if let previous = definitionSpans[name.text] {
            report(
                .duplicateDefinition, "'\(name.text)' is defined twice", at: name.span,
                labels: [Diagnostic.Label(span: previous, text: "the first definition")],
                help: "give one of them another name")
            return false
        }
        definitionSpans[name.text] = name.span
        return true
    }

    /// Axes of a model, and second indices over them, have places of their own in a variance of 8.
    private static let mostAxes = 3

    var allAxes: Variance { Variance(batch: true, axes: UInt8((1 << model.axes.count) - 1)) }

    /// Reports a default that the element type does not have.
    private func checkDefault(_ number: Double?, of element: ElementType, at span: SourceSpan) {
        guard let number else { return }
        switch element {
        case .real, .complex: return
        case .int:
            // Below that every whole number is told from its neighbours.
            if number == number.rounded(), number.magnitude < 0x1p53 { return }
            report(.wrongElementType, "an int cannot be \(number) by default", at: span, help: "the default of an int is a whole number below 2^53")
        case .bool:
            if number == 0 || number == 1 { return }
            report(.wrongElementType, "a bool cannot be \(number)", at: span, help: "the default of a bool is 1 for true, or 0 for false")
        }
    }

    func declare(_ member: Member) {
        switch member {
        case .input(let declaration):
            guard let type = try? typeInfo(stepType(declaration.type, of: declaration.names)) else { return fail(declaration.names) }
            var fallback: Double?
            if let value = declaration.defaultValue {
                fallback = try? constantNumber(value)
                if !declaration.isOnce {
                    report(.onceNeedsConstant, "only a 'once' input can have a default", at: value.span, help: "write 'once' before '='")
                }
                checkDefault(fallback, of: type.element, at: value.span)
            }
            if declaration.isOnce, let axis = declaration.axes.first {
                report(
                    .onceNeedsConstant, "what is given once does not run over '\(axis.text)'", at: axis.span,
                    help: "leave out 'once', or 'over \(axis.text)'")
            }
            let variance = declaration.isOnce ? .once : axes(of: declaration)
            for name in declaration.names where claim(name) {
                let value = add(
                    .primitive(.input(name: name.text, fallback: fallback)), type.element, type.shape, variance, name.span, named: name.text)
                definitions[name.text] = .value(value)
                model.inputs.append(TypedInput(name: name.text, isOnce: declaration.isOnce, value: value))
            }
        case .parameter(let declaration):
            guard let type = try? typeInfo(declaration.type) else { return fail(declaration.names) }
            let initializer = initializer(declaration, rank: type.shape.count)
            let template = declaration.tensorName.flatMap { tensor($0, of: declaration) }
            for name in declaration.names where claim(name) {
                let info = ParameterInfo(
                    path: name.text, isTrained: declaration.isTrained, initializer: initializer,
                    tensorName: template?.name(name.text, copy: 0),
                    fillsItself: !declaration.isTrained && declaration.initializer != nil && initializer.isDeterministic)
                definitions[name.text] = .value(
                    add(.parameter(info), type.element, type.shape, .none, name.span, named: name.text))
            }
        case .state(let declaration):
            guard let type = try? typeInfo(stepType(declaration.type, of: declaration.names)) else { return fail(declaration.names) }
            for name in declaration.names where claim(name) {
                definitions[name.text] = .state(states.count)
                states.append(DeclaredState(name: name, type: type, initial: declaration.initial, axes: allAxes))
            }
        case .layer(let declaration):
            guard claim(declaration.name) else { return }
            definitions[declaration.name.text] = declare(layer: declaration).map { .layer($0) } ?? .failed
        case .equation(let equation):
            declare(equation)
        case .output(let declaration):
            // `output y = …` also defines the name y.
            guard let value = declaration.value else { return }
            declare(Equation(names: [declaration.name], value: value, span: declaration.span))
        case .loss(let declaration):
            declare(Equation(names: [declaration.name], value: declaration.value, span: declaration.span))
        case .broken(let names):
            for name in names { passOver(name) }
        case .dim, .require, .example:
            break
        }
    }

    /// What a broken line seems to define, where nothing else does, is silent wherever it is used.
    private func passOver(_ name: Identifier) {
        switch definitions[name.text] {
        case .state(let index) where states[index].equation == nil:
            equations.append(Equation(names: [name], value: Expression(.error, name.span), span: name.span))
            progress.append(.failed)
            states[index].equation = equations.count - 1
        case nil:
            guard dims[name.text] == nil, definitionSpans[name.text] == nil else { return }
            definitions[name.text] = .failed
            failedDims.insert(name.text)
        case .value, .state, .equation, .layer, .failed: break
        }
    }

    /// The type without axes of batch and time in front, which is reported where nothing declares them.
    private func stepType(_ type: TypeSyntax, of names: [Identifier]) -> TypeSyntax {
        let front = (type.dims ?? []).prefix { dim in
            guard case .name(let name) = dim.kind else { return false }
            return dims[name] == nil && !failedDims.contains(name) && Self.isBatchOrTime(name)
        }
        guard let first = front.first, let last = front.last else { return type }
        var step = type
        step.dims = type.dims.map { Array($0.dropFirst(front.count)) }
        let isScalar = step.dims?.isEmpty ?? true
        let written = isScalar ? type.element?.text ?? "real" : ExpressionPrinter.text(step)
        report(
            .unknownDim, "batch and time are understood: a type is that of one step of one sequence", at: first.span.joined(with: last.span),
            help: "write \(names.map(\.text).joined(separator: ", ")): \(written)")
        return step
    }

    /// Names that stand for batch and time in other libraries.
    static func isBatchOrTime(_ name: String) -> Bool {
        ["b", "bs", "bsz", "batch", "batch_size", "n", "t", "l", "s", "time", "seq", "seq_len", "seqlen", "length", "steps", "timesteps"]
            .contains(name.lowercased())
    }

    func fail(_ names: [Identifier]) { for name in names where claim(name) { definitions[name.text] = .failed } }

    func declare(_ equation: Equation) {
        equations.append(equation)
        progress.append(.pending)
        for (component, name) in equation.names.enumerated() {
            if case .state(let index) = definitions[name.text] {
                attach(equations.count - 1, toState: index, at: name)
            } else if case .failed = definitions[name.text] {
                // The declaration of a state, most likely, which has been reported.
                continue
            } else if claim(name) {
                definitions[name.text] = .equation(equations.count - 1, component: component)
            } else if definitions[name.text] == nil {
                // An axis or a dim: what the name was meant to be is not known.
                definitions[name.text] = .failed
            }
        }
    }

    func attach(_ equation: Int, toState index: Int, at name: Identifier) {
        if let first = states[index].equation {
            report(
                .duplicateDefinition, "the state '\(name.text)' has two equations", at: name.span,
                labels: [Diagnostic.Label(span: equations[first].span, text: "the first one")], help: "keep one of them")
            return
        }
        states[index].equation = equation
    }
}

extension Member {
    var isBroken: Bool { if case .broken = self { true } else { false } }

    /// Whether the member gives names values by an expression.
    var isEquation: Bool {
        switch self {
        case .equation, .output, .loss: true
        case .input, .parameter, .state, .dim, .layer, .require, .example, .broken: false
        }
    }
}
