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

@Suite struct VerifierTests {
    private func graph(_ line: String) -> [String] {
        let text = """
            graph "G" over t {
              %0 "x" = input "x" : real["H": 4] batch, t
              %1 "n" = input "n" : int batch, t
              \(line)
            }
            """
        do { return try StreamGraph(text: text).violations() } catch { return ["\(error)"] }
    }

    @Test func soundValuesPass() {
        #expect(graph("%2 = exp %0 : real[\"H\": 4] batch, t").isEmpty)
        #expect(graph("%2 = delay %0 [-1] : real[\"H\": 4] batch, t").isEmpty)
    }

    @Test(arguments: [
        "%2 = exp %0 : real[\"H\": 3] batch, t", "%2 = add %0, %1 : real[\"H\": 4] batch, t", "%2 = exp %0 : real[\"H\": 4]",
        "%2 = exp %3 : real[\"H\": 4] batch, t", "%2 = reduce.sum %0 [1] : real batch, t", "%2 = slice %0 axis 0 from 3 by 1 : real[\"H\": 2] batch, t",
        "%2 = broadcast %0 [_] : real[\"H\": 4] batch, t", "%2 = reshape %0 : real[\"D\": 5] batch, t", "%2 = gather %0, %0 : real batch, t",
        "%2 = contract %0 [0], %0 [1] -> [0] : real[\"H\": 3] batch, t", "%2 = delay %0 [] : real[\"H\": 4] batch, t",
        "%2 = time.sum %0 axis 0 : real[\"H\": 4] batch, t", "%2 = less %0, %0 : real[\"H\": 4] batch, t", "%2 = constant 1.0 : real batch",
    ])
    func brokenRulesAreNamed(line: String) { #expect(!graph(line).isEmpty) }
}

@Suite struct TextTests {
    @Test func mutatedTextNeverTraps() {
        let text = "graph \"G\" over i, j: 4 {\n  %0 \"x\" = input \"x\" default 1.0 : complex[\"H\": 4] batch, i\n  %1 = concat [%0, %0] axis 0 : real\n  state \"s\" %0 from %1\n  require plan(scan) \"s\"\n}\n"
        #expect((try? StreamGraph(text: text)) != nil)
        var state: UInt64 = 9
        for _ in 0..<3000 {
            var bytes = Array(text.utf8)
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1
                let at = Int(state >> 33) % max(1, bytes.count)
                if state & 4096 == 0 { bytes[at] = UInt8(truncatingIfNeeded: state >> 20) } else { bytes.remove(at: at) }
            }
            if let graph = try? StreamGraph(text: String(decoding: bytes, as: UTF8.self)) { _ = graph.violations() }
        }
    }
}
