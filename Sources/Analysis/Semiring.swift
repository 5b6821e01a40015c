/// A pair of operations over which a step can be linear: `⊕` joins what comes from several states, `⊗` weighs a state.
package enum Semiring: String, Hashable, Encodable, Sendable, CaseIterable {
    /// `+` and `×`: an affine step.
    case plusTimes
    case maxPlus = "max-plus"
    case minPlus = "min-plus"
    /// `log(exp a + exp b)` and `+`.
    case logSumExp = "log-sum-exp"
    case orAnd = "or-and"
}
