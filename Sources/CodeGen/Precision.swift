/// The arithmetic of compiled code.
public enum Precision: String, Sendable, CaseIterable {
    case f32, f64

    package var byteCount: Int { self == .f32 ? 4 : 8 }
}
