/// How a recurrence can run.
public enum PlanForm: Hashable, Sendable {
    /// One step after another.
    case sequential
    /// Time in blocks, whose maps are composed.
    case scan
    /// Chunks of so many steps (nil: as many as should be fastest): products of matrices within a chunk, one chunk after another.
    case chunkwise(Int?)

    /// The names of all forms.
    package static let names = ["sequential", "scan", "chunkwise"]

    /// Steps that a chunk may have.
    package static let chunkLengths = 1...1024

    /// `sequential`, `scan`, `chunkwise` or `chunkwise(64)`; nil where the text is none of them.
    public init?(_ text: String) {
        switch text {
        case "sequential": self = .sequential
        case "scan": self = .scan
        case "chunkwise": self = .chunkwise(nil)
        default:
            guard text.hasPrefix("chunkwise("), text.hasSuffix(")"), let count = Int(text.dropFirst("chunkwise(".count).dropLast()),
                Self.chunkLengths.contains(count)
            else { return nil }
            self = .chunkwise(count)
        }
    }

    /// The form without its numbers.
    package var name: String {
        switch self {
        case .sequential: "sequential"
        case .scan: "scan"
        case .chunkwise: "chunkwise"
        }
    }

    /// As `init(_:)` reads it.
    public var text: String {
        switch self {
        case .sequential, .scan, .chunkwise(nil): name
        case .chunkwise(let count?): "chunkwise(\(count))"
        }
    }
}
