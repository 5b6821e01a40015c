import RecSource
import RecStream
import RecSyntax

/// Windows over time, `x[t-7:t+1]`: several steps as an axis.
extension ModelTyper {
    /// A value at several steps, oldest first, along a new first axis.
    ///
    /// - Parameters:
    ///   - items: those of the index that speak of axes of time.
    ///   - range: the position of the one that is a range.
    func window(of subject: Expression, _ items: [IndexItem], range: Int, _ span: SourceSpan) throws -> ValueID {
        guard case .range(let lower, let upper, let place) = items[range] else { throw Abandoned() }
        let text = sources.text(of: subject.span)
        var others = items
        others.remove(at: range)
        if let second = others.first(where: \.isRange), case .range(_, _, let place) = second {
            throw report(
                .unsupported, "a window runs along one axis of time", at: place,
                help: "take one axis after the other, a window of a window")
        }
        let (axis, first, end) = try bounds(lower, upper, place, of: text)
        let offsets = try offsets(others, seen: [axis], span)
        guard let count = DimExpression.difference(end, first) else { throw report(.tooLarge, "this size is too large", at: place) }
        if DimExpression.difference(DimExpression(0), count)?.isNeverNegative ?? false {
            throw report(
                .badSlice, "there is no step from \(name(ofStep: first, along: axis)) to \(name(ofStep: end, along: axis)), of which the end is not part",
                at: place, help: "the oldest step stands first, and the end is not part of a window: \(text)[\(model.axes[axis].name)-7:\(model.axes[axis].name)+1] has 8 steps")
        }
        guard let window = StepWindow(axis: axis, first: first, count: count, offsets: offsets) else {
            throw report(.tooLarge, "this size is too large", at: place)
        }
        return try windowed(subject, window, namedDim(count), span)
    }

    /// The steps of `subject` that a window takes, along a first axis `dim`.
    func windowed(_ subject: Expression, _ window: StepWindow, _ dim: TypedDim, _ span: SourceSpan) throws -> ValueID {
        try checkReach(of: window, dim, span)
        var state: Int?
        if environment == nil, case .name(let name) = subject.kind, case .state(let index) = definitions[name] { state = index }
        if let state, !window.mayBeHere {
            // A state at other steps is known by its declaration.
            let type = states[state].type
            let value = add(
                .window(ValueID(0), window), type.element, [dim] + type.shape,
                states[state].axes.moved(by: window.offsets.indices.map { $0 == window.axis ? 1 : window.offsets[$0] }), span)
            states[state].delays.append(value)
            return value
        }
        if !window.mayBeHere {
            path.append(("", .delayed, span))
            if case .name(let name) = subject.kind { path[path.count - 1].name = name }
        }
        defer { if !window.mayBeHere { path.removeLast() } }
        let operand = try value(of: subject)
        try requireOneIndex(operand, "a window", span)
        guard model[operand].variance.isStream else {
            throw report(
                .notAStream, "'\(sources.text(of: subject.span))' does not vary over time", at: span,
                help: "use it without an index of time")
        }
        // What streams carry from step to step goes by it.
        if model[operand].name == nil, let equation = path.last(where: { !$0.name.isEmpty })?.name {
            model.values[operand.index].name = "\(equation).past"
        }
        // Steps ahead may be among them, as far as dims say.
        let moved = window.offsets.indices.map { $0 == window.axis ? 1 : window.offsets[$0] }
        let value = add(
            .window(operand, window), model[operand].element, [dim] + model[operand].shape, variance(ofDelayed: operand, by: moved), span)
        if let state { states[state].delays.append(value) }
        return value
    }

    private func checkReach(of window: StepWindow, _ dim: TypedDim, _ span: SourceSpan) throws {
        if let count = dim.size.constant, count > StepWindow.mostSteps {
            throw report(
                .tooLarge, "a window has at most \(StepWindow.mostSteps) steps, not \(count)", at: span,
                help: "what is made of more steps is carried from step to step by a state")
        }
        for end in window.outermost(of: dim.size) where abs(end[window.axis]) > StepWindow.longestReach {
            throw report(.tooLarge, "a window reaches at most \(StepWindow.longestReach) steps from its own", at: span)
        }
    }

    // MARK: Bounds

    private func bounds(
        _ lower: Expression?, _ upper: Expression?, _ place: SourceSpan, of subject: String
    ) throws -> (axis: Int, first: DimExpression, end: DimExpression) {
        let name = model.axes[0].name
        guard let lower, let upper else {
            throw report(
                .delayNotConstant, "a window has the same number of steps everywhere, so it has two ends", at: place,
                help: "write \(subject)[\(name)-7:\(name)+1] for 8 steps up to this one; what is made of all steps so far is a state")
        }
        let (first, end) = (try step(lower), try step(upper))
        for (bound, expression) in [(first, lower), (end, upper)] where bound.axis == nil {
            throw report(
                .delayNotConstant, "'\(sources.text(of: expression.span))' is no step: a window has the same number of steps everywhere",
                at: expression.span,
                help: "count from the present step: \(subject)[\(name)-7:\(name)+1]; what is made of all steps so far is a state")
        }
        guard let axis = first.axis, axis == end.axis else {
            throw report(.delayNotConstant, "a window begins and ends along one axis", at: place)
        }
        return (axis, first.offset, end.offset)
    }

    /// `t-7`, `t+1`, `t-W+1`: an axis, and how far along it.
    func step(_ expression: Expression) throws -> (axis: Int?, offset: DimExpression) {
        var offset = DimExpression(0)
        var rest = expression
        while true {
            if case .name(let name) = rest.kind, let axis = model.axes.firstIndex(where: { $0.name == name }) { return (axis, offset) }
            guard mentionsAxis(rest) else { return (nil, offset) }
            guard case .binary(let syntax, let left, let right) = rest.kind, syntax == .add || syntax == .subtract,
                mentionsAxis(left) != mentionsAxis(right), syntax == .add || mentionsAxis(left)
            else {
                throw report(
                    .delayNotConstant, "a window begins and ends a constant number of steps away", at: rest.span,
                    help: "write \(model.axes[0].name)-7:\(model.axes[0].name)+1")
            }
            let (next, distance) = mentionsAxis(left) ? (left, right) : (right, left)
            let size = try dimExpression(distance)
            guard let sum = syntax == .add ? DimExpression.sum(offset, size) : DimExpression.difference(offset, size) else {
                throw report(.tooLarge, "this size is too large", at: distance.span)
            }
            (rest, offset) = (next, sum)
        }
    }

    private func name(ofStep offset: DimExpression, along axis: Int) -> String {
        let text = offset.description
        return model.axes[axis].name + (offset.constant == 0 ? "" : text.hasPrefix("-") ? text : "+\(text)")
    }

    /// Whether an item of an index is a delay, or a window without the present step.
    func passesOverThisStep(_ item: IndexItem) -> Bool {
        switch item {
        case .at(let position): if case .binary = position.kind { return mentionsAxis(position) } else { return false }
        case .range(let lower?, let upper?, _):
            guard mentionsAxis(lower), mentionsAxis(upper), let first = try? quietly({ try self.step(lower) }),
                let end = try? quietly({ try self.step(upper) }), let axis = first.axis,
                let count = DimExpression.difference(end.offset, first.offset),
                let window = StepWindow(axis: axis, first: first.offset, count: count, offsets: model.axes.map { _ in 0 })
            else { return false }
            return !window.mayBeHere
        case .range: return false
        }
    }
}

extension IndexItem {
    var isRange: Bool { if case .range = self { true } else { false } }
}
