import RecCodeGen
import RecForms
import RecRuntime
import RecScheduling
import RecSource
import RecStream
import RecTensors

/// One recurrence of a model that runs in windows of time: its steps as code for windows side by side, and for one after another.
final class ShootingRecurrence: SolvedRecurrence {
    let state: String
    let split: RecurrenceSplit
    /// Its steps, whose states may be given.
    let cell: StreamGraph
    private let asked: Int?
    /// Windows that lie side by side along an axis, at most; 1 where rows of a step fill vectors, or are products.
    private let mostLanes: Int
    private let depth: Int
    private let ordered: StepsPart
    private let windowed = KeptOnce<Int, StepsPart>()
    /// How the ends of windows change with their beginnings; nil where that cannot be said.
    let derivative: WindowDerivative?
    private let differentiated = KeptOnce<Int, StepsPart?>()
    private let worth = KeptOnce<Size, Bool>()

    /// Windows where nobody says how many.
    static let usualWindows = 32
    /// Steps in front of a window from which its first state is guessed, at least.
    private static let leastWarmUp = 64
    /// Windows that nobody has asked for are at least so long.
    private static let leastLength = 4 * leastWarmUp
    /// As many numbers side by side give a processor enough to do at once.
    private static let widest = 16

    /// - Parameter windows: nil where nobody says how many.
    /// - Throws: where the recurrence cannot run so.
    init(_ split: RecurrenceSplit, state: String, windows: Int?) throws(FormRefusal) {
        self.state = state
        self.split = split
        asked = windows
        do throws(DiagnosticList) { cell = try CarriedState.carrying(split.cell.namingDelayedValues(), .either) } catch {
            throw FormRefusal(reason: "nobody can take it up in the midst of a sequence", span: nil)
        }
        var depth = 1
        var width = 1
        for value in split.cell.values {
            guard case .delay(_, let offsets, _) = value.operation else { continue }
            depth = max(depth, -offsets[0])
            width = max(width, value.shape.elementCount)
        }
        self.depth = depth
        var lanes = 1
        if split.isLaneWise, width < Self.widest / 2 { while 2 * lanes * width <= Self.widest { lanes *= 2 } }
        mostLanes = lanes
        ordered = try StepsPart(cell, forcing: .sequential)
        derivative = try? WindowDerivative(cell)
        // What cannot be said for windows is refused here and now.
        if lanes > 1 { _ = try part(lanes: lanes) }
    }

    var form: PlanForm { .shooting(asked) }
    var report: SolveReport { SolveReport(.shooting) }

    /// The steps of windows that run side by side, as many as there are at most.
    var repeated: StreamGraph { (try? widened(by: mostLanes)) ?? cell }

    private func widened(by lanes: Int) throws(FormRefusal) -> StreamGraph {
        try widened(cell, by: lanes)
    }

    private func widened(_ steps: StreamGraph, by lanes: Int) throws(FormRefusal) -> StreamGraph {
        guard lanes > 1 else { return steps }
        return try steps.widened(by: lanes) { name in
            !name.hasPrefix(CarriedState.prefix) && name != CarriedState.switchName && !WindowDerivative.isDirection(name)
        }
    }

    /// The code for windows of which so many lie side by side.
    private func part(lanes: Int) throws(FormRefusal) -> StepsPart {
        guard lanes > 1 else { return ordered }
        return try windowed.value(for: lanes) { () throws(FormRefusal) in try StepsPart(widened(by: lanes), forcing: .sequential) }
    }

    /// The code for windows of which so many lie side by side, with their derivatives; nil where there is none.
    private func differentiatedPart(lanes: Int) -> StepsPart? {
        guard let derivative else { return nil }
        return differentiated.value(for: lanes) { () throws(Never) in try? StepsPart(widened(derivative.steps, by: lanes), forcing: .sequential) }
    }

    /// The windows of sequences of so many steps; nil where they are too short for windows.
    func layout(batch: Int, steps: Int) -> WindowLayout? {
        var windows = asked ?? Self.usualWindows
        if asked == nil { while windows > 1, steps / windows < Self.leastLength { windows /= 2 } }
        guard windows > 1, steps / windows > depth, batch > 0 else { return nil }
        var lanes = min(mostLanes, windows)
        while windows % lanes != 0 { lanes /= 2 }
        return WindowLayout(batch: batch, steps: steps, windows: windows, lanes: lanes)
    }

    // MARK: Cost

    /// Its windows meet in one sweep.
    func estimatedSeconds(_ work: Workload, on machine: MachineProfile) throws(DiagnosticList) -> Double {
        let steps = work.extents.first ?? 0
        guard let layout = layout(batch: work.batch, steps: steps) else { return try ordered.choice.plan(for: work).estimatedSeconds(work, on: machine) }
        let own = Workload(batch: layout.rows, extents: [layout.length], threads: work.threads, bytesPerReal: work.bytesPerReal)
        guard let part = try? part(lanes: layout.lanes) else { return .infinity }
        let seconds = try part.choice.plan(for: own).estimatedSeconds(own, on: machine)
        // Streams that are laid out anew go through memory twice.
        var bytes = 0.0
        if !layout.isInPlace {
            let streams = cell.values.filter { if case .input = $0.operation { $0.variance.isStream } else { false } } + cell.outputs.map { cell[$0.value] }
            for value in streams { bytes += 2 * Double(work.batch * steps * value.shape.elementCount * value.element.byteCount(work.bytesPerReal == 4 ? .f32 : .f64)) }
        }
        let swept = seconds * (1 + 2 * Double(Self.warmUp(of: layout.length)) / Double(layout.length))
        return swept + bytes / machine.bandwidth + Double(ShootingRun.runs(of: layout.length)) * Self.secondsOfRun
    }

    /// What a run of code takes however few its steps.
    private static let secondsOfRun = 3e-5

    /// Steps in front of a window of so many from which its first state is guessed.
    static func warmUp(of length: Int) -> Int { min(length, max(leastWarmUp, length / 32)) }

    /// Whether sweeps with derivatives are worth their while: they should take less than steps in order, or, where somebody says how many
    /// windows there are, not many times as long. That is said of one sequence and a machine of some years ago, so that a sequence has the
    /// same bits in each batch and on each machine.
    func isCorrectable(_ layout: WindowLayout, _ precision: Precision) -> Bool {
        guard let part = differentiatedPart(lanes: layout.lanes) else { return false }
        let size = Size(groups: layout.groups, lanes: layout.lanes, length: layout.length, precision: precision)
        return worth.value(for: size) { () throws(Never) in isWorthCorrecting(layout, precision, by: part) }
    }

    private func isWorthCorrecting(_ layout: WindowLayout, _ precision: Precision, by part: StepsPart) -> Bool {
        func seconds(_ part: StepsPart, batch: Int, steps: Int) -> Double? {
            let work = Workload(batch: batch, extents: [steps], threads: 1, bytesPerReal: precision.byteCount)
            return (try? part.choice.plan(for: work))?.estimatedSeconds(work, on: .typical)
        }
        guard let windows = try? self.part(lanes: layout.lanes), let plain = seconds(windows, batch: layout.groups, steps: layout.length),
            let own = seconds(part, batch: layout.groups, steps: layout.length), let inOrder = seconds(ordered, batch: 1, steps: layout.windows * layout.length)
        else { return false }
        let overhead = asked != nil ? 0 : Self.secondsOfRun * (Self.usualCorrections + 2 * Double(ShootingRun.runs(of: layout.length)))
        return Self.usualCorrections * own + 2 * plain + overhead < (asked == nil ? Self.mostShare : Self.mostShareAsked) * inOrder
    }

    private struct Size: Hashable {
        var groups, lanes, length: Int
        var precision: Precision
    }

    /// Sweeps with derivatives that a sequence should take, and what these may take of the time of steps in order.
    private static let usualCorrections = 3.0, mostShare = 0.8, mostShareAsked = 8.0

    func operationCount(for work: Workload) -> Double { (try? ordered.choice.plan(for: work).operationCount(for: work)) ?? 0 }

    // MARK: Runs

    func run(_ around: SolvedRun, _ report: inout SolveReport) throws -> SolvedRun.Results {
        let (batch, steps) = (around.data.batch, around.steps)
        let inputs = try around.inputs(of: split)
        var streams: [ShootingRun.Stream] = []
        for (name, value, tensor) in inputs.streams {
            let start = tensor.withUnsafeBytes { UnsafeMutableRawPointer(mutating: $0.baseAddress) }
            guard let start else { continue }
            streams.append(Self.stream(name, start, value, steps, around.precision, isResult: false))
        }
        var written: [(name: String, tensor: Tensor)] = []
        for output in cell.outputs {
            let value = cell[output.value]
            let (tensor, start) = around.memory.tensor(type: value.element.tensorType(around.precision), shape: [batch, steps] + value.shape.sizes)
            if around.data.lengths != nil { start.initializeMemory(as: UInt8.self, repeating: 0, count: tensor.byteCount) }
            written.append((output.name, tensor))
            streams.append(Self.stream(output.name, start, value, steps, around.precision, isResult: true))
        }
        let sequences = Self.pieces(batch: batch, steps: steps, lengths: around.data.lengths)
        var finals: [[NamedTensor]] = []
        for (range, length) in sequences {
            let own = streams.map { stream in
                var own = stream
                own.rows.start += range.lowerBound * own.rows.batchStride * own.byteCount
                return own
            }
            let once = inputs.once.mapValues { range.count == batch ? $0 : $0.rows(range) }
            finals.append(try run(own, once, batch: range.count, steps: length, around, &report))
        }
        var results = SolvedRun.Results(tensors: around.turned(Dictionary(written.map { ($0.name, $0.tensor) }) { a, _ in a }, split))
        if let first = finals.first {
            for k in first.indices where !first[k].name.hasPrefix(CarriedState.prefix) {
                results.finalStates.append(NamedTensor(name: SolvedRun.stateName(first[k].name), tensor: Tensor.joiningRows(finals.map { $0[k].tensor })))
            }
        }
        return withExtendedLifetime(inputs) { results }
    }

    /// Sequences that run together: all, or each by itself where they differ in length.
    private static func pieces(batch: Int, steps: Int, lengths: [Int]?) -> [(sequences: Range<Int>, length: Int)] {
        guard let lengths, lengths.contains(where: { $0 != steps }) else { return [(0..<batch, steps)] }
        return lengths.enumerated().map { ($0.offset..<$0.offset + 1, $0.element) }
    }

    private static func stream(
        _ name: String, _ start: UnsafeMutableRawPointer, _ value: Value, _ steps: Int, _ precision: Precision, isResult: Bool
    ) -> ShootingRun.Stream {
        let width = value.shape.elementCount
        return ShootingRun.Stream(
            name: name, rows: StreamRows(start: start, batchStride: steps * width, stepStride: width), width: width,
            byteCount: value.element.byteCount(precision), isResult: isResult)
    }

    private func run(
        _ streams: [ShootingRun.Stream], _ once: [String: Tensor], batch: Int, steps: Int, _ around: SolvedRun, _ report: inout SolveReport
    ) throws -> [NamedTensor] {
        guard let layout = layout(batch: batch, steps: steps) else {
            // Too short for windows: steps in order, from the beginning of the sequences.
            return try ShootingRun.inOrder(
                around.model(ordered, batch: batch, steps: steps), streams, once, batch: batch, steps: steps, pool: around.pool)
        }
        let correcting = derivative.map { derivative in
            ShootingRun.Derivative(
                form: DerivativeForm(
                    lines: derivative.lines.map {
                        DerivativeForm.Line(name: $0.name, elementCount: $0.elementCount, direction: $0.direction, derivative: $0.derivative)
                    }, directions: derivative.directions, isDiagonal: derivative.isDiagonal)
            ) {
                guard self.isCorrectable(layout, around.precision), let part = self.differentiatedPart(lanes: layout.lanes) else { return nil }
                return try? around.model(part, batch: layout.rows, steps: layout.length)
            }
        }
        let run = ShootingRun(
            windowed: try around.model(part(lanes: layout.lanes), batch: layout.rows, steps: layout.length), ordered: try around.model(ordered, batch: layout.batch, steps: layout.length),
            layout: layout, streams: streams, once: once, depth: depth, warmUp: Self.warmUp(of: layout.length), pool: around.pool, memory: around.memory,
            derivative: correcting)
        return try run.run(&report)
    }
}
