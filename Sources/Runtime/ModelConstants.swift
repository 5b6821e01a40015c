import RecCodeGen
import RecScheduling
import RecSource
import RecStream
import RecTensors

/// What follows from parameters alone, as code that runs elsewhere finds it: parameters, static values, packed weights, zeros.
package struct ModelConstants: Sendable {
    package private(set) var bytes: [UInt8] = []
    /// The words of a frame that hold addresses within `bytes`, and the offsets there.
    package private(set) var places: [(word: Int, offset: Int)] = []

    fileprivate mutating func add(_ word: Int, byteCount: Int, _ write: (UnsafeMutableRawBufferPointer) -> Void) {
        // Rows of vectors begin at cache lines.
        bytes.append(contentsOf: repeatElement(0, count: -bytes.count & 63))
        places.append((word, bytes.count))
        bytes.append(contentsOf: repeatElement(0, count: byteCount))
        let start = bytes.count - byteCount
        bytes.withUnsafeMutableBytes { write(UnsafeMutableRawBufferPointer(rebasing: $0[start...])) }
    }

    fileprivate mutating func share(_ word: Int, offset: Int) { places.append((word, offset)) }

    /// Adds the parameters of a plan as they are, for code that packs them itself.
    ///
    /// - Parameter parameters: by path, in the shapes of the graph.
    /// - Returns: the words of that plan's frame, and the offsets of what they point to.
    /// - Throws: where one is missing or has another number of elements.
    package mutating func addParameters(
        of plan: Plan, _ parameters: [String: Tensor], _ precision: Precision
    ) throws(DiagnosticList) -> [(word: Int, offset: Int)] {
        let known = places
        defer { places = known }
        for (index, buffer) in plan.buffers.enumerated() {
            guard case .parameter(let path) = buffer.kind else { continue }
            let given = try CompiledModel.tensor(path, "parameter", in: parameters, count: buffer.rowCount)
            add(FrameLayout.descriptor(of: BufferID(index)), byteCount: buffer.rowCount * buffer.element.byteCount(precision)) { target in
                resident(given, as: buffer.element, precision).withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(target.count))) }
            }
        }
        return Array(places[known.count...])
    }
}

extension CompiledModel {
    /// What some segments read that follows from the parameters.
    ///
    /// - Parameter facts: of the same plan for the machine that the constants are for: weights are packed as its code wants them.
    package func constants(_ facts: KernelFacts, readBy segments: Set<Int>) -> ModelConstants {
        var result = ModelConstants()
        let stages = segments.sorted().flatMap { plan.segments[$0].stages }
        var read = stages.reduce(into: Set<BufferID>()) { $0.formUnion($1.readBuffers) }
        for buffer in plan.buffers {
            if case .ring(let ring) = buffer.kind, let initial = ring.initial { read.insert(initial) }
        }
        let zeroBytes = read.map { id in if case .zero = plan[id].kind { rowBytes(plan[id]) } else { 0 } }.max() ?? 0
        var zeros: Int?
        for id in read.sorted(by: { $0.index < $1.index }) {
            let word = FrameLayout.descriptor(of: id) + FrameLayout.base
            switch plan[id].kind {
            case .parameter, .static:
                guard let base = frame.base(of: id) else { continue }
                let count = rowBytes(plan[id])
                result.add(word, byteCount: count) { $0.copyMemory(from: UnsafeRawBufferPointer(start: base, count: count)) }
            case .zero:
                // Zeros are the same wherever they lie.
                if let zeros {
                    result.share(word, offset: zeros)
                } else {
                    result.add(word, byteCount: zeroBytes) { _ in }
                    zeros = result.places.last?.offset
                }
            case .input, .output, .once, .accumulator, .full, .block, .step, .ring: continue
            }
        }
        var index = 0
        for (number, segment) in plan.segments.enumerated() {
            for case .product(let product) in segment.stages.flatMap(\.items) {
                defer { index += 1 }
                guard segments.contains(number), let weight = frame.base(of: product.weight) else { continue }
                let word = FrameLayout.descriptor(ofProduct: index, in: plan) + FrameLayout.base
                result.add(word, byteCount: facts.packing.byteCount(of: product)) { packed in
                    guard let packed = packed.baseAddress else { return }
                    facts.packing.pack(product, weight: weight, into: packed)
                }
            }
        }
        return result
    }
}
