import RecSource
import RecStream
import RecTensors

/// Runs a recurrence in windows of time that all run at once.
///
/// The state at the start of a window is guessed by a run over the steps in front of it, from the state in which sequences begin. All
/// windows are swept; where the end of one is not the start of the next, the next is swept again from there, until its steps meet those
/// of the sweep before: from there on these hold. What is handed on is checked, never assumed: each step is computed from the state that
/// stands before it, to 4 units in the last place of the largest state in its window. Windows that do not meet run one after another.
///
/// This is multiple shooting whose corrections leave the derivative out (parareal with one integrator) where windows are longer than
/// states are remembered; for discrete states the same is known as rank convergence (Maleki, Musuvathi & Mytkowicz 2014, "Parallelizing
/// dynamic programming through rank convergence", §4). Where states are remembered for longer, and there is code for it, sweeps that
/// compute nothing but states and their derivatives come first, and beginnings are corrected by them (`WindowDerivatives`).
package struct ShootingRun {
    /// A stream between the recurrence and others.
    package struct Stream {
        package var name: String
        package var rows: StreamRows
        package var width: Int
        package var byteCount: Int
        package var isResult: Bool

        package init(name: String, rows: StreamRows, width: Int, byteCount: Int, isResult: Bool) {
            self.name = name
            self.rows = rows
            self.width = width
            self.byteCount = byteCount
            self.isResult = isResult
        }
    }

    /// For windows that run at once, and for steps in order.
    let windowed, ordered: CompiledModel
    let layout: WindowLayout
    let streams: [Stream]
    let once: [String: Tensor]
    /// Steps that a step looks back.
    let depth: Int
    let warmUp: Int
    let pool: ThreadPool
    let memory: ResultMemory
    let derivative: Derivative?

    /// Sweeps of all windows, before those that have not met run one after another.
    private static let mostSweeps = 4
    /// Units in the last place that a state may differ by from what its step gives.
    static let units = 4.0
    /// What is further apart does not give the same step.
    private static let nearUnits = 64.0
    /// A window is swept in pieces of at least so many steps, and in at most so many.
    private static let leastPiece = 1024, mostPieces = 8

    package init(
        windowed: CompiledModel, ordered: CompiledModel, layout: WindowLayout, streams: [Stream], once: [String: Tensor], depth: Int, warmUp: Int,
        pool: ThreadPool, memory: ResultMemory, derivative: Derivative? = nil
    ) {
        self.derivative = derivative
        (self.windowed, self.ordered, self.layout, self.streams, self.once) = (windowed, ordered, layout, streams, once)
        (self.depth, self.warmUp, self.pool, self.memory) = (depth, min(warmUp, layout.length), pool, memory)
    }

    static func pieceCount(_ length: Int) -> Int { max(1, min(mostPieces, length / leastPiece)) }

    /// How many runs of code windows of so many steps take that meet at once: two guesses, and their pieces.
    package static func runs(of length: Int) -> Int { 2 + pieceCount(length) }

    /// - Returns: the last values of the states, `[batch, dims…]`.
    package func run(_ report: inout SolveReport) throws(DiagnosticList) -> [NamedTensor] {
        report.windows = max(report.windows, layout.windows)
        report.length = max(report.length, layout.length)
        report.warmUp = max(report.warmUp, warmUp)
        var views: [String: StreamRows] = [:]
        var held: [(stream: Stream, bytes: ResultBytes)] = []
        for stream in streams {
            if layout.isInPlace {
                views[stream.name] = layout.inPlace(stream.rows)
                continue
            }
            let row = stream.width * layout.lanes
            let bytes = ResultBytes(from: memory, byteCount: max(64, layout.rows * layout.length * row * stream.byteCount))
            views[stream.name] = StreamRows(start: bytes.start, batchStride: layout.length * row, stepStride: row)
            held.append((stream, bytes))
            if !stream.isResult { layout.spread(stream.rows, width: stream.width, byteCount: stream.byteCount, into: bytes.start, pool: pool) }
        }
        let swept = try sweepAll(Sweeps(self, views), &report)
        if swept.left.count == layout.batch {
            report.inOrder += layout.batch * layout.windows
            return try withExtendedLifetime(held) { () throws(DiagnosticList) in
                try Self.inOrder(ordered, streams, once, batch: layout.batch, steps: layout.steps, pool: pool)
            }
        }
        withExtendedLifetime(held) {
            for (stream, bytes) in held where stream.isResult {
                layout.gather(bytes.start, width: stream.width, byteCount: stream.byteCount, into: stream.rows, pool: pool)
            }
        }
        return try finish(swept, &report)
    }

    // MARK: Sweeps

    /// What the sweeps have come to: where windows began and ended, and which do not begin where the one before ended.
    ///
    /// What becomes of a sequence depends on nothing of the others in its batch.
    struct Swept {
        var starts, ends: WindowStates
        var unmet: Set<Int>
        /// Sequences whose states do not forget soon enough for windows to meet: nothing of them was swept, or what was is no use.
        var left: Set<Int>
        /// Sequences whose beginnings are corrected by derivatives.
        var corrected: Set<Int> = []
    }

    func windows(of sequence: Int) -> Range<Int> { sequence * layout.windows..<(sequence + 1) * layout.windows }

    private func sweepAll(_ sweep: Sweeps, _ report: inout SolveReport) throws(DiagnosticList) -> Swept {
        let guess = try guess(sweep)
        var swept = Swept(starts: guess.ends.shifted(), ends: guess.ends, unmet: [], left: guess.left)
        var derivatives = try correct(&swept, guess.correctable, nil, sweep, &report)
        var tried = guess.correctable
        let left = swept.left
        guard left.count < layout.batch else { return swept }
        // By piece, where windows are at its end.
        var ends: [WindowStates] = []
        for (k, piece) in sweep.pieces.enumerated() { ends.append(try sweep(piece, from: ends.last ?? swept.starts, atStart: k == 0)) }
        var sweeps = 1
        while true {
            report.sweeps = max(report.sweeps, sweeps)
            swept.ends = ends[sweep.pieces.count - 1]
            var before = swept.ends.shifted()
            let open = (0..<layout.batch).filter { !left.contains($0) }.flatMap { windows(of: $0).dropFirst() }
            swept.unmet = try unmet(open, before, swept.starts, sweep, at: 0)
            // Where most windows remember more than a window, sweeps are many, and steps in order are soonest done.
            var again = swept.unmet.filter { window in
                let all = windows(of: window / layout.windows)
                return sweeps == 1 || 2 * swept.unmet.count(where: all.contains) <= all.count
            }
            guard sweeps < Self.mostSweeps else { return swept }
            /// What has met may begin elsewhere all the same, as the windows in front of it do.
            func begin(_ sequence: Int, from starts: WindowStates) {
                let all = windows(of: sequence)
                again = again.subtracting(all).union(all.dropFirst().filter { !starts.isSame(swept.starts, at: $0) })
                before = before.replacing(all, from: starts)
            }
            for sequence in swept.corrected {
                let all = windows(of: sequence)
                again.subtract(all)
                var starts = swept.starts
                guard swept.unmet.contains(where: all.contains), let derivatives, derivatives.correct(&starts, swept.ends, in: all).isFinite else { continue }
                begin(sequence, from: starts)
            }
            // Those that remember more than they seemed to.
            let late = Set((0..<layout.batch).filter { !left.contains($0) && !tried.contains($0) && windows(of: $0).contains(where: swept.unmet.contains) })
                .filter { sweeps > 1 && windows(of: $0).allSatisfy { !again.contains($0) } }
            if !late.isEmpty {
                tried.formUnion(late)
                var other = swept
                derivatives = try correct(&other, late, derivatives, sweep, &report) ?? derivatives
                for sequence in late.intersection(other.corrected) { begin(sequence, from: other.starts) }
                swept.corrected = other.corrected
            }
            guard !again.isEmpty else { return swept }
            swept.starts = swept.starts.replacing(again, from: before)
            sweeps += 1
            var states = swept.starts
            var pending = again
            for (k, piece) in sweep.pieces.enumerated() {
                states = try sweep(piece, from: states, atStart: k == 0)
                let known = ends[k]
                if piece.upperBound < layout.length { pending = try unmet(pending.sorted(), states, known, sweep, at: piece.upperBound) }
                // Windows that have met go on as they did.
                states = states.replacing((0..<layout.batch * layout.windows).filter { !pending.contains($0) }, from: known)
                ends[k] = states
                if pending.isEmpty { break }
            }
        }
    }

    /// Of some windows those in which steps from `new` on would not be those that were computed from `known`.
    private func unmet(_ windows: [Int], _ new: WindowStates, _ known: WindowStates, _ sweep: Sweeps, at step: Int) throws(DiagnosticList) -> Set<Int> {
        let different = windows.filter { !new.isSame(known, at: $0) }
        // States that are nearly the same may give the same steps.
        let near = different.filter { new.isWithin(Self.nearUnits, of: known, at: $0) }
        guard !near.isEmpty, step + depth <= layout.length else { return Set(different) }
        let isFirst = step == 0
        let after = try sweep(step..<step + depth, from: known.replacing(near, from: new), atStart: isFirst)
        // What stands there is written again.
        let stands = try sweep(step..<step + depth, from: known, atStart: isFirst)
        return Set(different).subtracting(near.filter { after.isWithin(Self.units, of: stands, at: $0) })
    }

    // MARK: In order

    /// Runs sequences from their beginning, one step after another.
    ///
    /// - Returns: the last values of the states, `[batch, dims…]`.
    package static func inOrder(
        _ model: CompiledModel, _ streams: [Stream], _ once: [String: Tensor], batch: Int, steps: Int, pool: ThreadPool
    ) throws(DiagnosticList) -> [NamedTensor] {
        let given = given(nil, [Float](repeating: 0, count: batch), of: model, rows: batch, lanes: 1)
        let rows = Dictionary(streams.map { ($0.name, $0.rows) }) { a, _ in a }
        return try model.run(rows: rows, once: once.merging(given) { $1 }, batch: batch, steps: steps, pool: pool)
    }

    /// - Parameter states: before the steps; nil at the beginning of the sequences.
    private func inOrder(_ steps: Range<Int>, of sequences: Range<Int>, from states: [NamedTensor]?) throws(DiagnosticList) -> [NamedTensor] {
        var rows: [String: StreamRows] = [:]
        for stream in streams {
            var own = stream.rows.advanced(by: steps.lowerBound, byteCount: stream.byteCount)
            own.start += sequences.lowerBound * own.batchStride * stream.byteCount
            rows[stream.name] = own
        }
        let carried = states.map { states in Dictionary(states.filter { Self.isCarried($0.name) }.map { ($0.name, $0.tensor) }) { a, _ in a } }
        let isGiven = [Float](repeating: states == nil ? 0 : 1, count: sequences.count)
        let given = Self.given(carried, isGiven, of: ordered, rows: sequences.count, lanes: 1)
        let own = sequences.count == layout.batch ? once : once.mapValues { $0.rows(sequences) }
        return try ordered.run(rows: rows, once: own.merging(given) { $1 }, batch: sequences.count, steps: steps.count, pool: pool)
    }

    /// Runs windows that have not met one after another, and the rest of the sequences.
    private func finish(_ swept: Swept, _ report: inout SolveReport) throws(DiagnosticList) -> [NamedTensor] {
        var last: [[NamedTensor]] = []
        for sequence in 0..<layout.batch { last.append(try finish(sequence, swept, &report)) }
        let joined = joined(last)
        guard layout.rest > 0 else { return joined }
        return try inOrder(layout.windows * layout.length..<layout.steps, of: 0..<layout.batch, from: joined)
    }

    /// - Returns: the state at the end of the last window.
    private func finish(_ sequence: Int, _ swept: Swept, _ report: inout SolveReport) throws(DiagnosticList) -> [NamedTensor] {
        let own = windows(of: sequence)
        let one = WindowLayout(batch: 1, steps: layout.length, windows: 1, lanes: 1)
        if swept.left.contains(sequence) {
            report.inOrder += layout.windows
            return try inOrder(0..<layout.windows * layout.length, of: sequence..<sequence + 1, from: nil)
        }
        var state = swept.ends.tensors(at: [own.upperBound - 1])
        var window = own.lowerBound + 1
        while window < own.upperBound {
            guard swept.unmet.contains(window) else {
                window += 1
                continue
            }
            var before = swept.ends.tensors(at: [window - 1])
            var hasMet = false
            while window < own.upperBound, !hasMet {
                let start = (window - own.lowerBound) * layout.length
                before = try inOrder(start..<start + layout.length, of: sequence..<sequence + 1, from: before)
                report.inOrder += 1
                window += 1
                // Then the next window holds as it was swept, whatever this one gave then.
                hasMet = window < own.upperBound && WindowStates(before, one).isWithin(0, of: swept.starts, at: 0, from: window)
            }
            if hasMet { window += 1 } else { state = before }
        }
        return state
    }

    /// The states of sequences as those of a batch.
    private func joined(_ states: [[NamedTensor]]) -> [NamedTensor] {
        guard let first = states.first else { return [] }
        return first.indices.map { k in
            NamedTensor(name: first[k].name, tensor: Tensor.joiningRows(states.map { $0[k].tensor }))
        }
    }
}
