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
/// Inputs are written into the session's own memory, outputs read from it; a step allocates nothing:
///
/// ```swift
/// let session = try StreamSession(model)
/// session.withInput("x") { $0.copyBytes(from: frame) }
/// session.advance()
/// session.withOutput("y") { … }
/// ```
///
/// One piece, many pieces and single steps give the same results. A session belongs to one thread at a time.
package final class StreamSession {
    package let model: CompiledModel
    package let batch: Int
    /// The most steps of one call.
    package let capacity: Int
    /// Steps taken since the beginning.
    package private(set) var stepCount = 0

    private let memory: RunMemory
    private let window: BlockWindow
    private let sweep: Int
    private var inputs: [Port] = []
    private var outputs: [Port] = []
    private let onceTensors: [Tensor]
    private let stageCount: Int
    private let secondExtent: Int

    /// Memory of a stream that lies outside the kernels: `[batch, history + capacity, …]`.
    private struct Port {
        var name: String
        var buffer: BufferID
        var memory: AlignedMemory
        /// Bytes of a step of one sequence.
        var stepBytes: Int
        /// Steps before the present ones that are still read.
        var history: Int
    }

    /// - Parameters:
    ///   - once: the inputs given once, `[batch, …]`.
    ///   - secondExtent: the length of the second axis, for models over two.
    /// - Throws: a diagnostic where the model cannot run step by step: where it looks ahead, or needs a whole sequence.
    package init(
        _ model: CompiledModel, batch: Int = 1, capacity: Int = 1, once: [String: Tensor] = [:], secondExtent: Int = 1
    ) throws(Diagnostic) {
        self.model = model
        self.batch = batch
        self.capacity = max(1, capacity)
        self.secondExtent = secondExtent
        let plan = model.plan
        sweep = try Self.onlySweep(of: plan)
        var extents = [Int.max >> 8]
        if plan.graph.axes.count > 1 { extents.append(plan.graph.axes[1].length ?? secondExtent) }
        let memory = RunMemory(model, batch: batch, extents: extents, lengths: nil)
        self.memory = memory
        var held: [Tensor] = []
        for (index, buffer) in plan.buffers.enumerated() {
            let id = BufferID(index)
            let steps = buffer.variance.varies(over: 1) && extents.count > 1 ? extents[1] : 1
            let stepBytes = model.rowBytes(buffer) * steps
            switch buffer.kind {
            case .input(let name) where buffer.variance.isStream:
                let history = plan.inputHistory[name] ?? 0
                let block = AlignedMemory(byteCount: stepBytes * (history + self.capacity) * batch)
                inputs.append(Port(name: name, buffer: id, memory: block, stepBytes: stepBytes, history: history))
            case .input(let name):
                guard let given = once[name] else {
                    throw Diagnostic(.missingTensor, "the once input '\(name)' is missing", at: nil)
                }
                let tensor = resident(given, as: buffer.element, model.precision)
                held.append(tensor)
                tensor.withUnsafeBytes { bytes in
                    if let base = bytes.baseAddress {
                        memory.frame.describe(id, base: base, batch: buffer.rowCount, first: 0, second: 0)
                    }
                }
            case .output(let k):
                let block = AlignedMemory(byteCount: stepBytes * self.capacity * batch)
                outputs.append(Port(name: plan.graph.outputs[k].name, buffer: id, memory: block, stepBytes: stepBytes, history: 0))
                memory.frame.describe(id, base: block.start, batch: buffer.rowCount, first: 0, second: 0)
            case .parameter, .static, .once, .accumulator, .full, .block, .step, .ring, .zero:
                break
            }
        }
        onceTensors = held
        let blocks = plan.segments[sweep].written.compactMap { id -> (id: BufferID, halo: Int)? in
            if case .block(let halo) = plan[id].kind { (id, halo) } else { nil }
        }
        window = BlockWindow(memory, blocks: blocks, sequences: 0..<batch, steps: self.capacity, isReversed: false)
        stageCount = plan.segments[sweep].stages.count
        runOnceSegments()
        memory.start(plan.segments[sweep])
        window.adopt(memory.frame)
    }

    /// The segment over time, of which a stream may have one: forwards, without looking ahead.
    private static func onlySweep(of plan: Plan) throws(Diagnostic) -> Int {
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
            case .accumulator: throw refuse("'\(buffer.name)' is known only when the sequence has ended")
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

    // MARK: Data

    package var inputNames: [String] { inputs.map(\.name) }
    package var outputNames: [String] { outputs.map(\.name) }

    /// Bytes of one step of one sequence of a stream; nil for a name that is none.
    package func stepByteCount(_ name: String) -> Int? {
        (inputs.first { $0.name == name } ?? outputs.first { $0.name == name })?.stepBytes
    }

    /// The memory of the next steps of an input, for one sequence of the batch: `capacity` steps.
    package func withInput<R>(_ name: String, sequence: Int = 0, _ body: (UnsafeMutableRawBufferPointer) -> R) -> R? {
        guard let port = inputs.first(where: { $0.name == name }), sequence < batch else { return nil }
        let start = port.memory.start + (sequence * (port.history + capacity) + port.history) * port.stepBytes
        return body(UnsafeMutableRawBufferPointer(start: start, count: capacity * port.stepBytes))
    }

    /// The memory of the last steps of an output, for one sequence of the batch.
    package func withOutput<R>(_ name: String, sequence: Int = 0, _ body: (UnsafeRawBufferPointer) -> R) -> R? {
        guard let port = outputs.first(where: { $0.name == name }), sequence < batch else { return nil }
        // What does not vary over time lies there once.
        let byteCount = (model.plan[port.buffer].variance.isStream ? capacity : 1) * port.stepBytes
        return body(UnsafeRawBufferPointer(start: port.memory.start + sequence * byteCount, count: byteCount))
    }

    // MARK: Steps

    /// Takes `steps` steps, at most `capacity`.
    package func advance(_ steps: Int = 1) {
        precondition(steps >= 0 && steps <= capacity, "at most \(capacity) steps at a time")
        guard steps > 0, batch > 0 else { return }
        let range = stepCount..<stepCount + steps
        window.move(to: range)
        let frame = window.frame
        for k in inputs.indices {
            let first = range.lowerBound - inputs[k].history
            place(inputs[k], in: frame, steps: inputs[k].history + capacity, first: first)
        }
        for k in outputs.indices where model.plan[outputs[k].buffer].variance.isStream {
            place(outputs[k], in: frame, steps: capacity, first: range.lowerBound)
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
        stepCount += steps
    }

    private func place(_ port: Port, in frame: Frame, steps: Int, first: Int) {
        let buffer = model.plan[port.buffer]
        let elements = port.stepBytes / buffer.element.byteCount(model.precision)
        frame.describe(
            port.buffer, base: port.memory.start - first * port.stepBytes, batch: elements * steps, first: elements,
            second: buffer.rowCount)
    }

    // MARK: Saving

    /// Everything that the next step depends on, for `restore`.
    package func savedState() -> [NamedTensor] {
        var result = [NamedTensor(name: "steps", tensor: Tensor([stepCount, window.presentCount], shape: [2]))]
        for region in regions() {
            let bytes = UnsafeRawBufferPointer(start: region.start, count: region.count)
            result.append(NamedTensor(name: region.name, tensor: Tensor(type: .u8, shape: [region.count]) { $0.copyMemory(from: bytes) }))
        }
        return result
    }

    /// Goes back to a saved state of a session of the same model, batch and capacity.
    package func restore(_ state: [NamedTensor]) throws(Diagnostic) {
        let regions = regions()
        let named = Dictionary(state.map { ($0.name, $0.tensor) }, uniquingKeysWith: { a, _ in a })
        for region in regions where named[region.name]?.byteCount != region.count {
            throw Diagnostic(
                .misshapenTensor, "the saved state is not of this model: '\(region.name)' does not fit", at: nil,
                help: "model, precision, batch and capacity must be those of the session that was saved")
        }
        guard let steps = named["steps"]?.doubles(), steps.count == 2, steps[0] >= 0, steps[0] < 0x1p50,
            steps[1] >= 0, steps[1] <= min(steps[0], Double(capacity))
        else {
            throw Diagnostic(.missingTensor, "the saved state does not say how many steps were taken", at: nil)
        }
        for region in regions {
            named[region.name]?.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { region.start.copyMemory(from: base, byteCount: region.count) }
            }
        }
        stepCount = Int(steps[0])
        window.resume(at: stepCount, count: Int(steps[1]))
    }

    /// The memory that lasts from step to step: rings, the tails of blocks, the history of inputs.
    private func regions() -> [(name: String, start: UnsafeMutableRawPointer, count: Int)] {
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
        return result
    }
}
