import RecStream
import Testing

@Suite struct GraphTests {
    /// `h = h[t-1] * a + x`
    private func recurrence() -> StreamGraph {
        var graph = StreamGraph(name: "R", axes: [StreamAxis(name: "t")])
        let shape = [Dim("H", 4)]
        let stream = Variance(batch: true, axes: 1)
        let x = graph.add(Value(.input(name: "x", fallback: nil), element: .real, shape: shape, variance: stream, name: "x"))
        let a = graph.add(Value(.parameter(ParameterInfo(path: "a", isTrained: true, initializer: .ones)), element: .real, shape: shape, variance: .none))
        let before = graph.add(Value(.delay(ValueID(4), offsets: [-1], initial: nil), element: .real, shape: shape, variance: stream))
        let product = graph.add(Value(.binary(.multiply, before, a), element: .real, shape: shape, variance: stream))
        let h = graph.add(Value(.binary(.add, product, x), element: .real, shape: shape, variance: stream, name: "h"))
        _ = graph.add(Value(.unary(.exp, h), element: .real, shape: shape, variance: stream, name: "unused"))
        graph.states = [StreamGraph.State(name: "h", value: h, initial: nil)]
        graph.outputs = [StreamGraph.Output(name: "h", value: h)]
        return graph
    }

    @Test func cyclesAreRecurrences() {
        let found = components(of: recurrence())
        #expect(found.filter(\.isRecurrence).map(\.members) == [[ValueID(2), ValueID(3), ValueID(4)]])
        #expect(found.count == 4)
    }

    @Test func deadValuesGo() {
        let ordered = recurrence().ordered()
        #expect(ordered.values.count == 5)
        for id in ordered.ids { for operand in ordered[id].operation.instantOperands { #expect(operand < id) } }
    }

    @Test func equalValuesAreShared() throws {
        let graph = try StreamGraph(
            text: """
                graph "G" over t {
                  %0 "x" = input "x" : real batch, t
                  %1 "a" = exp %0 : real batch, t
                  %2 "b" = exp %0 : real batch, t
                  %3 = add %1, %2 : real batch, t
                  output "y" %3
                }
                """)
        let shared = graph.sharingCommonValues()
        #expect(shared.values.count == 3)
        #expect(shared.values.last?.operation == .binary(.add, ValueID(1), ValueID(1)))
    }

    @Test func ordersOfLoopsAdmitDelays() {
        #expect(LoopOrder.admitting([[-1]], axes: [0])?.loops == [.init(axis: 0, isReversed: false)])
        #expect(LoopOrder.admitting([[2]], axes: [0])?.loops == [.init(axis: 0, isReversed: true)])
        #expect(LoopOrder.admitting([[1], [-1]], axes: [0]) == nil)
        #expect(LoopOrder.admitting([[1, -1], [-1, -1]], axes: [0, 1])?.loops.first?.axis == 1)
    }

    @Test func textShowsEveryValue() {
        let text = recurrence().text
        #expect(text.contains("%4 \"h\" = add %3, %0 : real[\"H\": 4] batch, t"))
        #expect(text.contains("state \"h\" %4"))
    }
}
