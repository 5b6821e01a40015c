import RecCodeGen
import RecRuntime
import RecScheduling

extension Explanation {
    /// Finds what a run by this plan keeps in memory.
    mutating func explainMemory(of plan: Plan, within bound: Int?) throws {
        let facts = try KernelFacts(plan, precision: work.bytesPerReal == 8 ? .f64 : .f32)
        let memory = try MemoryPlan.fitting(
            bound, facts, batch: work.batch, extents: work.extents, workers: work.threads, leastWork: ThreadPool.usualLeastWork)
        self.memory = memory
        repeatedPasses = memory.repeated.sorted().compactMap { index in
            guard case .sweep(_, let order) = plan.segments[index].kind, let loop = order.loops.first else { return nil }
            return "\(loop.isReversed ? "backward" : "forward") over \(plan.graph.axes[loop.axis].name)"
        }
    }

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
            lines.append(row("recomputed", "nothing"))
        }
        lines.append(row("the rest", ByteCount.text(memory.workBytes)))
        lines.append(row("the program", ByteCount.text(MemoryPlan.programBytes)))
        return lines
    }

    /// The largest first.
    private func list(_ streams: [MemoryPlan.Stream]) -> [String] {
        let sorted = streams.enumerated().sorted { ($1.element.bytes, $0.offset) < ($0.element.bytes, $1.offset) }.map(\.element)
        var lines = sorted.prefix(Self.mostListed).map { "                 \($0.name.padding(to: 12)) \(ByteCount.text($0.bytes))" }
        if sorted.count > Self.mostListed { lines.append("                 and \(sorted.count - Self.mostListed) more") }
        return lines
    }
}
