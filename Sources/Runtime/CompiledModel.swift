import RecCodeGen
import RecScheduling
import RecSource
import RecStream
import RecTensors

/// A compiled plan with its parameters in place: what follows from them alone is computed, and weights are packed.
///
/// Runs and stream sessions share it; nothing of it changes that results follow from.
package final class CompiledModel: @unchecked Sendable {
    package let code: CompiledPlan
    package var plan: Plan { code.plan }
    package var precision: Precision { code.precision }

    /// Describes parameters, static values, packed weights and zeros; runs start from a copy.
    let frame: Frame
    let resultMemory: ResultMemory
    let contention = Contention()
    /// Sweeps over steps whose rows threads should have shared, and which were left to one thread as other programs had the
    /// processors, since the model was compiled.
    package var sweepsLeftToOneThread: Int { contention.runsLeftToOneThread }
    private let parameters: [Tensor]
    private let memory: [AlignedMemory]

    /// - Parameters:
    ///   - parameters: by path, in the shapes of the graph; others are left alone.
    ///   - memory: where results and streams lie. Models that run one after another, as with other parameters, share it.
    /// - Throws: `DiagnosticList` where one is missing or has another number of elements.
    package init(_ code: CompiledPlan, parameters: [String: Tensor], memory resultMemory: ResultMemory = ResultMemory()) throws(DiagnosticList) {
        self.code = code
        self.resultMemory = resultMemory
        let plan = code.plan
        let precision = code.precision
        let frame = Frame(plan)
        self.frame = frame
        var resident: [Tensor] = []
        var memory: [AlignedMemory] = []
        for (index, buffer) in plan.buffers.enumerated() {
            let id = BufferID(index)
            switch buffer.kind {
            case .parameter(let path):
                let given = try Self.tensor(path, "parameter", in: parameters, count: buffer.rowCount)
                let tensor = RecRuntime.resident(given, as: buffer.element, precision)
                resident.append(tensor)
                tensor.withUnsafeBytes { bytes in
                    if let base = bytes.baseAddress { frame.describe(id, base: base, batch: 0, first: 0, second: 0) }
                }
            case .static, .zero:
                let block = AlignedMemory(byteCount: buffer.rowCount * buffer.element.byteCount(precision))
                memory.append(block)
                frame.describe(id, base: block.start, batch: 0, first: 0, second: 0)
            case .input, .output, .once, .accumulator, .full, .block, .step, .ring:
                break
            }
        }
        self.parameters = resident
        // Lengths are not looked at by static stages, but the header must hold an address.
        let lengths = AlignedMemory(byteCount: 8)
        memory.append(lengths)
        frame.words[FrameLayout.lengths] = Int(bitPattern: lengths.start)
        for (segment, stages) in zip(plan.segments, code.stages) where segment.kind == .static {
            for stage in stages { stage(frame.pointer, 0, 1, 0, 1, 0, Int.max) }
        }
        for (index, product) in plan.products.enumerated() {
            let packed = AlignedMemory(byteCount: code.packing.byteCount(of: product), zeroed: false)
            memory.append(packed)
            if let weight = frame.base(of: product.weight) { code.packing.pack(product, weight: weight, into: packed.start) }
            frame.words[FrameLayout.descriptor(ofProduct: index, in: plan)] = Int(bitPattern: packed.start)
        }
        self.memory = memory
    }

    /// A tensor with as many elements as a buffer holds.
    static func tensor(_ name: String, _ what: String, in tensors: [String: Tensor], count: Int) throws(DiagnosticList) -> Tensor {
        guard let tensor = tensors[name] else {
            throw DiagnosticList(
                .missingTensor, "the \(what) '\(name)' is missing",
                help: nearest(name, among: tensors.keys.sorted()).map { "there is a tensor '\($0)'" })
        }
        guard tensor.count == count else {
            throw DiagnosticList(.misshapenTensor, "the \(what) '\(name)' has the shape \(tensor.shape), and \(count) elements are expected")
        }
        return tensor
    }

    /// The number of elements of a row of a buffer in bytes.
    func rowBytes(_ buffer: Buffer) -> Int { buffer.rowCount * buffer.element.byteCount(precision) }
}
