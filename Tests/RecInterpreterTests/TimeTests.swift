import RecInterpreter
import RecStream
import RecTensors
import Testing

/// Delays, sequences that end by themselves, and several sweeps.
@Suite struct TimeTests {
    /// `s = s[t ± 1] + x` from `s0`.
    private func sum(_ offset: Int) -> StreamGraph {
        var b = GraphBuilder()
        let x = b.input("x")
        let s0 = b.once("s0", fallback: 0)
        let before = b.delay(ofLater: .real, [], [offset], from: s0)
        let s = b.binary(.add, before, x)
        b.close(before, with: s)
        b.state("s", s, from: s0)
        b.output("s", s)
        b.output("before", before)
        b.output("total", b.overTime(.sum, x))
        b.loss("last", b.overTime(.last, s))
        return b.graph
    }

    private let numbers: [String: [Double]] = ["x": [1, 2, 3, 10, 20, .nan], "s0": [100, 200]]

    @Test func statesEndWithTheirSequence() {
        let results = run(sum(-1), batch: 2, [3], lengths: [3, 2], numbers)
        #expect(results["s"] == [101, 103, 106, 210, 230, 0])
        #expect(results["before"] == [100, 101, 103, 200, 210, 0])
        #expect(results["total"] == [6, 30])
        #expect(results.finalState("s") == [106, 230])
        #expect(results["last"] == [168])
    }

    @Test func fromTheRightTheyBeginAtTheirEnd() {
        let results = run(sum(1), batch: 2, [3], lengths: [3, 2], numbers)
        #expect(results["s"] == [106, 105, 103, 230, 220, 0])
        #expect(results.finalState("s") == [106, 230])
    }

    @Test func withoutStepsStatesStayInitial() {
        for offset in [-1, 1] {
            let results = run(sum(offset), batch: 2, [0], ["x": [], "s0": [100, 200]])
            #expect(results.outputs[0].tensor.shape == [2, 0])
            #expect(results["total"] == [0, 0])
            #expect(results.finalState("s") == [100, 200])
            let mixed = run(sum(offset), batch: 2, [1], lengths: [0, 1], ["x": [5, 7], "s0": [100, 200]])
            #expect(mixed["s"] == [0, 207])
            #expect(mixed.finalState("s") == [100, 207])
        }
        // Without an initial value a state starts from zero.
        var b = GraphBuilder()
        b.state("s", b.input("x", [Dim("K", 2)]))
        #expect(run(b.graph, [0], ["x": []]).finalState("s") == [0, 0])
    }

    @Test func anEmptyBatchGivesEmptyResults() {
        let results = run(sum(-1), batch: 0, [3], ["x": [], "s0": []])
        #expect(results.outputs.map(\.tensor.shape) == [[0, 3], [0, 3], [0]])
        #expect(results.finalStates[0].tensor.shape == [0])
        #expect(results["last"]?[0].isNaN == true)
    }

    @Test func delaysReachAnyDistance() {
        var b = GraphBuilder()
        let x = b.input("x")
        let start = b.once("start")
        for offset in [-2, -1, 1, 2, 9] { b.output("\(offset)", b.delay(x, offset)) }
        b.output("from", b.delay(x, -2, from: start))
        b.output("ahead", b.delay(x, 1, from: start))
        b.output("constant", b.delay(b.constant(7), -1))
        let results = run(b.graph, batch: 2, [4], lengths: [4, 2], ["x": [1, 2, 3, 4, 5, 6, 7, 8], "start": [-1, -2]])
        #expect(results["-2"] == [0, 0, 1, 2, 0, 0, 0, 0])
        #expect(results["-1"] == [0, 1, 2, 3, 0, 5, 0, 0])
        #expect(results["1"] == [2, 3, 4, 0, 6, 0, 0, 0])
        #expect(results["2"] == [3, 4, 0, 0, 0, 0, 0, 0])
        #expect(results["9"] == [0, 0, 0, 0, 0, 0, 0, 0])
        #expect(results["from"] == [-1, -1, 1, 2, -2, -2, 0, 0])
        #expect(results["ahead"] == [2, 3, 4, -1, 6, -2, 0, 0])
        #expect(results["constant"] == [0, 7, 7, 7, 0, 7, 0, 0])
    }

    @Test func timeIsReducedOverOwnLengths() {
        var b = GraphBuilder()
        let x = b.input("x")
        for kind in TimeReduceKind.allCases { b.output(kind.rawValue, b.overTime(kind, x)) }
        let results = run(b.graph, batch: 3, [3], lengths: [3, 1, 0], ["x": [4, -1, 3, 7, 99, 99, 99, 99, 99]])
        #expect(results["sum"] == [6, 7, 0])
        #expect(agree(results["mean"], [2, 7, .nan]))
        #expect(results["max"] == [4, 7, -.infinity])
        #expect(results["min"] == [-1, 7, .infinity])
        #expect(results["last"] == [3, 7, 0])
        #expect(results["first"] == [4, 7, 0])
    }

    /// A second recurrence over what the first gives as a whole.
    @Test func sweepsFollowEachOther() {
        var b = GraphBuilder()
        let x = b.input("x")
        let total = b.overTime(.sum, x)
        let share = b.binary(.divide, x, total)
        let before = b.delay(ofLater: .real, [])
        let seen = b.binary(.add, before, share)
        b.close(before, with: seen)
        b.state("seen", seen)
        let back = b.delay(ofLater: .real, [], [1], from: b.overTime(.last, seen))
        let left = b.binary(.subtract, back, share)
        b.close(back, with: left)
        b.state("left", left)
        b.output("seen", seen)
        b.output("left", left)
        let results = run(b.graph, [4], ["x": [1, 2, 4, 1]])
        #expect(results["seen"] == [0.125, 0.375, 0.875, 1])
        #expect(results["left"] == [0, 0.125, 0.375, 0.875])
        #expect(results.finalState("left") == [0])
    }

    /// `f[t] = f[t-1] + f[t-2]`, through a value that is delayed twice over.
    @Test func recurrencesMayReachFurtherBack() {
        var b = GraphBuilder()
        let one = b.delay(ofLater: .real, [], [-1], from: b.constant(1))
        let two = b.delay(ofLater: .real, [], [-2], from: b.constant(0))
        let f = b.binary(.add, one, two)
        b.close(one, with: f)
        b.close(two, with: f)
        b.state("f", f)
        b.output("f", f)
        #expect(run(b.graph, [6])["f"] == [1, 1, 2, 3, 5, 8])
    }

    @Test func lossesAreMeansOverTheBatch() {
        var b = GraphBuilder()
        b.loss("l", b.overTime(.mean, b.input("x")))
        b.loss("p", b.parameter("p"))
        let results = run(b.graph, batch: 2, [2], ["x": [1, 3, 5, 9]], parameters: ["p": [4]])
        #expect(results["l"] == [4.5])
        #expect(results["p"] == [4])
        #expect(results.losses[0].tensor.shape == [])
    }

    @Test func everyValueCanBeSeen() {
        var b = GraphBuilder()
        let x = b.input("x", [Dim("K", 2)])
        let p = b.parameter("p", [Dim("K", 2)])
        let y = b.binary(.add, x, p)
        let last = b.overTime(.last, y)
        let all = Interpreter(b.graph).evaluateAll(bound(b.graph, batch: 2, [1], ["x": [1, 2, 3, 4]], parameters: ["p": [10, 20]]))
        #expect(all[y]?.shape == [2, 1, 2])
        #expect(all[y]?.doubles() == [11, 22, 13, 24])
        #expect(all[p]?.shape == [2])
        #expect(all[last]?.shape == [2, 2])
    }

    /// Long sequences at the speed that tests need.
    @Test func longSequencesAreQuick() {
        var b = GraphBuilder()
        let shape = [Dim("H", 8)]
        let u = b.parameter("U", [Dim("H", 8), Dim("H", 8)])
        let before = b.delay(ofLater: .real, shape)
        let h = b.unary(.tanh, b.binary(.add, b.product(u, before), b.input("x", shape)))
        b.close(before, with: h)
        b.state("h", h)
        b.output("h", h)
        let clock = ContinuousClock()
        let time = clock.measure {
            _ = run(
                b.graph, [1000], ["x": [Double](repeating: 0.1, count: 8000)],
                parameters: ["U": [Double](repeating: 0.1, count: 64)])
        }
        #expect(time < .seconds(10), "\(time)")
    }
}
