import RecStream
import RecSource
import RecSyntax

/// Where an equation reads a name: within a reduction over time alone, or at its own step.
extension ModelTyper {
    /// A reduction over an axis of time, `mean[t](h)`, or a call in which there is one.
    struct WholeSequence {
        let span: SourceSpan
        let axis: Int
    }

    /// The first reduction over time on the way around a cycle of equations: what is reduced there is the only thing that one equation
    /// reads of the next. Nil where the cycle closes within a step.
    func wholeSequence(around cycle: [Int]) -> WholeSequence? {
        for (k, equation) in cycle.enumerated() {
            let next = cycle[(k + 1) % cycle.count]
            if let found = wholeSequence(in: equations[equation].value, calls: [], reads: { mentions($0, next) }) { return found }
        }
        return nil
    }

    private func mentions(_ name: String, _ equation: Int) -> Bool {
        switch definitions[name] {
        case .state(let index): states[index].equation == equation
        case .equation(equation, _): true
        case .equation, .value, .layer, .failed, nil: false
        }
    }

    /// The reduction within which an expression reads what it reads; nil where it also reads it elsewhere, or not at all.
    ///
    /// - Parameter calls: the functions that this is the body of.
    private func wholeSequence(in expression: Expression, calls: [String], reads: (String) -> Bool) -> WholeSequence? {
        var found: WholeSequence?
        var stack: [(expression: Expression, whole: WholeSequence?)] = [(expression, nil)]
        while let (expression, whole) = stack.popLast() {
            switch expression.kind {
            case .name(let name):
                guard reads(name) else { continue }
                guard let whole else { return nil }
                found = found ?? whole
            case .call(let name, let brackets, let arguments):
                stack += read(name.text, brackets, arguments, expression.span, whole, calls)
            case .pipe(let subject, let function):
                let first = Argument(label: nil, value: subject)
                if case .call(let name, let brackets, let arguments) = function.kind {
                    stack += read(name.text, brackets, [first] + arguments, expression.span, whole, calls)
                } else if case .name(let name) = function.kind {
                    stack += read(name, nil, [first], expression.span, whole, calls)
                }
            case .index(let subject, let items):
                // A state at another step is known by its declaration.
                if calls.isEmpty, case .name(let name) = subject.kind, case .state = definitions[name], items.contains(where: passesOverThisStep) { continue }
                stack += expression.children.map { ($0, whole) }
            case .integer, .real, .boolean, .unary, .binary, .conditional, .member, .rename, .fold, .array, .steps, .error:
                stack += expression.children.map { ($0, whole) }
            }
        }
        return found
    }

    /// The arguments of a call, each with the reduction that it is read within.
    private func read(
        _ name: String, _ brackets: [Expression]?, _ arguments: [Argument], _ span: SourceSpan, _ whole: WholeSequence?, _ calls: [String]
    ) -> [(expression: Expression, whole: WholeSequence?)] {
        if calls.isEmpty, case .layer(let index) = definitions[name] { return read(by: model.layers[index], arguments, span, whole) }
        if let function = program.function(name, at: span) {
            // A function that calls itself is told as that.
            guard !calls.contains(name), function.parameters.count == arguments.count else { return arguments.map { ($0.value, whole) } }
            return zip(function.parameters, arguments).map { parameter, argument in
                let inner = wholeSequence(in: function.body, calls: calls + [name]) { $0 == parameter.text }
                return (argument.value, whole ?? inner.map { WholeSequence(span: span, axis: $0.axis) })
            }
        }
        var inner = whole
        if inner == nil, name == "var" || TimeReduceKind(rawValue: name) != nil {
            let axis = (brackets ?? []).lazy.compactMap { bracket -> Int? in
                guard case .name(let name) = bracket.kind else { return nil }
                return self.model.axes.firstIndex { $0.name == name }
            }.first
            inner = axis.map { WholeSequence(span: span, axis: $0) }
        }
        return arguments.map { ($0.value, inner) }
    }

    /// The same of a call of a layer, as what its model does with each input.
    private func read(
        by layer: TypedLayer, _ arguments: [Argument], _ span: SourceSpan, _ whole: WholeSequence?
    ) -> [(expression: Expression, whole: WholeSequence?)] {
        guard layer.count == nil, let inner = lookUpModel(layer.model) else { return arguments.map { ($0.value, whole) } }
        var streams = inner.inputs.filter { !$0.isOnce }[...]
        return arguments.map { argument in
            let input = argument.label.map { label in inner.inputs.first { $0.name == label.text } } ?? streams.popFirst()
            let axis = input.flatMap { inner.axisReduced(between: $0.value) }
            return (argument.value, whole ?? axis.map { WholeSequence(span: span, axis: layer.axes[$0]) })
        }
    }
}

extension TypedModel {
    /// The axis over which a value is reduced on every way to the outputs; nil where there is none, or a way without a reduction.
    func axisReduced(between input: ValueID) -> Int? {
        /// The values that some follow from; beyond reductions only where it is said.
        func sources(of roots: [ValueID], passing: Bool) -> (all: Set<ValueID>, reductions: [(operand: ValueID, axis: Int)]) {
            var (seen, reductions) = (Set(roots), [(operand: ValueID, axis: Int)]())
            var stack = roots
            while let id = stack.popLast() {
                if !passing, case .primitive(.overTime(_, let operand, let axis)) = self[id].operation {
                    reductions.append((operand, axis))
                    continue
                }
                for operand in operands(of: self[id]) where seen.insert(operand).inserted { stack.append(operand) }
            }
            return (seen, reductions)
        }
        let direct = sources(of: outputs.map(\.value), passing: false)
        guard !direct.all.contains(input) else { return nil }
        return direct.reductions.first { sources(of: [$0.operand], passing: true).all.contains(input) }?.axis
    }

    /// What a value is computed from.
    func operands(of value: TypedValue) -> [ValueID] {
        switch value.operation {
        case .primitive(let operation): operation.operands
        case .parameter, .dim, .adjoint, .step, .distance, .draw: []
        case .along(let operand, _): [operand]
        case .own(let inner, let gradient): [inner] + ownGradients[gradient].arguments
        case .training(let a, let b): [a, b]
        case .slice(let operand, _, _, _), .pad(let operand, _, _, _, _): [operand]
        case .pick(let rows, let index): [rows, index]
        case .derivative(let result, let place): [result, place]
        case .window(let operand, let window): [operand] + (window.initial.map { [$0] } ?? [])
        case .callOutput(let call, _): calls[call].inputs.values.sorted()
        }
    }
}
