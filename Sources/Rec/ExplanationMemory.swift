import RecCodeGen
import RecRuntime
import RecScheduling
import RecStream

extension Explanation {
    /// Finds what a run by this plan keeps in memory.
    mutating func explainMemory(of plan: Plan, within bound: Int?) throws {
        let facts = KernelFacts(plan, precision: work.bytesPerReal == 8 ? .f64 : .f32)
        var memory = try MemoryPlan.fitting(
            bound, facts, batch: work.batch, extents: work.extents, workers: work.threads, leastWork: ThreadPool.usualLeastWork)
        // Streams of values without a name go by the value's number.
        let kept = Set(memory.streams.map(\.name))
        let words = Dictionary(plan.graph.ids.filter { kept.contains("\($0)") }.map { ("\($0)", Self.words(for: $0, plan.graph)) }) { first, _ in first }
        for k in memory.streams.indices { memory.streams[k].name = words[memory.streams[k].name] ?? memory.streams[k].name }
        self.memory = memory
        for id in plan.dearlyRecomputed {
            let text = Self.words(for: id, plan.graph)
            if !recomputed.contains(text) { recomputed.append(text) }
        }
        recomputesLightly = !plan.recomputed.isEmpty
        repeatedPasses = memory.repeated.sorted().compactMap { index in
            guard case .sweep(_, let order) = plan.segments[index].kind, let loop = order.loops.first else { return nil }
            return "\(loop.isReversed ? "backward" : "forward") over \(plan.graph.axes[loop.axis].name)"
        }
    }

    /// A value by its name, or by what it is.
    private static func words(for id: ValueID, _ graph: StreamGraph) -> String {
        ExpressionWriter(graph, slopesAlone: true).text(id, longest: longestText)
    }

    private static let longestText = 40

    /// More streams than this are not listed one by one.
    private static let mostListed = 12

    /// What is kept, what is computed again, and the peak.
    func memoryLines(_ memory: MemoryPlan) -> [String] {
        func row(_ label: String, _ text: String) -> String { "    \(label.padding(to: 12)) \(text)" }
        var lines = ["  memory: \(ByteCount.text(memory.peakBytes)) at most"]
        lines.append(row("data", ByteCount.text(memory.dataBytes)))
        lines.append(row("results", ByteCount.text(memory.resultBytes)))
        let count = "\(memory.streams.count) stream\(memory.streams.count == 1 ? "" : "s")"
        if let steps = memory.chunkSteps {
            let (chunk, whole) = (ByteCount.text(memory.streamBytes), ByteCount.text(memory.wholeStreamBytes))
            lines.append(row("kept", "of \(count) a chunk of \(steps) steps, \(chunk); all steps would be \(whole)"))
            lines += list(memory.streams)
            lines.append(row("", "states at \(memory.chunkCount) boundaries of chunks, \(ByteCount.text(memory.boundaryBytes))"))
            let passes = repeatedPasses.count == 1 ? "the pass" : "the passes"
            lines.append(row("recomputed", "\(passes) \(repeatedPasses.joined(separator: ", ")), chunk by chunk"))
        } else {
            lines.append(row("kept", "\(count) from one pass for another, \(ByteCount.text(memory.streamBytes))"))
            lines += list(memory.streams)
            lines.append(row("recomputed", recomputationText))
        }
        lines.append(row("the rest", ByteCount.text(memory.workBytes)))
        lines.append(row("the program", ByteCount.text(MemoryPlan.programBytes)))
        return lines
    }

    private var recomputationText: String {
        if recomputed.isEmpty { return recomputesLightly ? "nothing but sums and products" : "nothing" }
        let rest = recomputed.count > Self.mostListed ? ", and \(recomputed.count - Self.mostListed) more" : ""
        return recomputed.prefix(Self.mostListed).joined(separator: ", ") + rest
    }

    /// The largest first.
    private func list(_ streams: [MemoryPlan.Stream]) -> [String] {
        let sorted = streams.enumerated().sorted { ($1.element.bytes, $0.offset) < ($0.element.bytes, $1.offset) }.map(\.element)
        let width = max(12, sorted.prefix(Self.mostListed).map(\.name.count).max() ?? 0)
        var lines = sorted.prefix(Self.mostListed).map { "                 \($0.name.padding(to: width)) \(ByteCount.text($0.bytes))" }
        if sorted.count > Self.mostListed { lines.append("                 and \(sorted.count - Self.mostListed) more") }
        return lines
    }
}
