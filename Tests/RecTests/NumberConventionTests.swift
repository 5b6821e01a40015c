import Rec
import Testing

/// Zeros of both signs, infinities, NaN, subnormals, what is huge and what is tiny: every engine has one convention
/// (`docs/numbers.md`), in vectors and in scalars, whatever the number of elements.
@Suite struct NumberConventionTests {
    /// In f32 some of these become infinite or 0; the interpreter then gets what they have become.
    static let grid: [Double] = [
        0, -0.0, .infinity, -.infinity, .nan, 1, -1, 0.5, -0.5, 2, -2.5, 3, 7.3, 1e-3, -1e-3, 20, -20, 80, -80, 700, -700, 1e30, -1e30,
        1e300, -1e300, 0x1p-1074, -0x1p-1074, 0x1.8p-1030, 1e-40, -1e-40, 3e-39, 1.17549435e-38, 2.2250738585072014e-308, 3.4e38, 1e18, 1e19, -1e19,
        9.2e18, -9.2e18, 1e-20, 0x1p63, -0x1p63, 0x1p62, 2147483647, 4503599627370497.5, 0.9999999, 123456.789,
    ]
    static let extents = [1, 5, 16, 33]

    /// As the precision holds it.
    static func rounded(_ x: Double, _ precision: Precision) -> Double { precision == .f32 ? Double(Float(x)) : x }

    /// Whether a result is the expected number: of NaN, infinities and zeros the very same, else within so many units in the last
    /// place of the precision.
    static func isSame(_ got: Double, _ expected: Double, _ precision: Precision, units: Double) -> Bool {
        let wanted = rounded(expected, precision)
        if wanted.isNaN || got.isNaN { return wanted.isNaN && got.isNaN }
        if got == wanted { return got != 0 || got.sign == wanted.sign }
        guard wanted.isFinite, got.isFinite else { return false }
        let unit = precision == .f32 ? Double(Float(wanted).ulp) : wanted.ulp
        return abs(got - wanted) <= units * unit && (got.sign == wanted.sign || got == 0 || wanted == 0)
    }

    /// Runs a model in every engine, on what each precision makes of the data, and compares each element of each output.
    static func compare(
        _ text: String, dims: [String: Int] = [:], _ inputs: [String: (shape: [Int], numbers: [Double])], units: (f64: Double, f32: Double),
        forcing forms: [String: PlanForm] = [:], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try compare(model(text, dims), text, inputs, units: units, forcing: forms, sourceLocation: sourceLocation)
    }

    static func model(_ text: String, _ dims: [String: Int]) throws -> Model {
        let program = Program(text: text)
        try #require(program.diagnostics.allSatisfy { $0.severity != .error }, "\(program.diagnostics.map(\.message)) in \(text)")
        return try Model(program, dims: dims)
    }

    /// The same for a model that several data are for, whose code is compiled once.
    private static func compare(
        _ model: Model, _ text: String, _ inputs: [String: (shape: [Int], numbers: [Double])], units: (f64: Double, f32: Double),
        forcing forms: [String: PlanForm] = [:], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (precision, units) in [(Precision.f64, units.f64), (.f32, units.f32)] {
            let data = ModelData(
                inputs: inputs.mapValues { Tensor($0.numbers.map { rounded($0, precision) }, shape: $0.shape) },
                parameters: model.initialParameters(seed: 1))
            let expected = try model.run(data, on: .interpreter)
            let got = try model.run(data, on: .compiled(precision), threads: 2, forcing: forms)
            for (a, b) in zip(got.outputs + got.finalStates, expected.outputs + expected.finalStates) {
                for (k, (x, y)) in zip(a.tensor.doubles(), b.tensor.doubles()).enumerated() {
                    #expect(
                        isSame(x, y, precision, units: units),
                        "\(a.name) at \(k) is \(x) in \(precision), \(y) in the interpreter: \(text) \(model.dims) \(forms)",
                        sourceLocation: sourceLocation)
                }
            }
        }
    }

    /// The grid once, or several times, in rows of `width`.
    private static func rows(_ numbers: [Double], width: Int) -> (shape: [Int], numbers: [Double]) {
        let count = (numbers.count + width - 1) / width
        return ([1, count, width], (0..<count * width).map { numbers[$0 % numbers.count] })
    }

    private static let elementwise = [
        "-x", "abs(x)", "sign(x)", "floor(x)", "relu(x)", "step(x)", "sqrt(x)", "x^2", "x^3", "x^-1", "1 / x", "0.0 - x", "x + 0.0",
        "x + -0.0", "x * 1", "x * 0.0", "x * -1", "x - x", "x / x", "x * 2 - x", "clamp(x, -1, 1)", "clamp(x, 0.0, inf)", "max(x, 0)", "min(x, -0.0)",
        "real(int(x))", "real(int(x) + 1)", "real(int(x) * 3)", "real(abs(int(x)))", "real(-int(x))", "real(int(x) - 9223372036854775807)",
        "real(sign(int(x)))", "real(max(int(x), 3))", "real(min(int(x), -3))", "if x > 0 then 1 else 0", "if x <= 0.0 then 1 else 0", "if x == x then 1 else 0",
        "if x != -0.0 then 1 else 0", "if x >= inf then x else -0.0", "if not (x < 0) then 1 else 0", "real(int(x > 0))",
    ]
    private static let functions = [
        "exp(x)", "log(x)", "log1p(x)", "expm1(x)", "rsqrt(x)", "sin(x)", "cos(x)", "tanh(x)", "sigmoid(x)", "logsigmoid(x)",
        "gelu(x)", "silu(x)", "softplus(x)", "x^0.5", "x^-0.5", "x^1.5", "logaddexp(x, 0)", "logaddexp(x, x)", "abs(complex(x, 1))",
    ]

    @Test(arguments: extents)
    func functionsOfOneNumber(width: Int) throws {
        for (list, units) in [(Self.elementwise, (f64: 0.0, f32: 0.0)), (Self.functions, (f64: 1e4, f32: 3.0))] {
            let outputs = list.enumerated().map { "output y\($0.offset) = \($0.element)" }
            try Self.compare("model M(N) { input x: [N]\n \(outputs.joined(separator: "\n ")) }", dims: ["N": width],
                ["x": Self.rows(Self.grid, width: width)], units: units)
            guard width == 1 else { continue }
            try Self.compare("model M { input x: real\n \(outputs.joined(separator: "\n ")) }", ["x": ([1, Self.grid.count], Self.grid)], units: units)
        }
    }

    private static let pairs: [(Double, Double)] = grid.flatMap { a in grid.map { (a, $0) } }

    @Test(arguments: extents)
    func functionsOfTwoNumbers(width: Int) throws {
        let exact = [
            "a + b", "a - b", "a * b", "a / b", "min(a, b)", "max(a, b)", "if a < b then 1 else 0", "if a <= b then 1 else 0", "if a == b then 1 else 0",
            "if a != b then 1 else 0", "if a >= b then 1 else 0", "if a > b then 1 else 0", "real(int(a) + int(b))", "real(int(a) - int(b))",
            "real(int(a) * int(b))", "real(max(int(a), int(b)))", "if int(a) < int(b) then 1 else 0", "if int(a) == int(b) then 1 else 0",
            "if a > 0 and b > 0 then a else b", "if a > 0 or not (b > 0) then a else b",
        ]
        let close = ["logaddexp(a, b)", "a ^ b"]
        for (list, units) in [(exact, (f64: 0.0, f32: 0.0)), (close, (f64: 1e4, f32: 3.0))] {
            let outputs = list.enumerated().map { "output y\($0.offset) = \($0.element)" }
            try Self.compare(
                "model M(N) { input a, b: [N]\n \(outputs.joined(separator: "\n ")) }", dims: ["N": width],
                ["a": Self.rows(Self.pairs.map(\.0), width: width), "b": Self.rows(Self.pairs.map(\.1), width: width)], units: units)
        }
    }

    /// Rows of small integers, which every order adds up alike, with special values among them.
    private static func sparse(_ width: Int, _ special: [Double]) -> (shape: [Int], numbers: [Double]) {
        var generator = SeededGenerator(seed: UInt64(width))
        let count = 64
        return (
            [1, count, width],
            (0..<count * width).map { _ in
                let roll = Int(generator.next() % UInt64(2 * width + 2))
                return roll < special.count ? special[roll] : Double(Int(generator.next() % 9)) - 4
            }
        )
    }

    @Test(arguments: extents)
    func reductions(width: Int) throws {
        let specials: [[Double]] = [[.nan], [.infinity, -.infinity], [-0.0, 0], [.nan, .infinity, -0.0], []]
        let extremes = ["max(x)", "min(x)", "real(argmax(x))", "max[t](x)", "min[t](x)", "max(-abs(x))", "last[t](x)", "first[t](x)"]
        let sums = ["sum(x)", "sum[t](x)", "mean(x)", "prod(sign(x))", "logsumexp(x)", "softmax(x)", "mean[t](x)", "sum(x * x)"]
        func text(_ list: [String]) -> String {
            "model M(N) { input x: [N]\n \(list.enumerated().map { "output y\($0.offset) = \($0.element)" }.joined(separator: "\n ")) }"
        }
        for (list, units) in [(extremes, (f64: 0.0, f32: 0.0)), (sums, (f64: 16.0, f32: 4.0))] {
            let model = try Self.model(text(list), ["N": width])
            for special in specials { try Self.compare(model, text(list), ["x": Self.sparse(width, special)], units: units) }
        }
        // Of zeros alone, and of equal infinities.
        let all = text(extremes + ["sum(x)", "prod(x)", "logsumexp(x)", "softmax(x)"])
        let model = try Self.model(all, ["N": width])
        for numbers in [[-0.0, 0.0], [-0.0], [.infinity], [-.infinity], [.nan], [-.infinity, .nan]] {
            try Self.compare(
                model, all, ["x": ([1, 3, width], (0..<3 * width).map { numbers[$0 % numbers.count] })], units: (f64: 4, f32: 2))
        }
    }

    @Test func indicesAreClamped() throws {
        let indices: [Double] = [0, 2, 3, -1, 1e19, -1e19, .nan, .infinity, -.infinity, 1.9]
        try Self.compare(
            "model M(N) { input x: real\n input table: [N]\n output y = table[int(x)]\n output z = concat(table, table)[int(x)] }",
            dims: ["N": 3],
            ["x": ([1, indices.count], indices), "table": ([1, indices.count, 3], (0..<3 * indices.count).map { Double($0) })], units: (f64: 0, f32: 0))
    }

    // MARK: Ints

    /// Ints are of 64 bits: what overflows wraps, and every one is exact.
    @Test(arguments: extents)
    func intsWrap(width: Int) throws {
        let numbers = [0, 1, -1, 2, 3, 1 << 53, (1 << 53) + 1, 1 << 62, .max, .max - 1, .min, .min + 1, 4_611_686_018_427_387_905, 3_037_000_500]
        let program = """
            model M(N) {
              input a, b: int[N]
              output sum = a + b
              output difference = a - b
              output product = a * b
              output negative = -a
              output size = abs(a)
              output sign = sign(a)
              output least = min(a, b)
              output most = max(a, b)
              output total = sum(a)
              output all = prod(a)
              output largest = max(a)
              output place = argmax(a)
              output inner = sum(a * b)
              output isLess = a < b
              output isEqual = a == b
              output whole = sum[t](a)
              output top = max[t](a)
              output bottom = min[t](b)
              output real = real(a)
              state count: int[N]
              count = count[t-1] + a
              output count
            }
            """
        let model = try Model(Program(text: program), dims: ["N": width])
        let pairs = numbers.flatMap { a in numbers.map { (a, $0) } }
        let steps = (pairs.count + width - 1) / width
        func tensor(_ pick: ((Int, Int)) -> Int) -> Tensor {
            Tensor((0..<steps * width).map { pick(pairs[$0 % pairs.count]) }, shape: [1, steps, width])
        }
        let data = ModelData(inputs: ["a": tensor { $0.0 }, "b": tensor { $0.1 }])
        let expected = try model.run(data, on: .interpreter)
        func output(_ name: String) -> [Int]? { expected.outputs.first { $0.name == name }?.tensor.ints() }
        #expect(output("sum") == zip(tensor { $0.0 }.ints(), tensor { $0.1 }.ints()).map { $0 &+ $1 })
        #expect(output("product") == zip(tensor { $0.0 }.ints(), tensor { $0.1 }.ints()).map { $0 &* $1 })
        for forms: [String: PlanForm] in [[:], ["count": .scan], ["count": .sequential]] {
            let got = try model.run(data, on: .compiled(.f64), threads: 2, forcing: forms)
            for (a, b) in zip(got.outputs + got.finalStates, expected.outputs + expected.finalStates) {
                #expect(a.tensor.ints() == b.tensor.ints() && a.tensor.doubles() == b.tensor.doubles(), "\(a.name) of \(width) as \(forms)")
            }
        }
    }

    // MARK: Recurrences

    /// In every form: what a state passes on is special at some steps.
    @Test(arguments: [1, 4, 5, 16])
    func recurrencesAgree(width: Int) throws {
        let steps = [
            "s = max(s[t-1], x)", "s = max(s[t-1] + a, x)", "s = min(s[t-1] - a, x)", "s = min(s[t-1], x)", "s = logaddexp(s[t-1] + a, x)", "s = a * s[t-1] + x",
            "s = s[t-1] + x", "s = relu(s[t-1] + x)",
        ]
        let specials: [[Double]] = [[.nan], [.infinity], [-.infinity], [.infinity, -.infinity], [-0.0, 0], [-0.0]]
        let length = 200
        for step in steps {
            let text = "model M(N) { input x, a: [N]\n state s: [N]\n \(step)\n output s\n output m = max[t](s) }"
            let model = try Self.model(text, ["N": width])
            for special in specials {
                var generator = SeededGenerator(seed: 5)
                func stream(_ isRare: Bool) -> (shape: [Int], numbers: [Double]) {
                    ([1, length, width], (0..<length * width).map { _ in
                        let roll = Int(generator.next() % (isRare ? 97 : 2))
                        return roll < special.count ? special[roll] : Double(Int(generator.next() % 5)) - 2
                    })
                }
                // Zeros of both signs everywhere, other special values here and there.
                var inputs = ["x": stream(special.allSatisfy { $0 != 0 }), "a": stream(true)]
                let plain = (shape: [1, length, width], numbers: (0..<length * width).map { Double($0 % 5) - 2 })
                for form in [PlanForm.sequential, .scan] where !(form == .scan && step.contains("relu")) {
                    // Products and exponentials of whole blocks are rounded otherwise.
                    let isRounded = step.contains("logaddexp") || step.contains("*")
                    // Weights of several steps come together in a scan: infinite ones may give NaN, and the sign of a zero may differ.
                    if form == .scan, step.contains("a"), special.contains(where: { !$0.isNaN }) {
                        guard !step.contains("*") else { continue }
                        inputs["a"] = plain
                    }
                    try Self.compare(
                        model, text, inputs,
                        units: isRounded ? (f64: 1e6, f32: 1e6) : (f64: 0, f32: 0), forcing: ["s": form])
                }
            }
        }
    }

    /// Constants that differ in the sign of a zero alone are two.
    @Test func zerosKeepTheirSigns() throws {
        let text = """
            model M {
              input x: real
              state s: real = -0.0
              s = if x > 5 then s[t-1] + x else if x > 0 then 0.0 else -0.0
              output a = x / 0.0
              output b = x / (-0.0)
              output c = x / (0.0 * -1)
              output d = 1 / (0.0 - 0.0 * x)
              output e = (if x > 0 then 0.0 else -0.0) + (-0.0)
              output f = -0.0 * x + 0.0 * x
              output before = 1 / s[t-1]
              output now = 1 / s
            }
            """
        try Self.compare(text, ["x": ([1, 6], [1, -1, 0, -0.0, 3, -2])], units: (f64: 0, f32: 0), forcing: ["s": .sequential])
        let results = try Model(Program(text: text)).run(ModelData(inputs: ["x": Tensor([1, -1], shape: [1, 2])]), on: .compiled(.f32))
        func output(_ name: String) -> [Double]? { results.outputs.first { $0.name == name }?.tensor.doubles() }
        #expect(output("a") == [.infinity, -.infinity])
        #expect(output("b") == [-.infinity, .infinity])
        #expect(output("c") == [-.infinity, .infinity])
        #expect(output("before") == [-.infinity, .infinity])
    }

    /// A product that is taken from itself is one number, under whatever names: not fused in one place and rounded in another.
    @Test(arguments: extents, [PlanForm.sequential, .scan])
    func productsLessThemselvesAreZero(width: Int, form: PlanForm) throws {
        let numbers = (0..<3 * width).map { 0.1 + 0.37 * Double($0) }
        let differences = [
            "v - v", "w - w", "tanh(w - w)", "v - x * y", "v - y * x", "(v - v) + (w - w)", "v[0:1] - v[0:1]", "mean(v) * 0 + sum(w - w)", "p - p",
            "stop(v) - stop(v)", "v[t-1] - v[t-1]",
        ]
        let outputs = differences.enumerated().map { "output y\($0.offset) = \($0.element)" }.joined(separator: "\n ")
        let text = """
            model M(N) {
             input x: [N]
             input y: [N]
             state s: [N]
             v = x * y
             w = x^2
             p = x[0] * y[0]
             s = s[t-1] + (v - v)
             output s
             \(outputs)
            }
            """
        let inputs = ["x": (shape: [1, 3, width], numbers: numbers), "y": (shape: [1, 3, width], numbers: Array(numbers.reversed()))]
        try Self.compare(text, dims: ["N": width], inputs, units: (0, 0), forcing: ["s": form])
    }

    /// The slopes of largest values are those of the first NaN where there is one.
    @Test func largestValuesAgreeInGradients() throws {
        let text = "model M(N) { input x: [N]\n output a = max(x)\n output b = max[t](x)\n output c = min(x) * 0.0 + sum(x) }"
        let model = try Model(Program(text: text), dims: ["N": 5])
        let numbers: [Double] = [1, .nan, 5, .nan, 2, 3, 3, 3, 1, 2, -0.0, 0, 0, -0.0, 0, .infinity, 1, .infinity, 2, -.infinity]
        let data = ModelData(inputs: ["x": Tensor(numbers, shape: [1, 4, 5])])
        let cotangents = ["a": Tensor([1.0, 2, 3, 4], shape: [1, 4]), "b": Tensor([1.0, 10, 100, 1000, 10000], shape: [1, 5])]
        var request = GradientRequest(of: model.graph)
        request.seeds = ["a", "b"].map(GradientRequest.Seed.init(cotangent:))
        let gradients = try GradientModel(model, request)
        let expected = try gradients.run(data, cotangents: cotangents, on: .interpreter).gradients[0].tensor.doubles()
        #expect(expected[1] == 1 + 10 && expected[3] == 1000 && expected[5] == 2 && expected[15] == 1 + 4 && expected[17] == 100)
        for precision in [Precision.f64, .f32] {
            #expect(try gradients.run(data, cotangents: cotangents, on: .compiled(precision)).gradients[0].tensor.doubles() == expected)
        }
    }
}
