import Rec
import RecInterpreter
import Testing

/// Truncated back-propagation is what training code does that cuts sequences into pieces and hands the state on.
@Suite struct TruncationTests {
    private let shape = [Dim("H", 3)]

    /// `h = tanh(U h[t + step] + x * p)` from `h0`.
    private func cell(_ step: Int) -> StreamGraph {
        var b = GraphBuilder()
        let (x, h0, p) = (b.input("x", shape), b.once("h0", shape), b.parameter("p", shape))
        let u = b.parameter("U", [Dim("G", 3), Dim("H", 3)])
        let before = b.delay(ofLater: .real, shape, [step], from: h0)
        let h = b.unary(.tanh, b.binary(.add, b.rename(b.product(u, before), to: shape), b.binary(.multiply, x, p)))
        b.close(before, with: h)
        b.state("h", h, from: h0)
        b.output("h", h)
        return b.graph
    }

    private func piece(_ tensor: Tensor?, _ steps: Range<Int>) -> Tensor {
        let numbers = tensor?.doubles() ?? []
        return Tensor(Array(numbers[steps.lowerBound * 3..<steps.upperBound * 3]), shape: [1, steps.count, 3])
    }

    @Test(arguments: [-1, 1], [1, 2, 3, 4, 7, 100])
    func gradientsAreThoseOfPieces(step: Int, count: Int) throws {
        let graph = cell(step)
        let length = 7
        let truncated = try gradient(of: graph, GradientRequest(of: graph, truncation: count))
        #expect(truncated.violations() == [])
        let data = randomData(truncated, batch: 1, [length], lengths: nil, seed: 6)
        let got = Interpreted.run(truncated, data)

        let whole = try gradient(of: graph, GradientRequest(of: graph))
        var sums: [String: [Double]] = [:]
        var streams: [Int: [Double]] = [:]
        var state = data.inputs["h0"]
        let starts = Array(stride(from: 0, to: length, by: count))
        for start in step < 0 ? starts : starts.reversed() {
            let steps = start..<min(length, start + count)
            var part = data
            part.extents = [steps.count]
            for name in ["x", "cotangent.h"] { part.inputs[name] = piece(data.inputs[name], steps) }
            part.inputs["h0"] = state
            let results = Interpreter(whole).run(part)
            state = results.finalStates[0].tensor
            for item in results.outputs {
                let numbers = item.tensor.doubles()
                switch item.name {
                case "grad.x": streams[start] = numbers
                case "grad.h0": if sums["grad.h0"] == nil { sums["grad.h0"] = numbers }
                default: sums[item.name] = zip(sums[item.name] ?? [Double](repeating: 0, count: numbers.count), numbers).map { $0 + $1 }
                }
            }
        }
        for name in ["grad.p", "grad.U", "grad.h0"] {
            let expected = try #require(sums[name])
            let found = try #require(got[name])
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-12 }, "\(name): \(found), in pieces \(expected)")
        }
        let expected = starts.flatMap { streams[$0] ?? [] }
        #expect(zip(try #require(got["grad.x"]), expected).allSatisfy { abs($0 - $1) < 1e-12 })
    }

    @Test func compiledCodeTruncatesAlike() throws {
        for step in [-1, 1] {
            for count in [1, 3, 100] { try expectDerivatives(cell(step), truncation: count, "truncated to \(count)") }
        }
    }

    @Test func lengthsOfNothingAreRefused() {
        #expect(throws: DiagnosticList.self) { try gradient(of: cell(-1), GradientRequest(of: cell(-1), truncation: 0)) }
    }
}
