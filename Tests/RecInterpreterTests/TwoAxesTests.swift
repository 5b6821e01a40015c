import RecInterpreter
import RecStream
import Testing

@Suite struct TwoAxesTests {
    private let grid = [StreamAxis(name: "i"), StreamAxis(name: "j")]

    /// `h = h[i + a] + h[j + b] + x`, which counts lattice paths.
    private func paths(_ a: Int, _ b: Int) -> StreamGraph {
        var builder = GraphBuilder("Paths", axes: grid)
        let x = builder.input("x")
        let above = builder.delay(ofLater: .real, [], [a, 0])
        let left = builder.delay(ofLater: .real, [], [0, b])
        let h = builder.binary(.add, builder.binary(.add, above, left), x)
        builder.close(above, with: h)
        builder.close(left, with: h)
        builder.state("h", h)
        builder.output("h", h)
        return builder.graph
    }

    @Test func recurrencesRunFromAnyCorner() {
        let forwards = [1.0, 1, 1, 1, 2, 3]
        #expect(run(paths(-1, -1), [2, 3], ["x": [1, 0, 0, 0, 0, 0]])["h"] == forwards)
        #expect(run(paths(1, 1), [2, 3], ["x": [0, 0, 0, 0, 0, 1]])["h"] == forwards.reversed())
        #expect(run(paths(-1, 1), [2, 3], ["x": [0, 0, 1, 0, 0, 0]])["h"] == [1, 1, 1, 3, 2, 1])
        #expect(run(paths(1, -1), [2, 3], ["x": [0, 0, 0, 1, 0, 0]])["h"] == [1, 2, 3, 1, 1, 1])
        #expect(run(paths(-1, -1), [2, 3], ["x": [1, 0, 0, 0, 0, 0]]).finalStates.isEmpty)
    }

    /// `h = h[i-1, j+1] + h[i+1, j+1]`… runs backwards over `j` whatever happens along `i`, which must be the inner loop.
    @Test func theLoopThatCarriesIsOutside() {
        var b = GraphBuilder("Skew", axes: grid)
        let x = b.input("x")
        let up = b.delay(ofLater: .real, [], [-1, 1])
        let down = b.delay(ofLater: .real, [], [1, 1])
        let h = b.binary(.add, b.binary(.add, up, down), x)
        b.close(up, with: h)
        b.close(down, with: h)
        b.state("h", h)
        b.output("h", h)
        #expect(b.graph.loopNests.contains { nest in
            if case .loop(LoopOrder.Loop(axis: 1, isReversed: true), _) = nest { true } else { false }
        })
        #expect(run(b.graph, [3, 3], ["x": [0, 0, 0, 0, 0, 1, 0, 0, 0]])["h"] == [0, 1, 0, 2, 0, 1, 0, 1, 0])
    }

    /// What varies over one axis meets what varies over both; each axis is reduced by itself.
    @Test func valuesMayVaryOverOneAxis() {
        var b = GraphBuilder("Mixed", axes: grid)
        let x = b.input("x")
        let rows = b.overTime(.sum, x, axis: 1)
        let columns = b.overTime(.max, x, axis: 0)
        b.output("rows", rows)
        b.output("columns", columns)
        b.output("both", b.binary(.add, rows, columns))
        b.output("u", b.binary(.multiply, b.input("u", over: [1]), x))
        b.output("all", b.overTime(.last, rows, axis: 0))
        let results = run(b.graph, [2, 3], ["x": [1, 2, 3, 4, 5, 6], "u": [1, 10, 100]])
        #expect(results["rows"] == [6, 15])
        #expect(results["columns"] == [4, 5, 6])
        #expect(results["both"] == [10, 11, 12, 19, 20, 21])
        #expect(results["u"] == [1, 20, 300, 4, 50, 600])
        #expect(results["all"] == [15])
    }

    /// Depth as a second axis, whose last layer feeds the next step of the first: the recurrence over `t` holds a
    /// recurrence and a reduction over `k`.
    @Test func theLastLayerMayFeedTheNextStep() {
        var b = GraphBuilder("Deep", axes: [StreamAxis(name: "t"), StreamAxis(name: "k", length: 3)])
        let x = b.input("x", over: [0])
        let below = b.delay(ofLater: .real, [], [0, -1])
        let again = b.graph.values.count
        let top = b.delay(ofLater: .real, [], [-1, 0])
        let h = b.binary(.add, b.binary(.add, below, top), x)
        b.close(below, with: h)
        let last = b.overTime(.last, h, axis: 1)
        b.close(ValueID(again), with: last)
        b.state("h", h)
        b.output("h", h)
        b.output("last", last)
        // h[t, k] = h[t, k-1] + last[t-1] + x[t], so last[t] = 3 (last[t-1] + x[t]).
        let results = run(b.graph, [3, 3], ["x": [1, 0, 2]])
        #expect(results["last"] == [3, 9, 33])
        #expect(results["h"] == [1, 2, 3, 3, 6, 9, 11, 22, 33])
    }

    @Test func noStepsAlongOneAxisGiveEmptyResults() {
        let results = run(paths(-1, -1), batch: 2, [0, 3], ["x": []])
        #expect(results.outputs[0].tensor.shape == [2, 0, 3])
    }
}
