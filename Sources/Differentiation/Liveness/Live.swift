/// Where a value has a part in what is differentiated: a formula in the conditions of selects.
///
/// A disjunction of conjunctions, so that what both sides of a select use is seen to be used always: `c and u or not c and u` is
/// `u`. The axes of a condition are lined up with those of the value that the formula is about, so that a mask of steps stays one
/// number a step however wide the value is.
struct Live: Hashable {
    /// A condition of a `Liveness`, or its opposite.
    struct Literal: Hashable, Comparable {
        var condition: Int
        /// For each axis of the condition that of the value.
        var axes: [Int]
        var isNegated = false

        static func < (a: Literal, b: Literal) -> Bool {
            if a.condition != b.condition { return a.condition < b.condition }
            if a.axes != b.axes { return a.axes.lexicographicallyPrecedes(b.axes) }
            return !a.isNegated && b.isNegated
        }

        var opposite: Literal { Literal(condition: condition, axes: axes, isNegated: !isNegated) }
    }

    /// Each sorted, in order, so that equal formulas are equal values and graphs do not depend on chance.
    let terms: [[Literal]]

    static let always = Live([[]])
    static let never = Live([])

    init(_ terms: [[Literal]]) { self.terms = Self.simplified(terms.map { Set($0) }) }

    init(_ literal: Literal) { self.init([[literal]]) }

    var isAlways: Bool { terms == [[]] }

    /// The axes of the value along which it differs.
    var axes: [Int] { Set(terms.joined().flatMap(\.axes)).sorted() }

    func or(_ other: Live) -> Live { Live(terms + other.terms) }

    func and(_ literal: Literal) -> Live {
        Live(terms.filter { !$0.contains(literal.opposite) }.map { $0 + [literal] })
    }

    /// The same formula about a value whose axes are numbered otherwise.
    func onAxes(_ new: (Int) -> Int) -> Live {
        Live(terms.map { $0.map { Literal(condition: $0.condition, axes: $0.axes.map(new), isNegated: $0.isNegated) } })
    }

    private static func simplified(_ given: [Set<Literal>]) -> [[Literal]] {
        var terms = Array(Set(given))
        var isDone = false
        while !isDone {
            isDone = true
            // In `l and X or not l and Y` with Y within X the literal l says nothing.
            search: for k in terms.indices {
                for literal in terms[k] {
                    let rest = terms[k].subtracting([literal])
                    let says = terms.contains { $0.contains(literal.opposite) && $0.subtracting([literal.opposite]).isSubset(of: rest) }
                    guard says else { continue }
                    terms[k] = rest
                    isDone = false
                    break search
                }
            }
        }
        let unique = Array(Set(terms))
        let least = unique.filter { term in !unique.contains { $0 != term && $0.isSubset(of: term) } }
        return least.map { $0.sorted() }.sorted { $0.lexicographicallyPrecedes($1) }
    }
}
