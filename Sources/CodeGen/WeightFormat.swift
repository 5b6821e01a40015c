import RecSource

/// How the weights of products are stored for their kernels.
public enum WeightFormat: String, CaseIterable, Encodable, Sendable {
    /// In the precision of the code.
    case full
    /// The upper half of an f32, rounded to nearest, ties to even: 8 bits of exponent and 7 of fraction. Sums are taken in f32.
    case bf16

    /// Bytes of a weight.
    func byteCount(_ precision: Precision) -> Int {
        switch self {
        case .full: precision.byteCount
        case .bf16: 2
        }
    }

    /// - Throws: `Diagnostic` where code of this precision has no such weights.
    package func check(_ precision: Precision) throws(Diagnostic) {
        switch (self, precision) {
        case (.full, _), (.bf16, .f32): return
        case (.bf16, .f64):
            throw Diagnostic(
                .weightsRefused, "weights in bf16 do not go with f64", at: nil, help: "run in f32, or leave the weights in full")
        }
    }

    /// The bits of a number in bf16.
    package static func bf16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        // A quiet NaN stays one; rounding up could carry its fraction into the exponent.
        if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }
}
