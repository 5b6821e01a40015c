import Foundation
@testable import Rec
import TestSupport
import Testing

/// The recurrences of a backward pass run in every form that their structure allows, like any others.
@Suite struct GradientScanTests {
    @Test(arguments: ExampleTests.planned)
    func examplesAgreeAsScans(path: String) throws {
        let name = ExampleTests.name(path)
        guard name != "silero_vad" else { return }
        let model = try Model(Program(path: path), dims: try #require(ExampleTests.dims[name]))
        let isOneAxis = model.graph.axes.count == 1
        // Two axes have the square of so many steps, and the interpreter goes one by one.
        let cases = [(1, 1, nil), (isOneAxis ? 3 : 2, isOneAxis ? 131 : 67, [131, 0, 70])].map { batch, length, lengths in
            RandomCase(for: model, batch: batch, length: length, lengths: isOneAxis ? lengths : nil, seed: 5)
        }
        var request = GradientRequest(of: model.graph)
        request.seeds = model.graph.losses.map { .loss($0.name) } + cases[0].cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:))
        let gradients = try GradientModel(model, request)
        let forms = PlanForms(gradients).all(as: .scan)
        guard !forms.isEmpty else { return }
        let code = try gradients.compile(.f64, forcing: forms, context: .quick)
        for (number, item) in cases.enumerated() {
            let bound = try gradients.bind(item.data, cotangents: item.cotangents)
            let reference = try gradients.run(item.data, cotangents: item.cotangents, on: .interpreter)
            for threads in [1, 2] {
                let got = try gradients.run(bound, on: CompiledModel(code, parameters: bound.parameters), pool: ThreadPool(count: threads, leastWork: 0))
                for (a, b) in zip(got.gradients, reference.gradients) {
                    let isSame = haveSameBits(a.tensor, b.tensor) || a.tensor.doubles().elementsEqual(b.tensor.doubles()) { $0 == $1 || $0.isNaN && $1.isNaN }
                    #expect(
                        isSame || relativeError(a.tensor, b.tensor) < 1e-9,
                        "\(a.name) of case \(number), \(threads) threads: \(relativeError(a.tensor, b.tensor)), \(forms.keys.sorted())")
                }
            }
        }
    }

    /// An affine cell has an affine mirror image of the same structure, and any cell an affine one.
    @Test(arguments: [
        ("mingru", "grad.h", "affine, diagonal[H]"), ("mamba", "grad.h", "affine, diagonal[D,N]"), ("gru", "grad.h", "affine, dense"),
        ("delta_rule", "grad.S", "affine, identity + low-rank(1)"), ("lstm", "grad.c", "affine"), ("biquad", "grad.y", "affine, companion(2)"), ("hmm", "grad.alpha", "affine, dense"),
    ])
    func mirrorImagesAreAffine(name: String, state: String, expected: String) throws {
        let model = try Model(Program(path: Project.path("examples/\(name).rec")), dims: try #require(ExampleTests.dims[name]))
        let text = String(decoding: try GradientModel(model).emitted(.facts), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("recurrence of ") && $0.contains(state) }
        #expect(line?.contains(expected) == true, "\(line ?? "none")")
    }

    /// A state that is read at several steps has one adjoint, read at as many.
    @Test(arguments: [
        ("input a, b: [H]", "a * h[t-1] + b * h[t-2] + x", "affine, companion(2)"),
        ("param a, b: [H]", "a * h[t-1] - b * h[t-3] + x", "affine, companion(3)"),
        ("input m: bool\n input g: real", "(if m then g * h[t-1] else h[t-2]) + x", "affine, companion(2)"),
        ("param a: [H]\n param b: [H]", "tanh(a * h[t-1] + b * h[t-2] + x)", "affine, companion(2)"),
        ("input m: bool\n param a: [H]", "(if m then tanh(a * h[t-1] + x) else h[t-1]) + 0.1 * sigmoid(x) * h[t-2]", "affine, companion(2)"),
        ("param A, B: [H, H]", "tanh(A @ h[t-1] + B @ h[t-2] + x)", "affine, dense"),
        ("param A: [H, H]\n param c: [H]", "A @ (x * h[t-2]) + c * h[t-1] + x", "affine, dense"),
        ("param c: [H]", "concat(c[0:1] * h[t-1][0:1], h[t-2][1:H]) as [H] + x", "affine, companion(2)"),
    ])
    func severalDelaysHaveOneAdjoint(declarations: String, step: String, expected: String) throws {
        let text = "model M(H) {\n input x: [H]\n \(declarations)\n state h: [H]\n h = \(step)\n output h\n loss l = last[t](sum(h * h))\n}\n"
        let model = try Model(Program(text: text), dims: ["H": 3])
        let facts = String(decoding: try GradientModel(model).emitted(.facts), as: UTF8.self).split(separator: "\n")
        let adjoints = facts.filter { $0.hasPrefix("recurrence of ") && $0.contains("grad.") }
        #expect(adjoints == ["recurrence of grad.h: \(expected)"], "\(text)")
        let cases = [(1, 1, nil), (1, 2, nil), (2, 140, [140, 67])].map { batch, length, lengths in
            RandomCase(for: model, batch: batch, length: length, lengths: lengths, seed: 4)
        }
        try expectGradientAgreement(model, cases, text)
        #expect(try #require(GradientCheck(model, cases[2], seed: 1).worst).error < 1e-6)
        var request = GradientRequest(of: model.graph)
        request.seeds.append(.output("h"))
        request.targets.append(.initialState("h"))
        let gradients = try GradientModel(model, request)
        let forms = PlanForms(gradients).all(as: .scan)
        guard !forms.isEmpty else { return }
        let cotangents = cases[2].cotangents.filter { $0.key == "h" }
        let reference = try gradients.run(cases[2].data, cotangents: cotangents, on: .interpreter)
        let got = try gradients.run(cases[2].data, cotangents: cotangents, on: .compiled(.f64), threads: 2, forcing: forms)
        for (a, b) in zip(got.gradients, reference.gradients) {
            #expect(relativeError(a.tensor, b.tensor) < 1e-9, "\(a.name), scans \(forms.keys.sorted()): \(text)")
        }
    }

    /// A sum over time gives every step it reads the same share, and the steps outside the sequence none.
    @Test(arguments: [
        ("over t", "h[t-1]", "h[t-2]", "sum[t](sum(h[t-1]))"), ("over t", "h[t-1]", "h[t-2]", "mean[t](sum(h[t-2]))"),
        ("over t", "h[t+1]", "h[t+3]", "sum[t](sum(h[t+1] - h[t+3]))"), ("over t", "0.5 * h[t-1]", "h[t-2]", "sum[t](sum(-2 * h[t-1] + h))"),
        ("over t", "h[t-1]", "tanh(h[t-2])", "sum[t](mean(g * h[t-1])) + last[t](sum(h))"),
        ("over (t, k: 4)", "h[t-1, k+1]", "h[t, k-1]", "sum[t](sum[k](sum(h[t, k-1])))"),
        ("over (t, k: 4)", "h[t-1, k]", "h[t, k-1]", "sum[t](mean[k](sum(g * h[t-1, k])))"),
        ("over (t, k: 4)", "h[t-1, k-1]", "h[t, k-1]", "mean[t](sum[k](sum(h[t-1, k-1] + h[t, k-1])))"),
    ])
    func sharesOfSumsEndWithTheSequence(axes: String, near: String, far: String, loss: String) throws {
        for step in ["min(\(near) + 1, x) * \(far) + 1", "x * \(near) + 0.5 * \(far)", "(if x > 0 then \(near) else x * \(far)) + x", "W @ (\(near)) + x * \(far)"] {
            let text = "model M(H) \(axes) {\n input x: [H]\n input g: real once\n param W: [H, H]\n state h: [H] = 1\n h = \(step)\n loss l = \(loss)\n}\n"
            let model = try Model(Program(text: text), dims: ["H": 3])
            for length in [1, 2, 5] {
                let data = RandomCase(for: model, batch: 2, length: length, lengths: axes == "over t" ? [length, 1] : nil, seed: 4)
                #expect(try #require(GradientCheck(model, data, seed: 1).worst).error < 1e-6, "\(length) steps of \(text)")
            }
        }
    }
}
