import RecSource
import RecStream
import RecSyntax

/// `grad(expression, by: W[t-1])`: the derivative of a number of a step by a value of the same step.
extension ModelTyper {
    func stepDerivative(_ call: Builtins.Call) throws -> ValueID {
        let arguments = try arguments(call, 1...1, labels: ["by"])
        guard let by = call.labelled("by") else {
            throw report(
                .wrongArgument, "'grad' needs what it is taken by", at: call.span,
                help: "name a value of the step: grad(\(sources.text(of: arguments[0].span)), by: …)")
        }
        let number = Result { try value(of: arguments[0]) }
        try requireValue(by)
        let place = try value(of: by)
        if case .primitive(.constant) = model[place].operation {
            throw report(
                .notAValue, "'\(sources.text(of: by.span))' is a constant, and nothing changes with it", at: by.span,
                help: "take the derivative by a state, an input, a param or a name of an equation")
        }
        guard [.real, .complex].contains(model[place].element) else {
            throw report(
                .wrongElementType, "'grad' is taken by real or complex values, and '\(sources.text(of: by.span))' is \(model[place].element.rawValue)",
                at: by.span, caption: describe(place), help: "what is counted or decided has no derivative")
        }
        let result = try number.get()
        for value in [result, place] { try requireOneIndex(value, "'grad'", call.span) }
        let text = sources.text(of: arguments[0].span)
        guard model[result].element == .real else {
            throw report(
                .wrongElementType, "'grad' takes the derivative of a real number, and this is \(model[result].element.rawValue)",
                at: arguments[0].span, caption: describe(result),
                help: model[result].element == .complex ? "use re(x), im(x) or abs(x)" : "real numbers alone have a derivative")
        }
        guard model[result].shape.isEmpty else {
            throw report(
                .shapeMismatch, "'grad' takes the derivative of one number, and this is \(describe(result))", at: arguments[0].span,
                help: "add it up: grad(sum(\(text)), by: \(sources.text(of: by.span)))")
        }
        return add(
            .derivative(of: result, by: place), model[place].element, model[place].shape,
            model[result].variance.union(model[place].variance), call.span)
    }

    /// A value that is written more than once is one value where it is a name, a member of one, or such a thing at another step.
    private func requireValue(_ by: Expression) throws {
        switch by.kind {
        case .name: return
        case .member(let subject, let name):
            guard case .name = subject.kind, name.text != "T" else { break }
            return
        case .index(let subject, let items):
            let isDelay = items.allSatisfy { item in if case .at(let position) = item { mentionsAxis(position) } else { false } }
            guard isDelay else { break }
            return try requireValue(subject)
        case .integer, .real, .boolean, .unary, .binary, .conditional, .call, .rename, .pipe, .fold, .array, .steps, .error: break
        }
        let text = sources.text(of: by.span)
        throw report(
            .notAValue, "'grad' is taken by a value of the step, and '\(text)' is computed for it alone", at: by.span,
            help: "give it a name, and use that in what is differentiated: p = \(text), then by: p")
    }
}

extension TypedModel {
    /// The values that are the same as `id`: a value of another step is read anew in every place.
    package func sameValues(as id: ValueID) -> [ValueID] {
        switch self[id].operation {
        case .primitive(.delay), .window: break
        case .primitive, .parameter, .dim, .slice, .pad, .pick, .callOutput, .derivative, .own, .adjoint, .step, .along, .distance, .draw, .training: return [id]
        }
        return values.indices.filter { values[$0].operation == self[id].operation }.map(ValueID.init)
    }

    /// How a value depends on others of the same step.
    fileprivate enum Dependence {
        case none
        /// Only through what has no derivative, or through values of other steps.
        case withoutDerivative
        case differentiable
        /// Through a value over a whole axis.
        case overTime(ValueID)
    }

    /// What is made of a layer's inputs counts as differentiable by them.
    fileprivate func dependence(of result: ValueID, on place: ValueID) -> Dependence {
        let places = Set(sameValues(as: place))
        func reaches(_ start: [ValueID], _ next: (ValueID) -> [ValueID]) -> Set<ValueID> {
            var found = Set(start)
            var waiting = start
            while let id = waiting.popLast() {
                guard !places.contains(id) else { continue }
                for operand in next(id) where found.insert(operand).inserted { waiting.append(operand) }
            }
            return found
        }
        func withinStep(_ id: ValueID) -> [ValueID] {
            if case .primitive(let operation) = self[id].operation, operation.isFromOtherSteps { return [] }
            if case .window(let operand, let window) = self[id].operation { return window.mayBeHere ? [operand] : [] }
            return operands(of: self[id])
        }
        let step = reaches([result], withinStep)
        for id in step.sorted() {
            guard case .primitive(.overTime(_, let operand, _)) = self[id].operation else { continue }
            if !places.isDisjoint(with: reaches([operand], withinStep)) { return .overTime(id) }
        }
        let differentiable = reaches([result]) { id in
            if case .primitive(let operation) = self[id].operation {
                return operation.isFromOtherSteps ? [] : operation.differentiableOperands
            }
            return operands(of: self[id])
        }
        if !places.isDisjoint(with: differentiable) { return .differentiable }
        return places.isDisjoint(with: reaches([result]) { operands(of: self[$0]) }) ? .none : .withoutDerivative
    }
}

extension ModelTyper {
    /// Derivatives within a step do not see what `mean[t](…)` makes of other steps.
    func checkStepDerivatives() {
        for value in model.values {
            guard case .derivative(let result, let place) = value.operation,
                case .overTime(let whole) = model.dependence(of: result, on: place)
            else { continue }
            report(
                .derivativeOverTime, "'grad' is taken within one step, and '\(sources.text(of: model[whole].span))' sees all of them", at: value.span,
                labels: [Diagnostic.Label(span: model[whole].span, text: "over the whole sequence")],
                help: "differentiate what one step adds to it; of whole sequences there are gradients of a loss")
        }
    }
}

/// Derivatives that are 0 in a model without mistakes.
func zeroDerivatives(in model: TypedModel, _ text: (SourceSpan) -> String) -> [Diagnostic] {
    model.values.compactMap { value in
        guard case .derivative(let result, let place) = value.operation else { return nil }
        let name = model[place].name ?? text(model[place].span)
        switch model.dependence(of: result, on: place) {
        case .differentiable, .overTime: return nil
        case .none:
            return Diagnostic(
                .zeroDerivative, "this is 0: what is differentiated does not depend on '\(name)'", at: value.span,
                help: "use the value that it is taken by in what is differentiated", severity: .warning)
        case .withoutDerivative:
            return Diagnostic(
                .zeroDerivative, "this is 0: within the step, what is differentiated depends on '\(name)' through nothing that has a derivative",
                at: value.span, help: "values of other steps are held fixed, and stop, step, sign, floor and comparisons have no derivative",
                severity: .warning)
        }
    }
}

extension Operation {
    /// Whether what it takes comes from other steps.
    fileprivate var isFromOtherSteps: Bool {
        switch self {
        case .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps: true
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .runningAffine, .solve:
            false
        }
    }
}
