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
