import Foundation
import Rec
import Testing

/// Functions at zeros of both signs, infinities, NaN and the ends of the range: compiled code gives what the C library gives.
@Suite struct SpecialValueTests {
    private static let numbers: [Double] = {
        let inf = Double.infinity
        let some = [0, 1, inf, .leastNonzeroMagnitude, 1e-20, 0.3, 2.5, 3, 6, 1e16, 1e22, 1e308]
        return some + some.map { -$0 } + [.nan]
    }()
    private static let pairs = numbers.flatMap { a in numbers.map { (a, $0) } }

    /// The outputs of a program of two streams at all pairs of these numbers.
    private func outputs(_ text: String, _ engine: Engine) throws -> [String: [Double]] {
        let model = try Model(Program(text: text), dims: [:])
        let count = Self.pairs.count
        let data = ModelData(inputs: [
            "x": Tensor(Self.pairs.map(\.0), shape: [1, count]), "y": Tensor(Self.pairs.map(\.1), shape: [1, count]),
        ])
        return Dictionary(uniqueKeysWithValues: try model.run(data, on: engine).outputs.map { ($0.name, $0.tensor.doubles()) })
    }

    private func expectSame(_ got: [Double]?, _ expected: [Double], ulps: Double, _ what: String) throws {
        let got = try #require(got)
        for (k, (a, b)) in zip(got, expected).enumerated() {
            let isSame = b.isNaN ? a.isNaN : a == b ? a.sign == b.sign : abs(a - b) <= ulps * max(abs(b).ulp, .leastNonzeroMagnitude)
            #expect(isSame, "\(what) of \(Self.pairs[k]): \(a), not \(b)")
        }
    }

    private let text = "model M { input x, y: real\n output angle = atan2(x, y)\n output rest = mod(x, y)\n output power = log2(x)\n output slope = tan(x)\n output area = erf(x)\n output bent = elu(x) + leaky_relu(x)\n output odd = real(isnan(x)) }"

    @Test(arguments: [Engine.interpreter, .compiled(.f64)]) func asTheLibrary(engine: Engine) throws {
        let got = try outputs(text, engine)
        let x = Self.pairs.map(\.0)
        try expectSame(got["angle"], Self.pairs.map { atan2($0, $1) }, ulps: 2, "atan2")
        try expectSame(got["power"], x.map { log2($0) }, ulps: 1, "log2")
        try expectSame(got["slope"], x.map { tan($0) }, ulps: 4, "tan")
        try expectSame(got["area"], x.map { erf($0) }, ulps: 4, "erf")
        try expectSame(got["odd"], x.map { $0.isNaN ? 1 : 0 }, ulps: 0, "isnan")
        try expectSame(got["bent"], x.map { $0 > 0 ? $0 + $0 : expm1($0) + 0.01 * $0 }, ulps: 2, "elu + leaky_relu")
        try expectSame(
            got["rest"],
            Self.pairs.map { a, b in
                // As Python defines it.
                let rest = fmod(a, b)
                return rest == 0 ? (b < 0 ? -0.0 : 0) : rest.isNaN || (rest < 0) == (b < 0) ? rest : rest + b
            }, ulps: 0, "mod")
    }

    @Test func powersOfTwoAreExact() throws {
        let model = try Model(Program(text: "model M { input x: real\n output y = log2(x) }"), dims: [:])
        for (precision, exponents) in [(Precision.f64, -1074...1023), (.f32, -149...127)] {
            let data = ModelData(inputs: ["x": Tensor(exponents.map { scalbn(1, $0) }, shape: [1, exponents.count])])
            #expect(try model.run(data, on: .compiled(precision)).outputs[0].tensor.doubles() == exponents.map(Double.init))
        }
    }

    /// A remainder by 0, and of the least int by −1, would trap.
    @Test func remaindersOfInts() throws {
        let model = try Model(Program(text: "model M { input n, m: int\n output r = mod(n, m)\n output k = argmin([n, m]) }"), dims: [:])
        let (n, m) = ([7, -7, 7, -7, 5, 0, Int.min, Int.min, 9], [3, 3, -3, -3, 0, 0, -1, 0, 1])
        let data = ModelData(inputs: ["n": Tensor(n, shape: [1, n.count]), "m": Tensor(m, shape: [1, n.count])])
        for engine in [Engine.interpreter, .compiled(.f64), .compiled(.f32)] {
            #expect(try model.run(data, on: engine).outputs[0].tensor.doubles() == [1, 2, -2, -1, 0, 0, 0, 0, 0], "\(engine)")
        }
    }
}
