/// A piece of a file that is written: bytes, or those of a tensor where they lie. Results may be as large as the memory has
/// room for, so nothing is put together first.
enum FilePart {
    case bytes([UInt8])
    case tensor(Tensor)

    var count: Int {
        switch self {
        case .bytes(let bytes): bytes.count
        case .tensor(let tensor): tensor.byteCount
        }
    }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        switch self {
        case .bytes(let bytes): try bytes.withUnsafeBytes(body)
        case .tensor(let tensor): try tensor.withUnsafeBytes(body)
        }
    }
}
