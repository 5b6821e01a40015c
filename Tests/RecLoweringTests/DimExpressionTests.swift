import RecTyping
import Testing

/// Sizes with equal values are equal expressions.
@Suite struct DimExpressionTests {
    private let d = DimExpression(symbol: "D")
    private let n = DimExpression(symbol: "N")

    @Test func divisionCancels() throws {
        let ratio = try #require(DimExpression.quotient(d, n))
        #expect(DimExpression.product(ratio, n) == d)
        #expect(ratio.description == "D/N")
        #expect(DimExpression.difference(d, d) == DimExpression(0))
    }

    @Test func texts() throws {
        let four = try #require(DimExpression.product(DimExpression(4), d))
        #expect(four.description == "4*D")
        #expect(DimExpression.sum(four, DimExpression(1))?.description == "4*D + 1")
        #expect(DimExpression.difference(d, DimExpression(1))?.description == "D - 1")
        #expect(DimExpression.difference(DimExpression(0), d)?.description == "-D")
        #expect(DimExpression.product(d, d).map { "\($0)" } == "D*D")
        #expect(DimExpression(3).description == "3")
    }

    @Test func evaluation() throws {
        let half = try #require(DimExpression.quotient(d, DimExpression(2)))
        #expect(half.evaluate(["D": 8]) == 4)
        #expect(half.evaluate(["D": 7]) == nil)
        #expect(half.evaluate([:]) == nil)
        let steps = try #require(DimExpression.floor(d, dividedBy: 2))
        #expect(steps.evaluate(["D": 7]) == 3)
        #expect(DimExpression.product(d, d)?.evaluate(["D": 1 << 40]) == nil)
    }

    @Test func solving() throws {
        let four = try #require(DimExpression.product(DimExpression(4), d))
        #expect(four.solve(for: "D", equalling: 512, given: [:]) == 128)
        #expect(four.solve(for: "D", equalling: 510, given: [:]) == nil)
        let area = try #require(DimExpression.product(d, n))
        #expect(area.solve(for: "D", equalling: 12, given: ["N": 3]) == 4)
        let ratio = try #require(DimExpression.quotient(d, n))
        #expect(ratio.solve(for: "D", equalling: 5, given: ["N": 3]) == 15)
        #expect(ratio.solve(for: "N", equalling: 5, given: ["D": 15]) == 3)
    }

    @Test func overflowGivesNoExpression() {
        let large = DimExpression(Int.max)
        #expect(DimExpression.product(large, large) == nil)
        #expect(DimExpression.sum(large, large) == nil)
        var power: DimExpression? = d
        for _ in 0..<70 { power = power.flatMap { DimExpression.product($0, $0) } }
        #expect(power == nil)
    }
}
