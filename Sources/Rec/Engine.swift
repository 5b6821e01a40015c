import RecCodeGen
import RecInterpreter
import RecRuntime
import RecTensors

/// What runs a model.
public enum Engine: Hashable, Sendable {
    /// The reference, in f64.
    case interpreter
    /// Machine code.
    case compiled(Precision)

    var isCompiled: Bool {
        switch self {
        case .interpreter: false
        case .compiled: true
        }
    }

    /// `interpreter`, `compiled f32`.
    public var name: String {
        switch self {
        case .interpreter: "interpreter"
        case .compiled(let precision): "compiled \(precision.rawValue)"
        }
    }
}
