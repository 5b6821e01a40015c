import RecSource
import RecStream
import RecSyntax

extension ModelTyper {
    /// `sum[K](x)`, `mean[t](x)` and the like.
    func reduction(_ call: Builtins.Call) throws -> ValueID {
        let name = call.name.text
        let expressions = try arguments(call, 1...1, brackets: true)
        if let place = call.brackets?.firstIndex(where: \.isSteps) { return try reduction(call, binding: place) }
        if case .array(let items) = expressions[0].kind { return try listReduction(call, items, expressions[0].span) }
        let span = expressions[0].span
        var value = try value(of: expressions[0])
        if try isOverSecondIndex(call) { return try reductionOverSecondIndex(value, call) }
        let (times, dims) = try split(brackets: call.brackets)
        if let axis = times.first(where: { isOverSomeSteps(name, $0) }) {
            guard times.count == 1 else {
                throw report(.unsupported, "'\(name)' goes over one axis of time here", at: call.span, help: "take one axis after the other")
            }
            return try reductionOverSteps(value, call, steps(along: axis, span))
        }
        if name == "var" { return try variance(of: value, times, dims, call, span) }
        if dims != nil || times.isEmpty { value = try reduceInStep(name, value, dims, call, span) }
        for axis in roundsFirst(times) { value = try reduceOverTime(name, value, axis, call) }
        return value
    }

    /// The axes of time and the axes of the step that stand in the brackets; no brackets mean all axes of the step.
    private func split(brackets: [Expression]?) throws -> (times: [Int], dims: [Expression]?) {
        guard let brackets else { return ([], nil) }
        var times: [Int] = []
        var dims: [Expression] = []
        for expression in brackets {
            if case .name(let name) = expression.kind, let axis = model.axes.firstIndex(where: { $0.name == name }) {
                times.append(axis)
            } else {
                dims.append(expression)
            }
        }
        return (times, dims.isEmpty ? nil : dims)
    }

    private func reduceOverTime(_ name: String, _ value: ValueID, _ axis: Int, _ call: Builtins.Call) throws -> ValueID {
        guard let kind = TimeReduceKind(rawValue: name) else {
            throw report(
                .unsupported, "'\(name)' cannot run over the axis '\(model.axes[axis].name)'", at: call.name.span,
                help: "over time there are sum, mean, var, max, min, softmax, logsumexp, argmax, argmin, first and last")
        }
        guard model[value].variance.varies(over: axis) else {
            throw report(
                .notAStream, "this does not vary over '\(model.axes[axis].name)'", at: call.positional[0].span,
                help: "use it as it is")
        }
        try requireOneIndex(value, "a reduction over '\(model.axes[axis].name)'", call.span)
        try requireSameRounds(value, over: axis, name, call.span)
        var value = value
        switch kind {
        case .sum, .max, .min: try require(value, is: [.real, .int], "'\(name)' over time", call.positional[0].span)
        case .mean:
            try require(value, is: [.real, .int], "'mean' over time", call.positional[0].span)
            value = try converted(value, to: .real, call.positional[0].span)
        case .first, .last: break
        }
        return add(
            .primitive(.overTime(kind, value, axis: axis)), model[value].element, model[value].shape,
            variance(ofReduced: value, over: axis), call.span)
    }

    private func timeAxes(of value: ValueID) -> [String] {
        model.axes.indices.filter { model[value].variance.varies(over: $0) }.map { model.axes[$0].name }
    }

    func reduceInStep(
        _ name: String, _ given: ValueID, _ brackets: [Expression]?, _ call: Builtins.Call, _ span: SourceSpan
    ) throws -> ValueID {
        var value = given
        let axes = try brackets.map { try stepAxes($0, of: value) } ?? Array(model[value].shape.indices)
        guard !axes.isEmpty else {
            throw report(.shapeMismatch, "there is nothing to reduce: this is a scalar", at: span, caption: describe(value),
                help: model[value].variance.isStream && ["sum", "mean", "min", "max", "softmax", "logsumexp", "argmax", "argmin"].contains(name)
                    ? "over time write \(timeAxes(of: value).map { "\(name)[\($0)](…)" }.joined(separator: " or "))" : nil)
        }
        switch name {
        case "first", "last":
            throw report(
                .wrongArgument, "'\(name)' takes a step of a stream: \(name)[\(model.axes[0].name)](…)", at: call.span)
        case "sum":
            try require(value, is: [.real, .int, .complex], "'sum'", span)
            return reduce(.sum, value, axes, call.span)
        case "prod":
            try require(value, is: [.real, .int], "'prod'", span)
            return reduce(.product, value, axes, call.span)
        case "min", "max":
            try require(value, is: [.real, .int], "'\(name)'", span)
            return reduce(name == "min" ? .min : .max, value, axes, call.span)
        case "argmax", "argmin":
            try require(value, is: [.real, .int], "'\(name)'", span)
            guard axes.count == 1 else {
                throw report(
                    .ambiguousDim, "'\(name)' runs over one axis", at: call.span, caption: describe(value),
                    help: "name it: \(name)[\(model[value].shape[0].name)](…)")
            }
            return reduce(.argmax, name == "argmin" ? try reversed(value, call.span) : value, axes, call.span)
        default: break
        }
        try require(value, is: [.real, .int], "'\(name)'", span)
        value = try converted(value, to: .real, span)
        switch name {
        case "logsumexp":
            return reduce(.logsumexp, value, axes, call.span)
        case "mean":
            return try mean(value, axes, call.span)
        case "norm":
            return unary(.sqrt, reduce(.sum, apply(.multiply, value, value, call.span), axes, call.span), call.span)
        default:
            // softmax: shifted by the largest, so that no exponential overflows. A shift changes nothing, so it has no slope.
            let shift = unary(.stop, reduce(.max, value, axes, call.span), call.span)
            let largest = try spread(shift, like: value, without: axes, call.span)
            let weights = unary(.exp, apply(.subtract, value, largest, call.span), call.span)
            let total = try spread(reduce(.sum, weights, axes, call.span), like: value, without: axes, call.span)
            return apply(.divide, weights, total, call.span)
        }
    }

    /// Numbers in the opposite order; of ints −1 − n, which also the least one has.
    func reversed(_ value: ValueID, _ span: SourceSpan) throws -> ValueID {
        guard model[value].element == .int else { return unary(.negate, value, span) }
        let minusOne = add(.primitive(.constant(.int(-1))), .int, [], .none, span)
        return apply(.subtract, try broadcast(minusOne, to: model[value].shape, span), value, span)
    }

    /// The mean square of the deviations from the mean, over axes of the step and of time together.
    private func variance(
        of given: ValueID, _ times: [Int], _ dims: [Expression]?, _ call: Builtins.Call, _ span: SourceSpan
    ) throws -> ValueID {
        try require(given, is: [.real, .int], "'var'", span)
        let value = try converted(given, to: .real, span)
        let axes = try dims.map { try stepAxes($0, of: value) } ?? (times.isEmpty ? Array(model[value].shape.indices) : [])
        func mean(_ value: ValueID) throws -> ValueID {
            let inStep = dims != nil || times.isEmpty ? try reduceInStep("mean", value, dims, call, span) : value
            return try roundsFirst(times).reduce(inStep) { try reduceOverTime("mean", $0, $1, call) }
        }
        let center = try spread(try mean(value), like: value, without: axes, call.span)
        let deviation = apply(.subtract, value, center, call.span)
        return try mean(apply(.multiply, deviation, deviation, call.span))
    }

    /// The positions of named axes, ascending.
    func stepAxes(_ brackets: [Expression], of value: ValueID) throws -> [Int] {
        let shape = model[value].shape
        var axes: [Int] = []
        for expression in brackets {
            let wanted: String
            if case .name(let name) = expression.kind { wanted = name } else { wanted = namedDim(try dimExpression(expression)).name }
            let places = shape.indices.filter { shape[$0].name == wanted }
            guard let axis = places.first else {
                throw report(
                    .unknownDim, "there is no axis '\(wanted)' in \(describe(value))", at: expression.span,
                    help: nearest(wanted, among: shape.map(\.name) + model.axes.map(\.name)).map { "did you mean '\($0)'?" }
                        ?? (shape.isEmpty ? nil : "its axes are \(shape.map(\.name).joined(separator: ", "))"))
            }
            guard places.count == 1 else {
                throw report(
                    .ambiguousDim, "'\(wanted)' stands \(places.count) times in \(describe(value))", at: expression.span,
                    help: "give one of the axes another name with 'as'")
            }
            guard !axes.contains(axis) else {
                throw report(.ambiguousDim, "'\(wanted)' is named twice", at: expression.span)
            }
            axes.append(axis)
        }
        return axes.sorted()
    }

    func reduce(_ kind: ReduceKind, _ value: ValueID, _ axes: [Int], _ span: SourceSpan) -> ValueID {
        let shape = model[value].shape.indices.filter { !axes.contains($0) }.map { model[value].shape[$0] }
        return add(
            .primitive(.reduce(kind, value, axes: axes)), kind == .argmax ? .int : model[value].element, shape,
            model[value].variance, span)
    }

    func mean(_ value: ValueID, _ axes: [Int], _ span: SourceSpan) throws -> ValueID {
        let total = reduce(.sum, value, axes, span)
        var count = DimExpression(1)
        for axis in axes {
            guard let next = DimExpression.product(count, model[value].shape[axis].size) else {
                throw report(.tooLarge, "this size is too large", at: span)
            }
            count = next
        }
        let number = unary(.toReal, add(.dim(count), .int, [], .none, span), span, to: .real)
        return apply(.divide, total, try broadcast(number, to: model[total].shape, span), span)
    }

    /// A reduced value over the axes of the value it came from, by position.
    func spread(_ value: ValueID, like whole: ValueID, without axes: [Int], _ span: SourceSpan) throws -> ValueID {
        var kept = 0
        let from = model[whole].shape.indices.map { axis -> Int? in
            if axes.contains(axis) { return nil }
            defer { kept += 1 }
            return kept
        }
        return add(
            .primitive(.broadcast(value, from: from)), model[value].element, model[whole].shape, model[value].variance, span)
    }
}
