extension Tensor {
    /// A tensor over memory that is handed over: `release` is called when the last tensor over it goes.
    package init(
        type: TensorType, shape: [Int], adopting memory: UnsafeMutableRawPointer, release: @escaping @Sendable () -> Void
    ) {
        let byteCount = shape.reduce(1, *) * type.byteCount
        let storage = TensorStorage(bytes: UnsafeRawBufferPointer(start: memory, count: max(byteCount, 1)), release: release)
        self.init(type: type, shape: shape, storage: storage, byteOffset: 0)
    }
}
