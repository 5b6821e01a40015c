import Foundation
@testable import Rec
import TestSupport
import Testing

/// The number of the step, whether it is the first or the last, several initial values, and layers that are run in reverse.
@Suite struct TimeValueTests {
    typealias Case = EveryFormTests.Case

    static let steps = [
        Case("an output", "input x: real\noutput y = x * t\noutput n = t"),
        Case("only the number", "input x: real\noutput n = t\noutput f = t.first\noutput l = t.last\noutput m = last[t](t) + 1"),
        Case("first and last", ["K": 3], "input x: [K]\nstate h: [K]\nh = if t.first then x else 0.5 * h[t-1] + (if t.last then 2 * x else x)\noutput h"),
        Case("a rate that decays", ["K": 20], "input x: [K]\nstate m: [K]\nm = m[t-1] + (x - m[t-1]) / (t + 1)\noutput m"),
        Case("in a step that is not linear", ["K": 5], "input x: [K]\nparam U: [K, K]\nstate h: [K]\nh = tanh(U @ h[t-1] + x * sin(0.1 * t))\noutput h\noutput y = sum(h) * real(t)"),
        Case("every third step", ["K": 2], "input x: [K]\nstate h: [K]\nh = if mod(t, 3) == 0 then h[t-1] + x else h[t-1]\noutput h"),
        Case("a table of positions", ["K": 4], "input x: [K]\nparam E: [7, K]\nn = mod(t, 7)\noutput y = x + E[n]"),
        Case("from the right", ["K": 3], "input x: [K]\nstate h: [K]\nh = 0.9 * h[t+1] + x * cos(0.2 * t)\noutput h\noutput y = if t.last then h else h[t+1]"),
        Case("delayed", ["K": 2], "input x: [K]\nn = t\nstate h: [K]\nh = 0.5 * h[t-1] + x * n[t-2]\noutput h"),
        Case("a matrix", ["K": 3, "V": 2], "input k, q: [K]\ninput v: [V]\nstate S: [K, V]\nS = (if t.first then 0 else 0.9) * S[t-1] + outer(k, v) / (1 + t)\noutput y = sum[K](q * S)"),
        Case("the part that is done", ["K": 2], "input x: [K]\nstate h: [K]\np = t / (last[t](t) + 1)\nh = p * h[t-1] + x\noutput h\nloss l = mean[t](sum(h * h) * p)"),
    ]

    @Test(arguments: steps) func step(_ item: Case) throws { try EveryForm(item.source, dims: item.dims).expectAgreement() }

    static let starts = [
        Case("two numbers", ["K": 3], "input x: [K]\nstate h: [K] = [2, 5]\nh = 0.5 * h[t-1] - 0.3 * h[t-2] + x\noutput h"),
        Case("given once", ["K": 2], "input x: [K]\ninput a, b: [K] once\nparam c: [K] = normal(1)\nstate h: [K] = [a, b, c]\nh = 0.5 * h[t-1] - 0.3 * h[t-3] + x\noutput h\noutput y = h[t-2]"),
        Case("further back than the list", ["K": 2], "input x: [K]\ninput a, b: [K] once\nstate h: [K] = [a, b]\nh = 0.5 * h[t-1] - 0.3 * h[t-5] + x\noutput h\noutput y = h[t-2] + h[t-7]"),
        Case("not read one step back", ["K": 2], "input x: [K]\ninput a, b: [K] once\nstate h: [K] = [a, b]\nh = tanh(h[t-2]) + x\noutput h"),
        Case("from the right", ["K": 2], "input x: [K]\ninput a, b: [K] once\nstate h: [K] = [a, b]\nh = 0.5 * h[t+1] - 0.3 * h[t+2] + x\noutput h"),
        Case("of the whole sequence", ["K": 2], "input x: [K]\nstate h: [K] = [mean[t](x), last[t](x)]\nh = 0.5 * h[t-1] - 0.3 * h[t-2] + x\noutput h"),
        Case("an int and a map", "input x: real\nstate n: int = [3, 7]\nstate b: real = [1, 4]\nn = n[t-1] + n[t-2]\nb = 2 * x\noutput y = b[t-2] + b[t-1]\noutput m = mod(n, 13)"),
        Case("of a matrix", ["K": 2, "V": 3], "input k: [K]\ninput v: [V]\nparam A: [K, V]\nstate S: [K, V] = [A, 1]\nS = 0.5 * S[t-1] + 0.2 * S[t-2] + outer(k, v)\noutput S"),
    ]

    @Test(arguments: starts) func start(_ item: Case) throws { try EveryForm(item.source, dims: item.dims).expectAgreement() }

    // MARK: By hand

    private func run(_ source: String, _ inputs: [String: Tensor], dims: [String: Int] = [:], lengths: [Int]? = nil, on engine: Engine) throws -> ModelResults {
        let program = Program(text: source)
        try #require(!program.hasErrors, "\(program.diagnostics.map(\.message))")
        return try Model(program, dims: dims).run(ModelData(inputs: inputs, lengths: lengths), on: engine)
    }

    @Test(arguments: [Engine.interpreter, .compiled(.f64), .compiled(.f32)]) func numbersOfSteps(engine: Engine) throws {
        let source = "model M {\n input x: real\n output n = t\n output f = t.first\n output l = t.last\n output m = last[t](t) + 1\n output y = n[t-1] + x\n}\n"
        let got = try run(source, ["x": Tensor([Double](repeating: 0, count: 10), shape: [2, 5])], lengths: [5, 2], on: engine)
        #expect(try got["n"].ints() == [0, 1, 2, 3, 4, 0, 1, 0, 0, 0])
        #expect(try got["f"].doubles() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0])
        #expect(try got["l"].doubles() == [0, 0, 0, 0, 1, 0, 1, 0, 0, 0])
        #expect(try got["m"].ints() == [5, 2])
        #expect(try got["y"].doubles() == [0, 0, 1, 2, 3, 0, 0, 0, 0, 0])
        #expect(got.finalStates.map(\.name) == ["t"])
        #expect(got.finalStates[0].tensor.ints() == [5, 2])
    }

    @Test(arguments: [Engine.interpreter, .compiled(.f64)]) func stepsOfTwoAxes(engine: Engine) throws {
        let source = "model M over (i, j) {\n input x: real\n state h: real\n h = h[i-1, j] + h[i, j-1] + (if i.first and j.first then 1 else 0)\n output h\n output n = 10 * i + j\n output l = i.last and j.last\n output y = x\n}\n"
        let got = try run(source, ["x": Tensor([Double](repeating: 0, count: 6), shape: [1, 2, 3])], on: engine)
        #expect(try got["h"].doubles() == [1, 1, 1, 1, 2, 3])
        #expect(try got["n"].ints() == [0, 1, 2, 10, 11, 12])
        #expect(try got["l"].doubles() == [0, 0, 0, 0, 0, 1])
    }

    /// Before the first step stand the values of the list, the latest one first.
    @Test(arguments: [Engine.interpreter, .compiled(.f64)]) func listsOfInitialValues(engine: Engine) throws {
        let source = "model M {\n input x: real\n input a, b, c: real once\n state h: real = [a, b, c]\n h = h[t-1] - 2 * h[t-3] + x\n output h\n output far = h[t-5]\n}\n"
        let x = [1.0, -2, 0.5, 3, 1, 1, 2, 0]
        let (a, b, c) = (0.25, 4.0, -3.0)
        var past = [c, c, c, b, a]
        var (expected, far) = ([Double](), [Double]())
        for value in x {
            let k = past.count
            far.append(past[k - 5])
            past.append(past[k - 1] - 2 * past[k - 3] + value)
            expected.append(past[k])
        }
        func once(_ number: Double) -> Tensor { Tensor([number], shape: [1]) }
        let got = try run(source, ["x": Tensor(x, shape: [1, 8]), "a": once(a), "b": once(b), "c": once(c)], on: engine)
        #expect(try got["h"].doubles() == expected)
        #expect(try got["far"].doubles() == far)
    }

    // MARK: In reverse

    static let cell = """
        model Cell(K) {
          input x: [K]
          input h0: [K] once = 0.5
          param U: [K, K]
          state h: [K] = [h0, 2]
          h = tanh(U @ h[t-1] + 0.3 * h[t-2] + x - 0.1 * x[t-1] + (if t.first then 1 else 0.01 * t))
          output h
          output y = first[t](x) - 2 * last[t](h) + mean[t](x)
        }

        """

    /// The same run over sequences that are turned round by hand, each within its own length.
    @Test(arguments: [Engine.interpreter, .compiled(.f64)]) func aReversedLayerIsTheLayerOfTheReversedSequence(engine: Engine) throws {
        let source = Self.cell + "model M(K) {\n  input x: [K]\n  layer c = WAY\n  r = c(x)\n  output h = r.h\n  output y = r.y\n}\n"
        let (lengths, most, width) = ([4, 6, 1, 0], 6, 2)
        let x = (0..<lengths.count * most * width).map { sin(Double(3 * $0 + 1)) }
        func turned(_ numbers: [Double]) -> [Double] {
            var result = [Double](repeating: 0, count: numbers.count)
            for (sequence, length) in lengths.enumerated() {
                for step in 0..<length {
                    for k in 0..<width {
                        result[(sequence * most + step) * width + k] = numbers[(sequence * most + length - 1 - step) * width + k]
                    }
                }
            }
            return result
        }
        func results(_ way: String, _ x: [Double]) throws -> ModelResults {
            let model = try Model(Program(text: source.replacing("WAY", with: way)), dims: ["K": width])
            let data = ModelData(
                inputs: ["x": Tensor(x, shape: [lengths.count, most, width])], parameters: ["c.U": Tensor([0.5, -0.2, 0.3, 0.4], shape: [2, 2])],
                lengths: lengths)
            return try model.run(data, on: engine)
        }
        let (forwards, backwards) = (try results("Cell(K)", turned(x)), try results("reverse(Cell(K))", x))
        #expect(zip(turned(try forwards["h"].doubles()), try backwards["h"].doubles()).allSatisfy { abs($0 - $1) < 1e-14 })
        // The mean of no steps is no number.
        #expect(zip(try forwards["y"].doubles(), try backwards["y"].doubles()).allSatisfy { abs($0 - $1) < 1e-14 || $0.isNaN && $1.isNaN })
        #expect(relativeError(forwards.finalStates[0].tensor, backwards.finalStates[0].tensor) < 1e-14)
    }

    static let bodies = [
        "layer b = reverse(Cell(K))\n  output y = b(x).h",
        "layer f = Cell(K)\n  layer b = reverse(Cell(K))\n  output y = f(x).h + b(x).h",
        "layer b = reverse(repeat(2, Block(K)))\n  output y = b(x)",
        "layer b = reverse(Inner(K))\n  output y = b(x)",
        "layer b = reverse(Mean(K))\n  output y = b(x)",
        "layer f = reverse(Inner(K))\n  layer g = repeat(2, Inner(K))\n  output y = g(f(x))",
    ]

    @Test(arguments: bodies) func reversedLayersInEveryForm(body: String) throws {
        let source = Self.cell + """
            model Block(K) {
              input x: [K]
              param a: [K]
              state h: [K]
              h = sigmoid(a) * h[t-1] + x
              output h
            }
            model Inner(K) {
              input x: [K]
              layer f = Block(K)
              layer b = reverse(Block(K))
              output y = f(x) - 0.5 * b(x)
            }
            model Mean(K) {
              input x: [K]
              output y = mean[3](x[t-2:t+1]) - 0.5 * x[t-4:t-2][0]
            }
            model M(K) {
              input x: [K]
              \(body)
            }

            """
        try EveryForm(source, dims: ["K": 3], main: "M").expectAgreement()
    }

    @Test func twiceReversedIsForwards() throws {
        func source(_ way: String) -> String {
            Self.cell + "model Turned(K) {\n input x: [K]\n layer c = reverse(Cell(K))\n r = c(x)\n output h = r.h\n}\nmodel M(K) {\n input x: [K]\n layer c = \(way)\n output y = c(x).h\n}\n"
        }
        let x = Tensor((0..<14).map { cos(Double($0)) }, shape: [1, 7, 2])
        let matrix = Tensor([0.5, -0.2, 0.3, 0.4], shape: [2, 2])
        let twice = try Model(Program(text: source("reverse(Turned(K))")), named: "M", dims: ["K": 2])
            .run(ModelData(inputs: ["x": x], parameters: ["c.c.U": matrix]), on: .interpreter)
        let once = try Model(Program(text: source("Cell(K)")), named: "M", dims: ["K": 2])
            .run(ModelData(inputs: ["x": x], parameters: ["c.U": matrix]), on: .interpreter)
        #expect(relativeError(try twice["y"], try once["y"]) == 0)
    }

    @Test func oneOfTwoAxesIsTurned() throws {
        let source = """
            model Cell over (i, j) {
              input x: real
              state h: real
              h = 0.5 * h[i-1, j] + 0.25 * h[i, j-1] + x * (i + 1)
              output h
            }
            model M over (i, j) {
              input x: real
              layer c = reverse[j](Cell)
              output y = c(x)
            }
            """
        let x = [1.0, 2, 3, 4, 5, 6]
        for engine in [Engine.interpreter, .compiled(.f64)] {
            let got = try run(source, ["x": Tensor(x, shape: [1, 2, 3])], on: engine)
            var h = [Double](repeating: 0, count: 6)
            for i in 0..<2 {
                for j in (0..<3).reversed() {
                    h[3 * i + j] = 0.5 * (i > 0 ? h[j] : 0) + 0.25 * (j < 2 ? h[3 * i + j + 1] : 0) + x[3 * i + j] * Double(i + 1)
                }
            }
            #expect(try got["y"].doubles() == h)
        }
    }

    @Test func aModelMayBeCalledReverse() throws {
        let source = "model reverse(D) {\n input x: [D]\n output y = 2 * x\n}\nmodel M(D) {\n input x: [D]\n layer a = reverse(D)\n output y = a(x)\n}\n"
        let got = try run(source, ["x": Tensor([3.0], shape: [1, 1, 1])], dims: ["D": 1], on: .interpreter)
        #expect(try got["y"].doubles() == [6])
    }

    // MARK: Mistakes

    @Test(arguments: [
        ("input x: real\noutput y = t.length", "unknown-name", "last[t](t) + 1"),
        ("input x: real\noutput y = t.next", "unknown-name", "t.first and t.last"),
        ("input x: [2]\nparam E: [9, 2]\noutput y = x + E[t]", "not-a-stream", "n = t, and E[n]"),
        ("input x: real\nstate h: real = [1, 2]\nh = h[t-1] + x\noutput h", "wrong-argument", "1 step back"),
        ("input x: [3]\nstate h: [3] = [1, 2, 3]\nh = h[t-1] + x\noutput h", "wrong-argument", "concat(1, 2, 3)"),
        ("input x: real\nstate h: real = []\nh = h[t-1] + x\noutput h", "wrong-argument", "0 before the first step"),
        ("input x: real\nstate h: real = [1, x]\nh = h[t-1] + h[t-2]\noutput h", "once-expected", "first[t](x)"),
        ("input x: [2]\nstate h: [2] = [1, t]\nh = h[t-1] + h[t-2]\noutput h", "once-expected", ""),
        ("input x: real\nstate t: real\nt = t[t-1] + x\noutput t", "duplicate-definition", ""),
    ])
    func mistakesAreTold(body: String, id: String, help: String) {
        let program = Program(text: "model M {\n\(body)\n}\n")
        #expect(program.diagnostics.first?.id.rawValue == id, "\(program.diagnostics.map(\.message))")
        #expect(help.isEmpty || program.diagnostics.first?.help?.contains(help) ?? false, "\(program.diagnostics.map(\.help))")
    }

    @Test func otherMistakesAreTold() {
        let two = Program(text: "model M over (i, j) {\n input x: real\n state h: real = [1, 2]\n h = h[i-1, j] + h[i, j-2] + x\n output h\n}\n")
        #expect(two.diagnostics.first?.id == .unsupported)
        let window = Program(text: "model M {\n input x: real\n state h: real = [1, 2]\n h = sum(h[t-3:t]) + h[t-2] + x\n output h\n}\n")
        #expect(window.diagnostics.first?.id == .unsupported)
        let axis = Program(text: "model B {\n input x: real\n output y = x\n}\nmodel M {\n input x: real\n layer b = reverse[k](B)\n output y = b(x)\n}\n")
        #expect(axis.diagnostics.first?.help == "it runs over t")
    }

    @Test func streamsRefuseWhatLooksAhead() throws {
        for body in ["output y = if t.last then x else 0", "output y = x / (last[t](t) + 1)"] {
            let model = try Model(Program(text: "model M {\n input x: real\n \(body)\n}\n"), dims: [:])
            #expect(throws: DiagnosticList.self) { _ = try model.stream() }
        }
    }
}
