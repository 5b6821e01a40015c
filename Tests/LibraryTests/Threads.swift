import Foundation
import Rec
import Testing

/// The library used by many threads at once, and by threads with little stack.
@Suite struct Threads {
    private let attention = """
        model Mixed(D, H) {
          input x: [D]
          param W, V: [H, D]
          param U: [H, H]
          state h, s: [H]
          h = tanh(W @ x + U @ h[t-1])
          s = sigmoid(V @ x) * s[t-1] + h
          output y = s - mean[t](s)
          loss l = mean[t](sum(s * s))
        }
        """

    private func model() throws -> Model { try Model(Program(text: attention), dims: ["D": 8, "H": 32]).initialized(seed: 3) }

    private func input(_ batch: Int, _ steps: Int) throws -> Tensor {
        try Tensor((0..<batch * steps * 8).map { Float(($0 * 37) % 101) / 50 - 1 }, shape: [batch, steps, 8])
    }

    /// Runs `body` on so many threads at the same time; gives what they gave.
    private func hammer<T: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) throws -> T) throws -> [T] {
        let results = Results<T>()
        let group = DispatchGroup()
        for k in 0..<count {
            let thread = Thread {
                results.add(Result { try body(k) })
                group.leave()
            }
            group.enter()
            thread.start()
        }
        group.wait()
        return try results.all.map { try $0.get() }
    }

    private final class Results<T: Sendable>: @unchecked Sendable {
        private let lock = NSLock()
        private var results: [Result<T, any Error>] = []
        func add(_ result: Result<T, any Error>) { lock.withLock { results.append(result) } }
        var all: [Result<T, any Error>] { results }
    }

    @Test func oneRunnerServesManyThreads() throws {
        let runner = try Runner(model())
        for (batch, steps) in [(1, 300), (4, 100)] {
            let x = try input(batch, steps)
            let expected = try runner.run(["x": x], threads: 2)["y"].floats()
            let all = try hammer(4) { k in
                try (0..<2).map { _ in try runner.run(["x": x], threads: 1 + k % 3)["y"].floats() == expected }
            }
            #expect(all.joined().allSatisfy { $0 })
        }
    }

    @Test func oneModelServesManyThreads() throws {
        let model = try model()
        let gradients = try GradientModel(model)
        let x = try input(2, 200)
        let all = try hammer(6) { k in
            let y = try model(["x": x], threads: 2)["y"].floats()
            let slope = try gradients.run(ModelData(inputs: ["x": x]), threads: 2)["W"].floats()
            let stream = try Model(Program(text: sum)).stream()
            return (y, slope, try (0..<50).map { try stream.step(["x": [Float($0)]])["y"] }.last ?? [])
        }
        #expect(all.allSatisfy { $0.0 == all[0].0 && $0.1 == all[0].1 && $0.2 == [1225] })
    }

    /// Tasks have half a megabyte of stack.
    @Test func deepProgramsRunInTasks() async throws {
        let chain = (0..<3_000).map { "  a\($0) = a\($0 + 1) * 0.5 + p * x\n" }.joined()
        let text = "model M {\n  input x: real\n  param p: real = ones\n\(chain)  a3000 = x\n  state s: real\n  s = 0.5 * s[t-1] + a0\n  loss l = mean[t](s)\n  output s\n}\n"
        try await Task.detached {
            let model = try Model(Program(text: text)).initialized()
            let data = ModelData(inputs: ["x": try Tensor([Float(1), 1], shape: [1, 2])])
            #expect(try model(["x": [1, 1]])["s"].floats() == [2, 3])
            #expect(try model.run(data, on: .interpreter)["s"].floats() == [2, 3])
            #expect(try model.gradients(data)["p"].count == 1)
            let streamed = try Model(Program(text: text.replacingOccurrences(of: "  loss l = mean[t](s)\n", with: ""))).initialized()
            #expect(try streamed.stream().step(["x": [1]])["s"] == [2])
            #expect(try Explanation(GradientModel(model)).text.contains("recurrence of s"))
        }.value
    }
}
