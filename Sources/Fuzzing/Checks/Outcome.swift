/// A check that did not hold.
package struct Failure: Codable, Error, Hashable, Sendable {
    /// What was compared: the same for every program with the same kind of fault, as far as can be told.
    package var check: String
    package var detail: String

    init(_ check: String, _ detail: String) {
        self.check = check
        self.detail = detail
    }
}

/// What came of a case.
package struct Outcome: Codable, Sendable {
    /// Nil where every check held.
    package var failure: Failure?
    /// The front end's words where the text is no program.
    package var refusal: String?
    /// How many results were compared, by what they were compared with.
    package var comparisons: [String: Int] = [:]
    /// Programs that were compiled to machine code, and plans.
    package var plans = 0
    /// Whether there was machine code, and LLVM made it fast as it does for users.
    package var isOptimized = false

    mutating func count(_ what: String, _ number: Int = 1) { comparisons[what, default: 0] += number }
}
