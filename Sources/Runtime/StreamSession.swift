import RecCodeGen
import RecScheduling
import RecSource
import RecStream
import RecTensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A model that runs step by step, with its state kept between calls.
///
/// Inputs are written into the session's own memory and outputs read from it; a step allocates nothing:
///
/// ```swift
/// let session = try model.stream()
/// try session.withInput("x") { $0.copyBytes(from: frame) }
/// try session.advance()
/// try session.withOutput("y") { … }
/// ```
///
/// `step(_:)` does the same with arrays of numbers. One piece, many pieces and single steps give the same results. A session belongs to
/// one thread at a time.
public final class StreamSession {
    package let model: CompiledModel
    /// How many steps it takes at most; nil for no bound.
    package var mostSteps: Int?
    /// Sequences that take their steps together.
    public let batch: Int
    /// The most steps of one call.
    public let capacity: Int
    /// Steps taken since the beginning.
    public var stepCount: Int { stepsBefore + position }
    /// The step that compiled code takes next: it counts anew where the stream goes on from a given state.
    private(set) var position = 0
    private var stepsBefore = 0

    private let memory: RunMemory
    private let window: BlockWindow
    private let sweep: Int
    private(set) var inputs: [Port] = []
    private(set) var outputs: [Port] = []
    /// The state after each of the last steps.
    private(set) var carriedOutputs: [Port] = []
    private let onceTensors: [Tensor]
    /// What is carried from step to step, where the state is to be known.
    var carried: StreamState?
    /// What drafts are held against; see `verify`.
    var drafts: Drafts?
    private let stageCount: Int
    private let secondExtent: Int

    /// Memory of a stream that lies outside the kernels: `[batch, history + capacity, …]`.
    struct Port {
        var name: String
        var element: ElementType
        var buffer: BufferID
        var memory: AlignedMemory
        /// Bytes of a step of one sequence.
        var stepBytes: Int
        /// Steps before the present ones that are still read.
        var history: Int
        /// Bytes from one sequence of the batch to the next; 0 where all have the same numbers.
        var sequenceBytes: Int
    }

    /// - Parameters:
    ///   - once: the inputs given once, `[batch, …]`.
    ///   - secondExtent: the length of the second axis, for models over two.
    ///   - state: from what it begins, where the model was made to carry its state; nil where it was not.
    /// - Throws: where the model cannot run step by step, as it looks ahead or needs a whole sequence; where once inputs are missing or
    ///   misshapen; where batch or capacity are less than 1, or take more memory than there is.
    package init(
        _ model: CompiledModel, batch: Int = 1, capacity: Int = 1, once: [String: Tensor] = [:], secondExtent: Int = 1,
        state: ModelState? = nil
    ) throws(DiagnosticList) {
        self.model = model
        self.batch = batch
        self.capacity = capacity
        self.secondExtent = secondExtent
        let plan = model.plan
        do { sweep = try Self.onlySweep(of: plan) } catch { throw DiagnosticList([error]) }
        try Self.checkSize(model, batch: batch, capacity: capacity, secondExtent: secondExtent)
        var extents = [Int.max >> 8]
        if plan.graph.axes.count > 1 { extents.append(plan.graph.axes[1].length ?? secondExtent) }
        let memory = RunMemory(model, batch: batch, extents: extents, lengths: nil)
        self.memory = memory
        var held: [Tensor] = []
        var carried = state.map { StreamState(from: $0) }
        for (index, buffer) in plan.buffers.enumerated() {
            let id = BufferID(index)
            let steps = buffer.variance.varies(over: 1) && extents.count > 1 ? extents[1] : 1
            let stepElements = buffer.rowCount * steps
            let stepBytes = model.rowBytes(buffer) * steps
            switch buffer.kind {
            case .input(let name) where buffer.variance.isStream:
                let history = plan.inputHistory[name] ?? 0
                let block = AlignedMemory(byteCount: stepBytes * (history + self.capacity) * batch)
                inputs.append(
                    Port(
                        name: name, element: buffer.element, buffer: id, memory: block, stepBytes: stepBytes, history: history,
                        sequenceBytes: stepBytes * (history + capacity)))
            case .input(let name):
                let rows = (buffer.variance.batch ? batch : 1) * steps
                let given = try CompiledModel.tensor(name, "once input", in: once, count: buffer.rowCount * rows)
                let tensor = resident(given, as: buffer.element, model.precision)
                if name.hasPrefix(CarriedState.prefix) || name == CarriedState.switchName {
                    let byteCount = model.rowBytes(buffer) * rows
                    let block = AlignedMemory(byteCount: byteCount)
                    tensor.withUnsafeBytes { bytes in
                        if let base = bytes.baseAddress { block.start.copyMemory(from: base, byteCount: bytes.count) }
                    }
                    carried?.inputs.append(StreamState.Input(name: name, element: buffer.element, memory: block, byteCount: byteCount))
                    memory.frame.describe(id, base: block.start, batch: buffer.rowCount, first: 0, second: buffer.rowCount)
                    continue
                }
                held.append(tensor)
                tensor.withUnsafeBytes { bytes in
                    if let base = bytes.baseAddress {
                        memory.frame.describe(id, base: base, batch: buffer.rowCount * steps, first: 0, second: buffer.rowCount)
                    }
                }
            case .output(let k):
                let block = AlignedMemory(byteCount: stepBytes * self.capacity * batch)
                let port = Port(
                    name: plan.graph.outputs[k].name, element: buffer.element, buffer: id, memory: block, stepBytes: stepBytes, history: 0,
                    sequenceBytes: buffer.variance.batch ? stepBytes * capacity : 0)
                outputs.append(port)
                memory.frame.describe(
                    id, base: block.start, batch: buffer.variance.batch ? stepElements * capacity : 0, first: 0, second: buffer.rowCount)
            case .parameter, .static, .once, .accumulator, .full, .block, .step, .ring, .zero:
                break
            }
        }
        onceTensors = held
        let order = Dictionary(uniqueKeysWithValues: plan.graph.outputs.enumerated().map { ($1.name, $0) })
        outputs.sort { order[$0.name, default: 0] < order[$1.name, default: 0] }
        carriedOutputs = outputs.filter { $0.name.hasPrefix(CarriedState.prefix) }
        outputs.removeAll { $0.name.hasPrefix(CarriedState.prefix) }
        self.carried = carried
        window = BlockWindow(memory, blocks: model.code.facts.blocks[sweep], sequences: 0..<batch, steps: self.capacity, isReversed: false)
        stageCount = plan.segments[sweep].stages.count
        begin()
    }

    /// Sets what stands before the first step.
    private func begin() {
        runOnceSegments()
        memory.start(model.plan.segments[sweep])
        window.adopt(memory.frame)
    }

    /// Begins anew from what `carried` holds.
    func restart(after steps: Int) {
        begin()
        window.resume(at: 0, count: 0)
        (position, stepsBefore) = (0, steps)
    }

    /// The segment over time, of which a stream may have one: forwards, without looking ahead.
    package static func onlySweep(of plan: Plan) throws(Diagnostic) -> Int {
        let sweeps = plan.segments.indices.filter { index in
            if case .sweep = plan.segments[index].kind { return !plan.segments[index].stages.isEmpty }
            return false
        }
        func refuse(_ reason: String) -> Diagnostic {
            Diagnostic(.planRefused, "'\(plan.graph.name)' cannot run step by step: \(reason)", at: nil, help: "run it over whole sequences")
        }
        guard let sweep = sweeps.first else { throw refuse("nothing in it varies over time") }
        guard case .sweep(_, let order) = plan.segments[sweep].kind, sweeps.count == 1 else {
            throw refuse("it passes over the sequence more than once")
        }
        guard order.loops[0].axis == 0, !order.loops.contains(where: \.isReversed) else {
            throw refuse("it runs from the end to the beginning")
        }
        for value in plan.graph.values {
            guard case .delay(_, let offsets, _) = value.operation, offsets[0] > 0 else { continue }
            throw Diagnostic(
                .planRefused, "'\(plan.graph.name)' cannot run step by step: it looks ahead here", at: value.span,
                help: "run it over whole sequences")
        }
        for buffer in plan.buffers {
            switch buffer.kind {
            case .accumulator:
                let whole = plan.graph.values.first { if case .overTime = $0.operation { true } else { false } }
                throw Diagnostic(
                    .planRefused, "'\(plan.graph.name)' cannot run step by step: this is known only when the sequence has ended",
                    at: whole?.span, help: "run it over whole sequences")
            case .full: throw refuse("'\(buffer.name)' is needed whole")
            case .input, .parameter, .output, .static, .once, .block, .step, .ring, .zero: break
            }
        }
        return sweep
    }

    private func runOnceSegments() {
        for (index, segment) in model.plan.segments.enumerated() where segment.kind == .once && index < sweep {
            for stage in model.code.stages[index] { stage(memory.frame.pointer, 0, batch, 0, 1, 0, Int.max) }
        }
    }

    /// A session's memory is allocated at once.
    private static func checkSize(
        _ model: CompiledModel, batch: Int, capacity: Int, secondExtent: Int
    ) throws(DiagnosticList) {
        guard batch >= 1, capacity >= 1, secondExtent >= 1 else {
            throw DiagnosticList(
                .badCall, "a stream of \(batch) sequence\(batch == 1 ? "" : "s") with room for \(capacity) step\(capacity == 1 ? "" : "s") at a time is none",
                help: "batch and capacity are 1 or more")
        }
        let plan = model.plan
        let second = plan.graph.axes.count > 1 ? Double(plan.graph.axes[1].length ?? secondExtent) : 1
        let bytes = plan.buffers.reduce(0.0) { sum, buffer in
            var steps = Double(capacity)
            switch buffer.kind {
            case .parameter, .static, .zero: return sum
            case .input(let name): steps += Double(plan.inputHistory[name] ?? 0)
            case .ring(let ring): steps = Double(ring.period(innerExtent: 1)) * second
            case .block(let halo): steps += Double(halo)
            case .output, .once, .accumulator, .full, .step: break
            }
            return sum + Double(model.rowBytes(buffer)) * steps * second * Double(batch)
        }
        guard bytes <= Double(PhysicalMemory.bytes) else {
            throw DiagnosticList(
                .tooLarge, "a stream of \(batch) sequences with room for \(capacity) steps at a time does not fit into memory",
                help: "make the batch or the capacity smaller")
        }
    }

    // MARK: Data

    /// The streams that go in, in no particular order.
    public var inputNames: [String] { inputs.map(\.name) }
    /// What comes out, in the order of the source.
    public var outputNames: [String] { outputs.map(\.name) }

    /// Bytes of one step of one sequence of an input or output.
    ///
    /// - Throws: where there is no stream of this name.
    public func stepByteCount(_ name: String) throws(DiagnosticList) -> Int {
        try port(name, inputs + outputs, "input or output").stepBytes
    }

    func port(_ name: String, _ ports: [Port], _ what: String, sequence: Int = 0) throws(DiagnosticList) -> Port {
        guard let port = ports.first(where: { $0.name == name }) else {
            let names = ports.map(\.name)
            throw DiagnosticList(
                .unknownName, "the stream has no \(what) '\(name)'",
                help: nearest(name, among: names).map { "did you mean '\($0)'?" }
                    ?? (names.isEmpty ? "it has none" : "it has \(names.joined(separator: ", "))"))
        }
        guard (0..<batch).contains(sequence) else {
            throw DiagnosticList(.badCall, "there is no sequence \(sequence)", help: "the stream has \(batch), counted from 0")
        }
        return port
    }

    /// Calls `body` with the memory of the next steps of an input for one sequence of the batch: `capacity` steps, each of
    /// `stepByteCount` bytes in the precision of the code (whole numbers as `Int64`, bools as bytes of 0 and 1). What is written there is
    /// read by `advance`; the pointer must not be used after the call.
    ///
    /// - Throws: where there is no such input or sequence.
    public func withInput<R>(_ name: String, sequence: Int = 0, _ body: (UnsafeMutableRawBufferPointer) -> R) throws(DiagnosticList) -> R {
        let port = try port(name, inputs, "input", sequence: sequence)
        let start = port.memory.start + sequence * port.sequenceBytes + port.history * port.stepBytes
        return body(UnsafeMutableRawBufferPointer(start: start, count: capacity * port.stepBytes))
    }

    /// Calls `body` with the memory of the last steps of an output for one sequence of the batch: `capacity` steps, of which those of the
    /// last `advance` are filled. The pointer must not be used after the call.
    ///
    /// - Throws: where there is no such output or sequence.
    public func withOutput<R>(_ name: String, sequence: Int = 0, _ body: (UnsafeRawBufferPointer) -> R) throws(DiagnosticList) -> R {
        let port = try port(name, outputs, "output", sequence: sequence)
        // What does not vary over time lies there once.
        let count = model.plan[port.buffer].variance.isStream ? capacity : 1
        return body(UnsafeRawBufferPointer(start: port.memory.start + sequence * port.sequenceBytes, count: count * port.stepBytes))
    }

    /// Calls `body` with the numbers of the next steps of an input for one sequence of the batch, as `withInput` does: `Float`, in f64
    /// `Double`, of complex numbers pairs; `Int` of whole numbers, `UInt8` of bools.
    ///
    /// - Throws: where there is no such input or sequence, or its numbers are of another type.
    public func withInputSpan<Number: BitwiseCopyable, R>(
        _ name: String, sequence: Int = 0, of _: Number.Type, _ body: (inout MutableSpan<Number>) -> R
    ) throws(DiagnosticList) -> R {
        try checkNumbers(port(name, inputs, "input", sequence: sequence), Number.self)
        return try withInput(name, sequence: sequence) { bytes in
            var span = bytes.bindMemory(to: Number.self).mutableSpan
            return body(&span)
        }
    }

    /// Calls `body` with the numbers of the last steps of an output for one sequence of the batch, as `withOutput` does.
    ///
    /// - Throws: where there is no such output or sequence, or its numbers are of another type.
    public func withOutputSpan<Number: BitwiseCopyable, R>(
        _ name: String, sequence: Int = 0, of _: Number.Type, _ body: (Span<Number>) -> R
    ) throws(DiagnosticList) -> R {
        try checkNumbers(port(name, outputs, "output", sequence: sequence), Number.self)
        return try withOutput(name, sequence: sequence) { body($0.bindMemory(to: Number.self).span) }
    }

    private func checkNumbers<Number>(_ port: Port, _: Number.Type) throws(DiagnosticList) {
        let type = port.element.tensorType(model.precision)
        guard !type.isOf(Number.self) else { return }
        throw DiagnosticList(.badCall, "'\(port.name)' has numbers of \(type.rawValue), which are no \(Number.self)")
    }

    // MARK: Steps

    /// Takes `steps` steps of what lies in the inputs; outputs then hold as many.
    ///
    /// - Throws: where they are fewer than 0 or more than `capacity`.
    public func advance(_ steps: Int = 1) throws(DiagnosticList) {
        guard steps >= 0 && steps <= capacity else {
            throw DiagnosticList(.badCall, "the stream cannot take \(steps) steps at a time", help: "it has room for \(capacity)")
        }
        guard steps > 0 else { return }
        if let mostSteps, stepCount + steps > mostSteps {
            throw DiagnosticList(
                .badCall, "the stream attends to all of its past, keeps \(mostSteps) steps of it, and cannot take step \(stepCount + steps)",
                help: "open it so that it keeps more")
        }
        let range = position..<position + steps
        window.move(to: range)
        let frame = window.frame
        for k in inputs.indices {
            let first = range.lowerBound - inputs[k].history
            place(inputs[k], in: frame, steps: inputs[k].history + capacity, first: first)
        }
        for k in outputs.indices where model.plan[outputs[k].buffer].variance.isStream {
            place(outputs[k], in: frame, steps: capacity, first: range.lowerBound)
        }
        for k in carriedOutputs.indices where model.plan[carriedOutputs[k].buffer].variance.isStream {
            place(carriedOutputs[k], in: frame, steps: capacity, first: range.lowerBound)
        }
        for stage in 0..<stageCount {
            model.code.stages[sweep][stage](frame.pointer, 0, batch, range.lowerBound, range.upperBound, 0, Int.max)
        }
        for k in inputs.indices where inputs[k].history > 0 {
            let port = inputs[k]
            for sequence in 0..<batch {
                let start = port.memory.start + sequence * (port.history + capacity) * port.stepBytes
                memmove(start, start + steps * port.stepBytes, port.history * port.stepBytes)
            }
        }
        position += steps
        carried?.lastSteps = steps
        drafts = nil
    }

    private func place(_ port: Port, in frame: Frame, steps: Int, first: Int) {
        let buffer = model.plan[port.buffer]
        let elements = port.stepBytes / buffer.element.byteCount(model.precision)
        frame.describe(
            port.buffer, base: port.memory.start - first * port.stepBytes, batch: elements * steps, first: elements,
            second: buffer.rowCount)
    }

    // MARK: Saving

    /// Everything that the next step depends on, for `restore`; it can be written to a file as a `TensorArchive`.
    public func savedState() -> [NamedTensor] {
        var result = [NamedTensor(name: "steps", tensor: Tensor([position, window.presentCount, stepsBefore], shape: [3]))]
        for region in regions() {
            let bytes = UnsafeRawBufferPointer(start: region.start, count: region.count)
            result.append(NamedTensor(name: region.name, tensor: Tensor(type: .u8, shape: [region.count]) { $0.copyMemory(from: bytes) }))
        }
        let carried = (try? state())?.tensors ?? []
        return result + carried.map { NamedTensor(name: "carried.\($0.name)", tensor: $0.tensor) }
    }

    /// Goes back to a saved state of a session of the same model, precision, batch and capacity.
    ///
    /// - Throws: where the state is of another; the session is then as it was.
    public func restore(_ state: [NamedTensor]) throws(DiagnosticList) {
        let regions = regions()
        let named = Dictionary(state.map { ($0.name, $0.tensor) }, uniquingKeysWith: { a, _ in a })
        for region in regions where named[region.name].map({ $0.type == .u8 && $0.byteCount == region.count }) != true {
            throw DiagnosticList(
                .misshapenTensor, "the saved state is not of this model: '\(region.name)' does not fit",
                help: "model, precision, batch and capacity must be those of the session that was saved")
        }
        guard let steps = named["steps"]?.doubles(), steps.count == 3, steps.allSatisfy({ $0 >= 0 && $0 < 0x1p50 && $0 == $0.rounded() }),
            steps[1] <= min(steps[0], Double(capacity))
        else {
            throw DiagnosticList(.missingTensor, "the saved state does not say how many steps were taken")
        }
        for region in regions {
            named[region.name]?.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { region.start.copyMemory(from: base, byteCount: region.count) }
            }
        }
        var known = carried?.start
        if let start = known {
            let tensors = state.filter { $0.name.hasPrefix("carried.") }.map { NamedTensor(name: String($0.name.dropFirst("carried.".count)), tensor: $0.tensor) }
            known = ModelState(tensors, program: start.program, dims: start.dims)
        }
        restored(position: Int(steps[0]), of: Int(steps[0]) + Int(steps[2]), present: Int(steps[1]), state: known)
    }

    /// Goes on from what was copied into `regions`.
    func restored(position: Int, of steps: Int, present: Int, state: ModelState?) {
        self.position = position
        stepsBefore = steps - position
        if let state { carried?.start = state }
        carried?.lastSteps = 0
        drafts = nil
        // What is made of the state that was given last.
        if carried != nil { runOnceSegments() }
        window.resume(at: position, count: present)
    }

    /// How many of the last steps `regions` hold.
    var presentCount: Int { window.presentCount }

    /// The memory that lasts from step to step: rings, the tails of blocks, the history of inputs.
    func regions() -> [(name: String, start: UnsafeMutableRawPointer, count: Int)] {
        var result: [(name: String, start: UnsafeMutableRawPointer, count: Int)] = []
        for id in model.plan.segments[sweep].written {
            let buffer = model.plan[id]
            guard case .ring = buffer.kind, let start = memory.frame.base(of: id) else { continue }
            result.append(("state.\(id.index).\(buffer.name)", start, batch * memory.frame.period(of: id) * model.rowBytes(buffer)))
        }
        for (id, start, count) in window.lasting { result.append(("block.\(id.index)", start, count)) }
        for port in inputs where port.history > 0 {
            result.append(("input.\(port.name)", port.memory.start, port.memory.byteCount))
        }
        for input in carried?.inputs ?? [] { result.append(("given.\(input.name)", input.memory.start, input.byteCount)) }
        return result
    }
}
