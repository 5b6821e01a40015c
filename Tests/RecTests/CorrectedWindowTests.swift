import Foundation
import Rec
import RecForms
import RecInterpreter
import RecScheduling
import RecStream
import TestSupport
import Testing

/// Recurrences that remember more than a window: where windows begin is corrected by derivatives, and what comes out satisfies every equation.
@Suite struct CorrectedWindowTests {
    typealias Case = SolvedPrograms.Case

    /// `b` says how soon the gate forgets.
    private static let gated = """
        model M(D) {
          input a, b: [D]
          param w: [D] = uniform(-1, 1)
          state h: [D]
          z = sigmoid(b + w * h[t-1])
          h = (1 - z) * h[t-1] + z * tanh(a - w * h[t-1])
          output h
        }
        """
    private static let residual = gated.replacing("state h: [D]", with: "input g: [D]").replacing("h[t-1]", with: "g[t-1]")
        .replacing("  h = ", with: "  output r = g - (").replacing("(a - w * g[t-1])\n  output h\n", with: "(a - w * g[t-1]))\n")

    static let cases = [
        Case(name: "a gate", state: "h", text: gated),
        Case(
            name: "a filter of two delays", state: "y",
            text: """
                model M(D) {
                  input a, b: [D]
                  state y: [D]
                  y = tanh(0.01 * a + 0.001 * b + 1.98 * y[t-1] - 0.984 * y[t-2])
                  output y
                }
                """),
        Case(
            name: "a dense cell", state: "h",
            text: """
                model M(D) {
                  dim H = 3
                  input a, b: [D]
                  param U: [H, H] = normal(0.5)
                  state h: [H] = 0.1
                  z = sigmoid(sum(b) + U @ h[t-1])
                  h = (1 - z) * h[t-1] + z * tanh(sum(a) + 0.5 * U @ h[t-1])
                  output h
                }
                """),
        Case(
            name: "two states and a counter, from the last step to the first", state: "c",
            text: """
                model M(D) {
                  input a, b: [D]
                  state c: [D] = 0.2
                  state h: [D]
                  state n: int
                  n = if sum(a) > 0.9 then 0 else min(n[t+1] + 1, 7)
                  c = sigmoid(5 - h[t+1]) * c[t+1] + 0.01 * sigmoid(b - h[t+1]) * tanh(a + 0.1 * real(n))
                  h = tanh(c) * sigmoid(b)
                  output h
                }
                """),
    ]

    private static let steps = 1 << 13

    /// Gates that remember some windows.
    private func data(_ model: Model, batch: Int = 1, lengths: [Int]? = nil, gate: (Int) -> Double = { _ in -5 }) -> ModelData {
        var data = SolvedPrograms.data(model, batch: batch, length: Self.steps, lengths: lengths)
        let width = model.dims["D"] ?? 1
        if data.parameters["w"] != nil { data.parameters["w"] = Tensor([Double](repeating: 0.4, count: width), shape: [width]) }
        data.inputs["b"] = data.inputs["b"].map { numbers in
            Tensor(numbers.doubles().enumerated().map { $1 + gate($0 / (Self.steps * width)) }, shape: numbers.shape)
        }
        return data
    }

    private func run(
        _ model: Model, _ data: ModelData, _ state: String, _ precision: Precision = .f64, threads: Int = 1
    ) throws -> (results: ModelResults, report: SolveReport) { try SolvedPrograms.run(model, data, state, as: .shooting(16), precision, threads: threads) }

    @Test("windows are corrected, and every step follows from the one before", arguments: cases, [Precision.f32, .f64])
    func corrected(case own: Case, precision: Precision) throws {
        let model = try SolvedPrograms.model(own.text, ["D": 1])
        let data = data(model)
        let expected = try model.run(data, on: .compiled(precision), forcing: [own.state: .sequential])
        let (got, report) = try run(model, data, own.state, precision)
        #expect(report.sweepsWithDerivatives > 0 && report.inOrder == 0, "\(report.text)")
        #expect(SolvedPrograms.distance(got, expected) < (precision == .f32 ? 1e-4 : 1e-12))
        #expect(SolvedPrograms.bits(try run(model, data, own.state, precision, threads: 3).results) == SolvedPrograms.bits(got))
    }

    @Test("sequences of other lengths, and a sequence that is not a multiple of the windows", arguments: cases) func ragged(case own: Case) throws {
        let model = try SolvedPrograms.model(own.text, ["D": 1])
        let data = data(model, batch: 4, lengths: [Self.steps, 0, Self.steps - 5, 10])
        let expected = try model.run(data, on: .compiled(.f64), forcing: [own.state: .sequential])
        let (got, report) = try run(model, data, own.state, threads: 2)
        #expect(report.sweepsWithDerivatives > 0 && SolvedPrograms.distance(got, expected) < 1e-12, "\(report.text)")
    }

    @Test("NaN and infinities reach the steps that they reach in order", arguments: [Double.nan, .infinity], [100, 4000])
    func special(number: Double, step: Int) throws {
        for own in Self.cases {
            let model = try SolvedPrograms.model(own.text, ["D": 1])
            var data = data(model)
            var numbers = data.inputs["a"]?.doubles() ?? []
            numbers[step] = number
            data.inputs["a"] = Tensor(numbers, shape: [1, Self.steps, 1])
            let expected = try model.run(data, on: .compiled(.f64), forcing: [own.state: .sequential])
            #expect(SolvedPrograms.distance(try run(model, data, own.state).results, expected) < 1e-12, "\(own.name)")
        }
    }

    @Test("whatever the weights, every step satisfies its equation or has the bits of steps in order", arguments: [1.0, 2, 4, 8], [Precision.f32, .f64])
    func scaledWeights(scale: Double, precision: Precision) throws {
        let model = try SolvedPrograms.model(Self.gated, ["D": 1])
        var data = data(model)
        data.parameters["w"] = data.parameters["w"].map { Tensor($0.doubles().map { $0 * scale }, shape: $0.shape) }
        let expected = try model.run(data, on: .compiled(precision), forcing: ["h": .sequential])
        let (got, report) = try run(model, data, "h", precision, threads: 2)
        var check = data
        check.inputs["g"] = got.outputs[0].tensor
        let residuals = try SolvedPrograms.model(Self.residual, ["D": 1]).run(check, on: .interpreter).outputs[0].tensor.doubles()
        let unit = precision == .f32 ? 0x1p-23 : 0x1p-52
        #expect(residuals.allSatisfy { abs($0) <= 8 * unit }, "\(report.text)")
        if report.inOrder == 16 { #expect(SolvedPrograms.bits(got) == SolvedPrograms.bits(expected)) }
    }

    @Test("a sequence has the same bits whatever else is in its batch, and whatever the threads", arguments: [Precision.f32, .f64])
    func batchMates(precision: Precision) throws {
        let model = try SolvedPrograms.model(Self.gated, ["D": 1])
        // One forgets at once, some remember several windows, and one the whole sequence.
        let gates = [0, -5, -40, -4.5]
        let whole = data(model, batch: 4) { gates[$0] }
        func run(_ sequences: [Int], threads: Int = 1) throws -> [[Double]] {
            var data = whole
            for (name, tensor) in whole.inputs { data.inputs[name] = Tensor.joiningRows(sequences.map { tensor.rows($0..<$0 + 1) }) }
            let got = try self.run(model, data, "h", precision, threads: threads).results.outputs[0].tensor
            return sequences.indices.map { got.rows($0..<$0 + 1).doubles() }
        }
        let alone = try (0..<4).map { try run([$0])[0] }
        let together = try run([0, 1, 2, 3])
        #expect(together == alone)
        #expect(try run([3, 1, 0], threads: 3) == [alone[3], alone[1], alone[0]])
        let expected = try model.run(whole, on: .compiled(precision), forcing: ["h": .sequential]).outputs[0].tensor
        #expect(alone[2] == expected.rows(2..<3).doubles())
    }

    // MARK: Derivatives

    @Test("derivatives are those of differences", arguments: SolvedPrograms.cases.filter { $0.name != "discrete states" } + cases)
    func differences(case own: Case) throws {
        let model = try SolvedPrograms.model(own.text)
        let graph = model.graph.sharingCommonValues().splittingComplex()
        var count = 0
        for component in components(of: graph) where component.isRecurrence {
            guard let split = try? RecurrenceSplit(graph, around: component.members, prefix: ":") else { continue }
            let cell = try CarriedState.carrying(split.cell.namingDelayedValues(), .either)
            guard cell.states.contains(where: { cell[$0.value].element == .real }) else { continue }
            let derivative = try WindowDerivative(cell)
            #expect(derivative.steps.violations() == [] && derivative.steps.outputs.isEmpty)
            count += 1
            try expectDifferences(derivative)
        }
        #expect(count > 0)
    }

    /// Moves each element of what is carried by a little.
    private func expectDifferences(_ derivative: WindowDerivative) throws {
        let graph = derivative.steps
        var data = ModelData(inputs: [:], parameters: [:])
        var widths: [String: [Int]] = [:]
        for value in graph.values {
            switch value.operation {
            case .input(let name, _):
                let shape = (value.variance.isStream ? [1, 7] : [1]) + value.shape.sizes
                let count = shape.reduce(1, *)
                widths[name] = value.shape.sizes
                if name == CarriedState.switchName {
                    data.inputs[name] = Tensor(type: .bool, shape: [1]) { $0[0] = 1 }
                } else if value.element == .real {
                    data.inputs[name] = Tensor((0..<count).map { 0.4 * sin(Double($0 * $0 + name.utf8.count)) }, shape: shape)
                } else {
                    data.inputs[name] = Tensor([Int](repeating: 0, count: count), shape: shape)
                }
            case .parameter(let info): data.parameters[info.path] = Tensor((0..<value.shape.elementCount).map { 0.5 * cos(Double($0)) }, shape: value.shape.sizes)
            default: break
            }
        }
        func ends(_ data: ModelData) throws -> [String: [Double]] {
            let results = Interpreter(graph).run(try BoundData(data, for: graph))
            return Dictionary(results.finalStates.map { ($0.name, $0.tensor.doubles()) }) { a, _ in a }
        }
        // A direction that moves every element by an amount of its own.
        let directions = derivative.directions
        var column = 0
        for line in derivative.lines {
            let seeds = (0..<line.elementCount).flatMap { element in
                (0..<directions).map { direction -> Double in
                    derivative.isDiagonal ? (derivative.lines[direction].name == line.name ? 1 : 0) : direction == column + element ? 1 : 0
                }
            }
            column += line.elementCount
            if let shape = widths[line.direction] { data.inputs[line.direction] = Tensor(seeds, shape: [1] + shape) }
        }
        let found = try ends(data)
        let step = 1e-6
        column = 0
        for line in derivative.lines {
            guard let state = data.inputs[line.name] else { continue }
            for element in 0..<line.elementCount {
                func moved(_ change: Double) throws -> [String: [Double]] {
                    var other = data
                    var numbers = state.doubles()
                    numbers[element] += change
                    other.inputs[line.name] = Tensor(numbers, shape: state.shape)
                    return try ends(other)
                }
                let (up, down) = (try moved(step), try moved(-step))
                let direction = derivative.isDiagonal ? derivative.lines.firstIndex { $0.name == line.name } ?? 0 : column + element
                for other in derivative.lines {
                    let matrix = try #require(found[other.derivative])
                    let (above, below) = (try #require(up[other.name]), try #require(down[other.name]))
                    for own in 0..<other.elementCount {
                        let slope = (above[own] - below[own]) / (2 * step)
                        let given = derivative.isDiagonal && own != element ? 0 : matrix[own * directions + direction]
                        #expect(abs(slope - given) < 1e-7, "\(other.name)[\(own)] by \(line.name)[\(element)]")
                    }
                }
            }
            column += line.elementCount
        }
    }

    @Test("sweeps with derivatives must be worth their while where nobody says how many windows there are") func worth() throws {
        func explained(_ text: String, _ size: Int, _ form: PlanForm) throws -> String {
            let work = Workload(batch: 1, extents: [1 << 16], threads: 2, bytesPerReal: 4)
            return try Explanation(SolvedPrograms.model(text, ["D": size]), work: work, forcing: ["h": form]).text
        }
        let said = "by derivatives where states are remembered for longer"
        // As ParaGRU has it.
        let unit = """
            model M(D) {
              input a, b, c: [D]
              state h: [D]
              z = sigmoid(a + 0.5 * h[t-1])
              r = sigmoid(b - 0.5 * h[t-1])
              h = (1 - z) * h[t-1] + z * tanh(c + r * h[t-1])
              output h
            }
            """
        #expect(try explained(unit, 1, .shooting(nil)).contains(said))
        #expect(try !explained(unit, 8, .shooting(nil)).contains(said))
        let dense = "model M(D) {\n input a: [D]\n param U: [D, D] = normal(1)\n state h: [D]\n h = tanh(a + U @ h[t-1])\n output h\n}"
        #expect(try !explained(dense, 16, .shooting(nil)).contains(said))
        #expect(try explained(dense, 2, .shooting(16)).contains(said))
    }

    @Test("a derivative is a number for each element, a block, or a matrix; too large a one is none") func structure() throws {
        func derivative(_ text: String, _ size: Int) throws -> WindowDerivative {
            let graph = try SolvedPrograms.model("model M(D) {\n input a: [D]\n \(text)\n}", ["D": size]).graph.sharingCommonValues()
            let component = try #require(components(of: graph).first { $0.isRecurrence })
            let split = try RecurrenceSplit(graph, around: component.members, prefix: ":")
            return try WindowDerivative(CarriedState.carrying(split.cell.namingDelayedValues(), .either))
        }
        let diagonal = try derivative("state h: [D]\n h = tanh(a + h[t-1])\n output h", 40)
        #expect(diagonal.isDiagonal && diagonal.directions == 1)
        let blocks = try derivative("state h: [D]\n h = tanh(a + h[t-1] - h[t-2])\n output h", 40)
        #expect(blocks.isDiagonal && blocks.directions == 2)
        let dense = try derivative("param U: [D, D] = normal(1)\n state h: [D]\n h = tanh(a + U @ h[t-1])\n output h", 16)
        #expect(!dense.isDiagonal && dense.directions == 16)
        #expect(throws: FormRefusal.self) { try derivative("param U: [D, D] = normal(1)\n state h: [D]\n h = tanh(a + U @ h[t-1])\n output h", 17) }
        #expect(throws: FormRefusal.self) { try derivative("state n: int\n n = if sum(a) > 0 then 0 else min(n[t-1] + 1, 3)\n output n", 2) }
    }
}
