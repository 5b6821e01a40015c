import Foundation
import Rec
import RecScheduling
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

    @Test(arguments: ["(if A > 0.1 then A * x else tanh(A))", "abs(A) * sigmoid(A) + 0.1", "max(A, x * A)", "A * (A + x) / (1 + A * A)"])
    func statesOfSharedParts(part: String) throws {
        let rows = (0..<40).map { "  e\($0) = \(part.replacingOccurrences(of: "A", with: $0 == 0 ? "x" : "e\($0 - 1)"))\n" }.joined()
        let inner = (0..<40).map { "  g\($0) = \(part.replacingOccurrences(of: "A", with: $0 == 0 ? "u[t-1]" : "g\($0 - 1)"))\n" }.joined()
        let model = try Model(
            Program(
                text: """
                    model M(D) {
                      input x: [D]
                      state p, q, u: [D]
                    \(rows)\(inner)  p = e38 * p[t-1] - e39 * q[t-1]
                      q = e39 * p[t-1] + e38 * q[t-1]
                      u = g39
                      output y = p + q + u
                    }
                    """), dims: ["D": 2])
        let explanation = try Explanation(model, work: Workload(batch: 1, extents: [100], threads: 1))
        #expect(explanation.seconds > 0)
    }
}
