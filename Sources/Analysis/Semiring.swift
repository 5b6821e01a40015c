/// A pair of operations over which a step can be linear: `⊕` joins what comes from several states, `⊗` weighs a state.
package enum Semiring: String, Hashable, Encodable, Sendable, CaseIterable {
    /// `+` and `×`: an affine step.
    case plusTimes
    case maxPlus = "max-plus"
    case minPlus = "min-plus"
    /// `log(exp a + exp b)` and `+`.
    case logSumExp = "log-sum-exp"
    case orAnd = "or-and"

    /// What changes nothing where it weighs; where weights are added −0, which leaves the sign of a zero as it is.
    package var one: Double {
        switch self {
        case .plusTimes, .orAnd: 1
        case .maxPlus, .minPlus, .logSumExp: -0.0
        }
    }

    /// What adds nothing where it joins.
    package var zero: Double {
        switch self {
        case .plusTimes, .orAnd: 0
        case .maxPlus, .logSumExp: -.infinity
        case .minPlus: .infinity
        }
    }
}
