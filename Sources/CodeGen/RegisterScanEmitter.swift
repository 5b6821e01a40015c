import CLLVM
import RecAnalysis
import RecScheduling
import RecStream

/// Emits a scan in registers: one loop through the elements of all steps, a vector of several steps at a time.
///
/// Forwards the first steps stand in the first lanes; backwards the loop runs from the end of the stream, and the last
/// lanes come first. An incomplete vector comes last and has its missing steps behind those that are there.
struct RegisterScanEmitter {
    let scan: RegisterScan
    let stage: StageEmitter
    let isReversed: Bool
    private let builder: IRBuilder
    private let emitter: NestEmitter
    /// Elements of a step, and lanes of a vector.
    private let width: Int
    private let lanes: Int

    init(_ scan: RegisterScan, _ stage: StageEmitter, isReversed: Bool) {
        self.scan = scan
        self.stage = stage
        self.isReversed = isReversed
        builder = stage.builder
        width = scan.flat.rowCount
        let deepest = scan.maps.flatMap(\.depths).max() ?? 1
        var lanes = max(stage.target.vectorBytes / stage.builder.precision.byteCount, 2 * width)
        while lanes < deepest * width { lanes *= 2 }
        self.lanes = lanes
        var varying: [Bool] = []
        for node in scan.flat.nest.nodes {
            varying.append(node.operation.isOfState || node.operation.operands.contains { varying[$0] })
        }
        emitter = NestEmitter(scan.flat.nest, stage, varying: varying)
    }

    private var rings: [BufferID] { scan.maps.flatMap(\.rings) }
    private var depths: [Int] { scan.maps.flatMap(\.depths) }
    private func row(_ sequence: IRValue, _ step: IRValue) -> StageEmitter.Row {
        StageEmitter.Row(sequence: sequence, first: step, second: builder.int(0))
    }

    /// What a run in composed steps leaves behind.
    struct Outcome {
        /// Whether composed states may be trusted: no infinity or NaN has met them.
        var isFinite: IRValue
        fileprivate var sequence: IRValue
        fileprivate var first: IRValue
        /// Each state before the first step.
        fileprivate var before: [IRValue]
    }

    func emit(sequence: IRValue, from start: IRValue, to end: IRValue) -> Outcome {
        let first = isReversed ? builder.subtract(end, builder.int(1)) : start
        let last = isReversed ? start : builder.subtract(end, builder.int(1))
        let base = builder.multiply(start, builder.int(width))
        let count = builder.multiply(builder.subtract(end, start), builder.int(width))
        let whole = builder.and(count, builder.int(-lanes))
        let rest = builder.subtract(count, whole)
        emitter.begin(at: row(sequence, builder.int(0)), lanes: lanes)
        for node in scan.flat.repeated { emitter.known[node] = repeatedRow(node) }

        let before = rings.indices.map { stateBefore($0, sequence, first) }
        let type = builder.vector(builder.real, lanes)
        let faults = builder.scratch(type)
        // The last two vectors of each state are carried on: an incomplete one may hold fewer steps than are read again.
        let carried = builder.loop(from: builder.int(0), to: whole, by: lanes, carrying: before + before + [LLVMConstNull(type)]) { index, carried in
            let at =
                isReversed
                ? builder.subtract(builder.add(base, count), builder.add(index, builder.int(lanes))) : builder.add(base, index)
            let newer = Array(carried[before.count..<2 * before.count])
            let states = emitVector(at: at, before: newer)
            return newer + states + [marked(states, beside: carried[2 * before.count])]
        }
        let (older, newer) = (Array(carried.prefix(before.count)), Array(carried[before.count..<2 * before.count]))
        builder.store(carried[2 * before.count], faults, alignment: builder.precision.byteCount)
        let isRest = builder.compare(LLVMIntSGT, rest, builder.int(0))
        let missing = builder.subtract(builder.int(lanes), rest)
        builder.ifThen(builder.not(isRest)) {
            keep(newer, after: older, count: builder.int(lanes), sequence, last)
        }
        builder.ifThen(isRest) {
            let numbers = builder.vectorConstant(Array(0..<lanes), of: builder.i64)
            emitter.mask = isReversed
                ? builder.compare(LLVMIntSGE, numbers, builder.splat(missing, lanes))
                : builder.compare(LLVMIntSLT, numbers, builder.splat(rest, lanes))
            let at = isReversed ? builder.subtract(base, missing) : builder.add(base, whole)
            let final = emitVector(at: at, before: newer)
            let present = emitter.mask.map { mask in final.map { builder.select(mask, $0, LLVMConstNull(type)) } } ?? final
            builder.store(marked(present, beside: carried[2 * before.count]), faults, alignment: builder.precision.byteCount)
            emitter.mask = nil
            keep(final, after: newer, count: rest, sequence, last)
        }
        let sum = builder.intrinsic(
            "llvm.vector.reduce.fadd", overloads: [type],
            [builder.constant(0.0, like: builder.real), builder.load(type, faults, alignment: builder.precision.byteCount)])
        return Outcome(isFinite: builder.fcompare(LLVMRealORD, sum, sum), sequence: sequence, first: first, before: before)
    }

    /// Puts back what the states were before the first step.
    func restore(_ outcome: Outcome) {
        for (state, vector) in outcome.before.enumerated() {
            forEachStateBefore(state, outcome.sequence, outcome.first) { address, lane in
                builder.store(builder.extract(vector, lane), address, alignment: builder.precision.byteCount)
            }
        }
    }

    /// `faults`, and NaN in lanes where a state is one that composing cannot have got right: what is infinite in a factor or a constant,
    /// or overflows, makes every state that it enters infinite or NaN. The zero of a semiring, −∞ for max-plus, is a number like any.
    private func marked(_ states: [IRValue], beside faults: IRValue) -> IRValue {
        var number = 0
        var result = faults
        let type = builder.type(of: faults)
        for map in scan.maps {
            for _ in map.rings {
                let state = states[number]
                number += 1
                func mark(_ predicate: LLVMRealPredicate, _ bound: Double) -> IRValue {
                    builder.select(
                        builder.fcompare(predicate, state, builder.constant(bound, like: type)), builder.constant(.nan, like: type), result)
                }
                switch map.form {
                case .fraction, .linear(.plusTimes), .linear(.orAnd): result = builder.fma(state, builder.constant(0.0, like: type), result)
                case .linear(.maxPlus), .linear(.logSumExp): result = mark(LLVMRealUGE, .infinity)
                case .linear(.minPlus): result = mark(LLVMRealULE, -.infinity)
                }
            }
        }
        return result
    }

    // MARK: Vectors

    /// Emits the nest at one vector of steps; returns each state there.
    private func emitVector(at position: IRValue, before: [IRValue]) -> [IRValue] {
        var states: [IRValue] = []
        emitter.open(0, at: position) {
            var number = 0
            for map in scan.maps {
                let own = Array(before[number..<number + map.rings.count])
                states += StepComposition(map, emitter, builder, lanes: lanes, width: width, isReversed: isReversed).states(before: own)
                number += map.rings.count
            }
            for (node, description) in scan.flat.nest.nodes.enumerated() {
                switch description.operation {
                case .scanned(let state): emitter.known[node] = states[state]
                case .carried(let state, let distance):
                    emitter.known[node] = builder.shifted(
                        states[state], by: distance * width, after: before[state], isReversed: isReversed)
                case .constant, .position, .load, .gather, .unary, .binary, .select, .reduce: break
                }
            }
            emitter.emitStores()
        }
        return states
    }

    /// A row that every step reads alike, as often as it fits into a vector.
    private func repeatedRow(_ node: Nest.NodeID) -> IRValue {
        guard case .load(let access) = scan.flat.nest.nodes[node].operation else {
            preconditionFailure("what repeats is loaded")
        }
        let element = scan.flat.nest.nodes[node].element
        let type = stage.memoryType(of: element)
        let base = emitter.rowAddress(access)
        let row = builder.load(builder.vector(type, width), base, alignment: stage.byteCount(of: element))
        let wide = width == 1 ? builder.splat(row, lanes) : builder.shuffle(row, row, (0..<lanes).map { $0 % width })
        return element == .bool ? builder.compare(LLVMIntNE, wide, LLVMConstNull(builder.type(of: wide))) : wide
    }

    // MARK: Between calls

    /// The vector of a state that would stand before the first, from its ring: only its nearest steps are filled.
    private func stateBefore(_ state: Int, _ sequence: IRValue, _ first: IRValue) -> IRValue {
        var vector: IRValue = LLVMConstNull(builder.vector(builder.real, lanes))
        forEachStateBefore(state, sequence, first) { address, lane in
            vector = builder.insert(vector, builder.load(builder.real, address, alignment: builder.precision.byteCount), lane)
        }
        return vector
    }

    /// Where the elements of a state before the first step lie in its ring, and the lane of each.
    private func forEachStateBefore(_ state: Int, _ sequence: IRValue, _ first: IRValue, _ body: (IRValue, Int) -> Void) {
        for lag in 1...depths[state] {
            let address = stage.address(rings[state], at: row(sequence, first), offsets: [isReversed ? lag : -lag])
            for element in 0..<width {
                body(
                    builder.element(address, builder.int(element), of: builder.real),
                    isReversed ? (lag - 1) * width + element : lanes - lag * width + element)
            }
        }
    }

    /// Writes the last steps of each state into its ring; the last vector holds `count` elements that are there.
    private func keep(_ final: [IRValue], after before: [IRValue], count: IRValue, _ sequence: IRValue, _ last: IRValue) {
        for (state, ring) in rings.enumerated() {
            let memory = builder.scratch(builder.vector(builder.real, 2 * lanes))
            let second = builder.element(memory, builder.int(lanes), of: builder.real)
            let size = builder.precision.byteCount
            builder.store(isReversed ? final[state] : before[state], memory, alignment: size)
            builder.store(isReversed ? before[state] : final[state], second, alignment: size)
            for lag in 1...depths[state] {
                let address = stage.address(ring, at: row(sequence, last), offsets: [isReversed ? lag - 1 : 1 - lag])
                // Forwards the last element is at `lanes + count − 1`, backwards the first at `lanes − count`.
                let from =
                    isReversed
                    ? builder.add(builder.subtract(builder.int(lanes), count), builder.int((lag - 1) * width))
                    : builder.add(builder.int(lanes - lag * width), count)
                for element in 0..<width {
                    let source = builder.element(memory, builder.add(from, builder.int(element)), of: builder.real)
                    let target = builder.element(address, builder.int(element), of: builder.real)
                    builder.store(builder.load(builder.real, source, alignment: size), target, alignment: size)
                }
            }
        }
    }
}
