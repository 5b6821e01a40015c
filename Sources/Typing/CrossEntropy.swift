import RecSource
import RecStream
import RecSyntax

extension ModelTyper {
    /// `−log softmax(logits)[target]` over the last axis, for each place of the others.
    func crossEntropy(_ call: Builtins.Call) throws -> ValueID {
        try refuseAxes(of: call)
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
                help: stepChoice(logits, target).map { overSteps(axis: $0, arguments[0], arguments[1]) }
                    ?? "the last axis of the logits is that of the classes")
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

    /// The classes are numbers of a vector, and no steps.
    private func refuseAxes(of call: Builtins.Call) throws {
        guard let first = call.brackets?.first else { return }
        guard call.brackets?.count == 1, case .name(let name) = first.kind, model.axes.contains(where: { $0.name == name }) else {
            throw report(
                .wrongArgument, "'crossentropy' takes no names of axes", at: first.span, help: "it runs over the last axis of the logits: crossentropy(logits, target)")
        }
        let places = call.positional
        throw report(
            .wrongArgument, "'crossentropy' runs over the last axis of the logits, and '\(name)' is an axis of time", at: first.span,
            help: places.count == 2 ? overSteps(axis: name, places[0], places[1]) : nil)
    }

    /// The axis of time over whose steps alone the logits go, where the target does not.
    private func stepChoice(_ logits: ValueID, _ target: ValueID) -> String? {
        guard model[logits].shape == model[target].shape else { return nil }
        let own = model.axes.indices.filter { model[logits].variance.varies(over: $0) && !model[target].variance.varies(over: $0) }
        return own.count == 1 ? model.axes[own[0]].name : nil
    }

    /// How the cross-entropy is written where the classes are the steps of an axis, and the target is the number of one.
    private func overSteps(axis: String, _ logits: Expression, _ target: Expression) -> String {
        let (own, number) = (sources.text(of: logits.span), sources.text(of: target.span))
        return "of the steps themselves, it is logsumexp[\(axis)](\(own)) - sum[\(axis) where \(axis) == \(number)](\(own))"
    }
}
