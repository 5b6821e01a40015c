extension Tensor {
    /// Whether no element is infinite or NaN; ints and bools are not.
    package var isFinite: Bool {
        func largest<Word: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, _: Word.Type, _ mask: Word) -> Word {
            bytes.bindMemory(to: Word.self).reduce(0) { max($0, $1 & mask) }
        }
        switch type {
        case .f32: return withUnsafeBytes { largest($0, UInt32.self, Float.infinity.bitPattern) } < Float.infinity.bitPattern
        case .f64: return withUnsafeBytes { largest($0, UInt64.self, Double.infinity.bitPattern) } < Double.infinity.bitPattern
        case .f16, .bf16: return doubles().allSatisfy(\.isFinite)
        case .i32, .i64, .u8, .bool: return true
        }
    }
}
