import Rec
import Testing

/// Quotients and magnitudes of complex numbers, over the whole range of a precision.
@Suite struct ComplexQuotientTests {
    private static let text = "model M { input z, w: complex\n output q = z / w\n output r = 1 / w\n output size = abs(z) }"

    private static func pairs(_ numbers: [(Double, Double)]) -> Tensor {
        Tensor(numbers.flatMap { [$0.0, $0.1] }, shape: [1, numbers.count, 2])
    }

    private func numbers(_ results: ModelResults, _ name: String) throws -> [Double] {
        try #require(results.outputs.first { $0.name == name }).tensor.doubles()
    }

    /// A quotient of numbers times powers of two is that quotient times a power of two; so are its slopes.
    @Test func scalesComeOutAgain() throws {
        let model = try Model(Program(text: Self.text))
        var request = GradientRequest(of: model.graph)
        request.seeds = [GradientRequest.Seed(cotangent: "q")]
        let gradients = try GradientModel(model, request)
        let cases: [(z: (Double, Double), w: (Double, Double), q: (Double, Double))] = [
            ((3, 4), (1, 2), (2.2, -0.4)), ((1, 0), (1, 1), (0.5, -0.5)), ((1.75, 1.5), (1.75, 1.5), (1, 0)), ((0, -1.5), (-1.25, 0), (0, 1.2)),
        ]
        for (engine, limit, tolerance) in [(Engine.interpreter, 1020, 1e-15), (.compiled(.f64), 1020, 2e-15), (.compiled(.f32), 124, 1e-6)] {
            for scale in [-limit - 20, -limit, -limit / 2, -30, 0, 30, limit / 2, limit] {
                for other in [-limit - 20, -limit, -limit / 2, -30, 0, 30, limit / 2, limit] {
                    // Results beyond the normal numbers have fewer digits, or none.
                    guard abs(scale - other) < limit - 2, scale > -limit - 20 || other < limit / 2 else { continue }
                    func scaled(_ x: (Double, Double), _ power: Int) -> (Double, Double) {
                        (x.0 * Double(sign: .plus, exponent: power, significand: 1), x.1 * Double(sign: .plus, exponent: power, significand: 1))
                    }
                    let z = cases.map { scaled($0.z, scale) }
                    let w = cases.map { scaled($0.w, other) }
                    let data = ModelData(inputs: ["z": Self.pairs(z), "w": Self.pairs(w)])
                    let q = try numbers(try model.run(data, on: engine), "q")
                    let slopes = try gradients.run(
                        data, cotangents: ["q": Self.pairs(cases.map { _ in (1, 0) })], on: engine)
                    let zSlopes = try slopes["z"].doubles()
                    for (k, item) in cases.enumerated() {
                        let want = scaled(item.q, scale - other)
                        let size = max(abs(want.0), abs(want.1))
                        #expect(
                            abs(q[2 * k] - want.0) <= tolerance * size && abs(q[2 * k + 1] - want.1) <= tolerance * size,
                            "\(z[k]) / \(w[k]) = \(q[2 * k]), \(q[2 * k + 1]), not \(want), on \(engine)")
                        // ∂ re(z / w) / ∂ z = conj(1 / w)
                        guard abs(other) < limit else { continue }
                        let square = item.w.0 * item.w.0 + item.w.1 * item.w.1
                        let slope = scaled((item.w.0 / square, item.w.1 / square), -other)
                        let most = max(abs(slope.0), abs(slope.1))
                        #expect(
                            abs(zSlopes[2 * k] - slope.0) <= 4 * tolerance * most && abs(zSlopes[2 * k + 1] - slope.1) <= 4 * tolerance * most,
                            "slope of \(z[k]) / \(w[k]): \(zSlopes[2 * k]), \(zSlopes[2 * k + 1]), not \(slope), on \(engine)")
                    }
                }
            }
        }
    }

    /// Slopes in `w` are finite where they are.
    @Test func slopesOfDivisorsDoNotOverflow() throws {
        let model = try Model(Program(text: "model M { input z, w: complex\n output q = z / w }"))
        var request = GradientRequest(of: model.graph)
        request.seeds = [GradientRequest.Seed(cotangent: "q")]
        let gradients = try GradientModel(model, request)
        for (engine, power, tolerance) in [(Engine.interpreter, 600, 1e-14), (.compiled(.f64), 600, 1e-14), (.compiled(.f32), 70, 1e-5)] {
            for sign in [1, -1] {
                let scale = Double(sign: .plus, exponent: sign * power, significand: 1)
                // −z / w² = −(1 + i)² / (2 + i)² / (1 + i) … with z = w · (0.6 + 0.2i)
                let data = ModelData(inputs: ["z": Self.pairs([(scale, scale)]), "w": Self.pairs([(2 * scale, scale)])])
                let slopes = try gradients.run(data, cotangents: ["q": Self.pairs([(1, 0)])], on: engine)
                let got = try slopes["w"].doubles().map { $0 * scale }
                // q = 0.6 + 0.2i, 1 / w = 0.4 − 0.2i: −q / w = −0.28 + 0.04i; its conjugate.
                #expect(abs(got[0] + 0.28) < tolerance && abs(got[1] + 0.04) < tolerance, "\(got) on \(engine) at \(sign * power)")
            }
        }
    }

    /// Zeros, infinities and NaN count as in Annex G of the C standard.
    @Test func specialNumbers() throws {
        let (inf, nan) = (Double.infinity, Double.nan)
        let parts = [0, -0.0, 1, -2.5, 0x1p-1063, 1e300, 1.5e308, inf, -inf, nan]
        var (z, w): ([(Double, Double)], [(Double, Double)]) = ([], [])
        for a in parts { for b in parts { for c in parts { for d in parts { z.append((a, b)); w.append((c, d)) } } } }
        let model = try Model(Program(text: Self.text))
        for precision in [Precision.f64, .f32] {
            func rounded(_ x: (Double, Double)) -> (Double, Double) {
                (NumberConventionTests.rounded(x.0, precision), NumberConventionTests.rounded(x.1, precision))
            }
            let data = ModelData(inputs: ["z": Self.pairs(z.map(rounded)), "w": Self.pairs(w.map(rounded))])
            let expected = try model.run(data, on: .interpreter)
            let got = try model.run(data, on: .compiled(precision))
            for name in ["q", "r", "size"] {
                let (x, y) = (try numbers(got, name), try numbers(expected, name))
                for k in x.indices {
                    let parts = name == "size" ? 1 : 2
                    // A part far below the other may lose its digits.
                    let other = parts == 2 ? NumberConventionTests.rounded(y[k ^ 1], precision) : 0
                    let isLost = other.isInfinite && x[k].isFinite && y[k].isFinite || other.isFinite && abs(x[k] - NumberConventionTests.rounded(y[k], precision)) <= 1e-6 * abs(other)
                    #expect(
                        isLost || NumberConventionTests.isSame(x[k], y[k], precision, units: 8),
                        "\(name) of \(z[k / parts]), \(w[k / parts]) is \(x[k]) in \(precision), \(y[k]) in the interpreter")
                }
            }
        }
        func value(_ z: (Double, Double), _ w: (Double, Double)) throws -> [Double] {
            try numbers(try model.run(ModelData(inputs: ["z": Self.pairs([z]), "w": Self.pairs([w])]), on: .interpreter), "q")
        }
        #expect(try value((1, 1), (0, 0)) == [inf, inf])
        #expect(try value((-1, 2), (-0.0, 0)) == [inf, -inf])
        #expect(try value((inf, nan), (1, 1)) == [inf, -inf])
        #expect(try value((1, 2), (inf, nan)) == [0, 0])
        #expect(try value((0, 0), (0, 0)).allSatisfy(\.isNaN))
        #expect(try value((inf, 1), (inf, 1)).allSatisfy(\.isNaN))
        #expect(try value((1.5e308, 1.5e308), (1.5e308, 1.5e308)) == [1, 0])
    }
}
