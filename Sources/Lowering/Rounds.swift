import RecSource
import RecStream

/// The rounds of an inner axis that are taken, where a model ends them on a condition: `over (t, k: K) until halt`.
///
/// All rounds are computed. One that is not taken is as a step outside of its sequence to whoever looks at it from one that is:
/// delays give what they give there, and reductions pass it by. What looks at it is a select, so that it has no part in gradients.
struct Rounds {
    /// The axis in the graph.
    let axis: Int
    /// Whether a round is taken; it varies over all axes.
    let taken: ValueID
    /// Whether the round before was taken and not the last: a delay of what is still to come.
    fileprivate let goesOn: ValueID

    /// Whether a delay may lead from a round that is taken to one that is not. Those before it at the same step are taken.
    func mayLeave(by offsets: [Int]) -> Bool {
        offsets.indices.contains { $0 == axis ? offsets[$0] > 0 : offsets[$0] != 0 }
    }

    /// Which rounds are taken, as it is some way away.
    struct Place: Hashable {
        var taken: ValueID
        var offsets: [Int]
    }

    /// The value of the last round that is taken so far.
    struct Held: Hashable {
        var taken: ValueID
        var value: ValueID
    }
}

extension Lowering {
    /// The rounds along an axis whose condition is still to come.
    ///
    /// - Parameter outer: the rounds that the model around takes; no others are taken here.
    mutating func beginRounds(along axis: Int, within outer: Rounds?, _ span: SourceSpan) -> Rounds {
        building(at: span) { builder in
            let always = builder.constant(.bool(true))
            let goesOn = builder.delay(ofLater: .bool, [], builder.graph.axes.indices.map { $0 == axis ? -1 : 0 }, from: always)
            let taken = outer.map { builder.binary(.and, $0.taken, goesOn) } ?? goesOn
            return Rounds(axis: axis, taken: taken, goesOn: goesOn)
        }
    }

    /// Lets rounds end behind the first for which a condition holds.
    mutating func end(_ rounds: Rounds, on condition: ValueID, named name: String, _ span: SourceSpan) {
        building(at: span) { builder in
            let goesOn = builder.binary(.and, rounds.taken, builder.unary(.not, condition))
            builder.name(goesOn, name)
            builder.close(rounds.goesOn, with: goesOn)
        }
    }

    /// What a delay gives where the round that it leads to is taken, and what it gives outside of the sequence elsewhere.
    mutating func reading(_ delay: ValueID, in rounds: Rounds, _ span: SourceSpan) -> ValueID {
        guard case .delay(_, let offsets, let initial) = graph[delay].operation else { return delay }
        let place = Rounds.Place(taken: rounds.taken, offsets: offsets)
        let known = movedRounds[place]
        let (there, result) = building(at: span) { builder in
            let there = known ?? builder.add(.delay(rounds.taken, offsets: offsets, initial: nil))
            let outside = initial ?? builder.nothing(like: delay)
            return (there, builder.chosen(there, delay, outside))
        }
        movedRounds[place] = there
        return result
    }

    /// The same for the steps of a window; also what is read in place of each of its delays.
    ///
    /// - Parameter differs: whether what it looks at differs from round to round.
    mutating func reading(
        _ given: (window: ValueID, delays: [ValueID]), in rounds: Rounds, differs: Bool, _ span: SourceSpan
    ) -> (window: ValueID, readings: [ValueID: ValueID]) {
        var readings: [ValueID: ValueID] = [:]
        for delay in given.delays where graph[delay].variance.varies(over: rounds.axis) {
            guard case .delay(_, let offsets, _) = graph[delay].operation, rounds.mayLeave(by: offsets), differs || offsets[rounds.axis] != 0 else { continue }
            readings[delay] = reading(delay, in: rounds, span)
        }
        guard !readings.isEmpty, case .concat(let parts, let axis) = graph[given.window].operation else { return (given.window, [:]) }
        var window = graph[given.window]
        let chosen = parts.map { part -> ValueID in
            guard case .reshape(let delay) = graph[part].operation, let reading = readings[delay] else { return part }
            var row = graph[part]
            row.operation = .reshape(reading)
            row.variance = graph[reading].variance
            return graph.add(row)
        }
        window.operation = .concat(chosen, axis: axis)
        window.variance = chosen.reduce(Variance.none) { $0.union(graph[$1].variance) }
        return (graph.add(window), readings)
    }

    /// A reduction over a whole axis; over that of rounds, over those that are taken.
    mutating func overTime(
        _ kind: TimeReduceKind, _ operand: ValueID, _ axis: Int, _ rounds: Rounds?, named name: String?, _ span: SourceSpan
    ) -> ValueID {
        if let rounds, rounds.axis == axis { return reduced(kind, operand, over: rounds, named: name, span) }
        if let rounds, graph[operand].variance.varies(over: rounds.axis) {
            let (outer, inner) = (graph.axes[axis].name, graph.axes[rounds.axis].name)
            fail(
                .unsupported, "steps of '\(outer)' take different numbers of rounds, and this differs from round to round", span,
                help: "reduce it over '\(inner)' first")
            return operand
        }
        return building(at: span) { builder in
            // What a layer is given may be the same at every step.
            let stream = Variance(batch: true, axes: 1 << UInt8(axis))
            let operand = builder[operand].variance.covers(stream) ? operand : builder.rename(operand, over: stream)
            return builder.add(.overTime(kind, operand, axis: axis), name: name)
        }
    }

    /// The axes of the graph that values of a layer vary over beside its own: those of what it is given, and where rounds are not taken,
    /// those that this depends on.
    func furtherAxes(than axes: [GraphAxis], _ inputs: [String: ValueID]?, _ rounds: Rounds?) -> UInt8 {
        let own = axes.reduce(UInt8(0)) { $0 | 1 << UInt8($1.position) }
        var further = (inputs ?? [:]).values.reduce(UInt8(0)) { $0 | graph[$1].variance.axes }
        if let rounds, own & 1 << UInt8(rounds.axis) != 0 { further |= graph[rounds.taken].variance.axes }
        return further & ~own
    }

    /// What an output gives: 0 in rounds that are not taken.
    mutating func result(_ value: ValueID, of rounds: Rounds, _ span: SourceSpan) -> ValueID {
        guard graph[value].variance.varies(over: rounds.axis) else { return value }
        return building(at: span) { $0.chosen(rounds.taken, value, $0.nothing(like: value)) }
    }

    /// A reduction over the rounds that are taken.
    mutating func reduced(_ kind: TimeReduceKind, _ operand: ValueID, over rounds: Rounds, named name: String?, _ span: SourceSpan) -> ValueID {
        let value = graph[operand]
        func extreme(_ real: Double, _ int: Int) -> Scalar { value.element == .int ? .int(int) : .real(real) }
        var last: ValueID?
        if kind == .last { last = held(operand, in: rounds, span) }
        let result = building(at: span) { builder -> ValueID in
            func over(_ kind: TimeReduceKind, else scalar: Scalar) -> ValueID {
                let outside = builder.constant(scalar, value.shape)
                return builder.overTime(kind, builder.chosen(rounds.taken, operand, outside), axis: rounds.axis)
            }
            switch kind {
            // The first round is always taken; a choice all the same says that no other has a part in gradients.
            case .first: return builder.overTime(.first, builder.chosen(rounds.taken, operand, builder.nothing(like: operand)), axis: rounds.axis)
            case .last: return last.map { builder.overTime(.last, $0, axis: rounds.axis) } ?? operand
            case .sum: return over(.sum, else: extreme(0, 0))
            case .max: return over(.max, else: extreme(-.infinity, .min))
            case .min: return over(.min, else: extreme(.infinity, .max))
            case .mean:
                let count = builder.overTime(.sum, builder.unary(.toReal, rounds.taken), axis: rounds.axis)
                let counts = builder.broadcast(count, to: value.shape, from: value.shape.map { _ in nil })
                return builder.binary(.divide, over(.sum, else: .real(0)), value.shape.isEmpty ? count : counts)
            }
        }
        graph[result].name = name
        return result
    }

    /// A value as it is in the last round that is taken so far: a state of its own, which keeps what it is in all rounds behind that.
    private mutating func held(_ operand: ValueID, in rounds: Rounds, _ span: SourceSpan) -> ValueID {
        let key = Rounds.Held(taken: rounds.taken, value: operand)
        if let known = heldValues[key] { return known }
        let held = building(at: span) { builder -> ValueID in
            let value = builder[operand]
            let type = ValueType(value.element, value.shape, value.variance.union(builder[rounds.taken].variance))
            let before = builder.delay(ofLater: type, builder.graph.axes.indices.map { $0 == rounds.axis ? -1 : 0 })
            let held = builder.chosen(rounds.taken, operand, before)
            builder.name(held, "held.\(value.name ?? "value")")
            builder.close(before, with: held)
            return held
        }
        heldValues[key] = held
        return held
    }

    /// Lets a builder go on with the graph.
    private mutating func building<Result>(at span: SourceSpan, _ body: (inout GraphBuilder) -> Result) -> Result {
        var builder = GraphBuilder(continuing: graph)
        // Two owners would copy all values.
        graph = StreamGraph(name: "", axes: [])
        builder.span = span
        let result = body(&builder)
        graph = builder.graph
        return result
    }
}

extension GraphBuilder {
    /// A select between whole rows.
    fileprivate mutating func chosen(_ condition: ValueID, _ a: ValueID, _ b: ValueID) -> ValueID {
        let shape = self[a].shape
        return select(shape.isEmpty ? condition : broadcast(condition, to: shape, from: shape.map { _ in nil }), a, b)
    }

    /// What stands outside of a sequence.
    fileprivate mutating func nothing(like value: ValueID) -> ValueID { constant(self[value].element.zero, self[value].shape) }
}
