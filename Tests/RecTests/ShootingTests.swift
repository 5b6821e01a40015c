import Foundation
import Rec
import RecTraining
import TestSupport
import Testing

/// Recurrences in windows of time: what comes out is what steps in order give, whatever the windows, the data and the batch.
@Suite struct ShootingTests {
    typealias Case = SolvedPrograms.Case
    static let cases = SolvedPrograms.cases

    private func model(_ text: String, _ dims: [String: Int] = ["D": 3]) throws -> Model { try SolvedPrograms.model(text, dims) }

    private func data(_ model: Model, batch: Int = 2, length: Int, lengths: [Int]? = nil) -> ModelData {
        SolvedPrograms.data(model, batch: batch, length: length, lengths: lengths)
    }

    private func distance(_ a: ModelResults, _ b: ModelResults) -> Double { SolvedPrograms.distance(a, b) }
    private func bits(_ results: ModelResults) -> [[Double]] { SolvedPrograms.bits(results) }

    @Test("windows give what steps in order give", arguments: cases) func everyLength(case own: Case) throws {
        let model = try model(own.text)
        for length in [0, 1, 5, 200] {
            let data = self.data(model, length: length)
            let expected = try model.run(data, on: .interpreter)
            for windows in [2, 8, nil] {
                for threads in [1, 3] {
                    let got = try model.run(data, on: .compiled(.f64), threads: threads, forcing: [own.state: .shooting(windows)])
                    #expect(distance(got, expected) < 1e-13, "\(windows ?? 0) windows, \(length) steps")
                }
            }
        }
    }

    @Test("sequences of other lengths", arguments: cases) func ragged(case own: Case) throws {
        let model = try model(own.text)
        let data = self.data(model, batch: 4, length: 90, lengths: [90, 0, 41, 1])
        let expected = try model.run(data, on: .interpreter)
        for windows in [2, 7] {
            let got = try model.run(data, on: .compiled(.f64), threads: 2, forcing: [own.state: .shooting(windows)])
            #expect(distance(got, expected) < 1e-13)
        }
    }

    @Test("gradients are those of steps in order", arguments: cases.filter { $0.name != "discrete states" }) func gradients(case own: Case) throws {
        let model = try model(own.text)
        let gradients = try GradientModel(model)
        let data = self.data(model, length: 70)
        var cotangents: [String: Tensor] = [:]
        let results = try model.run(data, on: .interpreter)
        for output in results.outputs {
            cotangents[output.name] = Tensor((0..<output.tensor.count).map { cos(Double($0)) }, shape: output.tensor.shape)
        }
        let expected = try gradients.run(data, cotangents: cotangents, on: .interpreter)
        for windows in [3] {
            let got = try gradients.run(data, cotangents: cotangents, on: .compiled(.f64), threads: 2, forcing: [own.state: .shooting(windows)])
            for gradient in expected.gradients {
                let other = got.gradients.first { $0.name == gradient.name }?.tensor.doubles() ?? []
                #expect(other.count == gradient.tensor.count, "\(gradient.name)")
                #expect(zip(gradient.tensor.doubles(), other).allSatisfy { abs($0 - $1) < 1e-11 }, "\(gradient.name)")
            }
        }
    }

    @Test("windows that do not meet run one after another, with the bits of steps in order", arguments: [Precision.f32, .f64])
    func longMemory(precision: Precision) throws {
        let model = try model(SolvedPrograms.remembering)
        let data = self.data(model, length: 700)
        let expected = try model.run(data, on: .compiled(precision), forcing: ["h": .sequential])
        let got = try model.run(data, on: .compiled(precision), threads: 2, forcing: ["h": .shooting(8)])
        #expect(bits(got) == bits(expected))
        #expect(got.solves["h"]?.inOrder == 16 && got.solves["h"]?.sweeps == 0)
    }

    @Test("some windows remember more than themselves") func held() throws {
        let model = try model(SolvedPrograms.switched)
        var data = self.data(model, batch: 1, length: 800)
        var switches = data.inputs["b"]?.doubles() ?? []
        // Windows 2 and 3 of 8 hold what came before, and one element does so for longer.
        for step in 190..<420 { for k in 0..<3 { switches[3 * step + k] = 9 } }
        for step in 420..<650 { switches[3 * step + 1] = 9 }
        data.inputs["b"] = Tensor(switches, shape: [1, 800, 3])
        let expected = try model.run(data, on: .compiled(.f64), forcing: ["h": .sequential])
        let got = try model.run(data, on: .compiled(.f64), threads: 2, forcing: ["h": .shooting(8)])
        #expect(distance(got, expected) < 1e-15)
        #expect(got.solves["h"]?.sweeps ?? 0 > 1)
    }

    @Test("NaN and infinities reach the steps that they reach in order", arguments: [Double.nan, .infinity], [0, 40])
    func special(number: Double, step: Int) throws {
        for own in Self.cases where own.name != "discrete states" {
            let model = try model(own.text)
            var data = self.data(model, batch: 1, length: 100)
            var numbers = data.inputs["a"]?.doubles() ?? []
            numbers[3 * step + 1] = number
            data.inputs["a"] = Tensor(numbers, shape: [1, 100, 3])
            let expected = try model.run(data, on: .compiled(.f64), forcing: [own.state: .sequential])
            let got = try model.run(data, on: .compiled(.f64), forcing: [own.state: .shooting(5)])
            #expect(distance(got, expected) < 1e-13, "\(own.name)")
        }
    }

    @Test("a sequence has the same bits whatever else is in its batch, and whatever the threads", arguments: [Precision.f32, .f64])
    func batchMates(precision: Precision) throws {
        let model = try model(SolvedPrograms.switched, ["D": 1])
        let steps = 600
        func run(_ sequences: [Int], threads: Int = 1) throws -> [[Double]] {
            var (a, b): ([Double], [Double]) = ([], [])
            for sequence in sequences {
                for step in 0..<steps {
                    a.append(sin(Double(step * (sequence + 3) % 97)))
                    // Some forget at once, some late, and one never.
                    b.append(sequence == 4 || step % 100 < 30 * sequence ? 9 : 0)
                }
            }
            let data = ModelData(
                inputs: ["a": Tensor(a, shape: [sequences.count, steps, 1]), "b": Tensor(b, shape: [sequences.count, steps, 1])], parameters: [:])
            let got = try model.run(data, on: .compiled(precision), threads: threads, forcing: ["h": .shooting(8)])
            let all = got.outputs[0].tensor.doubles()
            return sequences.indices.map { Array(all[$0 * steps..<($0 + 1) * steps]) }
        }
        let alone = try (0..<5).map { try run([$0])[0] }
        #expect(try run([0, 1, 2, 3, 4]) == alone)
        #expect(try run([4, 2, 0], threads: 3) == [alone[4], alone[2], alone[0]])
    }

    @Test("the last state goes on to other forms and streams") func handedOn() throws {
        for own in Self.cases where own.name != "from the last step to the first" {
            try SolvedPrograms.expectHandedOn(
                own, of: 90, at: 61, [(.shooting(4), .sequential), (.sequential, .shooting(4)), (.shooting(3), .shooting(2))], within: 1e-13)
        }
    }

    @Test("what cannot run so says why", arguments: [
        ("model M { input x: real\n state h: real\n h = tanh(h[t-1] + x)\n output h }", "g", "there is no recurrence of 'g'"),
        ("model M over (i, j) { input x: real\n state h: real\n h = tanh(h[i-1, j] + h[i, j-1] + x)\n output h }", "h", "runs over 2 axes"),
    ])
    func refusals(text: String, state: String, reason: String) throws {
        let model = try Model(Program(text: text))
        #expect {
            _ = try Runner(model, forcing: [state: .shooting(nil)])
        } throws: {
            "\($0)".contains(reason)
        }
    }

    @Test("a source may ask for windows") func required() throws {
        let text = Self.cases[0].text.replacing("  output h\n", with: "  output h\n  require plan(h) in (shooting)\n")
        let model = try model(text)
        let data = self.data(model, length: 600)
        let got = try model.run(data, on: .compiled(.f64))
        #expect(got.solves["h"]?.windows == 2)
        #expect(distance(got, try model.run(data, on: .interpreter)) < 1e-13)
        #expect(throws: DiagnosticList.self) { _ = try model.run(data, forcing: ["h": .scan]) }
    }
}
