import RecSource
import RecStream
import RecSyntax

/// Convolutions over time, `conv[t](x, W)`.
extension ModelTyper {
    /// The axis of time that a convolution runs along; nil where it runs along one of the step.
    func timeAxis(of call: Builtins.Call) -> Int? {
        guard let brackets = call.brackets, brackets.count == 1, case .name(let name) = brackets[0].kind else { return nil }
        return model.axes.firstIndex { $0.name == name }
    }

    /// What a filter does with the elements of a step, which shapes decide. The width is the last axis of each.
    private enum Filter {
        /// `[width]`: one filter, for each element alike.
        case one
        /// `[…, width]`, the axes of `x` in front, or `[…, 1, width]`: each element has its own.
        case each
        /// `[out, …, width]`: all elements go into each result.
        case all
        /// `[G, out, …, width]` for `x: [G, …]`: the same within each part along the first axis.
        case within
    }

    /// Cross-correlation over the last steps, the present one last: `y[t] = Σ_k W[…, k] · x[t - (width-1-k) · dilation]`, as PyTorch's
    /// conv1d of a sequence with so many zeros in front. With `ahead: n` the last step is `t+n`.
    func convolutionOverTime(_ call: Builtins.Call, _ axis: Int) throws -> ValueID {
        let name = model.axes[axis].name
        for argument in call.arguments {
            guard let label = argument.label, ["stride", "pad"].contains(label.text) else { continue }
            throw report(
                .wrongArgument, "'conv[\(name)]' gives a result at every step, so it has no '\(label.text)'", at: label.span,
                help: label.text == "pad" ? "it looks back, and sees 0 in front of the sequence; it looks ahead with ahead: n" : nil)
        }
        let expressions = try arguments(call, 2...2, labels: ["dilation", "groups", "ahead"], brackets: true)
        let spans = (expressions[0].span, expressions[1].span)
        var kernel = try value(of: expressions[1])
        try require(kernel, is: [.real, .int, .complex], "'conv'", spans.1)
        guard let width = model[kernel].shape.last else {
            throw report(
                .shapeMismatch, "a filter has an axis of steps, and this is a scalar", at: spans.1,
                help: "a single weight multiplies: \(sources.text(of: spans.1)) * \(sources.text(of: spans.0))")
        }
        let dilation = try count(call, "dilation", least: 1)
        let ahead = try count(call, "ahead", least: 0)
        guard let back = DimExpression.difference(width.size, DimExpression(1)).flatMap({ DimExpression.product($0, dilation) }),
            let first = DimExpression.difference(ahead, back), model.axes.indices.contains(axis),
            let window = StepWindow(axis: axis, first: first, spacing: dilation, count: width.size, offsets: model.axes.map { _ in 0 })
        else { throw report(.tooLarge, "this size is too large", at: call.span) }
        var steps = try windowed(expressions[0], window, width, call.span)
        try require(steps, is: [.real, .int, .complex], "'conv'", spans.0)
        (steps, kernel) = try promoted(steps, kernel, spans.0, spans.1)
        if let groups = call.labelled("groups") { return try grouped(steps, kernel, groups, spans, call.span) }
        return try filtered(steps, kernel, spans, call)
    }

    /// A number, or an expression of dims, with a label; `least` where it is left out.
    private func count(_ call: Builtins.Call, _ label: String, least: Int) throws -> DimExpression {
        guard let expression = call.labelled(label) else { return DimExpression(least) }
        let size = try dimExpression(expression)
        if let number = size.constant, number < least || number > StepWindow.longestReach {
            throw report(.wrongArgument, "'\(label)' is from \(least) to \(StepWindow.longestReach), not \(number)", at: expression.span)
        }
        return size
    }

    private func filtered(
        _ steps: ValueID, _ kernel: ValueID, _ spans: (SourceSpan, SourceSpan), _ call: Builtins.Call
    ) throws -> ValueID {
        let (x, width) = (Array(model[steps].shape.dropFirst()), model[steps].shape[0])
        let outer = Array(model[kernel].shape.dropLast())
        // Labels: 0 width, 1… the axes of a step, then those of the results.
        let own = Array(1..<(x.count + 1))
        let result = x.count + 1
        switch try filter(outer, for: x, spans, call) {
        case .one:
            return contraction(kernel, [0], steps, [0] + own, to: own, x, call.span)
        case .each:
            let kernel = turned(shaped(kernel, x + [width], spans.1), to: 0, spans.1)
            return contraction(kernel, [0] + own, steps, [0] + own, to: own, x, call.span)
        case .all:
            let kernel = turned(shaped(kernel, [outer[0]] + x + [width], spans.1), to: 1, spans.1)
            return contraction(kernel, [result, 0] + own, steps, [0] + own, to: [result], [outer[0]], call.span)
        case .within:
            let kernel = turned(kernel, to: 2, spans.1)
            return contraction(kernel, [1, result, 0] + own.dropFirst(), steps, [0] + own, to: [1, result], [x[0], outer[1]], call.span)
        }
    }

    private func contraction(
        _ left: ValueID, _ leftLabels: [Int], _ right: ValueID, _ rightLabels: [Int], to resultLabels: [Int], _ shape: TypedShape,
        _ span: SourceSpan
    ) -> ValueID {
        add(
            .primitive(
                .contract(
                    Contraction(left: left, right: right, leftLabels: leftLabels, rightLabels: rightLabels, resultLabels: resultLabels))),
            model[left].element, shape, model[left].variance.union(model[right].variance), span)
    }

    /// The same elements in another shape.
    private func shaped(_ value: ValueID, _ shape: TypedShape, _ span: SourceSpan) -> ValueID {
        let old = model[value]
        if old.shape.map(\.size) == shape.map(\.size) { return value }
        return add(.primitive(.reshape(value)), old.element, shape, old.variance, span)
    }

    /// A filter with its width in another place. In front of the channels they lie as in the steps of a window, so that products with
    /// both, and the gradient of the filter, run through memory in order.
    private func turned(_ kernel: ValueID, to place: Int, _ span: SourceSpan) -> ValueID {
        let old = model[kernel]
        guard place < old.shape.count - 1 else { return kernel }
        var order = Array(old.shape.indices)
        order.insert(order.removeLast(), at: place)
        return add(
            .primitive(.broadcast(kernel, from: order)), old.element, order.map { old.shape[$0] }, old.variance, span)
    }

    /// - Parameters:
    ///   - outer: the axes of the filter but its width.
    ///   - x: the axes of a step.
    private func filter(
        _ outer: TypedShape, for x: TypedShape, _ spans: (SourceSpan, SourceSpan), _ call: Builtins.Call
    ) throws -> Filter {
        let (sizes, own) = (outer.map(\.size), x.map(\.size))
        let single = [DimExpression(1)]
        if outer.isEmpty { return .one }
        if sizes == own || !own.isEmpty && sizes == own + single { return .each }
        if own.isEmpty, sizes.dropFirst().elementsEqual([]) || sizes.dropFirst().elementsEqual(single) { return .all }
        let isAll = !own.isEmpty && sizes.dropFirst().elementsEqual(own)
        let isWithin = x.count > 1 && outer.count == x.count + 1 && outer[0] == x[0] && sizes.dropFirst(2).elementsEqual(own.dropFirst())
        if isAll, isWithin {
            // Sizes allow both; the names of the axes decide.
            if outer[1].name != x[0].name { return .within }
            let names = x.map(\.name).joined(separator: ", ")
            let rest = x.dropFirst().map { $0.name + ", " }.joined()
            throw report(
                .ambiguousDim, "this filter may take all of [\(names)] to each result, or each of '\(x[0].name)' by itself", at: spans.1,
                caption: describe(outer + [TypedDim("width", DimExpression(1))], .real),
                help: "give the axis of the results another name, as in dim J = \(x[0].name): [J, \(names), width] for all, [\(x[0].name), J, \(rest)width] for each")
        }
        if isAll { return .all }
        if isWithin { return .within }
        throw misfit(outer, x, spans, call)
    }

    private func misfit(_ outer: TypedShape, _ x: TypedShape, _ spans: (SourceSpan, SourceSpan), _ call: Builtins.Call) -> Abandoned {
        let text = sources.text(of: spans.1)
        let names = x.map { $0.name + ", " }.joined()
        guard let kernel = try? quietly({ try value(of: call.positional[1]) }) else { return Abandoned() }
        let shape = model[kernel].shape
        var help: String
        if shape.count == x.count + 1, shape.dropFirst().map(\.size) == x.map(\.size) {
            help = shape.count == 2 ? "the width is the last axis: \(text).T" : "the width is the last axis: [\(names)\(shape[0].name)]"
        } else if x.count == 1, outer.count == 2, outer[1].size != x[0].size {
            help = "a filter of all channels is [\(outer[0].name), \(names)width]; one of groups of them, as PyTorch's, takes groups: n"
        } else if x.isEmpty {
            help = "for a number it is [width], or [out, width] for several results"
        } else {
            help = "it is [\(names)width] where each element has its own, [out, \(names)width] where all of them go into each result, [width] for one that is the same for all"
        }
        return report(
            .shapeMismatch, "this filter does not fit what it runs over", at: call.span,
            caption: "\(sources.text(of: spans.0)): \(describe(x, .real)), \(text): \(describe(kernel))", help: help)
    }

    /// PyTorch's groups: the results of each group are made of as many channels, `W: [out, channels / groups, width]`.
    private func grouped(
        _ steps: ValueID, _ kernel: ValueID, _ groups: Expression, _ spans: (SourceSpan, SourceSpan), _ span: SourceSpan
    ) throws -> ValueID {
        let (x, shape) = (Array(model[steps].shape.dropFirst()), model[kernel].shape)
        let number = try dimExpression(groups)
        if let least = number.constant, least < 1 { throw report(.wrongArgument, "there is at least one group, not \(least)", at: groups.span) }
        guard x.count == 1, shape.count == 3, let part = DimExpression.quotient(x[0].size, number), shape[1].size == part,
            let results = DimExpression.quotient(shape[0].size, number)
        else {
            throw report(
                .shapeMismatch, "with groups a filter is [out, channels / groups, width]", at: span,
                caption: "\(sources.text(of: spans.0)): \(describe(x, .real)), \(sources.text(of: spans.1)): \(describe(kernel))", help: "without them [channels, width] has a filter for each channel")
        }
        let (group, inner, outer) = (TypedDim("group", number), TypedDim("channel", part), TypedDim("result", results))
        let result = contraction(
            turned(shaped(kernel, [group, outer, inner, shape[2]], spans.1), to: 2, spans.1), [1, 3, 0, 2],
            shaped(steps, [shape[2], group, inner], spans.0), [0, 1, 2],
            to: [1, 3], [group, outer], span)
        return shaped(result, [shape[0]], span)
    }
}
