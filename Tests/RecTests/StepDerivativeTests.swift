import Foundation
@testable import Rec
import RecAnalysis
import TestSupport
import Testing

/// `grad(expression, by: value)` inside a step.
@Suite struct StepDerivativeTests {
    private func model(_ text: String, _ dims: [String: Int] = [:], sourceLocation: SourceLocation = #_sourceLocation) throws -> Model {
        let program = Program(text: text)
        let problems = program.diagnostics.map(\.message)
        try #require(problems == [], "\(text)", sourceLocation: sourceLocation)
        return try Model(program, dims: dims)
    }

    // MARK: Against differences within the step

    /// A scalar expression, what it is taken by, and what it is made of.
    struct Formula: Sendable, CustomTestStringConvertible {
        var expression: String
        var place = "w"
        var type = "[D]"
        var before = ""
        var testDescription: String { expression }
    }

    static let formulas: [Formula] = [
        Formula(expression: "sum((w - x)^2)"), Formula(expression: "sum(w)"), Formula(expression: "mean(3 * w)"), Formula(expression: "w @ x + w @ w"),
        Formula(expression: "sum((M @ w - y)^2)"), Formula(expression: "sum((w @ k - y)^2)", type: "[H, K]"),
        Formula(expression: "sum((k @ w - y)^2)", type: "[K, H]"), Formula(expression: "sum(w @ (w.T @ y))", type: "[H, K]"),
        Formula(expression: "sum(tanh(w) * x)"), Formula(expression: "sum(exp(-w * w))"), Formula(expression: "norm(w) * norm(w - x)"),
        Formula(expression: "prod(w) + max(w) - min(w) + logsumexp(w)"), Formula(expression: "sum(softmax(w) * x)"),
        Formula(expression: "sum(if x > 0 then w^3 else x / (1 + w^2))"), Formula(expression: "sum(layernorm(w) * x)"),
        Formula(expression: "sum(rmsnorm[D](w * x) ^ 2 * x)"), Formula(expression: "sum(M @ relu(w + x))"), Formula(expression: "var(w) / (1 + mean(w^2))"),
        Formula(expression: "sum(concat(w, 2 * w[0:2])^3)"), Formula(expression: "sum(reshape(outer(w, k), [K, D]) @ x)^2"),
        Formula(expression: "sum(conv[D](w, outer(y, k)) ^ 2)"), Formula(expression: "sum(pad[D](w, 1, 2, reflect)^3)"),
        Formula(expression: "logaddexp(w[0], w[1]) + atan2(w[2], w[3])"), Formula(expression: "w * sin(x[0] * w)", type: "real"),
        Formula(expression: "sum(outer(w, y) ^ 2)"), Formula(expression: "crossentropy(w, n)"), Formula(expression: "sum(M[n] * w * w)"),
        Formula(expression: "sum(w[n] * k)", type: "[H, K]"), Formula(expression: "sum((w * w) as [E] * (w as [E]))"),
        Formula(expression: "abs(complex(w @ x, sum(w)))"), Formula(expression: "re(exp(complex(w[0], w[1])) * complex(0.5, -1))"),
        Formula(expression: "l", before: "v = M @ w\n  l = sum((v - y)^2)"), Formula(expression: "l", place: "p", before: "p = w * x\n  l = sum(tanh(p) * p * w)"),
        Formula(expression: "f(w, x)"), Formula(expression: "sum(g * g)", before: "g = grad(sum(w^4 * x), by: w)"),
        Formula(expression: "stop(sum(w)) * sum(w)", place: "w"), Formula(expression: "sum(sigmoid(M) @ w)"), Formula(expression: "sum(step(w) * w)"),
    ]

    private func text(_ formula: Formula) -> String {
        let isNamed = formula.place != "w"
        return """
            func f(a, b) = sum(a * tanh(b - a))
            model M(D, H, K) {
              dim E = D
              input w: \(formula.type)
              input x: [D]
              input y: [H]
              input k: [K]
              input n: int
              param M: [H, D]
              \(formula.before)
              number = \(formula.expression)
              output slope = grad(number, by: \(formula.place))
              output number
              output used = sum(x) + sum(y) + sum(k) + n + sum(M)
              \(isNamed ? "output place = \(formula.place)" : "")
            }
            """
    }

    /// Each element of `w` is moved at every step at once: a step depends on its own alone.
    @Test(arguments: formulas) func differences(formula: Formula) throws {
        guard formula.place == "w", !formula.expression.contains("stop") else { return }
        let model = try model(text(formula), ["D": 4, "H": 3, "K": 2])
        let item = RandomCase(for: model, batch: 2, length: 5, ranges: InputRanges(), seed: 5)
        let w = try #require(item.data.inputs["w"])
        let width = w.count / 10
        for engine in [Engine.interpreter, .compiled(.f64)] {
            let slope = try #require(model.run(item.data, on: engine).outputs.first { $0.name == "slope" }).tensor
            #expect(slope.shape == w.shape)
            for place in 0..<width {
                func numbers(_ distance: Double) throws -> [Double] {
                    var data = item.data
                    var moved = w.doubles()
                    for step in 0..<10 { moved[step * width + place] += distance }
                    data.inputs["w"] = Tensor(moved, shape: w.shape)
                    return try #require(model.run(data, on: .interpreter).outputs.first { $0.name == "number" }).tensor.doubles()
                }
                let (a, b, c, d) = (try numbers(-2e-4), try numbers(-1e-4), try numbers(1e-4), try numbers(2e-4))
                for step in 0..<10 {
                    let difference = (a[step] - 8 * b[step] + 8 * c[step] - d[step]) / 12e-4
                    let found = slope.doubles()[step * width + place]
                    #expect(abs(difference - found) < 1e-8 * max(1, abs(found)), "\(engine) step \(step) element \(place): \(found), by differences \(difference)")
                }
            }
        }
    }

    /// What comes out is differentiated like anything else, backwards and forwards, and in every form.
    @Test(arguments: formulas) func derivativesOfDerivatives(formula: Formula) throws {
        let model = try model(text(formula), ["D": 4, "H": 3, "K": 2])
        let item = RandomCase(for: model, batch: 2, length: 3, lengths: [3, 2], ranges: InputRanges(), seed: 5)
        if !formula.expression.contains("stop"), !formula.expression.contains("step") {
            let check = try GradientCheck(model, item)
            #expect(check.worst.map { $0.error < 1e-6 } ?? false, "\(check.rows)")
        }
        let reference = try model.run(item.data, on: .interpreter)
        let got = try model.run(item.data, on: .compiled(.f64))
        for (a, b) in zip(reference.outputs, got.outputs) { #expect(relativeError(b.tensor, a.tensor) < 1e-12, "\(a.name)") }
    }

    // MARK: Beside what one would write by hand

    /// A program with `grad`, and the same with the derivative written out.
    struct Pair: Sendable, CustomTestStringConvertible {
        var name: String
        var text: String
        /// What stands in place of each derivative.
        var byHand: [String]
        var dims: [String: Int]
        var testDescription: String { name }

        var handText: String {
            var result = text
            for term in byHand {
                guard let start = result.range(of: "grad(") else { break }
                var depth = 1
                var end = start.upperBound
                while depth > 0 {
                    if result[end] == "(" { depth += 1 } else if result[end] == ")" { depth -= 1 }
                    end = result.index(after: end)
                }
                result.replaceSubrange(start.lowerBound..<end, with: term)
            }
            return result
        }

        static func example(_ name: String, _ byHand: [String], _ dims: [String: Int]) -> Pair {
            let text = (try? String(contentsOfFile: Project.path("examples/\(name).rec"), encoding: .utf8)) ?? ""
            return Pair(name: name, text: text, byHand: byHand, dims: dims)
        }
    }

    /// Memories of matrices, which have forms in chunks.
    static let memories: [Pair] = [
        .example("ttt_linear", ["(2 * outer(W[t-1] @ k - Wv @ x, k))"], ["D": 6, "K": 4, "V": 3]),
        .example("titans", ["(2 * outer(memory[t-1] @ k - Wv @ x, k))"], ["D": 6, "K": 4, "V": 3]),
        Pair(
            name: "heads", text: """
                model Heads(N, K, V) {
                  input q, k: [N, K]
                  input v: [N, V]
                  input b: [N]
                  state S: [N, K, V]
                  S = S[t-1] - sigmoid(b) * grad(0.5 * sum((sum[K](k * S[t-1]) - v)^2), by: S[t-1])
                  output o = sum[K](q * S)
                }
                """, byHand: ["outer(k, sum[K](k * S[t-1]) - v)"], dims: ["N": 2, "K": 3, "V": 4]),
        Pair(
            name: "mean", text: """
                func error(W, k, v) = mean((W @ k - v)^2)
                model Mean(K, V) {
                  input q, k: [K]
                  input v: [V]
                  state W: [V, K]
                  W = 0.9 * W[t-1] - 0.1 * grad(error(W[t-1], k, v), by: W[t-1])
                  output o = W @ q
                }
                """, byHand: ["(2 * outer(W[t-1] @ k - v, k) / V)"], dims: ["K": 3, "V": 4]),
        Pair(
            name: "chosen", text: """
                model Chosen(K, V) {
                  input q, k: [K]
                  input v: [V]
                  input here: bool
                  state W: [V, K]
                  error = if here then sum((W[t-1] @ k - v)^2) else 0
                  W = W[t-1] - 0.1 * grad(error, by: W[t-1])
                  output o = W @ q
                }
                """, byHand: ["outer(if here then 2 * (W[t-1] @ k - v) else 0, k)"], dims: ["K": 3, "V": 4]),
        Pair(
            name: "attention", text: """
                model Attention(K, V) {
                  input q, k: [K]
                  input v: [V]
                  state W: [V, K]
                  W = W[t-1] - grad(-(v @ (W[t-1] @ k)), by: W[t-1])
                  output o = W @ q
                }
                """, byHand: ["(-outer(v, k))"], dims: ["K": 3, "V": 4]),
    ]

    private func facts(_ model: Model) -> [String] {
        recurrences(of: Pipeline.prepare(model.graph)).map { "\($0.states.joined(separator: ", ")): \($0.kind), \($0.transitionDescription)" }
    }

    private func expectSame(_ a: [NamedTensor], _ b: [NamedTensor], _ what: String, within bound: Double = 1e-12) {
        #expect(a.map(\.name) == b.map(\.name))
        for (x, y) in zip(a, b) { #expect(x.tensor.shape == y.tensor.shape && relativeError(x.tensor, y.tensor) < bound, "\(what): \(x.name), \(relativeError(x.tensor, y.tensor))") }
    }

    @Test(arguments: memories) func memoriesAreWhatOneWouldWrite(pair: Pair) throws {
        let own = try model(pair.text, pair.dims)
        let hand = try model(pair.handText, pair.dims)
        #expect(!pair.handText.contains("grad("))
        #expect(facts(own) == facts(hand))
        let states = hand.graph.states.map(\.name)
        let chunks = Dictionary(uniqueKeysWithValues: states.map { ($0, PlanForm.chunkwise(16)) })
        for lengths in [nil, [40, 0, 17]] as [[Int]?] {
            let item = RandomCase(for: hand, batch: 3, length: 40, lengths: lengths, seed: 3)
            let reference = try hand.run(item.data, on: .interpreter)
            let gradients = try GradientModel(hand).run(item.data, cotangents: item.cotangents.filter { !$0.key.hasPrefix("final.") }, on: .interpreter)
            for engine in [Engine.interpreter, .compiled(.f64)] {
                for forms in engine == .interpreter ? [[:]] : [[:], chunks] {
                    let got = try own.run(item.data, on: engine, forcing: forms)
                    expectSame(got.outputs + got.finalStates, reference.outputs + reference.finalStates, "\(engine) \(forms)", within: 1e-11)
                    #expect(!got.leftChunks)
                    let back = try GradientModel(own).run(
                        item.data, cotangents: item.cotangents.filter { !$0.key.hasPrefix("final.") }, on: engine, forcing: forms)
                    expectSame(back.gradients, gradients.gradients, "gradients, \(engine) \(forms)", within: 1e-11)
                }
            }
        }
    }

    /// What is written for the derivative is as small as what one would write.
    @Test func theGraphIsThatOfTheProgramByHand() throws {
        let text = "model M(K, V) {\n  input q, k: [K]\n  input v: [V]\n  state W: [V, K]\n  W = W[t-1] - grad(sum((W[t-1] @ k - v)^2), by: W[t-1])\n  output o = W @ q\n}"
        let own = try model(text, ["K": 3, "V": 4]).graph.sharingCommonValues()
        let kinds = own.values.map { value -> String in
            switch value.operation {
            case .binary(let function, _, _): function.rawValue
            case .unary(let function, _): function.rawValue
            case .contract: "contract"
            case .reduce: "reduce"
            case .broadcast: "broadcast"
            default: ""
            }
        }
        // W @ k − v, twice that, times k, from W; and W @ q.
        #expect(kinds.filter { $0 == "multiply" }.count == 1 && kinds.filter { $0 == "contract" }.count == 3)
        #expect(kinds.filter { $0 == "broadcast" }.count == 1 && !kinds.contains("add") && !kinds.contains("reduce") && !kinds.contains("select"))
    }

    /// A memory that is a network itself runs one step after another, in every engine.
    @Test func networksAreTrainedToo() throws {
        try EveryForm(
            """
            model Network(D, H) {
              input x, y: [D]
              param A: [H, D] = normal(0.5)
              state U: [H, D] = A
              state W: [D, H]
              hidden = tanh(U[t-1] @ x)
              error = mean((W[t-1] @ hidden - y)^2)
              U = U[t-1] - 0.2 * grad(error, by: U[t-1])
              W = 0.99 * W[t-1] - 0.2 * grad(error, by: W[t-1])
              output z = W @ tanh(U @ y)
            }
            """, dims: ["D": 3, "H": 4], name: "network"
        ).expectAgreement([(1, 0, nil), (1, 1, nil), (2, 21, nil), (3, 30, [30, 0, 7])])
    }

    // MARK: What is held fixed

    /// Other steps are constants: the same as with the value of the step before given as data.
    @Test func otherStepsAreFixed() throws {
        let text = { (before: String, state: String) in
            """
            model M(D) {
              input x: [D]
              \(before)
              \(state)
              number = sum(before * w^2) + sum(tanh(w * before))
              output slope = grad(number, by: w)
              output h
            }
            """
        }
        let own = try model(text("w = x + 0.0", "state h: [D]\n  before = h[t-1] + x[t-1]\n  h = 0.5 * h[t-1] + w * x"), ["D": 3])
        let fixed = try model(text("w = x + 0.0\n  input before: [D]", "state h: [D]\n  h = 0.5 * h[t-1] + w * x"), ["D": 3])
        var item = RandomCase(for: own, batch: 1, length: 6, seed: 2)
        let result = try own.run(item.data, on: .interpreter)
        let h: [Double] = try #require(result.outputs.first { $0.name == "h" }).tensor.doubles()
        let x: [Double] = try #require(item.data.inputs["x"]).doubles()
        let sums: [Double] = [0, 0, 0] + zip(h, x).map { $0 + $1 }.dropLast(3)
        item.data.inputs["before"] = Tensor(sums, shape: [1, 6, 3])
        expectSame(Array(result.outputs.prefix(1)), Array(try fixed.run(item.data, on: .interpreter).outputs.prefix(1)), "")
    }

    /// A state at the same step depends on the step before, and this is followed; so is a parameter, for each step by itself.
    @Test func statesOfTheSameStepAreFollowed() throws {
        let own = try model(
            """
            model M {
              input x: real
              param p: real
              state a, b: real = 1
              a = 0.5 * a[t-1] + p * x
              b = a * a + b[t-1]
              output one = grad(b, by: a[t-1])
              output two = grad(b, by: p)
              output three = grad(b, by: b[t-1])
              output four = a * a[t-1]
            }
            """)
        let item = RandomCase(for: own, batch: 2, length: 4, seed: 2)
        let results = try own.run(item.data, on: .compiled(.f64)).outputs.map { $0.tensor.doubles() }
        let (x, p) = (try #require(item.data.inputs["x"]).doubles(), try #require(item.data.parameters["p"]).doubles()[0])
        for sequence in 0..<2 {
            var a = 1.0
            for step in 0..<4 {
                let k = 4 * sequence + step
                a = 0.5 * a + p * x[k]
                let second: Double = 2 * a * x[k]
                #expect(abs(results[0][k] - a) < 1e-14)
                #expect(abs(results[1][k] - second) < 1e-14)
                #expect(results[2][k] == 1)
            }
        }
    }

    @Test func layersAreFollowed() throws {
        let own = try model(
            """
            model M(D) {
              input x: [D]
              state W: [D, D]
              layer n = Net(D)
              layer m = repeat(2, Net(D))
              y = n(W[t-1] @ x)
              W = W[t-1] - 0.1 * grad(sum((y.z - x)^2), by: W[t-1])
              output u = grad(sum(m(x)), by: x)
              output y.z
            }
            model Net(D) {
              input x: [D]
              param A: [D, D]
              state h: [D]
              h = tanh(A @ x + 0.5 * h[t-1])
              output z = h * x
            }
            """.replacing("output y.z", with: "output z = y.z"), ["D": 3])
        let item = RandomCase(for: own, batch: 2, length: 5, seed: 4)
        let check = try GradientCheck(own, item)
        #expect(check.worst.map { $0.error < 1e-6 } ?? false, "\(check.rows)")
        let reference = try own.run(item.data, on: .interpreter)
        expectSame(try own.run(item.data, on: .compiled(.f64)).outputs, reference.outputs, "layers", within: 1e-12)
    }

    @Test func complexValues() throws {
        let own = try model(
            """
            model M(N) {
              input x: complex[N]
              param a: complex[N]
              state h: complex[N]
              h = a * h[t-1] - 0.1 * grad(sum(abs(h[t-1] - x)^2), by: h[t-1])
              output slope = grad(sum(re(x * x * conj(a))), by: x)
              output size = sum(abs(h))
            }
            """, ["N": 3])
        let item = RandomCase(for: own, batch: 2, length: 5, seed: 4)
        let results = try own.run(item.data, on: .interpreter)
        let (x, a) = (try #require(item.data.inputs["x"]).doubles(), try #require(item.data.parameters["a"]).doubles())
        // The gradient of re(x² conj(a)) is the conjugate of its derivative 2 x conj(a).
        let slope = results.outputs[0].tensor.doubles()
        for k in 0..<30 {
            let (re, im) = (x[2 * k], x[2 * k + 1])
            let (c, d) = (a[2 * (k % 3)], a[2 * (k % 3) + 1])
            let real: Double = 2 * (re * c + im * d)
            let imaginary: Double = 2 * (re * d - im * c)
            #expect(abs(slope[2 * k] - real) < 1e-13)
            #expect(abs(slope[2 * k + 1] - imaginary) < 1e-13)
        }
        expectSame(try own.run(item.data, on: .compiled(.f64)).outputs, results.outputs, "complex")
        let check = try GradientCheck(own, item)
        #expect(check.worst.map { $0.error < 1e-6 } ?? false, "\(check.rows)")
    }

    /// What no expression of the step depends on has a gradient of 0 at every step.
    @Test func whatDoesNotDependIsZero() throws {
        let program = Program(text: "model M(D) {\n  input x, y: [D]\n  output g = grad(sum(y * y), by: x)\n  output h = grad(sum(step(x)), by: x)\n  output i = grad(sum(x), by: x)\n}")
        #expect(program.diagnostics.isEmpty && program.warnings.map(\.id) == [.zeroDerivative, .zeroDerivative])
        let own = try Model(program, dims: ["D": 2])
        let item = RandomCase(for: own, batch: 2, length: 3, seed: 1)
        for engine in [Engine.interpreter, .compiled(.f32)] {
            let results = try own.run(item.data, on: engine).outputs
            #expect(results.map(\.tensor.shape) == [[2, 3, 2], [2, 3, 2], [2, 3, 2]])
            #expect(results[0].tensor.doubles().allSatisfy { $0 == 0 } && results[1].tensor.doubles().allSatisfy { $0 == 0 })
            #expect(results[2].tensor.doubles().allSatisfy { $0 == 1 })
        }
    }

    // MARK: Mistakes

    @Test(arguments: [
        ("grad(x, by: x)", "shape-mismatch"), ("grad(sum(x), by: n)", "wrong-element-type"), ("grad(n, by: x)", "wrong-element-type"),
        ("grad(sum(x))", "wrong-argument"), ("grad(sum(x), by: 2 * x)", "not-a-value"), ("grad(sum(x), by: x[0:2])", "not-a-value"),
        ("grad(sum(M), by: M.T)", "not-a-value"), ("grad(sum(x), by: tanh(x))", "not-a-value"), ("grad(sum(x), by: pi)", "not-a-value"),
        ("grad(sum(x), of: x)", "wrong-argument"), ("grad[D](sum(x), by: x)", "wrong-argument"), ("grad(sum(x), x)", "wrong-argument"),
        ("grad(mean[t](sum(p * x)), by: p)", "derivative-over-time"), ("grad(sum(x * last[t](x)), by: x)", "derivative-over-time"),
        ("grad(complex(sum(x), 1), by: x)", "wrong-element-type"), ("grad(sum(x) > 0, by: x)", "wrong-element-type"), ("grad(sum(x), by: D)", "wrong-element-type"),
        ("grad(sum(f(x)), by: x)", "derivative-over-time"),
    ])
    func mistakes(expression: String, id: String) throws {
        let program = Program(
            text: "model M(D) {\n  input x: [D]\n  input n: int\n  param p: [D]\n  param M: [D, D]\n  layer f = F(D)\n  output y = \(expression)\n  output z = f(x) + n * p @ M\n}\nmodel F(D) {\n  input x: [D]\n  output y = x - mean[t](x)\n}\n")
        var found = program.diagnostics
        if found.isEmpty { do { _ = try Model(program, dims: ["D": 3]) } catch { found = error.diagnostics } }
        #expect(found.map(\.id.rawValue) == [id], "\(found.map(\.message))")
        #expect(found.allSatisfy { ($0.help != nil || expression.hasPrefix("grad[")) && $0.span != nil })
    }
}
