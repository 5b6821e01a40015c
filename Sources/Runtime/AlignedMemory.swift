/// Memory of its own, aligned to a cache line.
final class AlignedMemory {
    let start: UnsafeMutableRawPointer
    let byteCount: Int

    /// Zeroed unless told otherwise.
    init(byteCount: Int, zeroed: Bool = true) {
        self.byteCount = max(byteCount, 64)
        start = UnsafeMutableRawPointer.allocate(byteCount: self.byteCount, alignment: 64)
        if zeroed { start.initializeMemory(as: UInt8.self, repeating: 0, count: self.byteCount) }
    }

    deinit { start.deallocate() }
}
