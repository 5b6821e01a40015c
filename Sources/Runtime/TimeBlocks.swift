import RecCodeGen
import RecScheduling
import RecStream

/// Runs one stage as a scan over time blocks: the maps of all blocks at once, then the states between them one after
/// another, then all blocks at once from the states they begin with.
///
/// Blocks begin at multiples of `Scan.blockSteps`, and states between them always come out of maps, so that results do
/// not depend on how many threads there are. Sendable because each block has memory of its own.
///
/// Maps meet 0 · ∞ and ∞ − ∞ where steps do not. So what the steps of a block end with is held against what its map gave: where
/// one is infinite or NaN and the other is not the same, the next block runs again, from what the steps gave.
final class TimeBlocks: @unchecked Sendable {
    private let memory: RunMemory
    private let scan: Scan
    private let stage: CompiledPlan.StageFunction
    private let summary: CompiledPlan.StageFunction
    private let sequences: Range<Int>
    private let isReversed: Bool
    /// Rings of states, and of what maps carry.
    private let stateRings: [BufferID]
    private let mapRings: [BufferID]
    private let scratch: [BufferID]
    /// By map, steps of a block, state and slot; nil for a fraction.
    private let reach: [[[[Reach]]]?]
    private var blocks: [Block] = []
    private var present: [Range<Int>] = []

    /// The memory of a block; a further one stands behind the last and holds the states after it.
    private final class Block {
        let frame: Frame
        let rings: [BufferID: AlignedMemory]
        /// What rings of states hold when the block begins, as maps gave it.
        let mapped: [BufferID: AlignedMemory]
        init(frame: Frame, rings: [BufferID: AlignedMemory], mapped: [BufferID: AlignedMemory]) {
            self.frame = frame
            self.rings = rings
            self.mapped = mapped
        }
    }

    init(
        _ memory: RunMemory, scan: Scan, stage: Stage, code: CompiledPlan.StageFunction,
        summary: CompiledPlan.StageFunction, sequences: Range<Int>, isReversed: Bool
    ) {
        self.memory = memory
        self.scan = scan
        self.stage = code
        self.summary = summary
        self.sequences = sequences
        self.isReversed = isReversed
        stateRings = scan.maps.flatMap(\.states)
        mapRings = scan.maps.flatMap { $0.constants + $0.factors.joined().flatMap { [$0.place] + ($0.reached.map { [$0] } ?? []) } }
        reach = scan.maps.map { $0.reach?.table($0.slots, steps: Scan.blockSteps) }
        scratch = (stage.writtenBuffers + scan.summary.writtenBuffers).filter {
            if case .step = memory.model.plan[$0].kind { true } else { false }
        }
    }

    private var plan: Plan { memory.model.plan }

    /// How many blocks the present steps have.
    var count: Int { present.count }

    /// Runs some steps by the calling thread alone.
    func run(_ steps: Range<Int>, _ frame: Frame) {
        let count = prepare(steps, frame)
        for k in 0..<count { summarize(k) }
        join()
        for k in 0..<count { apply(k) }
        finish()
    }

    // MARK: Phases

    /// Cuts steps into blocks, of which each has its own memory from now on.
    @discardableResult
    func prepare(_ steps: Range<Int>, _ frame: Frame) -> Int {
        present = []
        var start = steps.lowerBound
        while start < steps.upperBound {
            let end = min((start / Scan.blockSteps + 1) * Scan.blockSteps, steps.upperBound)
            present.append(start..<end)
            start = end
        }
        if isReversed { present.reverse() }
        while blocks.count <= present.count { blocks.append(makeBlock(frame)) }
        for block in blocks.prefix(present.count) { adopt(frame, in: block) }
        for ring in stateRings { copyRing(ring, from: memory.frame, to: blocks[0].frame) }
        return present.count
    }

    /// Computes the maps of a block.
    func summarize(_ k: Int) {
        for map in scan.maps {
            for constant in map.constants { fill(constant, in: blocks[k].frame, with: map.zero) }
            for (state, factors) in map.factors.enumerated() {
                for (column, factor) in factors.enumerated() { setIdentity(map, state, column, factor, k) }
            }
        }
        summary(blocks[k].frame.pointer, sequences.lowerBound, sequences.upperBound, present[k].lowerBound, present[k].upperBound, 0, Int.max)
    }

    /// Finds the states at the beginning of every block, one after another.
    func join() {
        for k in present.indices { join(k) }
    }

    /// Runs a block from its states.
    func apply(_ k: Int) {
        stage(blocks[k].frame.pointer, sequences.lowerBound, sequences.upperBound, present[k].lowerBound, present[k].upperBound, 0, Int.max)
    }

    /// Leaves the states after the last block where the run keeps them: as steps left them where a sequence ends, else as
    /// the next block begins with them.
    func finish() {
        for k in present.indices { correctNext(after: k) }
        for sequence in sequences {
            let length = memory.length(of: sequence)
            let last = present.indices.first { k in
                isReversed ? present[k].lowerBound == 0 : present[k].contains(length - 1)
            }
            let source = blocks[last ?? present.count].frame
            for ring in stateRings { copyRing(ring, from: source, to: memory.frame, sequence: sequence) }
        }
    }

    // MARK: Memory

    private func makeBlock(_ frame: Frame) -> Block {
        var rings: [BufferID: AlignedMemory] = [:]
        for ring in stateRings + mapRings {
            rings[ring] = AlignedMemory(byteCount: sequences.count * memory.frame.period(of: ring) * rowBytes(ring))
        }
        for buffer in scratch { rings[buffer] = AlignedMemory(byteCount: sequences.count * rowBytes(buffer)) }
        let mapped = Dictionary(uniqueKeysWithValues: Set(stateRings).compactMap { ring in
            plan[ring].element == .real ? rings[ring].map { (ring, AlignedMemory(byteCount: $0.byteCount)) } : nil
        })
        let block = Block(frame: Frame(copying: frame), rings: rings, mapped: mapped)
        adopt(frame, in: block)
        return block
    }

    /// Takes over where everything lies but what is the block's own.
    private func adopt(_ frame: Frame, in block: Block) {
        block.frame.words.update(from: frame.words, count: frame.count)
        for (buffer, own) in block.rings {
            let rows = isRing(buffer) ? memory.frame.period(of: buffer) : 1
            block.frame.move(buffer, base: own.start - sequences.lowerBound * rows * rowBytes(buffer))
        }
    }

    private func isRing(_ buffer: BufferID) -> Bool {
        if case .ring = plan[buffer].kind { true } else { false }
    }

    private func rowBytes(_ buffer: BufferID) -> Int { memory.model.rowBytes(plan[buffer]) }

    /// The row of a ring for a step, which may lie before the first.
    private func row(_ ring: BufferID, _ frame: Frame, _ sequence: Int, step: Int) -> UnsafeMutableRawPointer {
        let period = max(frame.period(of: ring), 1)
        let slot = ((step % period) + period) % period
        guard let base = frame.base(of: ring) else { preconditionFailure("rings have memory") }
        return base + (sequence * period + slot) * rowBytes(ring)
    }

    private func copyRing(_ ring: BufferID, from source: Frame, to target: Frame, sequence only: Int? = nil) {
        for sequence in only.map({ $0..<$0 + 1 }) ?? sequences {
            let bytes = max(target.period(of: ring), 1) * rowBytes(ring)
            row(ring, target, sequence, step: 0).copyMemory(from: row(ring, source, sequence, step: 0), byteCount: bytes)
        }
    }

    // MARK: Identity

    private func fill(_ ring: BufferID, in frame: Frame, with value: Double) {
        for sequence in sequences {
            store(value, at: row(ring, frame, sequence, step: 0), plan[ring], count: frame.period(of: ring) * plan[ring].rowCount)
        }
    }

    private func store(_ value: Double, at base: UnsafeMutableRawPointer, _ buffer: Buffer, count: Int) {
        switch (buffer.element, memory.model.precision) {
        case (.real, .f32), (.complex, .f32): base.initializeMemory(as: Float.self, repeating: Float(value), count: count)
        case (.real, .f64), (.complex, .f64): base.initializeMemory(as: Double.self, repeating: value, count: count)
        case (.int, _):
            let number = value == .infinity ? Int.max / 2 : value == -.infinity ? Int.min / 2 : Int(value)
            base.initializeMemory(as: Int.self, repeating: number, count: count)
        case (.bool, _): base.initializeMemory(as: UInt8.self, repeating: value == 0 ? 0 : 1, count: count)
        }
    }

    /// Before a block, a state's factor of itself is one.
    private func setIdentity(_ map: BlockMap, _ state: Int, _ column: Int, _ factor: BlockMap.Factor<BufferID>, _ k: Int) {
        let frame = blocks[k].frame
        fill(factor.place, in: frame, with: map.zero)
        if let reached = factor.reached { fill(reached, in: frame, with: 0) }
        let lag: Int
        switch map.form {
        case .fraction:
            guard column == 0 || column == 3 else { return }
            lag = 1
        case .linear:
            guard map.slots[column].state == state else { return }
            lag = map.slots[column].lag
        }
        setIdentity(factor.place, factor, to: map.one, lag, k)
        if let reached = factor.reached { setIdentity(reached, factor, to: 1, lag, k) }
    }

    private func setIdentity(_ ring: BufferID, _ factor: BlockMap.Factor<BufferID>, to one: Double, _ lag: Int, _ k: Int) {
        let buffer = plan[ring]
        for sequence in sequences {
            let target = row(ring, blocks[k].frame, sequence, step: before(k, lag, sequence))
            if factor.elements.isEmpty {
                store(one, at: target, buffer, count: buffer.rowCount)
            } else {
                let size = buffer.element.byteCount(memory.model.precision)
                for (at, element) in factor.elements.enumerated() where element == at / factor.basis {
                    store(one, at: target + at * size, buffer, count: 1)
                }
            }
        }
    }

    // MARK: Joining

    /// The step `lag` steps before a block is entered.
    private func before(_ k: Int, _ lag: Int, _ sequence: Int) -> Int {
        isReversed ? min(present[k].upperBound, memory.length(of: sequence)) - 1 + lag : present[k].lowerBound - lag
    }

    /// The last step that a block takes, or the `lag`-th to last.
    private func last(_ k: Int, _ lag: Int, _ sequence: Int) -> Int {
        isReversed ? present[k].lowerBound + lag - 1 : min(present[k].upperBound, memory.length(of: sequence)) - lag
    }

    private func join(_ k: Int) {
        let (own, next) = (blocks[k].frame, blocks[k + 1].frame)
        for sequence in sequences {
            let end = min(present[k].upperBound, memory.length(of: sequence))
            let count = end - present[k].lowerBound
            for ring in stateRings { copyRing(ring, from: own, to: next, sequence: sequence) }
            guard count > 0 else { continue }
            for (map, reach) in zip(scan.maps, reach) { join(map, reach, k, sequence, count: count, own, next) }
        }
        for (ring, copy) in blocks[k + 1].mapped {
            if let memory = blocks[k + 1].rings[ring] { copy.start.copyMemory(from: memory.start, byteCount: copy.byteCount) }
        }
    }

    private func join(_ map: BlockMap, _ reach: [[[Reach]]]?, _ k: Int, _ sequence: Int, count: Int, _ own: Frame, _ next: Frame) {
        let before: [UnsafeMutableRawPointer] = map.slots.map { slot in
            row(map.states[slot.state], own, sequence, step: self.before(k, slot.lag, sequence))
        }
        for (state, ring) in map.states.enumerated() {
            let join = BlockJoin(map: map, element: plan[ring].element, precision: memory.model.precision)
            // As many of the last steps as the ring keeps.
            for lag in 1..<max(2, own.period(of: ring)) where lag <= count {
                let step = last(k, lag, sequence)
                join.apply(
                    BlockJoin.Rows(
                        before: before, constant: map.constants.isEmpty ? nil : row(map.constants[state], own, sequence, step: step),
                        factors: map.factors[state].map { row($0.place, own, sequence, step: step) },
                        reached: map.factors[state].map { $0.reached.map { row($0, own, sequence, step: step) } },
                        reach: reach?[count - lag + 1][state] ?? [],
                        after: row(ring, next, sequence, step: step), count: plan[ring].rowCount),
                    state: state)
            }
        }
    }
}

// MARK: Infinities and NaN

extension TimeBlocks {
    /// Runs the block after this one again for sequences of which its map gave other infinities and NaN than its steps.
    private func correctNext(after k: Int) {
        for sequence in sequences where isMapWrong(k, sequence) {
            for ring in stateRings { copyRing(ring, from: blocks[k].frame, to: blocks[k + 1].frame, sequence: sequence) }
            guard k + 1 < present.count else { continue }
            let steps = present[k + 1]
            stage(blocks[k + 1].frame.pointer, sequence, sequence + 1, steps.lowerBound, steps.upperBound, 0, Int.max)
        }
    }

    private func isMapWrong(_ k: Int, _ sequence: Int) -> Bool {
        let count = min(present[k].upperBound, memory.length(of: sequence)) - present[k].lowerBound
        guard count > 0 else { return false }
        return scan.maps.contains { map in
            map.slots.contains { slot in
                let ring = map.states[slot.state]
                guard slot.lag <= count, let own = blocks[k].rings[ring], let mapped = blocks[k + 1].mapped[ring] else { return false }
                let stepped = row(ring, blocks[k].frame, sequence, step: last(k, slot.lag, sequence))
                let other = mapped.start + (stepped - own.start)
                return switch memory.model.precision {
                case .f32: Self.differInKind(other, stepped, plan[ring].rowCount, Float.self, infinity: Float.infinity.bitPattern)
                case .f64: Self.differInKind(other, stepped, plan[ring].rowCount, Double.self, infinity: Double.infinity.bitPattern)
                }
            }
        }
    }

    /// Whether at some place one of two numbers is infinite or NaN and the other is not the same.
    private static func differInKind<Number: BinaryFloatingPoint, Bits: FixedWidthInteger & UnsignedInteger>(
        _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int, _: Number.Type, infinity: Bits
    ) -> Bool {
        var largest: Bits = 0
        for at in stride(from: 0, to: count * MemoryLayout<Bits>.stride, by: MemoryLayout<Bits>.stride) {
            largest = max(largest, a.load(fromByteOffset: at, as: Bits.self) & (.max >> 1), b.load(fromByteOffset: at, as: Bits.self) & (.max >> 1))
        }
        guard largest >= infinity else { return false }
        return (0..<count).contains { k in
            let x = a.load(fromByteOffset: k * MemoryLayout<Number>.stride, as: Number.self)
            let y = b.load(fromByteOffset: k * MemoryLayout<Number>.stride, as: Number.self)
            return !(x.isFinite && y.isFinite) && x != y && !(x.isNaN && y.isNaN)
        }
    }
}

extension Buffer {
    var isRing: Bool {
        if case .ring = kind { true } else { false }
    }
}
