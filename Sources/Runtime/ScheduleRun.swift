import RecCodeGen
import RecSchedule
import RecTensors
import Synchronization

/// A traversal of chunks as machine code, ready to run for any size of data.
package final class ScheduleRunner: Sendable {
    package let code: CompiledSchedule
    private let memory: ResultMemory

    /// - Parameter memory: where results lie.
    package init(_ code: CompiledSchedule, memory: ResultMemory = ResultMemory()) {
        self.code = code
        self.memory = memory
    }

    private var precision: Precision { code.precision }

    /// Raw memory that several workers use at different places.
    private struct Words: @unchecked Sendable {
        var arguments: UnsafePointer<Int>
        var workspaces: [UnsafeMutableRawPointer]
    }

    /// Runs the traversal over all sequences; turns of its parallel loops are shared out to the workers of a pool.
    ///
    /// - Parameters:
    ///   - tensors: for each buffer that is read, by its name.
    /// - Returns: the tensors that were written, by name, flat; nil where a result, or what the schedule looks at besides, is infinite or
    ///   NaN. Then the chunks are no proof of it: 0 times such a number has reached what the recurrence itself keeps apart. Steps behind
    ///   the end of a sequence are 0.
    package func run(_ size: ScheduleSize, pool: ThreadPool, tensors: (Schedule.Buffer) -> Tensor?) -> [String: Tensor]? {
        let schedule = code.schedule
        var held: [Tensor] = []
        var written: [(buffer: Schedule.Buffer, count: Int, bytes: ResultBytes)] = []
        var addresses: [UnsafeRawPointer] = []
        let nothing = ResultBytes(from: memory, byteCount: 64)
        let isRagged = size.lengths.contains { $0 != size.steps }
        for buffer in schedule.buffers {
            guard let count = schedule.elements(of: buffer, for: size) else { continue }
            if let given = tensors(buffer) {
                let tensor = resident(given, as: .real, precision)
                held.append(tensor)
                tensor.withUnsafeBytes { addresses.append($0.baseAddress ?? UnsafeRawPointer(nothing.start)) }
                continue
            }
            let bytes = ResultBytes(from: memory, byteCount: max(64, count * precision.byteCount))
            if buffer.role == .sum || isRagged && (buffer.role == .stream(isResult: true) || buffer.role == .block(isResult: true)) {
                bytes.start.initializeMemory(as: UInt8.self, repeating: 0, count: count * precision.byteCount)
            }
            written.append((buffer, count, bytes))
            addresses.append(UnsafeRawPointer(bytes.start))
        }
        let turns = schedule.turns(for: size)
        let isFinite = Atomic(true)
        let places = size.chunks(of: schedule.count) + 1
        let blocks = schedule.blockCount(for: size)
        let progress = schedule.addsUp ? ResultBytes(from: memory, byteCount: max(64, turns / max(1, blocks) * places * 8)) : nothing
        if schedule.addsUp { progress.start.initializeMemory(as: UInt8.self, repeating: 0, count: turns / max(1, blocks) * places * 8) }
        size.lengths.withUnsafeBufferPointer { lengths in
            guard turns > 0, let first = lengths.baseAddress else { return }
            let words = CompiledSchedule.arguments(
                lengths: first, steps: size.steps, places: places, progress: UnsafeRawPointer(progress.start), buffers: addresses)
            let workers = min(pool.count, turns)
            let workspaces = (0..<workers).map { _ in ResultBytes(from: memory, byteCount: code.workspaceBytes) }
            words.withUnsafeBufferPointer { arguments in
                guard let start = arguments.baseAddress else { return }
                let shared = Words(arguments: start, workspaces: workspaces.map(\.start))
                if workers == 1 {
                    if code.function(shared.arguments, 0, turns, shared.workspaces[0]) != 0 { isFinite.store(false, ordering: .relaxed) }
                } else {
                    pool.run { worker, _ in
                        guard worker < workers else { return }
                        for turns in schedule.turns(of: worker, among: workers, turns, blocks) {
                            if self.code.function(shared.arguments, turns.lowerBound, turns.upperBound, shared.workspaces[worker]) != 0 {
                                isFinite.store(false, ordering: .relaxed)
                            }
                        }
                    }
                }
            }
            withExtendedLifetime((held, workspaces, progress)) {}
        }
        guard isFinite.load(ordering: .relaxed) else { return nil }
        var results: [String: Tensor] = [:]
        for (buffer, count, bytes) in written {
            switch buffer.role {
            // The code has looked at the first, and what is kept is no result.
            case .stream, .block, .sum, .kept: break
            case .once, .shared, .carried, .scratch: guard hasFinite(bytes.start, count) else { return nil }
            }
            results[buffer.name] = Tensor(type: precision == .f32 ? .f32 : .f64, shape: [count], adopting: bytes.start) { withExtendedLifetime(bytes) {} }
        }
        return results
    }

    private func hasFinite(_ start: UnsafeRawPointer, _ count: Int) -> Bool {
        func largest<Word: FixedWidthInteger>(_: Word.Type, _ mask: Word) -> Word {
            let words = UnsafeBufferPointer(start: start.assumingMemoryBound(to: Word.self), count: count)
            return words.reduce(0) { max($0, $1 & mask) }
        }
        switch precision {
        case .f32: return largest(UInt32.self, Float.infinity.bitPattern) < Float.infinity.bitPattern
        case .f64: return largest(UInt64.self, Double.infinity.bitPattern) < Double.infinity.bitPattern
        }
    }
}
