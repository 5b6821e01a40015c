import RecScheduling

/// The chunks in which a run can go, and what each choice takes.
///
/// Longer chunks need more memory for streams and less for boundaries. Whatever their length, all chunks but one are run
/// again, so the longest that fit are as good as any.
struct ChunkChoice {
    private let size: RunSize
    private let chunking: Chunking
    /// In shorter chunks starting a stage would cost more than its steps.
    private static let fewestSteps = 64

    /// Chunks are multiples of this many steps.
    let unit: Int
    /// Of what runs again, apart from the memory of the first run.
    private let repetitionBytes: Int
    /// What is kept at each boundary.
    private let boundaryBytes: Int

    init(_ size: RunSize, _ chunking: Chunking) {
        self.size = size
        self.chunking = chunking
        let plan = size.plan
        var unit = 1
        for pass in chunking.passes {
            let division = SweepDivision(size.facts, segment: pass.segment, batch: size.batch, extents: size.extents)
            for length in division?.blockLengths(size.pool) ?? [] { unit = Self.leastCommonMultiple(unit, length) }
        }
        let least = max(chunking.leastSteps, Self.fewestSteps)
        self.unit = (least + unit - 1) / unit * unit
        var (repetition, boundary) = (0, 0)
        let repeated = chunking.repeatedSegments
        for pass in chunking.passes where repeated.contains(pass.segment) {
            let stages = plan.segments[pass.segment].stages
            for id in Set(pass.repeated.flatMap { stages[$0].writtenBuffers }) {
                switch plan[id].kind {
                case .ring, .accumulator: repetition += size.bytes(plan[id])
                case .input, .parameter, .output, .static, .once, .full, .block, .step, .zero: break
                }
            }
            boundary += pass.rings.reduce(0) { $0 + size.bytes(plan[$1]) }
            for id in plan.segments[pass.segment].written {
                if case .block(let halo) = plan[id].kind { boundary += halo * size.stepBytes(plan[id]) }
            }
        }
        for stream in chunking.streams { boundary += (stream.before + stream.behind) * size.stepBytes(plan[stream.buffer]) }
        repetitionBytes = repetition
        boundaryBytes = boundary
    }

    private static func leastCommonMultiple(_ a: Int, _ b: Int) -> Int {
        var (x, y) = (a, b)
        while y != 0 { (x, y) = (y, x % y) }
        return a / x * b
    }

    /// The run in chunks of so many units.
    func plan(units: Int) -> MemoryPlan {
        var result = size.whole
        let steps = units * unit
        result.chunkSteps = steps
        result.chunkCount = (size.firstExtent + steps - 1) / steps
        result.repeated = chunking.repeatedSegments
        result.workBytes += repetitionBytes
        result.boundaryBytes = result.chunkCount * boundaryBytes
        let kept = Set(chunking.streams.map(\.buffer.index))
        result.streams = size.plan.buffers.indices.compactMap { index in
            let buffer = size.plan.buffers[index]
            guard case .full = buffer.kind else { return nil }
            let whole = size.bytes(buffer)
            guard kept.contains(index), let stream = chunking.streams.first(where: { $0.buffer.index == index }) else {
                return MemoryPlan.Stream(name: buffer.name, wholeBytes: whole, bytes: whole)
            }
            let bytes = (steps + stream.before + stream.behind) * size.stepBytes(buffer)
            return MemoryPlan.Stream(name: buffer.name, wholeBytes: whole, bytes: bytes)
        }
        return result
    }

    /// Chunks of more units than this are the whole sequence.
    private var mostUnits: Int { max(1, (size.firstExtent - 1) / unit) }

    /// The longest chunks, shorter than the whole, that fit a bound.
    func longest(within bound: Int) -> MemoryPlan? {
        // Between the fewest bytes and all of them, the peak grows with the length.
        let base = leastUnits
        guard plan(units: base).peakBytes <= bound else { return nil }
        var (fits, fails) = (base, mostUnits + 1)
        while fails - fits > 1 {
            let middle = (fits + fails) / 2
            if plan(units: middle).peakBytes <= bound { fits = middle } else { fails = middle }
        }
        return plan(units: fits)
    }

    /// The chunks that take least memory.
    var least: MemoryPlan { plan(units: leastUnits) }

    /// Streams of `u` units and boundaries of `T / u`: the sum is least where both are equal.
    private var leastUnits: Int {
        let streams = chunking.streams.reduce(0.0) { $0 + Double(size.stepBytes(size.plan[$1.buffer])) } * Double(unit)
        let boundaries = Double(boundaryBytes) * Double(size.firstExtent) / Double(unit)
        guard streams > 0 else { return mostUnits }
        let balanced = min(Double(mostUnits), max(1, (boundaries / streams).squareRoot()))
        let candidates = [Int(balanced), min(Int(balanced) + 1, mostUnits)]
        return candidates.min { plan(units: $0).peakBytes < plan(units: $1).peakBytes } ?? 1
    }
}
