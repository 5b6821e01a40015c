import RecSource
import RecStream
import RecSyntax

/// Functions that rearrange: concat, split, reshape, conv, pad.
extension ModelTyper {
    /// The axis named in brackets, else the first.
    private func axis(_ call: Builtins.Call, of value: ValueID, _ span: SourceSpan) throws -> Int {
        guard !model[value].shape.isEmpty else {
            throw report(.shapeMismatch, "'\(call.name.text)' needs an axis, this is a scalar", at: span)
        }
        guard let brackets = call.brackets else { return 0 }
        guard brackets.count == 1 else {
            throw report(.wrongArgument, "'\(call.name.text)' runs along one axis", at: call.span)
        }
        return try stepAxes(brackets, of: value)[0]
    }

    func concat(_ call: Builtins.Call) throws -> ValueID {
        let expressions = try arguments(call, 1...64, brackets: true)
        var values = try expressions.map { try value(of: $0) }
        for k in values.indices.dropFirst() {
            (values[0], values[k]) = try promoted(values[0], values[k], expressions[0].span, expressions[k].span)
        }
        for k in values.indices.dropFirst() { values[k] = try converted(values[k], to: model[values[0]].element, expressions[k].span) }
        // A single number is a vector of one element.
        if call.brackets == nil || values.contains(where: { !model[$0].shape.isEmpty }) {
            for k in values.indices where model[values[k]].shape.isEmpty {
                let scalar = model[values[k]]
                values[k] = add(
                    .primitive(.reshape(values[k])), scalar.element, [TypedDim("1", DimExpression(1))], scalar.variance,
                    expressions[k].span)
            }
        }
        let axis = try axis(call, of: values[0], expressions[0].span)
        let first = model[values[0]].shape
        var total = first[axis].size
        var variance = model[values[0]].variance
        for (value, expression) in zip(values, expressions).dropFirst() {
            let shape = model[value].shape
            let agrees = shape.count == first.count && shape.indices.allSatisfy { $0 == axis || shape[$0] == first[$0] }
            guard agrees else {
                throw report(
                    .shapeMismatch, "'concat' joins along '\(first[axis].name)'; the other axes must agree", at: expression.span,
                    caption: "\(describe(values[0])) and \(describe(value))")
            }
            guard let next = DimExpression.sum(total, shape[axis].size) else {
                throw report(.tooLarge, "this size is too large", at: call.span)
            }
            total = next
            variance = variance.union(model[value].variance)
        }
        var shape = first
        shape[axis] = namedDim(total)
        return add(.primitive(.concat(values, axis: axis)), model[values[0]].element, shape, variance, call.span)
    }

    func split(_ call: Builtins.Call) throws -> [ValueID] {
        let expressions = try arguments(call, 2...2, brackets: true)
        let value = try value(of: expressions[0])
        let count = try constantInteger(expressions[1], "the number of parts")
        guard (1...1024).contains(count) else {
            throw report(.wrongArgument, "a value is split into 1 to 1024 parts, not \(count)", at: expressions[1].span)
        }
        let axis = try axis(call, of: value, expressions[0].span)
        guard let part = DimExpression.quotient(model[value].shape[axis].size, DimExpression(count)) else {
            throw report(.tooLarge, "this size is too large", at: call.span)
        }
        var shape = model[value].shape
        shape[axis] = namedDim(part)
        return try (0..<count).map { k in
            guard let start = DimExpression.product(part, DimExpression(k)) else {
                throw report(.tooLarge, "this size is too large", at: call.span)
            }
            return add(
                .slice(value, axis: axis, start: start, stride: 1), model[value].element, shape, model[value].variance,
                call.span)
        }
    }

    func reshape(_ call: Builtins.Call) throws -> ValueID {
        let expressions = try arguments(call, 2...2)
        let value = try value(of: expressions[0])
        guard case .array(let items) = expressions[1].kind else {
            throw report(
                .wrongArgument, "the shape of 'reshape' is a list", at: expressions[1].span, help: "write reshape(x, [N, D/N])")
        }
        let shape = try items.map { try typedDim($0) }
        guard let old = product(model[value].shape), let new = product(shape) else {
            throw report(.tooLarge, "this size is too large", at: call.span)
        }
        guard old == new else {
            throw report(
                .shapeMismatch, "'reshape' keeps the number of elements: from \(old) it makes \(new)", at: call.span,
                caption: "\(describe(value)) to \(describe(shape, .real))",
                help: old.constant != nil && new.constant != nil
                    ? nil : "dims stand for any sizes, so the product of the new ones must be \(old), as in [\(old)/2, 2]")
        }
        return add(.primitive(.reshape(value)), model[value].element, shape, model[value].variance, call.span)
    }

    private func product(_ shape: TypedShape) -> DimExpression? {
        shape.reduce(DimExpression(1)) { total, dim in total.flatMap { DimExpression.product($0, dim.size) } }
    }

    /// Cross-correlation along a named axis within a step: `x: [C, L]`, `W: [O, C, K]` to `[O, L']`.
    func convolution(_ call: Builtins.Call) throws -> ValueID {
        if let axis = timeAxis(of: call) { return try convolutionOverTime(call, axis) }
        let expressions = try arguments(call, 2...2, labels: ["stride", "pad"], brackets: true)
        guard call.brackets?.count == 1 else {
            throw report(.wrongArgument, "'conv' runs along one named axis", at: call.name.span, help: "write conv[L](x, W)")
        }
        var input = try converted(try value(of: expressions[0]), to: .real, expressions[0].span)
        var kernel = try converted(try value(of: expressions[1]), to: .real, expressions[1].span)
        let axis = try axis(call, of: input, expressions[0].span)
        let stride = try call.labelled("stride").map { try constantInteger($0, "the stride") } ?? 1
        let pad = try call.labelled("pad").map { try constantInteger($0, "the padding") } ?? 0
        for (label, number, least) in [("stride", stride, 1), ("pad", pad, 0)] where number < least || number > 1 << 24 {
            throw report(
                .wrongArgument, "'\(label)' is from \(least) to \(1 << 24), not \(number)", at: call.labelled(label)?.span ?? call.span)
        }
        let inputShape = model[input].shape
        // A single channel may be left out of the input.
        if inputShape.count == 1, model[kernel].shape.count == 3, model[kernel].shape[1].size == DimExpression(1) {
            let flat = [model[kernel].shape[0], model[kernel].shape[2]]
            kernel = add(.primitive(.reshape(kernel)), .real, flat, model[kernel].variance, expressions[1].span)
        }
        let kernelShape = model[kernel].shape
        let channels = inputShape.indices.filter { $0 != axis }
        let agrees = kernelShape.count == channels.count + 2
            && zip(channels, kernelShape.dropFirst()).allSatisfy { inputShape[$0].size == $1.size }
        guard agrees, let width = kernelShape.last, let out = kernelShape.first else {
            throw report(
                .shapeMismatch, "the kernel of 'conv' has the axes [out, \(channels.map { inputShape[$0].name + ", " }.joined())width]",
                at: call.span, caption: shapes(input, kernel, (expressions[0].span, expressions[1].span)))
        }
        if pad > 0 { input = try padded(input, axis, DimExpression(pad), DimExpression(pad), .zero, call.span) }
        guard let room = DimExpression.difference(model[input].shape[axis].size, width.size),
            let length = DimExpression.floor(room, dividedBy: stride).flatMap({ DimExpression.sum($0, DimExpression(1)) })
        else { throw report(.tooLarge, "this size is too large", at: call.span) }
        if DimExpression.difference(DimExpression(0), length)?.isNeverNegative ?? false {
            throw report(
                .shapeMismatch, "the kernel is longer than the axis '\(inputShape[axis].name)'", at: call.span,
                caption: shapes(input, kernel, (expressions[0].span, expressions[1].span)))
        }
        var windowShape = model[input].shape
        windowShape[axis] = namedDim(length)
        windowShape.insert(width, at: axis + 1)
        let windows = add(
            .primitive(.window(input, axis: axis, stride: stride)), .real, windowShape, model[input].variance, call.span)
        // Labels: 0 out, 1 position, 2 within the window, 3… channels.
        var windowLabels: [Int] = []
        for k in inputShape.indices {
            if k == axis { windowLabels += [1, 2] } else { windowLabels.append(3 + (channels.firstIndex(of: k) ?? 0)) }
        }
        let kernelLabels = [0] + channels.indices.map { 3 + $0 } + [2]
        return add(
            .primitive(
                .contract(
                    Contraction(
                        left: kernel, right: windows, leftLabels: kernelLabels, rightLabels: windowLabels,
                        resultLabels: [0, 1]))),
            .real, [out, windowShape[axis]], model[windows].variance.union(model[kernel].variance), call.span)
    }

    func padding(_ call: Builtins.Call) throws -> ValueID {
        let expressions = try arguments(call, 3...4, brackets: true)
        let value = try value(of: expressions[0])
        try require(value, is: [.real], "'pad'", expressions[0].span)
        guard call.brackets?.count == 1 else {
            throw report(.wrongArgument, "'pad' runs along one named axis", at: call.span, help: "write pad[S](x, 0, 64, reflect)")
        }
        let axis = try axis(call, of: value, expressions[0].span)
        let before = try dimExpression(expressions[1])
        let after = try dimExpression(expressions[2])
        var mode = PadMode.zero
        if expressions.count == 4 {
            guard case .name(let name) = expressions[3].kind, let known = PadMode(rawValue: name) else {
                throw report(
                    .wrongArgument, "the mode of 'pad' is zero, reflect or edge", at: expressions[3].span)
            }
            mode = known
        }
        for (size, expression) in [(before, expressions[1]), (after, expressions[2])] {
            if let number = size.constant, number < 0 {
                throw report(.wrongArgument, "a padding is not negative", at: expression.span, help: "cut with a slice: x[a:b]")
            }
            if mode == .reflect, let number = size.constant, let length = model[value].shape[axis].size.constant, number >= length {
                throw report(
                    .badSlice, "reflection reaches at most \(length - 1) elements here", at: expression.span,
                    caption: describe(value))
            }
        }
        return try padded(value, axis, before, after, mode, call.span)
    }

    private func padded(
        _ value: ValueID, _ axis: Int, _ before: DimExpression, _ after: DimExpression, _ mode: PadMode, _ span: SourceSpan
    ) throws -> ValueID {
        var shape = model[value].shape
        guard let added = DimExpression.sum(before, after), let size = DimExpression.sum(shape[axis].size, added) else {
            throw report(.tooLarge, "this size is too large", at: span)
        }
        shape[axis] = namedDim(size)
        return add(
            .pad(value, axis: axis, before: before, after: after, mode: mode), model[value].element, shape,
            model[value].variance, span)
    }
}
