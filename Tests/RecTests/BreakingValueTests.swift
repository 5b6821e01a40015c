import Rec
import Testing

/// Values that break naive scans.
@Suite struct BreakingValueTests {
    /// Results of a scan beside the interpreter's, where infinities must stand in the same places.
    private func expectSame(
        _ text: String, _ inputs: [String: [Double]], count: Int, _ what: String, precisions: [Precision] = [.f64, .f32]
    ) throws {
        for width in [1, 4, 24] {
            let model = try Model(Program(text: text), dims: ["C": width])
            var data = ModelData(parameters: model.initialParameters(seed: 1))
            for (name, pattern) in inputs {
                let numbers = (0..<count * width).map { pattern[($0 / width + $0 % width) % pattern.count] }
                data.inputs[name] = Tensor(numbers, shape: [1, count, width])
            }
            let reference = try model.run(data, on: .interpreter).outputs[0].tensor.doubles()
            for precision in precisions {
                let got = try model.run(data, on: .compiled(precision), threads: 2, forcing: ["h": .scan]).outputs[0].tensor.doubles()
                for (k, (a, b)) in zip(got, reference).enumerated() {
                    let isSame = b.isNaN ? a.isNaN : a == b || abs(a - b) <= 2e-5 * max(1, abs(b))
                    #expect(isSame, "\(what), \(width) wide, \(precision), element \(k): \(a), not \(b)")
                    if !isSame { return }
                }
            }
        }
    }

    private let gated = "model M(C) {\n input a, b: [C]\n state h: [C] = 2\n h = a * h[t-1] + b\n output h\n}\n"
    private let logGated = "model M(C) {\n input a, b: [C]\n state h: [C] = 2\n h = exp(a) * h[t-1] + (1 - exp(a)) * b\n output h\n}\n"
    private let tropical = "model M(C) {\n input a, b: [C]\n state h: [C] = -inf\n h = max(h[t-1] + a, b)\n output h\n}\n"
    private let smooth = "model M(C) {\n input a, b: [C]\n state h: [C] = -inf\n h = logaddexp(h[t-1] + a, b)\n output h\n}\n"

    @Test func gatesOfZeroAndOne() throws {
        try expectSame(gated, ["a": [0, 1, 1, 0, 1], "b": [0.5, -1, 0, 3]], count: 200, "gates 0 and 1")
        try expectSame(gated, ["a": [1], "b": [0.25]], count: 300, "gates 1")
        try expectSame(gated, ["a": [0], "b": [1, 2]], count: 150, "gates 0")
    }

    @Test func signsAndLargeGates() throws {
        try expectSame(gated, ["a": [-1, 1, -1], "b": [1, 0, 0, 2]], count: 200, "gates of either sign")
        try expectSame(gated, ["a": [1e20, 1e-25, 1e-3, 0], "b": [1, 1, 0.5, -2]], count: 150, "large and small gates")
    }

    @Test func logGates() throws {
        try expectSame(logGated, ["a": [-1e4, -0.1, 0, -1e-6, -50], "b": [1, -1, 2]], count: 200, "log-gates to −1e4")
    }

    @Test func longDecays() throws {
        try expectSame(logGated, ["a": [-1e-4], "b": [1, 0, -1, 0.5]], count: 5000, "slow decay", precisions: [.f64])
        try expectSame(logGated, ["a": [-30], "b": [1, 0, -1, 0.5]], count: 1000, "fast decay")
    }

    @Test func infinitiesOfMaxPlus() throws {
        try expectSame(tropical, ["a": [-1, 0, -0.5], "b": [-.infinity]], count: 200, "nothing ever")
        try expectSame(tropical, ["a": [0, -.infinity, -1], "b": [-.infinity, 3, -2, -.infinity, -.infinity]], count: 200, "resets")
        try expectSame(tropical, ["a": [-1], "b": [.infinity, 1, 2, 3, 4, 5, 6]], count: 100, "infinite from the start")
    }

    @Test func infinitiesOfLogSumExp() throws {
        try expectSame(smooth, ["a": [-1, -0.5], "b": [-.infinity, -.infinity, 1]], count: 200, "gaps")
        try expectSame(smooth, ["a": [-.infinity, -0.5, 0], "b": [0, 1, -2]], count: 200, "resets")
    }
}
