import RecStream

/// What an element of a tensor is, in memory and in files.
public enum TensorType: String, Hashable, Sendable, CaseIterable {
    case f64, f32, f16, bf16, i64, i32, u8, bool

    /// Bytes of an element.
    public var byteCount: Int {
        switch self {
        case .f64, .i64: 8
        case .f32, .i32: 4
        case .f16, .bf16: 2
        case .u8, .bool: 1
        }
    }

    package var isFloating: Bool {
        switch self {
        case .f64, .f32, .f16, .bf16: true
        case .i64, .i32, .u8, .bool: false
        }
    }
}

/// A dense row-major tensor over shared bytes, which are never changed.
public struct Tensor: Sendable {
    /// What its elements are.
    public let type: TensorType
    /// The sizes of its axes, none of them negative; empty for a scalar.
    public let shape: [Int]
    let storage: TensorStorage
    /// Where the first element lies in the storage.
    let byteOffset: Int

    /// How many elements it has.
    public var count: Int { shape.reduce(1, *) }
    package var byteCount: Int { count * type.byteCount }

    init(type: TensorType, shape: [Int], storage: TensorStorage, byteOffset: Int) {
        self.type = type
        self.shape = shape
        self.storage = storage
        self.byteOffset = byteOffset
    }

    /// Calls `body` with the elements as they lie in memory: `count` of them, `type.byteCount` bytes each, in row-major order and in
    /// the byte order of the machine. The pointer must not be used after the call.
    public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try withExtendedLifetime(storage) {
            try body(UnsafeRawBufferPointer(rebasing: storage.bytes[byteOffset..<byteOffset + byteCount]))
        }
    }
}

/// Bytes that tensors share; freed, or unmapped, with the last of them.
///
/// Sendable because the bytes are never written after the storage is handed out.
final class TensorStorage: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let release: () -> Void

    init(bytes: UnsafeRawBufferPointer, release: @escaping () -> Void) {
        self.bytes = bytes
        self.release = release
    }

    /// Allocates `byteCount` bytes aligned to 64 and lets `fill` write them.
    static func allocate(byteCount: Int, fill: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows -> TensorStorage {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
        do { try fill(UnsafeMutableRawBufferPointer(rebasing: memory[0..<byteCount])) } catch {
            memory.deallocate()
            throw error
        }
        return TensorStorage(bytes: UnsafeRawBufferPointer(memory)) { memory.deallocate() }
    }

    deinit { release() }
}

extension Tensor {
    /// A tensor within the bytes of a file: they are used where they lie, or copied where that is no place for such elements.
    init(type: TensorType, shape: [Int], within storage: TensorStorage, byteOffset: Int) {
        let byteCount = shape.reduce(1, *) * type.byteCount
        let bytes = UnsafeRawBufferPointer(rebasing: storage.bytes[byteOffset..<byteOffset + byteCount])
        if Int(bitPattern: bytes.baseAddress) % type.byteCount == 0 {
            self.init(type: type, shape: shape, storage: storage, byteOffset: byteOffset)
        } else {
            self.init(type: type, shape: shape) { $0.copyMemory(from: bytes) }
        }
    }

    /// A tensor whose bytes `fill` writes (they start undefined).
    package init(type: TensorType, shape: [Int], fill: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
        let byteCount = shape.reduce(1, *) * type.byteCount
        self.init(type: type, shape: shape, storage: try .allocate(byteCount: byteCount, fill: fill), byteOffset: 0)
    }

    /// A f64 tensor of these values in row-major order.
    package init(_ values: [Double], shape: [Int]) {
        precondition(values.count == shape.reduce(1, *), "as many values as the shape holds")
        self.init(type: .f64, shape: shape) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
    }

    /// A f32 tensor of these values in row-major order.
    package init(_ values: [Float], shape: [Int]) {
        precondition(values.count == shape.reduce(1, *), "as many values as the shape holds")
        self.init(type: .f32, shape: shape) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
    }

    /// An i64 tensor of these values in row-major order.
    package init(_ values: [Int], shape: [Int]) {
        precondition(values.count == shape.reduce(1, *), "as many values as the shape holds")
        self.init(type: .i64, shape: shape) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
    }

    /// Every element as f64 in row-major order (bool as 0 and 1).
    public func doubles() -> [Double] {
        [Double](unsafeUninitializedCapacity: count) { out, initialized in
            forEach { k, value in out[k] = value }
            initialized = count
        }
    }

    /// Every element as f32 in row-major order, rounded to nearest (bool as 0 and 1).
    public func floats() -> [Float] {
        if type == .f32 { return withUnsafeBytes { Array($0.assumingMemoryBound(to: Float.self)) } }
        return [Float](unsafeUninitializedCapacity: count) { out, initialized in
            forEach { k, value in out[k] = Float(value) }
            initialized = count
        }
    }

    /// Every element as an int in row-major order: without its fraction, the nearest int where it is too large, and 0 for NaN.
    package func ints() -> [Int] {
        guard type == .i64 else { return doubles().map { Int(nearest: $0) } }
        return withUnsafeBytes { bytes in
            (0..<count).map { Int(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
        }
    }

    /// Calls `body` with the number of each element in row-major order and its value as f64; makes no copy of the tensor.
    package func forEach(_ body: (Int, Double) -> Void) {
        withUnsafeBytes { bytes in
            for k in 0..<count {
                let value: Double
                switch type {
                case .f64: value = bytes.loadUnaligned(fromByteOffset: 8 * k, as: Double.self)
                case .f32: value = Double(bytes.loadUnaligned(fromByteOffset: 4 * k, as: Float.self))
                case .f16: value = Double(Tensor.half(bytes.loadUnaligned(fromByteOffset: 2 * k, as: UInt16.self)))
                case .bf16:
                    let half = bytes.loadUnaligned(fromByteOffset: 2 * k, as: UInt16.self)
                    value = Double(Float(bitPattern: UInt32(half) << 16))
                case .i64: value = Double(bytes.loadUnaligned(fromByteOffset: 8 * k, as: Int64.self))
                case .i32: value = Double(bytes.loadUnaligned(fromByteOffset: 4 * k, as: Int32.self))
                case .u8: value = Double(bytes[k])
                case .bool: value = bytes[k] == 0 ? 0 : 1
                }
                body(k, value)
            }
        }
    }

    /// The f32 value of IEEE half-precision bits.
    static func half(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10) & 0x1F
        let fraction = UInt32(bits & 0x3FF)
        if exponent == 0 {
            let magnitude = Float(fraction) * 0x1p-24
            return sign == 0 ? magnitude : -magnitude
        }
        if exponent == 31 { return Float(bitPattern: sign | 0x7F80_0000 | (fraction << 13)) }
        return Float(bitPattern: sign | ((exponent + 112) << 23) | (fraction << 13))
    }
}
