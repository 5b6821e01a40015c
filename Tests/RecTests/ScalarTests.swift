@testable import RecAnalysis
import Testing

/// Expressions whose parts are used several times each: written out they would be as long as two to their depth.
@Suite(.timeLimit(.minutes(30))) struct ScalarTests {
    @Test func partsThatAreShared() {
        var scalars = Scalars()
        let (i, j) = (scalars.variable(extent: 4), scalars.variable(extent: 4))
        var deep = scalars.intern(.index(.variable(i)))
        for depth in 0..<90 {
            let other = scalars.intern(.unary(.exp, deep))
            switch depth % 3 {
            case 0: deep = scalars.intern(.binary(.max, deep, other))
            case 1: deep = scalars.intern(.select(scalars.intern(.binary(.less, deep, other)), other, deep))
            default: deep = scalars.add(deep, scalars.multiply(other, scalars.intern(.unary(.sigmoid, deep))))
            }
        }
        #expect(scalars.isOfIndexAlone(deep) && scalars.isPositive(deep))
        let renamed = scalars.renamed(deep, [i: .variable(j)])
        #expect(scalars.variables(of: renamed) == Scalars.bit(j))
        #expect(scalars.renamed(renamed, [j: .variable(i)]) == deep)
        #expect(scalars.renamed(deep, [j: .variable(i)]) == deep)
    }
}
