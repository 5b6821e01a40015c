extension Tensor {
    /// A tensor over memory that is handed over: freed with `deallocate` when the last tensor over it goes.
    public init(type: TensorType, shape: [Int], adopting memory: UnsafeMutableRawPointer) {
        let byteCount = shape.reduce(1, *) * type.byteCount
        let storage = TensorStorage(bytes: UnsafeRawBufferPointer(start: memory, count: max(byteCount, 1))) {
            memory.deallocate()
        }
        self.init(type: type, shape: shape, storage: storage, byteOffset: 0)
    }
}
