import RecSource

extension Tensor {
    /// A f32 tensor of these values in row-major order.
    ///
    /// - Throws: where a size is negative, or the shape does not hold as many values.
    public init(_ values: some Collection<Float>, shape: [Int]) throws(DiagnosticList) {
        try self.init(checked: values, .f32, shape)
    }

    /// A f64 tensor of these values in row-major order.
    ///
    /// - Throws: where a size is negative, or the shape does not hold as many values.
    public init(_ values: some Collection<Double>, shape: [Int]) throws(DiagnosticList) {
        try self.init(checked: values, .f64, shape)
    }

    /// An i64 tensor of these values in row-major order, for inputs of whole numbers and, with 0 and 1, of bools.
    ///
    /// - Throws: where a size is negative, or the shape does not hold as many values.
    public init(_ values: some Collection<Int>, shape: [Int]) throws(DiagnosticList) {
        try self.init(checked: values, .i64, shape)
    }

    /// A tensor of a copy of these bytes: elements of `type` in row-major order and in the byte order of the machine.
    ///
    /// - Throws: where a size is negative, or the shape does not take as many bytes.
    public init(copying bytes: UnsafeRawBufferPointer, type: TensorType, shape: [Int]) throws(DiagnosticList) {
        guard let count = elementCount(shape), count * type.byteCount == bytes.count else {
            throw Self.misfit(shape, "\(bytes.count) bytes of \(type.rawValue)")
        }
        self.init(type: type, shape: shape) { $0.copyMemory(from: bytes) }
    }

    /// A tensor over memory of the caller's: elements of `type` in row-major order and in the byte order of the machine. Nothing is
    /// copied: runs read it where it lies. It must stay there, and as it is, until `release` is called, once the last tensor over it is gone.
    ///
    /// - Throws: where a size is negative, the shape does not take as many bytes, or the memory does not begin at a multiple of an
    ///   element's size; `release` is then not called.
    public init(
        over bytes: UnsafeRawBufferPointer, type: TensorType, shape: [Int], release: @escaping @Sendable () -> Void = {}
    ) throws(DiagnosticList) {
        guard let count = elementCount(shape), count * type.byteCount == bytes.count else {
            throw Self.misfit(shape, "\(bytes.count) bytes of \(type.rawValue)")
        }
        guard Int(bitPattern: bytes.baseAddress) % type.byteCount == 0 else {
            throw DiagnosticList(.badCall, "memory of \(type.rawValue) begins at a multiple of \(type.byteCount) bytes", help: "Tensor(copying:) takes any")
        }
        guard let base = bytes.baseAddress else {
            self.init(type: type, shape: shape) { _ in }
            release()
            return
        }
        self.init(type: type, shape: shape, adopting: UnsafeMutableRawPointer(mutating: base), release: release)
    }

    /// Calls `body` with the elements as they lie in memory, in row-major order: `Float` of f32, `Double` of f64, `Int` of i64.
    ///
    /// - Throws: where the tensor has elements of another type.
    public func withSpan<Number: BitwiseCopyable, R>(of _: Number.Type, _ body: (Span<Number>) -> R) throws(DiagnosticList) -> R {
        guard type.isOf(Number.self) else {
            throw DiagnosticList(.badCall, "the tensor has elements of \(type.rawValue), which are no \(Number.self)", help: "floats() and doubles() convert")
        }
        return withUnsafeBytes { body($0.bindMemory(to: Number.self).span) }
    }

    private init<Number>(checked values: some Collection<Number>, _ type: TensorType, _ shape: [Int]) throws(DiagnosticList) {
        let values = Array(values)
        guard elementCount(shape) == values.count else { throw Self.misfit(shape, "\(values.count) values") }
        self.init(type: type, shape: shape) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
    }

    private static func misfit(_ shape: [Int], _ what: String) -> DiagnosticList {
        let needed = elementCount(shape).map { "holds \($0) element\($0 == 1 ? "" : "s")" }
        return DiagnosticList(
            .misshapenTensor, "\(what) do not fill the shape \(shape), which \(needed ?? (shape.contains { $0 < 0 } ? "has a negative size" : "is too large"))")
    }
}

extension TensorType {
    /// Whether elements are numbers of Swift's of this type.
    package func isOf<Number>(_: Number.Type) -> Bool {
        switch self {
        case .f32: Number.self == Float.self
        case .f64: Number.self == Double.self
        case .i64: Number.self == Int.self || Number.self == Int64.self
        case .i32: Number.self == Int32.self
        case .u8: Number.self == UInt8.self
        case .bool: Number.self == UInt8.self
        case .f16, .bf16: Number.self == UInt16.self
        }
    }
}
