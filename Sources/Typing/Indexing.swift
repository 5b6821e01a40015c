import RecSource
import RecStream
import RecSyntax

extension ModelTyper {
    /// `h[t-1]`, `x[0:H]`, `E[token]`, `x[3]`
    func indexed(_ subject: Expression, _ items: [IndexItem], _ span: SourceSpan) throws -> ValueID {
        for item in items { try requireKnownNames(in: item, of: subject) }
        let times = items.filter(speaksOfSteps)
        let others = items.filter { !speaksOfSteps($0) }
        var value = times.isEmpty ? try self.value(of: subject) : try atSteps(times, of: subject, span)
        // The axis of a window stands in front of those that the other items are for.
        var axis = times.contains(where: \.isRange) ? 1 : 0
        guard !others.isEmpty else { return value }
        guard others.count <= model[value].shape.count - axis else {
            throw report(
                .badSlice, "\(others.count == 1 ? "1 index" : "\(others.count) indices") for \(model[value].shape.count - axis) axes", at: span, caption: describe(value),
                help: stepAtIndex(value, others, subject))
        }
        for item in others {
            switch item {
            case .range(let lower, let upper, let place):
                value = try sliced(value, axis: axis, lower, upper, place)
                axis += 1
            case .at(let expression):
                if let position = try? quietly({ try self.dimExpression(expression) }) {
                    value = try picked(value, axis: axis, position, expression.span)
                } else {
                    value = try gathered(value, expression, isOnly: others.count == 1, span)
                    axis += 1
                }
            }
        }
        return value
    }

    /// For a stream of numbers with a computed index: the value at the step of that number.
    private func stepAtIndex(_ value: ValueID, _ items: [IndexItem], _ subject: Expression) -> String? {
        guard items.count == 1, case .at(let index) = items[0], model[value].shape.isEmpty,
            let axis = model.axes.indices.first(where: { model[value].variance.varies(over: $0) })
        else { return nil }
        let (text, number) = (sources.text(of: subject.span), sources.text(of: index.span))
        let name = model.axes[axis].name
        return axis == 0 && model.axes.count == 1
            ? "its value at a step that is computed is sum[s in \(name) where s == \(number)](\(text)[s])"
            : "its value at a step that is computed is sum[\(name) where \(name) == \(number)](\(text))"
    }

    /// Whether an item of an index says at what step a value is looked at. `t - s` is a number.
    private func speaksOfSteps(_ item: IndexItem) -> Bool {
        let isOfTime = item.expressions.contains(where: mentionsAxis)
        return isOfTime != item.expressions.contains(where: mentionsSecondIndex)
    }

    /// A value at a step, or at those of a window, that items speak of.
    private func atSteps(_ items: [IndexItem], of subject: Expression, _ span: SourceSpan) throws -> ValueID {
        if items.contains(where: { $0.expressions.contains(where: mentionsSecondIndex) }) {
            return try along(subject, items, span) { try self.atSteps($0, of: subject, span) }
        }
        if let range = items.firstIndex(where: \.isRange) { return try window(of: subject, items, range: range, span) }
        return try delayed(subject, offsets: try offsets(items, span), span: span)
    }

    /// An unknown name beside a number, `h[i-1]`, was meant to be an axis of time.
    private func requireKnownNames(in item: IndexItem, of subject: Expression) throws {
        if environment == nil, case .at(let expression) = item, case .name(let name) = expression.kind, let place = indexPlaces[name],
            secondIndex(name) == nil, definitions[name] == nil, dims[name] == nil, !model.axes.contains(where: { $0.name == name })
        {
            throw reportEscape(name, boundAt: place, at: expression.span)
        }
        guard environment == nil, case .at(let expression) = item, case .binary(let syntax, let left, let right) = expression.kind,
            syntax == .add || syntax == .subtract, case .name(let name) = left.kind, case .integer(let distance) = right.kind,
            secondIndex(name) == nil, definitions[name] == nil, dims[name] == nil, !failedDims.contains(name), !model.axes.contains(where: { $0.name == name })
        else { return }
        if let place = indexPlaces[name] { throw reportEscape(name, boundAt: place, at: left.span) }
        let axes = model.axes.map { "'\($0.name)'" }.joined(separator: " and ")
        throw report(
            .unknownName, "there is no axis '\(name)' here", at: left.span,
            help: "the model runs over \(axes): write \(sources.text(of: subject.span))[\(model.axes[0].name)\(syntax.rawValue)\(distance)]")
    }

    /// Whether a position speaks of an axis of time; what stands inside other brackets does not count.
    func mentionsAxis(_ expression: Expression) -> Bool {
        mentions(expression) { name in model.axes.contains { $0.name == name } }
    }

    /// Whether one of the names counts that are added up in a position.
    func mentions(_ expression: Expression, _ counts: (String) throws -> Bool) rethrows -> Bool {
        var stack = [expression]
        while let next = stack.popLast() {
            switch next.kind {
            case .name(let name): if try counts(name) { return true }
            case .binary, .unary: stack += next.children
            case .integer, .real, .boolean, .conditional, .call, .index, .member, .rename, .pipe, .fold, .array, .steps, .error: break
            }
        }
        return false
    }

    /// The distance along each axis; an axis that is not named is not moved along.
    ///
    /// - Parameter seen: the axes that are named elsewhere in the index.
    func offsets(_ items: [IndexItem], seen: Set<Int> = [], _ span: SourceSpan) throws -> [Int] {
        var offsets = [Int](repeating: 0, count: model.axes.count)
        var seen = seen
        for item in items {
            guard case .at(let expression) = item else { continue }
            let (axis, offset) = try offset(expression)
            guard seen.insert(axis).inserted else {
                throw report(.delayNotConstant, "'\(model.axes[axis].name)' stands twice in this index", at: span)
            }
            offsets[axis] = offset
        }
        return offsets
    }

    /// Each step of a delay is kept.
    static let longestDelay = StepWindow.longestReach

    /// An axis and a constant: `t-1`, `1+t`, `t`.
    private func offset(_ expression: Expression) throws -> (axis: Int, offset: Int) {
        func axis(_ expression: Expression) -> Int? {
            guard case .name(let name) = expression.kind else { return nil }
            return model.axes.firstIndex { $0.name == name }
        }
        if let axis = axis(expression) { return (axis, 0) }
        if case .binary(let syntax, let left, let right) = expression.kind, syntax == .add || syntax == .subtract {
            let moved = axis(left).map { ($0, right) } ?? (syntax == .add ? axis(right).map { ($0, left) } : nil)
            if let (axis, place) = moved, let distance = try? quietly({ try self.constantInteger(place, "a delay") }) {
                guard abs(distance) <= Self.longestDelay else {
                    throw report(.tooLarge, "a delay of \(distance) steps is too long: the longest is \(Self.longestDelay)", at: place.span)
                }
                return (axis, syntax == .add ? distance : -distance)
            }
        }
        throw report(
            .delayNotConstant, "a delay is a constant number of steps", at: expression.span,
            help: "write \(model.axes[0].name)-1, \(model.axes[0].name)-2, …")
    }

    private func sliced(
        _ value: ValueID, axis: Int, _ lower: Expression?, _ upper: Expression?, _ span: SourceSpan
    ) throws -> ValueID {
        let dim = model[value].shape[axis]
        let start = try lower.map { try dimExpression($0) } ?? DimExpression(0)
        let end = try upper.map { try dimExpression($0) } ?? dim.size
        guard let length = DimExpression.difference(end, start), let rest = DimExpression.difference(dim.size, end) else {
            throw report(.tooLarge, "this size is too large", at: span)
        }
        let isEmpty = DimExpression.difference(DimExpression(0), length)?.isNeverNegative ?? false
        guard !start.isAlwaysNegative, !isEmpty, !rest.isAlwaysNegative else {
            throw report(
                .badSlice, "\(start):\(end) does not lie within the axis '\(dim.name)' of size \(dim.size)", at: span,
                caption: describe(value))
        }
        var shape = model[value].shape
        shape[axis] = length == dim.size ? dim : namedDim(length)
        return add(
            .slice(value, axis: axis, start: start, stride: 1), model[value].element, shape, model[value].variance, span)
    }

    /// One element along an axis, which goes away.
    private func picked(_ value: ValueID, axis: Int, _ position: DimExpression, _ span: SourceSpan) throws -> ValueID {
        let dim = model[value].shape[axis]
        if DimExpression.difference(position, dim.size)?.isNeverNegative ?? false {
            throw report(
                .badSlice, "\(position) does not lie within the axis '\(dim.name)' of size \(dim.size)", at: span,
                caption: describe(value), help: "indices run from 0 to \(dim.name)-1")
        }
        if let at = position.constant, at < 0 {
            throw report(.badSlice, "an index is not negative", at: span, help: "count from the front: \(dim.name)-1 is the last element")
        }
        var shape = model[value].shape
        shape[axis] = TypedDim("1", DimExpression(1))
        let slice = add(
            .slice(value, axis: axis, start: position, stride: 1), model[value].element, shape, model[value].variance, span)
        shape.remove(at: axis)
        return add(.primitive(.reshape(slice)), model[value].element, shape, model[value].variance, span)
    }

    private func gathered(_ table: ValueID, _ expression: Expression, isOnly: Bool, _ span: SourceSpan) throws -> ValueID {
        let index = try value(of: expression)
        guard model[index].element == .int else {
            throw report(
                .wrongElementType, "an index is an int, this is \(describe(index))", at: expression.span,
                help: model[index].element == .real ? "convert it with int(x), or declare the input as int" : nil)
        }
        guard isOnly else {
            throw report(.unsupported, "a computed index stands alone in its brackets", at: span, help: "take one axis after the other")
        }
        guard !model[table].shape.isEmpty else {
            throw report(
                .badSlice, "a scalar has no elements to choose from", at: span, caption: describe(table),
                help: "for its value at another step write [\(model.axes[0].name)-1]")
        }
        let shape = model[index].shape + model[table].shape.dropFirst()
        return add(
            .primitive(.gather(table: table, index: index)), model[table].element, shape,
            model[table].variance.union(model[index].variance), span)
    }
}
