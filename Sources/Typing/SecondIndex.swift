import RecSource
import RecStream
import RecSyntax

/// An index of its own over an axis of time, which a reduction binds: `s` in `sum[s <= t](x[s])`.
struct SecondIndex {
    var name: String
    /// The axis whose steps it goes through.
    var axis: Int
    /// Where the reduction says which steps it goes through.
    var span: SourceSpan
    /// For which pairs of the present step and that of the index; nil for all.
    var mask: ValueID?
    /// What is made within the reduction: all values of the model from this one on.
    var firstValue: Int
    /// The function in whose body its name is known; nil in the model itself.
    var environment: ModelTyper.Environment?
    /// Whether what is typed at the moment is taken at its step as a whole: `(x + y)[s]`.
    var isTaking = false
}

extension ModelTyper {
    /// Where what varies over a second index does so, behind the axes of the model. All second indices over an axis share one place.
    func secondAxis(of axis: Int) -> Int { model.axes.count + axis }

    func hasSecondIndex(_ value: ValueID) -> Bool { model[value].variance.axes >> UInt8(model.axes.count) != 0 }

    /// Which of the second indices a name is; nil where it is none here.
    func secondIndex(_ name: String) -> Int? {
        secondIndices.lastIndex { $0.name == name && $0.environment === environment }
    }

    func mentionsSecondIndex(_ expression: Expression) -> Bool {
        !secondIndices.isEmpty && mentions(expression) { secondIndex($0) != nil }
    }

    // MARK: Values at its step

    /// The number of its step.
    func step(of index: Int, _ span: SourceSpan) throws -> ValueID {
        try requireInnermost(index, at: span)
        let axis = secondIndices[index].axis
        return along(step(along: axis, span), axis, span)
    }

    /// `s.first`, `s.last`
    func member(_ name: Identifier, of index: Int, _ span: SourceSpan) throws -> ValueID {
        try requireInnermost(index, at: span)
        let axis = secondIndices[index].axis
        return along(try memberOfTime(axis, name, span), axis, span)
    }

    /// What varies over an axis of time, at the step of the second index.
    private func along(_ value: ValueID, _ axis: Int, _ span: SourceSpan) -> ValueID {
        let typed = model[value]
        let variance = typed.variance.removing(axis: axis).union(Variance(batch: typed.variance.batch, axes: 1 << UInt8(secondAxis(of: axis))))
        return add(.along(value, axis: axis), typed.element, typed.shape, variance, span)
    }

    /// `x[s]`, `x[s-1]`, `x[s-3:s+1]`: what `read` gives of items that speak of the present step, at the step of the index.
    func along(
        _ subject: Expression, _ items: [IndexItem], _ span: SourceSpan, read: ([IndexItem]) throws -> ValueID
    ) throws -> ValueID {
        let base = model.axes[secondIndices[secondIndices.count - 1].axis].name
        if let other = items.flatMap(\.expressions).first(where: { mentions($0) { $0 == base } }) {
            throw report(
                .secondIndex, "a value is looked at at one step, and here are two", at: other.span,
                help: "write \(sources.text(of: subject.span))[\(base)] or \(sources.text(of: subject.span))[\(secondIndices[secondIndices.count - 1].name)]")
        }
        for item in items.flatMap(\.expressions) {
            _ = try mentions(item) { name in
                guard let index = secondIndex(name) else { return false }
                try requireInnermost(index, at: item.span)
                return false
            }
        }
        let last = secondIndices.count - 1
        let (index, axis) = (secondIndices[last].name, model.axes[secondIndices[last].axis].name)
        path.append(("", .elsewhere, span))
        secondIndices[last].isTaking = true
        defer {
            path.removeLast()
            secondIndices[last].isTaking = false
        }
        let value = try read(items.map { $0.replacing(index, by: axis) })
        guard model[value].variance.varies(over: secondIndices[last].axis) else {
            throw report(
                .notAStream, "'\(sources.text(of: subject.span))' does not vary over \(model.axes.count == 1 ? "time" : "'\(axis)'")", at: span,
                help: "use it without an index of time")
        }
        return along(value, secondIndices[last].axis, span)
    }

    /// `t - s` and `s - t`, which take no counter; nil for other differences.
    func distance(_ a: ValueID, _ b: ValueID, _ span: SourceSpan) -> ValueID? {
        func axis(ofStep value: ValueID) -> Int? { if case .step(let axis) = model[value].operation { axis } else { nil } }
        func axis(ofIndex value: ValueID) -> Int? { if case .along(let step, _) = model[value].operation { axis(ofStep: step) } else { nil } }
        if let base = axis(ofStep: a), base == axis(ofIndex: b) { return distance(along: base, span) }
        if let base = axis(ofStep: b), base == axis(ofIndex: a) { return unary(.negate, distance(along: base, span), span) }
        return nil
    }

    func distance(along axis: Int, _ span: SourceSpan) -> ValueID {
        add(.distance(axis: axis), .int, [], Variance(batch: true, axes: 1 << UInt8(axis) | 1 << UInt8(secondAxis(of: axis))), span)
    }

    // MARK: Mistakes

    /// Reports the use of an index where it is not the one that the steps are counted by.
    func requireInnermost(_ position: Int, at span: SourceSpan) throws {
        let (index, last) = (secondIndices[position], secondIndices[secondIndices.count - 1])
        guard position == secondIndices.count - 1 else {
            throw report(
                .secondIndex, "'\(index.name)' is used where '\(last.name)' goes through the steps: a value has one index beside '\(model.axes[last.axis].name)'",
                at: span, labels: [Diagnostic.Label(span: last.span, text: "within this reduction")],
                help: "give the inner reduction an equation of its own, without '\(index.name)'")
        }
        guard !index.isTaking else {
            throw report(
                .secondIndex, "this is taken at step '\(index.name)' as a whole, and has '\(index.name)' within", at: span,
                help: "write '\(index.name)' behind the whole or behind its parts: (x + y)[\(index.name)], or x[\(index.name)] + y[\(index.name)]")
        }
    }

    /// Reports a value with an index over time where one of a step is needed.
    func requireOneIndex(_ value: ValueID, _ what: String, _ span: SourceSpan) throws {
        guard hasSecondIndex(value), let index = secondIndices.last else { return }
        throw report(
            .secondIndex, "\(what) takes what is known at a step, and this still has the index '\(index.name)'", at: span,
            help: "reduce it over '\(index.name)' first: sum[\(index.name)](…)")
    }

    /// Reports an argument of a function that has the index of a reduction around the one at hand.
    func requireOwnIndex(_ meaning: Meaning, named name: String, _ span: SourceSpan) throws {
        guard let index = secondIndices.last else { return }
        let values: [ValueID] = switch meaning {
        case .value(let value): [value]
        case .record(let fields, _): fields.map(\.value)
        case .tuple(let parts): parts
        }
        guard values.contains(where: { hasSecondIndex($0) && ($0.index < index.firstValue || index.isTaking) }) else { return }
        throw report(
            .secondIndex, "'\(name)' has a second index already, and '\(index.name)' is another one", at: span,
            labels: [Diagnostic.Label(span: index.span, text: "bound here")],
            help: "give the inner reduction an equation of its own")
    }

    /// Reports a name that is known within a reduction alone.
    func reportEscape(_ name: String, boundAt place: SourceSpan, at span: SourceSpan) -> Abandoned {
        report(
            .escapingIndex, "'\(name)' is the index of a reduction, and nothing outside of it", at: span,
            labels: [Diagnostic.Label(span: place, text: "bound here")],
            help: "what has '\(name)' is used where it is made: sum[\(sources.text(of: place))](…)")
    }

    /// The names that reductions of the model bind, each where it first stands.
    func boundNames() -> [String: SourceSpan] {
        var result: [String: SourceSpan] = [:]
        var stack = (syntax?.members ?? []).flatMap { member -> [Expression] in
            switch member {
            case .equation(let equation): [equation.value]
            case .output(let output): output.value.map { [$0] } ?? []
            case .loss(let loss): [loss.value]
            case .state(let state): state.initial.map { [$0] } ?? []
            case .input, .parameter, .dim, .layer, .require, .example, .broken: []
            }
        }
        while let next = stack.popLast() {
            if case .steps(let range) = next.kind {
                for name in range.names where result[name].map({ next.span.start < $0.start }) ?? true { result[name] = next.span }
            }
            stack += next.children
        }
        return result
    }

    /// Reports equations of which one reads another at all steps so far, and is read by it.
    func reportCycleOverSteps(_ names: [String], at span: SourceSpan) -> Abandoned {
        let time = model.axes.first?.name ?? "t"
        return report(
            .cycleOverSteps, "'\(names[0])' depends on itself through a reduction over other steps: \(names.joined(separator: " → "))", at: span,
            help: "what a recurrence reads of itself is a constant number of steps away: \(names[0])[\(time)-1], or a window \(names[0])[\(time)-8:\(time)]")
    }
}

extension IndexItem {
    /// The item with another name in place of one.
    fileprivate func replacing(_ name: String, by other: String) -> IndexItem {
        func replaced(_ expression: Expression) -> Expression {
            switch expression.kind {
            case .name(name): Expression(.name(other), expression.span)
            case .unary(let sign, let a): Expression(.unary(sign, replaced(a)), expression.span)
            case .binary(let sign, let a, let b): Expression(.binary(sign, replaced(a), replaced(b)), expression.span)
            case .integer, .real, .boolean, .name, .conditional, .call, .index, .member, .rename, .pipe, .fold, .array, .steps, .error: expression
            }
        }
        return switch self {
        case .at(let expression): .at(replaced(expression))
        case .range(let lower, let upper, let span): .range(lower.map(replaced), upper.map(replaced), span)
        }
    }
}
