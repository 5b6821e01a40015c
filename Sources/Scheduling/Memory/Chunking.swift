import RecSource
import RecStream

/// How a plan runs in chunks of its first axis, so that no stream need be kept for all steps.
///
/// A pass carries little from chunk to chunk. What it carries is kept at the boundaries of chunks when the pass first runs;
/// a later pass that reads its streams has it run again, one chunk at a time, before it takes the chunk itself.
///
/// Griewank and Walther, "Algorithm 799: revolve", ACM Trans. Math. Software 26 (2000), of which this is the scheme of one
/// level; Chen et al., "Training deep nets with sublinear memory cost", arXiv:1604.06174.
package struct Chunking: Equatable, Sendable {
    /// A segment that runs over the steps of the first axis.
    package struct Pass: Equatable, Sendable {
        package var segment: Int
        package var isReversed: Bool
        /// The segments whose streams it reads, and those that these read, in order: they run again for each of its chunks.
        package var sources: [Int]
        /// Where it runs again, the stages that some kept stream follows from.
        package var repeated: [Int]
        /// What these stages carry from chunk to chunk, with the edges of the segment's blocks.
        package var rings: [BufferID]
    }

    package var streams: [KeptStream]
    package var passes: [Pass]

    /// - Throws: the reason where some pass cannot be cut along the first axis.
    package init(_ plan: Plan) throws(ChunkRefusal) {
        let streams = plan.keptStreams
        self.streams = streams
        let kept = Dictionary(streams.map { ($0.buffer, $0.writer) }) { first, _ in first }
        let repeated = plan.segments.map { Self.repeatedStages(of: $0, in: plan, kept: kept) }
        passes = []
        for (index, segment) in plan.segments.enumerated() {
            guard case .sweep(let axes, let order) = segment.kind, axes.contains(0) else { continue }
            guard order.loops.first?.axis == 0 else {
                let name = plan.graph.axes[order.loops.first?.axis ?? 0].name
                throw ChunkRefusal("a recurrence goes through all steps of '\(plan.graph.axes[0].name)' within each step of '\(name)'", at: plan.span(of: segment))
            }
            func reads(_ stages: [Int], of at: Int) -> Set<Int> {
                Set(stages.flatMap { plan.segments[at].stages[$0].accesses }.compactMap { kept[$0.buffer] }).subtracting([at])
            }
            var open = reads(Array(segment.stages.indices), of: index)
            var sources: Set<Int> = []
            while let next = open.popFirst() {
                guard sources.insert(next).inserted else { continue }
                open.formUnion(reads(repeated[next], of: next).subtracting(sources))
            }
            passes.append(
                Pass(
                    segment: index, isReversed: order.loops[0].isReversed, sources: sources.sorted(), repeated: repeated[index],
                    rings: segment.written.filter { id in
                        guard case .ring = plan[id].kind else { return false }
                        return repeated[index].contains { segment.stages[$0].writtenBuffers.contains(id) }
                    }))
        }
    }

    /// The stages that write a kept stream, and those whose values they need. What goes into results and sums alone is there
    /// from the first time.
    private static func repeatedStages(of segment: Segment, in plan: Plan, kept: [BufferID: Int]) -> [Int] {
        var live = Set(segment.stages.indices.filter { k in segment.stages[k].writtenBuffers.contains { kept[$0] != nil } })
        while true {
            let needed = Set(live.flatMap { segment.stages[$0].neededBuffers })
            let more = segment.stages.indices.filter { k in
                !live.contains(k) && segment.stages[k].writtenBuffers.contains { id in
                    switch plan[id].kind {
                    case .block, .step, .ring, .full: needed.contains(id)
                    case .input, .parameter, .output, .static, .once, .accumulator, .zero: false
                    }
                }
            }
            if more.isEmpty { return live.sorted() }
            live.formUnion(more)
        }
    }

    /// The segments that run again for some other.
    package var repeatedSegments: Set<Int> { Set(passes.flatMap(\.sources)) }

    /// The least number of steps that a chunk must have: as far as some pass reads across a boundary.
    package var leastSteps: Int { max(1, streams.map { max($0.before, $0.behind) }.max() ?? 1) }
}

extension Stage {
    /// Every buffer whose rows the stage reads.
    fileprivate var neededBuffers: Set<BufferID> {
        var result = Set(accesses.map(\.buffer))
        switch form {
        case .lanes(let carries): result.formUnion(carries.map(\.ring))
        case .registers(let scan): for map in scan.maps { result.formUnion(map.rings) }
        case .map, .totals, .sequential: break
        }
        for map in scan?.maps ?? [] { result.formUnion(map.states) }
        return result
    }
}

/// Why a plan cannot run in chunks of the first axis.
package struct ChunkRefusal: Error, Equatable, Sendable {
    package var reason: String
    /// Where the recurrence stands that is in the way.
    package var span: SourceSpan?

    init(_ reason: String, at span: SourceSpan?) {
        self.reason = reason
        self.span = span
    }
}

extension Plan {
    /// Where the first state of a segment stands in the source.
    fileprivate func span(of segment: Segment) -> SourceSpan? {
        let states = Set(graph.states.map(\.value))
        let values = segment.stages.flatMap(\.items).flatMap { item -> [ValueID] in
            switch item {
            case .nest(let nest): nest.values
            case .product(let product): [product.value]
            case .total(let total): [total.value]
            }
        }
        return values.first { states.contains($0) && graph[$0].span != nil }.flatMap { graph[$0].span }
    }
}
