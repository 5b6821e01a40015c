import RecSource
import RecStream
import RecSyntax

extension ModelTyper {
    /// `−log softmax(logits)[target]` over the last axis, for each place of the others.
    func crossEntropy(_ call: Builtins.Call) throws -> ValueID {
        let arguments = try arguments(call, 2...2)
        let given = Result { try value(of: arguments[0]) }
        let target = try value(of: arguments[1])
        let first = try given.get()
        if model[first].element == .int, model[target].element == .real {
            throw report(
                .wrongElementType, "the first argument of 'crossentropy' is the logits, the second the target", at: call.span,
                help: "write crossentropy(\(sources.text(of: arguments[1].span)), \(sources.text(of: arguments[0].span)))")
        }
        let logits = try converted(first, to: .real, arguments[0].span)
        try require(target, is: [.int], "the target of 'crossentropy'", arguments[1].span)
        let shape = model[logits].shape
        guard !shape.isEmpty, model[target].shape == shape.dropLast() else {
            throw report(
                .shapeMismatch, "'crossentropy' takes logits [\((shape.dropLast().map(\.name) + ["V"]).joined(separator: ", "))] and targets [\(shape.dropLast().map(\.name).joined(separator: ", "))]",
                at: call.span, caption: shapes(logits, target, (arguments[0].span, arguments[1].span)),
                help: "the last axis of the logits is that of the classes")
        }
        // Both terms are measured from the largest logit, so that an offset that all share costs no digits. An infinite one is
        // left out, as in logsumexp. A shift changes nothing, so it has no slope.
        let axis = [shape.count - 1]
        let largest = unary(.stop, reduce(.max, logits, axis, call.span), call.span)
        let isFinite = apply(
            .less, unary(.abs, largest, call.span), try broadcast(constant(.infinity, call.span), to: model[largest].shape, call.span), call.span)
        let shift = add(
            .primitive(.select(isFinite, then: largest, otherwise: try broadcast(constant(0, call.span), to: model[largest].shape, call.span))),
            .real, model[largest].shape, model[largest].variance, call.span)
        let shifted = apply(.subtract, logits, try spread(shift, like: logits, without: axis, call.span), call.span)
        let total = unary(.log, reduce(.sum, unary(.exp, shifted, call.span), axis, call.span), call.span)
        let chosen: ValueID
        if shape.count == 1 {
            chosen = add(
                .primitive(.gather(table: logits, index: target)), .real, [],
                model[logits].variance.union(model[target].variance), call.span)
        } else {
            chosen = add(
                .pick(rows: logits, index: target), .real, model[target].shape,
                model[logits].variance.union(model[target].variance), call.span)
        }
        let own = try broadcast(shift, to: model[chosen].shape, call.span)
        return apply(.subtract, total, apply(.subtract, chosen, own, call.span), call.span)
    }
}
