/// Rows of a tensor along its first axis.
extension Tensor {
    private var rowBytes: Int { shape.dropFirst().reduce(type.byteCount, *) }

    /// Some rows, which share the bytes of this tensor.
    package func rows(_ range: Range<Int>) -> Tensor {
        precondition(!shape.isEmpty && range.lowerBound >= 0 && range.upperBound <= shape[0], "a tensor has these rows")
        return Tensor(type: type, shape: [range.count] + shape.dropFirst(), storage: storage, byteOffset: byteOffset + range.lowerBound * rowBytes)
    }

    /// Each row so many times, one behind the other.
    package func repeatingRows(_ count: Int) -> Tensor {
        precondition(!shape.isEmpty && count > 0, "a tensor without axes has no rows")
        let size = rowBytes
        return withUnsafeBytes { bytes in
            Tensor(type: type, shape: [shape[0] * count] + shape.dropFirst()) { target in
                for row in 0..<shape[0] {
                    for k in 0..<count {
                        UnsafeMutableRawBufferPointer(rebasing: target[(row * count + k) * size..<(row * count + k + 1) * size])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[row * size..<(row + 1) * size]))
                    }
                }
            }
        }
    }

    /// `[batch, steps, …]` with the steps of each sequence from its last to its first; what stands behind its end stays there.
    package func reversingSteps(lengths: [Int]?) -> Tensor {
        precondition(shape.count >= 2, "a stream has a batch and steps")
        let size = shape.dropFirst(2).reduce(type.byteCount, *)
        return withUnsafeBytes { bytes in
            Tensor(type: type, shape: shape) { target in
                for sequence in 0..<shape[0] {
                    let length = lengths?[sequence] ?? shape[1]
                    for step in 0..<shape[1] {
                        let (to, from) = (sequence * shape[1] + step, sequence * shape[1] + (step < length ? length - 1 - step : step))
                        UnsafeMutableRawBufferPointer(rebasing: target[to * size..<(to + 1) * size])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[from * size..<(from + 1) * size]))
                    }
                }
            }
        }
    }

    /// The rows of several tensors of one type and one shape of rows, behind each other.
    package static func joiningRows(_ tensors: [Tensor]) -> Tensor {
        precondition(!tensors.isEmpty, "something is joined")
        let first = tensors[0]
        let count = tensors.reduce(0) { $0 + ($1.shape.first ?? 0) }
        return Tensor(type: first.type, shape: [count] + first.shape.dropFirst()) { target in
            var at = 0
            for tensor in tensors {
                tensor.withUnsafeBytes { bytes in UnsafeMutableRawBufferPointer(rebasing: target[at..<at + bytes.count]).copyMemory(from: bytes) }
                at += tensor.byteCount
            }
        }
    }
}
