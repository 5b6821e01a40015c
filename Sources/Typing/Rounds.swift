import RecSource
import RecStream
import RecSyntax

/// Rounds of an inner axis that end on a condition: `over (t, k: K) until halt`.
extension ModelTyper {
    /// The axis whose rounds end on a condition; nil where all of its steps are taken.
    var stoppingAxis: Int? { syntax?.until != nil && model.axes.count == 2 ? 1 : nil }

    /// Reports a condition without an inner axis of a fixed number of rounds.
    func checkRoundsAreBounded(_ syntax: ModelDeclaration) {
        guard let until = syntax.until else { return }
        let axes = syntax.axes.map(\.name.text)
        if axes.count == 1 {
            report(
                .unsupported, "'until' ends the rounds within a step, and '\(syntax.name.text)' has none: it runs over '\(axes[0])' alone",
                at: until.span, help: "give it an inner axis with the most rounds there may be: over (\(axes[0]), k: 8) until \(until.text)")
        } else if axes.count > 2 {
            report(
                .unsupported, "'until' ends the rounds of the second of two axes, and '\(syntax.name.text)' runs over \(axes.count)", at: until.span,
                help: "give a layer the rounds, over two of the axes")
        } else if axes.count == 2, syntax.axes[1].length == nil {
            report(
                .unsupported, "the rounds along '\(axes[1])' need a bound: it may be that '\(until.text)' is never true", at: until.span,
                help: "write over (\(axes[0]), \(axes[1]): 8) until \(until.text)")
        }
    }

    /// Finds the condition, and checks that it is one bool for each round.
    func finishRounds(_ syntax: ModelDeclaration) {
        guard let until = syntax.until, let axis = stoppingAxis, let value = try? value(named: until) else { return }
        let name = model.axes[axis].name
        let typed = model[value]
        guard typed.element == .bool else {
            report(
                .wrongElementType, "rounds end on a bool, '\(until.text)' is \(describe(value))", at: until.span,
                help: "compare it with something, as in \(until.text) = residual < 0.001")
            return
        }
        guard typed.shape.isEmpty else {
            report(
                .shapeMismatch, "rounds end on one bool, '\(until.text)' is \(describe(value))", at: until.span,
                help: "let it say something of all elements, as in \(until.text) = max(abs(h - h[\(name)-1])) < 0.001")
            return
        }
        guard typed.variance.varies(over: axis) else {
            report(
                .notAStream, "'\(until.text)' is the same in every round of '\(name)', so that either the first is the last, or all are taken",
                at: until.span, help: "make it of what changes from round to round: a state, or \(name), the number of the round")
            return
        }
        model.until = value
    }

    /// Reports a condition that depends on which rounds are taken: on what is known behind the last of them, or on those to come.
    func checkRounds() {
        guard let axis = stoppingAxis, let until = syntax?.until, let condition = model.until else { return }
        func mistake(_ value: TypedValue, _ what: String) {
            report(
                .bothDirections, "'\(until.text)' says which round of '\(model.axes[axis].name)' is the last, and depends on what is known \(what)",
                at: value.span, labels: [Diagnostic.Label(span: until.span, text: "the rounds end on it")],
                help: "make it of the present round and those before it")
        }
        var seen: Set<ValueID> = [condition]
        var stack = [condition]
        while let id = stack.popLast() {
            let value = model[id]
            var operands = model.operands(of: value)
            switch value.operation {
            case .primitive(.overTime(let kind, _, axis)) where kind != .first:
                return mistake(value, "behind the last one")
            case .primitive(.delay(_, let offsets, let initial)):
                // What other steps of the outer axis give is known, or is not, whatever ends the rounds here.
                if offsets[0] != 0 { operands = initial.map { [$0] } ?? [] } else if offsets[axis] > 0 { return mistake(value, "in rounds to come") }
            case .window(_, let window):
                let reach = window.outermost(of: value.shape[0].size)
                if reach.contains(where: { $0[0] == 0 && $0[axis] > 0 }) { return mistake(value, "in rounds to come") }
                if reach.allSatisfy({ $0[0] != 0 }) { operands = window.initial.map { [$0] } ?? [] }
            case .primitive, .parameter, .dim, .slice, .pad, .pick, .callOutput, .derivative, .own, .adjoint, .step, .along, .distance, .draw, .training: break
            }
            for operand in operands where seen.insert(operand).inserted { stack.append(operand) }
        }
    }

    /// What a value at another step varies over. It is outside of the sequence at some steps along the axes that it is moved along; and
    /// where rounds are not taken, which differs from step to step.
    func variance(ofDelayed value: ValueID, by offsets: [Int]) -> Variance {
        var variance = model[value].variance
        for (axis, offset) in offsets.enumerated() where offset != 0 { variance = variance.union(Variance(batch: true, axes: 1 << UInt8(axis))) }
        guard let axis = stoppingAxis, variance.varies(over: axis) else { return variance }
        return offsets[axis] < 0 && offsets[0] == 0 ? variance : variance.union(allAxes)
    }

    /// What a reduction over an axis varies over.
    func variance(ofReduced value: ValueID, over axis: Int) -> Variance {
        let all = axis == stoppingAxis ? model[value].variance.union(allAxes) : model[value].variance
        return all.removing(axis: axis)
    }

    /// Reports a reduction over steps that take different numbers of rounds, of what differs from round to round.
    func requireSameRounds(_ value: ValueID, over axis: Int, _ name: String, _ span: SourceSpan) throws {
        guard let rounds = stoppingAxis, axis != rounds, model[value].variance.varies(over: rounds) else { return }
        let (outer, inner) = (model.axes[axis].name, model.axes[rounds].name)
        throw report(
            .unsupported, "steps of '\(outer)' take different numbers of rounds, and this differs from round to round", at: span,
            help: "reduce it over the rounds first: \(name)[\(outer)](last[\(inner)](x)), or \(name)[\(outer), \(inner)](x) for both")
    }

    /// Axes of time in the order in which a reduction goes over them: the rounds that a step takes come before the steps.
    func roundsFirst(_ times: [Int]) -> [Int] {
        guard let axis = stoppingAxis, times.contains(axis) else { return times }
        return [axis] + times.filter { $0 != axis }
    }

    /// The axes of this model that what a call gives varies over beside those of the layer: those of what it is given, and where rounds of
    /// the layer's steps are not taken, those that this depends on.
    func furtherAxes(of layer: TypedLayer, given: [ValueID]) -> UInt8 {
        let own = layer.axes.reduce(UInt8(0)) { $0 | 1 << UInt8($1) }
        var further = given.reduce(UInt8(0)) { $0 | model[$1].variance.axes }
        if let axis = stoppingAxis, layer.axes.contains(axis) { further |= allAxes.axes & ~(1 << UInt8(axis)) }
        return further & ~own
    }
}
