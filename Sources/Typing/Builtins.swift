import RecSource
import RecStream
import RecSyntax

/// The functions that the language has.
enum Builtins {
    struct Call {
        var name: Identifier
        var brackets: [Expression]?
        var arguments: [Argument]
        var span: SourceSpan

        /// Arguments without a label.
        var positional: [Expression] { arguments.filter { $0.label == nil }.map(\.value) }
        func labelled(_ label: String) -> Expression? { arguments.first { $0.label?.text == label }?.value }
    }

    /// Element-wise functions of one real argument that are one operation.
    static let real: [String: UnaryOperator] = [
        "log": .log, "log2": .log2, "log1p": .log1p, "expm1": .expm1, "sqrt": .sqrt, "rsqrt": .rsqrt, "sin": .sin, "cos": .cos,
        "tan": .tan, "erf": .erf, "tanh": .tanh, "sigmoid": .sigmoid, "logsigmoid": .logsigmoid, "relu": .relu, "gelu": .gelu, "silu": .silu,
        "softplus": .softplus, "step": .step,
    ]
    static let reductions: [String: ReduceKind] = ["sum": .sum, "prod": .product, "min": .min, "max": .max, "logsumexp": .logsumexp]
    static let others = [
        "exp", "abs", "sign", "floor", "stop", "re", "im", "conj", "cis", "complex", "clamp", "logaddexp", "atan2", "mod", "elu",
        "leaky_relu", "isnan", "outer", "mean", "var", "softmax", "argmax", "argmin", "norm", "first", "last", "concat", "split", "reshape",
        "conv", "pad", "rmsnorm", "layernorm", "crossentropy", "grad", "real", "int", "noise", "uniform", "bernoulli",
        "categorical", "dropout",
    ]
    static let names = Array(real.keys) + Array(reductions.keys) + others
}

extension ModelTyper {
    func builtin(_ call: Builtins.Call) throws -> Meaning {
        if call.name.text == "split" { return .tuple(try split(call)) }
        return .value(try builtinValue(call))
    }

    private func builtinValue(_ call: Builtins.Call) throws -> ValueID {
        let name = call.name.text
        if let function = Builtins.real[name] {
            let (value, span) = try argument(call)
            try require(value, is: [.real, .int], "'\(name)'", span)
            return unary(function, try converted(value, to: .real, span), call.span)
        }
        switch name {
        case "min", "max":
            if call.brackets == nil, call.positional.count > 1 { return try extremum(call, name == "min" ? .min : .max) }
            return try reduction(call)
        case "sum", "prod", "logsumexp", "mean", "softmax", "var", "argmax", "argmin", "norm", "first", "last":
            return try reduction(call)
        case "exp": return try onElements(call, .exp, [.real, .int, .complex])
        case "abs": return try magnitude(call)
        case "sign": return try onElements(call, .sign, [.real, .int])
        case "floor": return try onElements(call, .floor, [.real, .int])
        case "stop": return try onElements(call, .stop, ElementType.allCases)
        case "conj": return try onElements(call, .conj, [.complex])
        case "re", "im":
            let (value, span) = try argument(call)
            try require(value, is: [.complex], "'\(name)'", span)
            return unary(name == "re" ? .re : .im, value, call.span, to: .real)
        case "cis":
            let (value, span) = try argument(call)
            try require(value, is: [.real, .int], "'cis'", span)
            return unary(.cis, try converted(value, to: .real, span), call.span, to: .complex)
        case "complex": return try pair(call, .complex)
        case "logaddexp": return try pair(call, .logaddexp)
        case "atan2": return try pair(call, .atan2)
        case "mod": return try pair(call, .mod)
        case "elu", "leaky_relu": return try bentUnit(call)
        case "isnan": return try isNaN(call)
        case "clamp": return try clamp(call)
        case "outer": return try outer(call)
        case "concat": return try concat(call)
        case "reshape": return try reshape(call)
        case "conv": return try convolution(call)
        case "pad": return try padding(call)
        case "rmsnorm", "layernorm": return try normalized(call)
        case "crossentropy": return try crossEntropy(call)
        case "grad": return try stepDerivative(call)
        case "noise", "uniform": return try draw(call)
        case "bernoulli": return try bernoulli(call)
        case "categorical": return try categorical(call)
        case "dropout": return try dropout(call)
        case "real": return try toReal(call)
        default: return try toInt(call)
        }
    }

    // MARK: Arguments

    /// The only argument.
    private func argument(_ call: Builtins.Call) throws -> (ValueID, SourceSpan) {
        let arguments = try arguments(call, 1...1)
        return (try value(of: arguments[0]), arguments[0].span)
    }

    /// The unlabelled arguments, as many as there must be; other labels than those allowed are errors.
    func arguments(_ call: Builtins.Call, _ count: ClosedRange<Int>, labels: [String] = [], brackets: Bool = false) throws -> [Expression] {
        if !brackets, let first = call.brackets?.first {
            throw report(.wrongArgument, "'\(call.name.text)' takes no names of axes", at: first.span)
        }
        for argument in call.arguments {
            guard let label = argument.label, !labels.contains(label.text) else { continue }
            throw report(
                .wrongArgument, "'\(call.name.text)' has no argument '\(label.text)'", at: label.span,
                help: nearest(label.text, among: labels).map { "did you mean '\($0)'?" }
                    ?? (labels.isEmpty ? nil : "it has \(labels.joined(separator: ", "))"))
        }
        guard count.contains(call.positional.count) else {
            let wanted = count.lowerBound == count.upperBound ? "\(count.lowerBound)" : "\(count.lowerBound) to \(count.upperBound)"
            throw report(
                .wrongArgument, "'\(call.name.text)' takes \(wanted) argument\(wanted == "1" ? "" : "s"), not \(call.positional.count)",
                at: call.span, help: argumentHelp(call, labels))
        }
        return call.positional
    }

    private func argumentHelp(_ call: Builtins.Call, _ labels: [String]) -> String? {
        if let label = labels.first { return "others have names: \(label): …" }
        return call.brackets == nil && ReductionNames.all.contains(call.name.text) ? "axes are named in brackets: \(call.name.text)[K](x)" : nil
    }

    private func onElements(_ call: Builtins.Call, _ function: UnaryOperator, _ allowed: [ElementType]) throws -> ValueID {
        let (value, span) = try argument(call)
        try require(value, is: allowed, "'\(call.name.text)'", span)
        let isTranscendental = function == .exp && model[value].element == .int
        return unary(function, isTranscendental ? try converted(value, to: .real, span) : value, call.span)
    }

    private func magnitude(_ call: Builtins.Call) throws -> ValueID {
        let (value, span) = try argument(call)
        try require(value, is: [.real, .int, .complex], "'abs'", span)
        return unary(.abs, value, call.span, to: model[value].element == .complex ? .real : nil)
    }

    /// An element-wise function of two arguments.
    private func pair(_ call: Builtins.Call, _ function: BinaryOperator) throws -> ValueID {
        let arguments = try arguments(call, 2...2)
        var values = [try value(of: arguments[0]), try value(of: arguments[1])]
        for k in 0..<2 {
            try require(values[k], is: [.real, .int], "'\(call.name.text)'", arguments[k].span)
            if function != .mod { values[k] = try converted(values[k], to: .real, arguments[k].span) }
        }
        return try elementwise(function, values[0], values[1], (arguments[0].span, arguments[1].span), call.span)
    }

    /// `max(a, b, …)`, element by element.
    private func extremum(_ call: Builtins.Call, _ function: BinaryOperator) throws -> ValueID {
        let arguments = try arguments(call, 2...64)
        let values = arguments.map { argument in Result { try value(of: argument) } }
        var result = try values[0].get()
        try require(result, is: [.real, .int], "'\(call.name.text)'", arguments[0].span)
        for (value, argument) in zip(values, arguments).dropFirst() {
            let next = try value.get()
            try require(next, is: [.real, .int], "'\(call.name.text)'", argument.span)
            result = try elementwise(function, result, next, (arguments[0].span, argument.span), call.span)
        }
        return result
    }

    private func clamp(_ call: Builtins.Call) throws -> ValueID {
        let arguments = try arguments(call, 3...3)
        var value = try value(of: arguments[0])
        for (k, function) in [(1, BinaryOperator.max), (2, .min)] {
            let bound = try self.value(of: arguments[k])
            try require(bound, is: [.real, .int], "'clamp'", arguments[k].span)
            try require(value, is: [.real, .int], "'clamp'", arguments[0].span)
            value = try elementwise(function, value, bound, (arguments[0].span, arguments[k].span), call.span)
        }
        return value
    }

    /// Only NaN is not equal to itself.
    private func isNaN(_ call: Builtins.Call) throws -> ValueID {
        let (value, span) = try argument(call)
        try require(value, is: [.real, .int, .complex], "'isnan'", span)
        return apply(.notEqual, value, value, call.span)
    }

    private func toReal(_ call: Builtins.Call) throws -> ValueID {
        let (value, span) = try argument(call)
        try require(value, is: [.real, .int, .bool], "'real'", span)
        return model[value].element == .real ? value : unary(.toReal, value, call.span, to: .real)
    }

    private func toInt(_ call: Builtins.Call) throws -> ValueID {
        let (value, span) = try argument(call)
        try require(value, is: [.real, .int, .bool], "'int'", span)
        return model[value].element == .int ? value : unary(.toInt, value, call.span, to: .int)
    }

    // MARK: Outer product

    /// The product over the union of the axes; shared names are lined up.
    private func outer(_ call: Builtins.Call) throws -> ValueID {
        let arguments = try arguments(call, 2...2)
        let (a, b) = (try value(of: arguments[0]), try value(of: arguments[1]))
        try require(a, is: [.real, .int, .complex], "'outer'", arguments[0].span)
        try require(b, is: [.real, .int, .complex], "'outer'", arguments[1].span)
        let (x, y) = try promoted(a, b, arguments[0].span, arguments[1].span)
        for value in [x, y] {
            guard let name = repeatedName(model[value].shape) else { continue }
            throw report(
                .ambiguousDim, "'\(name)' stands twice in \(describe(value)), so it cannot be lined up", at: call.span,
                help: "give one of its axes another name with 'as'")
        }
        let union = model[x].shape + model[y].shape.filter { dim in !model[x].shape.contains { $0.name == dim.name } }
        for dim in model[y].shape {
            guard let same = model[x].shape.first(where: { $0.name == dim.name }), same.size != dim.size else { continue }
            throw report(
                .shapeMismatch, "'\(dim.name)' has size \(same.size) on one side and \(dim.size) on the other", at: call.span,
                caption: shapes(x, y, (arguments[0].span, arguments[1].span)))
        }
        return apply(
            .multiply, try broadcast(x, to: union, arguments[0].span), try broadcast(y, to: union, arguments[1].span),
            call.span)
    }

    // MARK: Normalisation and losses

    private func normalized(_ call: Builtins.Call) throws -> ValueID {
        let isRoot = call.name.text == "rmsnorm"
        let arguments = try arguments(call, 1...1, labels: ["eps"], brackets: true)
        var value = try self.value(of: arguments[0])
        try require(value, is: [.real, .int], "'\(call.name.text)'", arguments[0].span)
        value = try converted(value, to: .real, arguments[0].span)
        let epsilon = try call.labelled("eps").map { try constantNumber($0) } ?? (isRoot ? 1e-6 : 1e-5)
        let axes: [Int]
        if let brackets = call.brackets {
            axes = try stepAxes(brackets, of: value)
        } else {
            guard let last = model[value].shape.indices.last else {
                throw report(.shapeMismatch, "'\(call.name.text)' needs an axis, this is a scalar", at: arguments[0].span)
            }
            axes = [last]
        }
        if !isRoot {
            let mean = try mean(value, axes, call.span)
            value = apply(.subtract, value, try spread(mean, like: value, without: axes, call.span), call.span)
        }
        let square = try mean(apply(.multiply, value, value, call.span), axes, call.span)
        let shifted = apply(.add, square, try broadcast(constant(epsilon, call.span), to: model[square].shape, call.span), call.span)
        let scale = try spread(unary(.rsqrt, shifted, call.span), like: value, without: axes, call.span)
        return apply(.multiply, value, scale, call.span)
    }
}
