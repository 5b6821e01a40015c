import Foundation
import Synchronization

/// Where the time of a compilation and a run goes. It is handed to whatever takes part; what is measured twice is added up.
package final class PassTimes: Sendable {
    /// What a pass took: by the clock on the wall, and of the processor by all threads of the process. The second says
    /// more where the machine is shared.
    package struct Row: Equatable, Sendable {
        package var name: String
        package var seconds: Double
        package var processorSeconds: Double
    }

    private struct State {
        var rows: [Row] = []
        var notes: [String] = []
    }

    private let state = Mutex(State())
    private let start = ContinuousClock.now

    /// - Parameter countingFromStart: whether what the process did before is a pass, too: loading its libraries, mostly.
    package init(countingFromStart: Bool = false) {
        if countingFromStart {
            // The clock on the wall is not known back there; one thread runs, so that of the processor stands for it.
            let seconds = Self.processorSeconds()
            add(Row(name: "start of the process", seconds: seconds, processorSeconds: seconds))
        }
    }

    /// The passes, in the order in which they were first met.
    package var rows: [Row] { state.withLock { $0.rows } }

    /// What was remarked, in order.
    package var notes: [String] { state.withLock { $0.notes } }

    /// Remarks something that is no time, for the end of the table.
    package func note(_ text: String) { state.withLock { $0.notes.append(text) } }

    fileprivate func measured<T, E: Error>(_ name: String, _ body: () throws(E) -> T) throws(E) -> T {
        let (began, processor) = (ContinuousClock.now, Self.processorSeconds())
        defer {
            let elapsed = (ContinuousClock.now - began).components
            add(Row(
                name: name, seconds: Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18,
                processorSeconds: Self.processorSeconds() - processor))
        }
        return try body()
    }

    private func add(_ row: Row) {
        state.withLock { state in
            if let known = state.rows.firstIndex(where: { $0.name == row.name }) {
                state.rows[known].seconds += row.seconds
                state.rows[known].processorSeconds += row.processorSeconds
            } else {
                state.rows.append(row)
            }
        }
    }

    private static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// The passes with their milliseconds, what lies between them, and the sum.
    package var table: String {
        var rows = rows
        let elapsed = (ContinuousClock.now - start).components
        let before = rows.first { $0.name == "start of the process" }
        let total = Row(
            name: "total", seconds: Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18 + (before?.seconds ?? 0),
            processorSeconds: Self.processorSeconds())
        let known = rows.reduce(into: (0.0, 0.0)) { sum, row in
            sum.0 += row.seconds
            sum.1 += row.processorSeconds
        }
        rows.append(Row(
            name: "else", seconds: max(0, total.seconds - known.0), processorSeconds: max(0, total.processorSeconds - known.1)))
        rows.append(total)
        let width = rows.map(\.name.count).max() ?? 0
        var lines = [String(repeating: " ", count: width) + "        ms  of the processor"]
        lines += rows.map { row in
            row.name + String(repeating: " ", count: width - row.name.count)
                + String(format: "%10.2f%18.2f", row.seconds * 1e3, row.processorSeconds * 1e3)
        }
        return (lines + notes).joined(separator: "\n") + "\n"
    }
}

extension Optional where Wrapped == PassTimes {
    /// Runs `body`, and adds what it takes to the pass of this name where somebody asks.
    package func measure<T, E: Error>(_ name: String, _ body: () throws(E) -> T) throws(E) -> T {
        guard let self else { return try body() }
        return try self.measured(name, body)
    }
}
