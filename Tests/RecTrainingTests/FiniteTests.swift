import Rec
import RecTraining
import Testing

/// Which value an error names where a loss is not finite.
@Suite struct FiniteTests {
    /// States as those of CTC and of transducers: −∞ is the logarithm of what cannot be.
    private static let path = "state a: real = -inf\n a = logaddexp(a[t-1], if t > 0 then w * x else -inf)"

    private static let cases: [(body: String, told: String, place: String?)] = [
        ("\(path)\n e = exp(1000 * x)\n loss l = mean[t](e) - last[t](a)", "is 'e', inf at step 1 of a sequence (counted from 0); -inf elsewhere", "exp(1000 * x)"),
        ("\(path)\n loss l = -first[t](a)", "is 'l', inf; -inf elsewhere", nil),
        ("\(path)\n e = a - a\n loss l = mean[t](e)", "is 'e', nan at step 0 of a sequence (counted from 0); -inf elsewhere", "a - a"),
        // A logarithm of 0 whose negative is not finite, and one that is added to what can be.
        ("p = relu(x - 1)\n loss l = mean[t](-log(p))", "is -inf at step 0 of", "log(p)"),
        ("m = log(relu(x - 1))\n e = exp(1000 * x)\n loss l = mean[t](logaddexp(m, x) + e)", "is 'e', inf at step 1 of a sequence (counted from 0); -inf elsewhere", "exp(1000 * x)"),
        // Overflow below, and nothing else.
        ("h = -w * x * 1e200 * 1e200\n loss l = mean[t](h * h)", "is 'h', -inf at step 0 of", nil),
        ("loss l = mean[t](log(relu(x - 1)))", "is -inf at step 0 of", "log(relu(x - 1))"),
        ("\(path)\n loss l = first[t](a)", "is -inf at step 0 of", nil),
    ]

    @Test(arguments: cases.indices) func theCauseIsNamed(index: Int) throws {
        let (body, told, place) = Self.cases[index]
        let text = "model M {\n input x: real\n param w: real\n \(body)\n}\n"
        let error = try failure(text, w: 1)
        #expect(error.message.contains("the first value that is not finite \(told)"), "\(body): \(error.message)")
        if let place {
            let span = try #require(error.span)
            #expect(String(decoding: Array(text.utf8)[span.start..<span.end], as: UTF8.self) == place, "\(body)")
        }
    }

    /// What overflows in f32 alone is no fault of −∞ that f64 has as well.
    @Test func overflowOfSmallNumbersIsNotThatOfOthers() throws {
        let text = "model M {\n input x: real\n param w: real\n \(Self.path)\n loss l = mean[t](w * x * x) - last[t](a)\n}\n"
        let error = try failure(text, w: 3e38)
        #expect(error.span == nil && error.message.contains("finite by themselves") || error.message.contains("the gradient of 'w'"), "\(error.message)")
    }

    /// A mask is data.
    @Test func masksAreNotAccused() throws {
        let text = "model M {\n input x, m: real\n param w: real\n e = exp(1000 * x)\n loss l = mean[t](w * e) + logsumexp[t](m + w)\n}\n"
        let error = try failure(text, w: 1, ["m": Tensor([0, -Double.infinity], shape: [1, 2])])
        #expect(error.message.contains("is 'e', inf at step 1"), "\(error.message)")
    }

    private func failure(_ text: String, w: Double, _ others: [String: Tensor] = [:]) throws -> Diagnostic {
        let program = Program(text: text)
        try #require(!program.hasErrors, "\(program.diagnostics)")
        let model = try Model(program)
        let inputs = ["x": Tensor([0.5, 1.5], shape: [1, 2])].merging(others) { $1 }
        let trainer = try Trainer(
            model, TrainingData(ModelData(inputs: inputs), for: model), TrainingOptions(batch: 1), weights: ["w": Tensor([w], shape: [])])
        let error = #expect(throws: DiagnosticList.self) { try trainer.advance() }
        let found = try #require(error?.diagnostics.first)
        #expect(found.id == .notFinite)
        return found
    }
}
