/// What a worker is asked, one line of JSON each.
package enum WorkRequest: Codable, Sendable {
    /// The case of a seed.
    case seed(UInt64, FuzzClass)
    case given(FuzzCase, FuzzClass)
}

/// What a worker says.
package struct WorkReply: Codable, Sendable {
    package var outcome: Outcome

    package init(outcome: Outcome) { self.outcome = outcome }
}

extension WorkRequest {
    package var kind: FuzzClass {
        switch self {
        case .seed(_, let kind), .given(_, let kind): kind
        }
    }

    package var item: FuzzCase {
        switch self {
        case .seed(let seed, let kind): FuzzCase(seed: seed, class: kind)
        case .given(let item, _): item
        }
    }
}
