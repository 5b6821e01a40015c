import RecStream

/// The arithmetic of compiled code.
public enum Precision: String, Sendable, CaseIterable {
    case f32, f64

    package var byteCount: Int { self == .f32 ? 4 : 8 }
}

extension ElementType {
    /// Bytes of an element in compiled code.
    package func byteCount(_ precision: Precision) -> Int {
        switch self {
        case .real, .complex: precision.byteCount
        case .int: 8
        case .bool: 1
        }
    }
}
