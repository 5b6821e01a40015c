/// The arithmetic of compiled code.
public enum Precision: String, Sendable, CaseIterable {
    case f32, f64
    public var byteCount: Int { self == .f32 ? 4 : 8 }
}
