import RecCodeGen
import RecScheduling
import RecSource
import RecStream
import RecTensors

/// Where the rows of a stream lie, which need not lie behind each other. Distances in elements.
///
/// Whoever makes one keeps the memory while a run lasts, and from others where the run writes.
package struct StreamRows: @unchecked Sendable {
    package var start: UnsafeMutableRawPointer
    package var batchStride: Int
    package var stepStride: Int

    package init(start: UnsafeMutableRawPointer, batchStride: Int, stepStride: Int) {
        self.start = start
        self.batchStride = batchStride
        self.stepStride = stepStride
    }

    /// The same rows from a later step on.
    func advanced(by steps: Int, byteCount: Int) -> StreamRows {
        var result = self
        result.start += steps * stepStride * byteCount
        return result
    }
}

extension CompiledModel {
    /// Runs some steps of sequences whose streams lie anywhere.
    ///
    /// - Parameters:
    ///   - rows: of every input stream, in the types of compiled code, and of every output, by name.
    ///   - once: the inputs that are given once, `[batch, dims…]`.
    /// - Returns: the last values of the states.
    package func run(
        rows: [String: StreamRows], once: [String: Tensor], batch: Int, steps: Int, pool: ThreadPool
    ) throws(DiagnosticList) -> [NamedTensor] {
        try RunSize.check(code.facts, batch: batch, extents: [steps])
        let memory = RunMemory(self, batch: batch, extents: [steps], lengths: nil, workers: pool.count, chunked: nil)
        var held: [Tensor] = []
        for (index, buffer) in plan.buffers.enumerated() {
            let id = BufferID(index)
            let name: String
            switch buffer.kind {
            case .input(let input): name = input
            case .output(let k): name = plan.graph.outputs[k].name
            case .parameter, .static, .once, .accumulator, .full, .block, .step, .ring, .zero: continue
            }
            if let own = rows[name] {
                memory.frame.describe(id, base: own.start, batch: own.batchStride, first: own.stepStride, second: 0)
                continue
            }
            let given = try Self.tensor(name, "input", in: once, count: memory.rowTotal(buffer) * buffer.rowCount)
            let tensor = resident(given, as: buffer.element, precision)
            held.append(tensor)
            let strides = memory.denseStrides(buffer, firstExtent: steps)
            tensor.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress {
                    memory.frame.describe(id, base: base, batch: strides.batch, first: strides.first, second: strides.second)
                }
            }
        }
        withExtendedLifetime(held) { runSegments(memory, passes: nil, pool) }
        return finalStates(of: memory)
    }
}
