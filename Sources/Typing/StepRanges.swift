import RecSource
import RecStream
import RecSyntax

/// What a reduction says of the steps that it goes through: `s <= t`, `t-256 < s <= t`, `s in t`.
extension ModelTyper {
    private struct Bound {
        /// How far from the present step.
        var offset: DimExpression
        /// Whether it is not one of the steps itself.
        var isStrict: Bool
    }

    /// The index that a range binds, with the bounds as a mask; the condition behind `where` is for the caller to add.
    func index(boundBy range: StepRangeSyntax, _ span: SourceSpan) throws -> SecondIndex {
        guard let time = model.axes.first?.name else {
            throw report(.unsupported, "an operator has no steps to go through", at: span, help: "reduce in a model, and give the operator the result")
        }
        let name: Identifier
        let place: Int
        var (lower, upper): (Bound?, Bound?)
        switch range.bounds {
        case .all(let step, let axis):
            guard let found = model.axes.firstIndex(where: { $0.name == axis.text }) else {
                throw report(.unknownName, "there is no axis '\(axis.text)' here", at: axis.span, help: "the model runs over '\(time)': write \(step.text) in \(time)")
            }
            (name, place) = (step, found)
        case .compared(let terms, let signs):
            (name, place, lower, upper) = try bounds(terms, signs, span)
        case .axis: throw Abandoned()
        }
        try requireFree(name)
        let firstValue = model.values.count
        var mask: ValueID?
        func add(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID) {
            let condition = apply(function, a, b, span)
            mask = mask.map { apply(.and, $0, condition, span) } ?? condition
        }
        // `s <= t + o` where `t - s >= -o`.
        if let upper { add(upper.isStrict ? .less : .lessOrEqual, try behind(upper, span), distance(along: place, span)) }
        if let lower { add(lower.isStrict ? .less : .lessOrEqual, distance(along: place, span), try behind(lower, span)) }
        return SecondIndex(name: name.text, axis: place, span: span, mask: mask, firstValue: firstValue, environment: environment)
    }

    /// How far a bound is behind the present step.
    private func behind(_ bound: Bound, _ span: SourceSpan) throws -> ValueID {
        guard let back = DimExpression.difference(DimExpression(0), bound.offset) else { throw report(.tooLarge, "this size is too large", at: span) }
        if let number = back.constant { return add(.primitive(.constant(.int(number))), .int, [], .none, span) }
        return add(.dim(back), .int, [], .none, span)
    }

    private func bounds(
        _ terms: [Expression], _ signs: [BinarySyntax], _ span: SourceSpan
    ) throws -> (name: Identifier, axis: Int, lower: Bound?, upper: Bound?) {
        let time = model.axes[0].name
        let isAscending = signs.map { $0 == .less || $0 == .lessOrEqual }
        guard Set(isAscending).count == 1 else {
            throw report(.wrongArgument, "the two comparisons look different ways", at: span, help: "the older step stands first: \(time)-8 < s <= \(time)")
        }
        let terms = isAscending[0] ? terms : terms.reversed()
        let isStrict = (isAscending[0] ? signs : signs.reversed()).map { $0 == .less || $0 == .greater }
        let axes = terms.filter { term in if case .name(let name) = term.kind { model.axes.contains { $0.name == name } } else { false } }
        guard axes.count < 2 || terms.count == 3 || axes[0].kind == axes[1].kind else {
            throw report(
                .wrongArgument, "'\(sources.text(of: axes[0].span))' and '\(sources.text(of: axes[1].span))' are axes, whose steps have no order among each other", at: span,
                help: "a condition on them stands behind 'where': sum[\(sources.text(of: axes[0].span)) where \(sources.text(of: span))](…)")
        }
        let place = terms.count == 3 ? 1 : mentionsAxis(terms[0]) ? 1 : 0
        guard case .name(let text) = terms[place].kind, terms.indices.contains(where: { $0 != place && mentionsAxis(terms[$0]) }) else {
            throw report(
                .wrongArgument, "'\(sources.text(of: span))' does not say which steps a new index goes through", at: span,
                help: "compare it with the present step, s <= \(time) or \(time)-8 < s <= \(time); conditions stand behind 'where': s in \(time) where \(sources.text(of: span))")
        }
        var axis: Int?
        func bound(_ position: Int, _ isStrict: Bool) throws -> Bound {
            let term = terms[position]
            guard mentionsAxis(term), let step = try? quietly({ try self.step(term) }), step.axis != nil else {
                throw report(
                    .delayNotConstant, "'\(sources.text(of: term.span))' is no step a constant number of steps from the present one", at: term.span,
                    help: "count from it, as in \(time)-8 or \(time)-W; what is computed stands behind 'where': \(text) in \(time) where …")
            }
            guard axis == nil || axis == step.axis else {
                throw report(.wrongArgument, "the two ends are steps of different axes", at: span, help: "both ends count from one axis: \(time)-8 < \(text) <= \(time)")
            }
            axis = step.axis
            return Bound(offset: step.offset, isStrict: isStrict)
        }
        let lower = place > 0 ? try bound(place - 1, isStrict[place - 1]) : nil
        let upper = place < terms.count - 1 ? try bound(place + 1, isStrict[place]) : nil
        if let lower, let upper {
            let inside = DimExpression(1 - (lower.isStrict ? 1 : 0) - (upper.isStrict ? 1 : 0))
            let count = DimExpression.difference(upper.offset, lower.offset).flatMap { DimExpression.sum($0, inside) }
            if count.flatMap({ DimExpression.difference(DimExpression(0), $0) })?.isNeverNegative ?? false {
                throw report(.badSlice, "there is no step in '\(sources.text(of: span))'", at: span, help: "the last 8 steps are \(time)-8 < \(text) <= \(time)")
            }
        }
        return (Identifier(text: text, span: terms[place].span), axis ?? 0, lower, upper)
    }

    /// Reports a name for an index that stands for something else here.
    private func requireFree(_ name: Identifier) throws {
        let what: String? =
            if model.axes.contains(where: { $0.name == name.text }) { "an axis" }
            else if dims[name.text] != nil || failedDims.contains(name.text) { "a dim" }
            else if secondIndex(name.text) != nil { "the index of a reduction around this one" }
            else if ["inf", "nan", "pi"].contains(name.text) { "a number" }
            else if let environment { environment.meanings[name.text] != nil || environment.equations[name.text] != nil ? "a name" : nil }
            else if definitions[name.text] != nil { "a name" }
            else { nil }
        guard let what else { return }
        throw report(
            .duplicateDefinition, "'\(name.text)' is \(what) already, and here the index of a reduction", at: name.span,
            labels: definitionSpans[name.text].map { environment == nil ? [Diagnostic.Label(span: $0, text: "the first definition")] : [] } ?? [],
            help: secondIndex(name.text) != nil
                ? "\(name.text) goes through the same steps in sum[\(name.text)](…); another reduction needs another name" : "give the index another name")
    }
}

extension Expression {
    /// Whether it says which steps a reduction goes through.
    var isSteps: Bool { if case .steps = kind { true } else { false } }
}
