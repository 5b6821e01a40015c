/// How a recurrence can run.
public enum PlanForm: Hashable, Sendable {
    /// One step after another.
    case sequential
    /// Time in blocks, whose maps are composed.
    case scan
    /// Chunks of so many steps (nil: as many as should be fastest): products of matrices within a chunk, one chunk after another.
    case chunkwise(Int?)
    /// So many windows of time (nil: as the length says), all at once, from states that are guessed, checked and mended.
    case shooting(Int?)
    /// All steps at once by rounds of Newton's method, each a scan, until every step satisfies its equation.
    case newton

    /// The names of all forms.
    package static let names = ["sequential", "scan", "chunkwise", "shooting", "newton"]

    /// Steps that a chunk may have.
    package static let chunkLengths = 1...1024
    /// Windows that a sequence may be cut into.
    package static let windowCounts = 2...4096

    /// `sequential`, `scan`, `chunkwise` or `chunkwise(64)`, `shooting` or `shooting(32)`, `newton`; nil where the text is none of them.
    public init?(_ text: String) {
        func number(of name: String, in range: ClosedRange<Int>) -> Int?? {
            if text == name { return .some(nil) }
            guard text.hasPrefix(name + "("), text.hasSuffix(")"), let count = Int(text.dropFirst(name.count + 1).dropLast()), range.contains(count)
            else { return nil }
            return .some(count)
        }
        if text == "sequential" {
            self = .sequential
        } else if text == "scan" {
            self = .scan
        } else if text == "newton" {
            self = .newton
        } else if let count = number(of: "chunkwise", in: Self.chunkLengths) {
            self = .chunkwise(count)
        } else if let count = number(of: "shooting", in: Self.windowCounts) {
            self = .shooting(count)
        } else {
            return nil
        }
    }

    /// The form without its numbers.
    package var name: String {
        switch self {
        case .sequential: "sequential"
        case .scan: "scan"
        case .chunkwise: "chunkwise"
        case .shooting: "shooting"
        case .newton: "newton"
        }
    }

    /// As `init(_:)` reads it.
    public var text: String {
        switch self {
        case .sequential, .scan, .chunkwise(nil), .shooting(nil), .newton: name
        case .chunkwise(let count?), .shooting(let count?): "\(name)(\(count))"
        }
    }

    /// Whether it is another way to write the whole run, rather than a choice within a plan: only whole runs have it.
    package var isOfWholeRuns: Bool {
        switch self {
        case .sequential, .scan: false
        case .chunkwise, .shooting, .newton: true
        }
    }
}
