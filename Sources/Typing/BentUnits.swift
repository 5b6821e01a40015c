import RecSource
import RecStream
import RecSyntax

/// Rectifiers with a left side: what is not positive goes another way than what is.
extension ModelTyper {
    /// `elu(x, alpha: 1)` is x or α (e^x − 1) (Clevert et al. 2015); `leaky_relu(x, slope: 0.01)` is x or slope · x (Maas et al.
    /// 2013). NaN stays NaN; the slope at 0 is that of the left side.
    func bentUnit(_ call: Builtins.Call) throws -> ValueID {
        let isLeaky = call.name.text == "leaky_relu"
        let label = isLeaky ? "slope" : "alpha"
        let arguments = try arguments(call, 1...1, labels: [label])
        let span = arguments[0].span
        let given = try value(of: arguments[0])
        try require(given, is: [.real, .int], "'\(call.name.text)'", span)
        let x = try converted(given, to: .real, span)
        var left = isLeaky ? x : unary(.expm1, x, call.span)
        if isLeaky || call.labelled(label) != nil {
            let factor = try call.labelled(label).map { try value(of: $0) } ?? constant(0.01, call.span)
            let place = call.labelled(label)?.span ?? call.span
            try require(factor, is: [.real, .int], "'\(label)'", place)
            left = try elementwise(.multiply, factor, left, (place, span), call.span)
        }
        guard model[left].shape == model[x].shape else {
            throw report(
                .shapeMismatch, "'\(label)' has axes that the argument of '\(call.name.text)' has not", at: call.span,
                caption: "\(label): \(call.labelled(label).flatMap { try? value(of: $0) }.map(describe) ?? ""), \(shortened(span)): \(describe(x))")
        }
        let zero = try broadcast(constant(0, call.span), to: model[x].shape, call.span)
        let isRight = apply(.greater, x, zero, call.span)
        let variance = model[x].variance.union(model[left].variance)
        return add(.primitive(.select(isRight, then: x, otherwise: left)), .real, model[x].shape, variance, call.span)
    }
}
