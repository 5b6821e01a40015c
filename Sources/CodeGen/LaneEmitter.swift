import CLLVM
import RecScheduling
import RecStream

/// Emits a lane loop: for each vector of elements, all steps of the call, with the state in registers. What the carries
/// were before comes out of their rings and goes back there.
struct LaneEmitter {
    let nest: Nest
    let carries: [Stage.Carry]
    let stage: StageEmitter
    private let varying: [Bool]

    init(_ nest: Nest, carries: [Stage.Carry], _ stage: StageEmitter) {
        self.nest = nest
        self.carries = carries
        self.stage = stage
        var varying: [Bool] = []
        for node in nest.nodes {
            var varies = node.operation.operands.contains { varying[$0] }
            for access in node.operation.accesses where stage.shape[access.buffer].variance.isStream || access.offsets.contains(where: { $0 != 0 }) {
                varies = true
            }
            if case .carried = node.operation { varies = true }
            if case .unary(.numbered, _) = node.operation { varies = true }
            varying.append(varies)
        }
        self.varying = varying
    }

    func emit(sequence: IRValue, from start: IRValue, to end: IRValue, isReversed: Bool) {
        let builder = stage.builder
        let zero = builder.int(0)
        func row(_ step: IRValue) -> StageEmitter.Row { StageEmitter.Row(sequence: sequence, first: step, second: zero) }
        let emitter = NestEmitter(nest, stage, varying: varying)
        emitter.setRow(row(zero))
        let back = isReversed ? 1 : -1
        let firstStep = isReversed ? builder.subtract(end, builder.int(1)) : start
        let lastStep = isReversed ? start : builder.subtract(end, builder.int(1))
        emitter.forEachVector(from: stage.firstLane, to: stage.lastLane) { emitter in
            let initial = carries.flatMap { carry in
                (1...carry.depth).map { distance in
                    emitter.loadLanes(
                        stage.address(carry.ring, at: row(firstStep), offsets: [back * distance]), stage.shape[carry.ring].element)
                }
            }
            let final = builder.loop(from: start, to: end, carrying: initial) { counter, flat in
                let step =
                    isReversed
                    ? builder.subtract(builder.subtract(builder.add(start, end), builder.int(1)), counter) : counter
                let carried = grouped(flat)
                return emitter.emitStep(at: row(step), carried: carried) {
                    zip(carries, carried).flatMap { carry, old in [emitter.vectorValue(carry.node)] + old.dropLast() }
                }
            }
            for (carry, values) in zip(carries, grouped(final)) {
                for (distance, value) in values.enumerated() {
                    emitter.storeLanes(
                        value, stage.address(carry.ring, at: row(lastStep), offsets: [back * distance]),
                        stage.shape[carry.ring].element)
                }
            }
        }
    }

    /// The flat list of carried values by carry: `[carry][distance − 1]`.
    private func grouped(_ flat: [IRValue]) -> [[IRValue]] {
        var rest = flat[...]
        return carries.map { carry in
            let values = Array(rest.prefix(carry.depth))
            rest = rest.dropFirst(carry.depth)
            return values
        }
    }
}
