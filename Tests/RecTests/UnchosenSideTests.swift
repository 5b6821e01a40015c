@testable import Rec
import RecInterpreter
import Testing

/// A program in which NaN, poles and overflows of `x` stand where a select does not choose, at steps where `m` is false.
struct UnchosenProgram {
    private var generator: SeededGenerator
    private(set) var text = ""
    let dims: [String: Int] = [:]

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        var lines = [
            "model M {", "dim J = 4", "input x, q: [4]", "input m, n: bool", "input keep: bool once", "input idx: int", "input xo: [4] once",
            "param k: [4] = normal(0.5)", "param W, U: [4, 4] = normal(0.4)", "state h: [4]",
        ]
        for number in 0..<2 { lines += statement(number) }
        lines.append(state())
        lines.append("output h")
        text = (lines + ["}"]).joined(separator: "\n") + "\n"
    }

    private mutating func pick(_ items: [String]) -> String { items[Int(generator.next() % UInt64(items.count))] }

    /// An expression `[H]` of `x` that may be anything.
    private mutating func wild(_ depth: Int, _ x: String = "x") -> String {
        if depth == 0 { return pick([x, x, "k * \(x)", "W @ \(x)", "\(x) - q"]) }
        let a = wild(depth - 1, x)
        let b = wild(depth - 1, x)
        switch generator.next() % 16 {
        case 0: return "(k / (\(a)))"
        case 1: return "(\(a)) * rsqrt(\(b))"
        case 2: return "\(pick(["log", "sqrt", "exp", "silu", "gelu", "softplus", "tanh", "sigmoid", "abs", "log1p", "expm1"]))(\(a))"
        case 3: return "exp(k * (\(a))) / (1 + exp(\(b)))"
        case 4: return "(\(a)) * norm(\(b))"
        case 5: return "softmax(\(a)) + logsumexp(\(b)) * k"
        case 6: return "k * prod(\(a))"
        case 7: return "concat((W @ (\(a)))[2:4], (\(b))[0:2])"
        case 8: return "reshape(exp(reshape(\(a), [2, 2])), [4])"
        case 9: return "W @ (\(a))"
        case 10: return "(U.T @ ((\(a)) * k)) * (\(b))"
        case 11: return "max(\(a), \(b)) * min(k, \(a))"
        case 12: return "(abs(\(a)) ^ (k + 0.5))"
        case 13: return "k * sum(outer((\(a))[0:2], q) @ (\(b)))"
        case 14: return "(if n then \(a) else log(\(b)))"
        default: return "(exp(k * (\(a))))[idx] * k"
        }
    }

    private mutating func statement(_ number: Int) -> [String] {
        let y = "output y\(number)"
        switch generator.next() % 12 {
        case 0: return ["\(y) = if m then \(wild(2)) else q"]
        case 1: return ["\(y) = if not m then k * q else \(wild(2))"]
        case 2: return ["v\(number) = \(wild(2))", "\(y) = if m[t-1] then v\(number)[t-1] else q"]
        case 3: return ["\(y) = W @ (if m then \(wild(1)) else 0 * q)"]
        case 4: return ["\(y) = \(pick(["sum", "mean", "max", "last"]))[t](if m then \(wild(1)) else k * q)"]
        case 5: return ["\(y) = if keep then \(wild(1, "xo")) * q else q"]
        case 6: return ["\(y) = if keep then sum[t](q * (\(wild(1, "xo")))) else k"]
        case 7: return ["v\(number) = \(wild(1))", "\(y) = if m then (if n then sum(v\(number)) * k else v\(number) * q) else q"]
        // What follows the mask is not chosen in turn.
        case 8: return ["v\(number) = \(wild(1))", "w\(number) = if m and n then exp(v\(number)) else v\(number)", "\(y) = if m then w\(number) else q"]
        case 9: return ["v\(number) = \(wild(1))", "\(y) = if m then v\(number)[0:2] else q[0:2]", "output z\(number) = if m and n then v\(number)[1:3] else q[1:3]"]
        case 10: return ["v\(number) = exp(k * (\(wild(0, "xo"))))", "\(y) = if keep then v\(number)[idx] * q else q"]
        default: return ["v\(number) = pad[J]((\(wild(1))) as [J], 1, 1, \(pick(["zero", "edge", "reflect"])))", "\(y) = if m then v\(number)[1:5] else q"]
        }
    }

    private mutating func state() -> String {
        switch generator.next() % 7 {
        case 0: return "h = if m then tanh(\(wild(1)) + U @ h[t-1]) else h[t-1]"
        case 1: return "h = if m then sigmoid(\(wild(1))) * h[t-1] + (\(wild(1))) else h[t-1]"
        case 2: return "h = if m then \(wild(1)) else 0.5 * h[t-1] + 0.1 * h[t-2]"
        // Until the next step with m nobody looks at the state.
        case 3: return "state g: [4]\ng = if m[t-1] then sigmoid(x) * g[t-1] + (\(wild(1))) else q\nh = if m then tanh(g * k) + 0 * h[t-1] else q"
        case 4: return "state g: [4]\ng = tanh(U @ (if m[t-1] then g[t-1] else q) + \(wild(1)))\nh = if m then g else q + 0.1 * h[t-1]"
        case 5: return "h = if m then max(h[t-1] + x, q) else h[t-1] + q"
        default: return "state g: [4]\ng = if m[t+1] then (\(wild(1))) + 0.5 * g[t+1] else q\nh = 0.5 * h[t-1] + (if m then g else q)"
        }
    }
}

@Suite struct UnchosenSideTests {
    private static let poisons = [Double.nan, .infinity, -.infinity, 0, -1, 1e4, -1e30, 1e30]

    /// Two cases that differ in what is not chosen: harmless numbers, and poison.
    private func cases(_ model: Model, seed: UInt64) -> [RandomCase] {
        let (batch, length) = (3, 70)
        var clean = RandomCase(for: model, batch: batch, length: length, lengths: seed % 2 == 0 ? nil : [70, 66, 3], seed: seed)
        // Chosen data are positive and moderate: logarithms and powers are finite there.
        for name in ["x", "xo"] {
            clean.data.inputs[name] = clean.data.inputs[name].map { Tensor($0.doubles().map { 0.3 + abs($0) }, shape: $0.shape) }
        }
        var random = SeededGenerator(seed: seed, for: "poison")
        func poisoned(_ tensor: Tensor?, where mask: Tensor?) -> Tensor? {
            guard let tensor, let mask else { return nil }
            let isChosen = mask.doubles()
            let width = tensor.count / max(1, isChosen.count)
            return Tensor(tensor.doubles().enumerated().map { k, number in
                isChosen[k / width] != 0 ? number : Self.poisons[Int(random.next() % UInt64(Self.poisons.count))]
            }, shape: tensor.shape)
        }
        var wild = clean
        wild.data.inputs["x"] = poisoned(clean.data.inputs["x"], where: clean.data.inputs["m"])
        wild.data.inputs["xo"] = poisoned(clean.data.inputs["xo"], where: clean.data.inputs["keep"])
        return [clean, wild]
    }

    /// Every output, gradient and tangent is the same, bit for bit, whatever stands where nothing is chosen.
    private func expectNoPart(_ model: Model, seed: UInt64, _ what: String) throws {
        let cases = cases(model, seed: seed)
        var request = GradientRequest(of: model.graph)
        let cotangents = cases[0].cotangents.filter { !$0.key.hasPrefix("final.") }
        request.seeds = model.graph.losses.map { .loss($0.name) } + cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:))
        let gradients = try GradientModel(model, request)
        #expect(gradients.graph.violations() == [], "\(what)")
        let bound = try cases.map { try gradients.bind($0.data, cotangents: cotangents) }
        func compare(_ runs: [GradientResults], _ engine: String) {
            let numbers = runs.map { run in (run.gradients + run.results.outputs).map { $0.tensor.doubles() } }
            let names = (runs[0].gradients + runs[0].results.outputs).map(\.name)
            for (k, name) in names.enumerated() {
                let isSame = numbers[0][k].elementsEqual(numbers[1][k]) { $0 == $1 || $0.isNaN && $1.isNaN }
                #expect(isSame, "\(name) differs, \(engine): \(what)")
            }
        }
        compare(try cases.map { try gradients.run($0.data, cotangents: cotangents, on: .interpreter) }, "interpreter")
        // A scan multiplies what a step has let go of by 0, so that a NaN there stays.
        let scans = PlanForms(gradients).all(as: .scan).filter { $0.key != "g" }
        for (precision, forms) in [(Precision.f64, [:]), (.f32, [:]), (.f64, scans)] as [(Precision, [String: PlanForm])] {
            let code = try gradients.compile(precision, forcing: forms)
            for threads in [1, 2] {
                let runs = try bound.map {
                    try gradients.run($0, on: CompiledModel(code, parameters: $0.parameters), pool: ThreadPool(count: threads, leastWork: 0))
                }
                compare(runs, "\(precision), \(threads) threads, scans \(forms.keys.sorted())")
            }
        }
        let graph = try tangent(of: model.graph, along: request.targets)
        let tangents = try cases.map { item -> [[Double]] in
            var data = item.data
            for target in request.targets {
                switch target {
                case .parameter(let path):
                    data.parameters["tangent.\(path)"] = item.data.parameters[path].map { Tensor($0.doubles().map { _ in 0.7 }, shape: $0.shape) }
                case .input(let name):
                    data.inputs["tangent.\(name)"] = item.data.inputs[name].map { Tensor($0.doubles().map { _ in 0.7 }, shape: $0.shape) }
                case .initialState: continue
                }
            }
            return Interpreter(graph).run(try BoundData(data, for: graph)).outputs.map { $0.tensor.doubles() }
        }
        for (k, output) in graph.outputs.enumerated() {
            let isSame = tangents[0][k].elementsEqual(tangents[1][k]) { $0 == $1 || $0.isNaN && $1.isNaN }
            #expect(isSame, "\(output.name) differs: \(what)")
        }
    }

    @Test(arguments: 0..<48 as Range<UInt64>)
    func whatIsNotChosenHasNoPart(seed: UInt64) throws {
        let program = UnchosenProgram(seed: seed)
        let parsed = Program(text: program.text)
        let problems = parsed.diagnostics.filter { $0.severity == .error }.map(\.message)
        #expect(problems == [], "seed \(seed)\n\(program.text)")
        try expectNoPart(Model(parsed, dims: program.dims), seed: seed, "seed \(seed)\n\(program.text)")
    }

    private func gradients(_ text: String, _ data: ModelData, _ engine: Engine) throws -> GradientResults {
        let model = try Model(Program(text: text))
        let cotangents = Dictionary(uniqueKeysWithValues: model.graph.outputs.map { output -> (String, Tensor) in
            let steps = data.inputs["x"]?.shape[1] ?? 1
            let isStream = model.graph[output.value].variance.isStream
            return (output.name, Tensor([Double](repeating: 1, count: isStream ? steps : 1), shape: isStream ? [1, steps] : [1]))
        })
        return try model.gradients(data, cotangents: cotangents, on: engine)
    }

    private func expect(
        _ text: String, _ inputs: [String: [Double]], _ parameters: [String: Double], _ expected: [String: [Double]],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var data = ModelData(inputs: inputs.mapValues { Tensor($0, shape: [1, $0.count]) })
        data.parameters = parameters.mapValues { Tensor([$0], shape: []) }
        for engine in [Engine.interpreter, .compiled(.f64), .compiled(.f32)] {
            let results = try gradients(text, data, engine)
            for (name, numbers) in expected {
                let got = try results[name].doubles()
                let isSame = got.count == numbers.count && zip(got, numbers).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN || abs($0 - $1) <= 1e-6 * abs($1) }
                #expect(isSame, "\(engine.name) \(name): \(got), not \(numbers)", sourceLocation: sourceLocation)
            }
        }
    }

    private static let nan = Double.nan

    @Test func missingDataArePassedOver() throws {
        try expect(
            "model M {\n input x: real\n param k: real\n output y = if x == x then k * x else 0\n}\n", ["x": [1, Self.nan, 3]], ["k": 2],
            ["k": [4], "x": [2, 0, 2]])
    }

    @Test func polesSeenThroughDelaysHaveNoPart() throws {
        try expect(
            "model M {\n input x: real\n param k: real\n r = 1 / x\n output y = if x[t-1] == 0 then 0 else k * r[t-1]\n}\n",
            ["x": [0, 2, 0, 4, 0]], ["k": 3], ["k": [0.75], "x": [0, -0.75, 0, -0.1875, 0]])
    }

    @Test func overflowsThatAreNotChosenHaveNoPart() throws {
        let text = "model M {\n input x: real\n param k: real\n output y = if x > 50 then 1 else k * exp(x)\n}\n"
        try expect(text, ["x": [0, 1000]], ["k": 2], ["k": [1], "x": [2, 0]])
        // min, max and relu choose as well.
        try expect("model M {\n input x: real\n param k: real\n output y = min(k * exp(x), 10)\n}\n", ["x": [0, 1000]], ["k": 2], ["k": [1], "x": [2, 0]])
        try expect("model M {\n input x: real\n param k: real\n output y = max(10, 0 - k * exp(x))\n}\n", ["x": [1000]], ["k": 2], ["k": [0], "x": [0]])
        try expect("model M {\n input x: real\n param k: real\n output y = relu(-k * exp(x))\n}\n", ["x": [1000]], ["k": 2], ["k": [0], "x": [0]])
    }

    /// A state that is NaN from some step on, which nobody looks at any more.
    @Test func aTailThatIsMaskedHasNoPart() throws {
        let text = """
            model M {
              input x, m: real
              param a, k: real
              state h: real
              h = a * h[t-1] + k * x
              output y = if m > 0 then h else 0
            }
            """
        try expect(text, ["x": [1, 2, Self.nan, 4], "m": [1, 1, 0, 0]], ["a": 0.5, "k": 2], ["k": [3.5], "a": [2], "x": [3, 2, 0, 0]])
    }

    /// What is chosen and NaN stays NaN.
    @Test func nothingThatIsChosenIsHidden() throws {
        try expect(
            "model M {\n input x: real\n param k: real\n output y = if x == x then k * x else k * x\n}\n", ["x": [1, Self.nan]], ["k": 2],
            ["k": [Self.nan], "x": [2, 2]])
        try expect(
            "model M {\n input x, m: real\n param k: real\n output y = if m > 0 then k * x else 0\n}\n",
            ["x": [1, Self.nan], "m": [1, 1]], ["k": 2], ["k": [Self.nan], "x": [2, 2]])
    }

    /// What both sides of a select use, and programs without selects, take no tests.
    @Test func testsStandOnlyWhereSomethingMayNotBeChosen() throws {
        func selects(_ equations: String) throws -> Int {
            let model = try Model(Program(text: "model M(H) {\n input x: [H]\n input m: bool\n param W: [H, H]\n state h: [H]\n \(equations)\n output h\n}\n"), dims: ["H": 3])
            return try GradientModel(model).graph.values.count { if case .select = $0.operation { true } else { false } }
        }
        #expect(try selects("h = tanh(W @ x + 0.5 * h[t-1])") == 0)
        // The select itself, and its two shares.
        #expect(try selects("z = W @ x + h[t-1]\n h = if z > 0 then z else 0.1 * z") == 3)
        #expect(try selects("h = if m then x else 0.5 * h[t-1]") == 3)
    }
}
