import RecCodeGen
import RecScheduling
import RecSource
import RecStream
import RecTensors

extension CompiledModel {
    /// Runs whole sequences. `inputs` by name, in the shapes of the graph: `[batch, axes…, dims…]`.
    ///
    /// - Throws: `DiagnosticList` where inputs are missing, or they or the lengths do not fit batch and extents.
    package func run(
        inputs: [String: Tensor], batch: Int, extents: [Int], lengths: [Int]? = nil, pool: ThreadPool, into destinations: BoundData.Destinations = .init()
    ) throws(DiagnosticList) -> ModelResults {
        try checkSize(batch: batch, extents: extents, lengths)
        var chunkSteps: Int?
        if !MemoryPlan.isSurelyWhole(code.facts, batch: batch, extents: extents, pool: pool) {
            chunkSteps = MemoryPlan(code.facts, batch: batch, extents: extents, workers: pool.count, leastWork: pool.leastWork).chunkSteps
        }
        return try run(inputs: inputs, batch: batch, extents: extents, lengths: lengths, pool: pool, chunkSteps: chunkSteps, into: destinations)
    }

    /// Runs whole sequences, with in memory what a plan says that was made for such data.
    package func run(
        inputs: [String: Tensor], batch: Int, extents: [Int], lengths: [Int]? = nil, pool: ThreadPool, memory needs: MemoryPlan, into destinations: BoundData.Destinations = .init()
    ) throws(DiagnosticList) -> ModelResults {
        try checkSize(batch: batch, extents: extents, lengths)
        return try run(inputs: inputs, batch: batch, extents: extents, lengths: lengths, pool: pool, chunkSteps: needs.chunkSteps, into: destinations)
    }

    /// Counts of elements are computed from these numbers, and memory is read by them.
    private func checkSize(batch: Int, extents: [Int], _ lengths: [Int]?) throws(DiagnosticList) {
        guard batch >= 0, extents.count == plan.graph.axes.count, extents.allSatisfy({ $0 >= 0 }),
            zip(plan.graph.axes, extents).allSatisfy({ $0.length == nil || $0.length == $1 })
        else {
            let axes = plan.graph.axes.map { axis in axis.length.map { "\(axis.name) = \($0)" } ?? axis.name }
            throw DiagnosticList(
                .badCall, "a batch of \(batch) and the extents \(extents) are none of '\(plan.graph.name)'",
                help: "its axes are \(axes.joined(separator: ", "))")
        }
        try RunSize.check(code.facts, batch: batch, extents: extents)
        guard let lengths else { return }
        guard lengths.count == batch, extents.count == 1, lengths.allSatisfy({ (0...extents[0]).contains($0) }) else {
            throw DiagnosticList(.badCall, "\(lengths.count) lengths do not fit a batch of \(batch) and the extents \(extents)")
        }
    }

    private func run(
        inputs: [String: Tensor], batch: Int, extents: [Int], lengths: [Int]?, pool: ThreadPool, chunkSteps: Int?, into destinations: BoundData.Destinations
    ) throws(DiagnosticList) -> ModelResults {
        let chunking = chunkSteps == nil ? nil : try? Chunking(plan)
        let memory = RunMemory(
            self, batch: batch, extents: extents, lengths: lengths, workers: pool.count,
            chunked: chunking.flatMap { chunking in chunkSteps.map { (chunking.streams, $0) } })
        let passes = chunking.flatMap { chunking in memory.chunk.map { ChunkedPasses(memory, chunking, $0, pool: pool) } }
        var held: [Tensor] = []
        var outputs: [Int: ResultBytes] = [:]
        for (index, buffer) in plan.buffers.enumerated() {
            let id = BufferID(index)
            let strides = memory.denseStrides(buffer, firstExtent: extents.first ?? 1)
            switch buffer.kind {
            case .input(let name):
                let given = try Self.tensor(name, "input", in: inputs, count: memory.rowTotal(buffer) * buffer.rowCount)
                let tensor = resident(given, as: buffer.element, precision)
                held.append(tensor)
                tensor.withUnsafeBytes { bytes in
                    if let base = bytes.baseAddress {
                        memory.frame.describe(id, base: base, batch: strides.batch, first: strides.first, second: strides.second)
                    }
                }
            case .output(let k):
                let bytes = memory.rowTotal(buffer) * rowBytes(buffer)
                let destination = destinations.memory[plan.graph.outputs[k].name].flatMap { $0.count == bytes ? $0.baseAddress : nil }
                let result = destination.map(ResultBytes.init) ?? ResultBytes(from: resultMemory, byteCount: max(64, bytes))
                outputs[k] = result
                memory.frame.describe(id, base: result.start, batch: strides.batch, first: strides.first, second: strides.second)
            case .parameter, .static, .once, .accumulator, .full, .block, .step, .ring, .zero:
                break
            }
        }
        withExtendedLifetime(held) { runSegments(memory, passes: passes, pool) }
        return results(of: memory, outputs: outputs, hasLengths: lengths != nil)
    }

    /// Runs everything but what follows from parameters alone, whose results are there.
    func runSegments(_ memory: RunMemory, passes: ChunkedPasses?, _ pool: ThreadPool) {
        for (index, segment) in plan.segments.enumerated() {
            switch segment.kind {
            case .static: break
            case .once:
                memory.start(segment)
                guard memory.batch > 0 else { continue }
                for stage in code.stages[index] { stage(memory.frame.pointer, 0, memory.batch, 0, 1, 0, Int.max) }
            case .joined:
                for stage in code.stages[index] { stage(memory.frame.pointer, 0, 1, 0, 1, 0, Int.max) }
            case .sweep:
                if let passes { passes.run(index) } else { Sweep(memory, segment: index)?.run(on: pool) }
            }
        }
    }

    private func results(
        of memory: RunMemory, outputs: [Int: ResultBytes], hasLengths: Bool
    ) -> ModelResults {
        let graph = plan.graph
        let named = graph.outputs.enumerated().compactMap { k, output -> NamedTensor? in
            guard let bytes = outputs[k] else { return nil }
            let value = graph[output.value]
            if hasLengths, value.variance.varies(over: 0) { clearPadding(value, bytes.start, memory) }
            var shape = value.variance.batch ? [memory.batch] : []
            for axis in graph.axes.indices where value.variance.varies(over: axis) { shape.append(memory.extents[axis]) }
            shape += value.shape.sizes
            return NamedTensor(
                name: output.name,
                tensor: Tensor(type: value.element.tensorType(precision), shape: shape, adopting: bytes.start) { withExtendedLifetime(bytes) {} })
        }
        let losses = zip(graph.losses, plan.losses).map { loss, buffer in
            NamedTensor(name: loss.name, tensor: Tensor([mean(of: buffer, memory)], shape: []))
        }
        return ModelResults(outputs: named, losses: losses, finalStates: finalStates(of: memory))
    }

    private func clearPadding(_ value: Value, _ base: UnsafeMutableRawPointer, _ memory: RunMemory) {
        let second = value.variance.varies(over: 1) ? memory.extents[1] : 1
        let stepBytes = value.shape.elementCount * value.element.byteCount(precision) * second
        for sequence in 0..<memory.batch {
            let length = memory.length(of: sequence)
            let start = base + (sequence * memory.extents[0] + length) * stepBytes
            start.initializeMemory(as: UInt8.self, repeating: 0, count: (memory.extents[0] - length) * stepBytes)
        }
    }

    private func mean(of buffer: BufferID, _ memory: RunMemory) -> Double {
        guard let base = memory.frame.base(of: buffer), memory.batch > 0 else { return .nan }
        var sum = 0.0
        for sequence in 0..<memory.batch {
            sum +=
                precision == .f32
                ? Double(base.load(fromByteOffset: 4 * sequence, as: Float.self))
                : base.load(fromByteOffset: 8 * sequence, as: Double.self)
        }
        return sum / Double(memory.batch)
    }

    func finalStates(of memory: RunMemory) -> [NamedTensor] {
        guard plan.graph.axes.count == 1 else { return [] }
        return plan.states.map { state in
            let buffer = plan[state.ring]
            let bytes = rowBytes(buffer)
            let shape = plan.graph.states.first { $0.name == state.name }.map { plan.graph[$0.value].shape.sizes } ?? []
            let tensor = Tensor(type: buffer.element.tensorType(precision), shape: [memory.batch] + shape) { target in
                for sequence in 0..<memory.batch {
                    guard let base = target.baseAddress else { continue }
                    if let row = finalRow(of: state, memory, sequence: sequence) {
                        (base + sequence * bytes).copyMemory(from: row, byteCount: bytes)
                    } else {
                        (base + sequence * bytes).initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
                    }
                }
            }
            return NamedTensor(name: state.name, tensor: tensor)
        }
    }

    /// Where a state is after the last step of a sequence; nil where it is zero.
    private func finalRow(of state: Plan.StateHome, _ memory: RunMemory, sequence: Int) -> UnsafeMutableRawPointer? {
        if memory.length(of: sequence) == 0 { return state.initial.flatMap { memory.row(of: $0, sequence: sequence) } }
        if let last = state.last { return memory.row(of: last, sequence: sequence) }
        return memory.finalRow(of: state.ring, sequence: sequence, isReversed: isReversed(state.ring))
    }

    /// Whether the recurrence that writes a ring runs from the last step to the first.
    private func isReversed(_ ring: BufferID) -> Bool {
        plan.segments.contains { segment in
            guard case .sweep(_, let order) = segment.kind, order.loops[0].isReversed else { return false }
            return segment.written.contains(ring)
        }
    }
}
