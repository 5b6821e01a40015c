import RecStream

/// What stands for a delay in the backward pass: a delay by the opposite offsets of its adjoint.
struct MirrorImage {
    var mirror: ValueID
    /// The delay of the forward pass, or one of the same value.
    var delay: ValueID
}

extension ReverseMode {
    /// A delay by the opposite offsets of an adjoint that is still to come.
    mutating func giveMirror(of delay: ValueID, to operand: ValueID) {
        guard case .delay(_, let offsets, _) = primal[delay].operation else { return }
        let mirror = builder.delay(ofLater: primal[delay].type, offsets.map { -$0 })
        mirrors.append(MirrorImage(mirror: mirror, delay: delay))
        add(mirror, to: operand, over: primal[delay].variance)
    }

    /// Says what the mirror images look at.
    mutating func closeMirrors() {
        let roots = adjointsOfDelayed
        var carrying = CarryingValues(mirrors: Set(mirrors.map(\.mirror)), first: primal.values.count)
        for number in mirrors.indices { closeMirror(number, roots, &carrying) }
    }

    /// For each recurrence the adjoints of the values that it delays.
    private var adjointsOfDelayed: [Int: [ValueID: ValueID]] {
        var roots: [Int: [ValueID: ValueID]] = [:]
        for (operand, users) in delays where users.contains(where: { recurrence[$0.index] == recurrence[operand.index] }) {
            if let adjoint = adjoints[operand.index] { roots[recurrence[operand.index], default: [:]][adjoint] = operand }
        }
        return roots
    }

    /// Where a value is delayed several times, all its mirror images look at its one adjoint, as far as what is between is linear and
    /// known at every step: the adjoint of `h = a * h[t-1] + b * h[t-2]` is `g = a[t+1] * g[t+1] + b[t+2] * g[t+2]`, of the same
    /// structure, rather than two states `a * g` and `b * g`.
    private mutating func closeMirror(_ number: Int, _ roots: [Int: [ValueID: ValueID]], _ carrying: inout CarryingValues) {
        let (mirror, delay) = (mirrors[number].mirror, mirrors[number].delay)
        guard case .delay(let operand, let offsets, _) = primal[delay].operation else { return }
        let source = mirrored(delay)
        let back = offsets.map { -$0 }
        guard delays[operand]?.count ?? 0 > 1 else { return builder.close(mirror, with: source) }
        if recurrence[operand.index] == recurrence[delay.index], let own = roots[recurrence[operand.index]] {
            carrying.extend(over: builder.graph)
            var moving = Moving(offsets: back, roots: own, carrying: carrying)
            if let moved = moving.moved(source, &builder), !moving.looks.isEmpty {
                let isSame = builder[moved].variance == primal[delay].variance
                builder.replace(mirror, by: isSame ? builder[moved].operation : .rename(moved))
                if case .delay = builder[mirror].operation {} else { mirrors[number].mirror = moving.looks[0].mirror }
                furtherMirrors += moving.looks.map { MirrorImage(mirror: $0.mirror, delay: $0.operand == operand ? delay : delays[$0.operand]?.first ?? delay) }
                return
            }
        }
        // Elsewhere factors that do not vary stay outside.
        var inner = source
        var outside: [(ValueID) -> Operation] = []
        while let (factor, rest) = builder.fixedFactor(of: inner) {
            inner = factor
            outside.append(rest)
        }
        guard let last = outside.first else { return builder.close(mirror, with: source) }
        var value = builder.add(.delay(inner, offsets: back, initial: nil))
        mirrors[number].mirror = value
        for operation in outside.dropFirst().reversed() { value = builder.add(operation(value), proposing: primal[delay].type) }
        builder.replace(mirror, by: last(value))
    }

    /// The adjoint of a delay as its mirror image reads it.
    private mutating func mirrored(_ delay: ValueID) -> ValueID {
        builder.span = primal[delay].span
        var adjoint = adjoints[delay.index] ?? builder.zeros(primal[delay].shape)
        if builder[adjoint].variance != primal[delay].variance {
            adjoint = builder.rename(adjoint, over: primal[delay].variance)
        }
        guard let truncation = request.truncation, case .delay(_, let offsets, _) = primal[delay].operation, offsets[0] != 0 else {
            return adjoint
        }
        return builder.within(blocksOf: truncation, adjoint, reading: offsets[0])
    }

    /// Makes what a recurrence of adjoints hands on a state, `grad.h` for the adjoint of `h`, so that it can be spoken of; and
    /// `live.h` for where `h` is live.
    mutating func nameRecurrences(_ live: [(mirror: ValueID, delay: ValueID)]) {
        let component = builder.graph.recurrenceNumbers
        var names = Set(primal.states.map(\.name))
        var named: Set<ValueID> = []
        for (kind, mirror, delay) in (mirrors + furtherMirrors).map({ ("grad", $0.mirror, $0.delay) }) + live.map({ ("live", $0, $1) }) {
            guard case .delay(let handedOn, _, _) = builder[mirror].operation, case .delay(let operand, _, _) = primal[delay].operation,
                component[mirror.index] == component[handedOn.index], named.insert(handedOn).inserted
            else { continue }
            var name = "\(kind).\(word(for: operand))"
            while !names.insert(name).inserted { name += "'" }
            builder.state(name, handedOn)
            // The adjoint of the whole step is another value, and may not have the same name.
            if let adjoint = adjoints[operand.index], adjoint != handedOn, builder[adjoint].name == name, builder[handedOn].name == name {
                builder.unname(adjoint)
            }
        }
    }

    /// What a value that is delayed is called: by its name, or else by that of its recurrence.
    private func word(for operand: ValueID) -> String {
        if let name = primal.states.first(where: { $0.value == operand })?.name ?? primal[operand].name { return name }
        let others = primal.ids.filter { recurrence[$0.index] == recurrence[operand.index] }
        let state = primal.states.first { others.contains($0.value) }?.name ?? others.lazy.compactMap { primal[$0].name }.first
        return state ?? ExpressionWriter(primal).text(operand, longest: 40)
    }
}

/// Which values depend on an adjoint of another step.
struct CarryingValues {
    private let mirrors: Set<ValueID>
    private var isCarrying: [Bool]

    /// Values before `first` are those of the forward pass.
    init(mirrors: Set<ValueID>, first: Int) {
        self.mirrors = mirrors
        isCarrying = [Bool](repeating: false, count: first)
    }

    mutating func extend(over graph: StreamGraph) {
        for index in isCarrying.count..<max(isCarrying.count, graph.values.count) {
            let id = ValueID(index)
            let follows = graph[id].operation.operands.contains { $0 < id && isCarrying[$0.index] }
            isCarrying.append(mirrors.contains(id) || follows)
        }
    }

    subscript(_ id: ValueID) -> Bool { isCarrying[id.index] }
}

/// A linear function of adjoints as it is some steps away, by what its parts are there.
private struct Moving {
    let offsets: [Int]
    /// The adjoints of values that are delayed, with those values.
    let roots: [ValueID: ValueID]
    let carrying: CarryingValues
    /// Delays of adjoints that have been made.
    var looks: [(mirror: ValueID, operand: ValueID)] = []
    private var depth = 0

    init(offsets: [Int], roots: [ValueID: ValueID], carrying: CarryingValues) {
        self.offsets = offsets
        self.roots = roots
        self.carrying = carrying
    }

    /// Longer expressions stay in one piece.
    private static let mostDepth = 100

    /// Nil where the value is no such function. `isFactor` says that it multiplies an adjoint, or chooses one.
    mutating func moved(_ id: ValueID, isFactor: Bool = false, _ builder: inout GraphBuilder) -> ValueID? {
        if let operand = roots[id] {
            let mirror = builder.add(.delay(id, offsets: offsets, initial: nil))
            looks.append((mirror, operand))
            return mirror
        }
        guard depth < Self.mostDepth else { return nil }
        depth += 1
        defer { depth -= 1 }
        guard carrying[id] else { return isFactor ? factor(id, &builder) : term(id, &builder) }
        var other: ValueID?
        switch builder[id].operation {
        case .unary(.negate, _), .binary(.add, _, _), .binary(.subtract, _, _), .rename, .broadcast, .reshape, .slice, .concat,
            .pad(_, _, _, _, .zero), .reduce(.sum, _, _):
            break
        case .binary(.multiply, let a, let b):
            guard carrying[a] != carrying[b] else { return nil }
            other = carrying[a] ? b : a
        case .select(let condition, _, _):
            guard !carrying[condition] else { return nil }
            other = condition
        case .contract(let c):
            // A matrix of every step would have to be kept for the step that reads it.
            let matrix = carrying[c.left] ? c.right : c.left
            guard carrying[c.left] != carrying[c.right], builder[matrix].variance.isStatic else { return nil }
            other = matrix
        case .input, .parameter, .constant, .unary, .binary, .reduce, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance,
            .chunks, .steps, .runningAffine, .solve:
            return nil
        }
        let operation = builder[id].operation
        var new: [ValueID: ValueID] = [:]
        for operand in operation.operands where new[operand] == nil {
            guard let value = moved(operand, isFactor: operand == other, &builder) else { return nil }
            new[operand] = value
        }
        return builder.add(operation.mapOperands { new[$0] ?? $0 }, proposing: builder[id].type)
    }

    /// What an adjoint is multiplied by, at the other step; outside the sequence that adjoint is 0.
    private func factor(_ id: ValueID, _ builder: inout GraphBuilder) -> ValueID {
        let moves = offsets.indices.contains { offsets[$0] != 0 && builder[id].variance.varies(over: $0) }
        return moves ? builder.add(.delay(id, offsets: offsets, initial: nil)) : id
    }

    /// What is added to an adjoint, at the other step. It is 0 outside the sequence, also where it is the same at every step, as the
    /// share of a sum over time is.
    private func term(_ id: ValueID, _ builder: inout GraphBuilder) -> ValueID {
        if builder.isZero(id) { return id }
        var variance = Variance(batch: true, axes: 0)
        for axis in offsets.indices where offsets[axis] != 0 { variance.axes |= 1 << UInt8(axis) }
        variance = variance.union(builder[id].variance)
        let wide = builder[id].variance == variance ? id : builder.rename(id, over: variance)
        return builder.add(.delay(wide, offsets: offsets, initial: nil))
    }
}

extension GraphBuilder {
    /// Whether a value is made of the constant 0.
    func isZero(_ id: ValueID) -> Bool {
        switch self[id].operation {
        case .constant(let scalar): scalar == .real(0)
        case .broadcast(let a, _), .rename(let a), .reshape(let a), .slice(let a, _, _, _): isZero(a)
        case .input, .parameter, .unary, .binary, .select, .contract, .reduce, .concat, .pad, .window, .gather, .scatter, .delay, .overTime,
            .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }
}
