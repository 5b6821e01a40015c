import Foundation
import Rec
import RecTraining
import TestSupport
import Testing

/// A run that was stopped goes on as if it had not been.
@Suite struct ResumeTests {
    private let code = KeptCode.shared

    private func trainer(
        _ data: TrainingData, _ optimizer: Optimizer, threads: Int = 1, seed: UInt64 = 4, resuming: Checkpoint? = nil
    ) throws -> Trainer {
        let options = TrainingOptions(
            optimizer: optimizer, schedule: Schedule(rate: 0.01, decay: .cosine, warmup: 3, steps: 20), clip: 1, batch: 3, seed: seed,
            threads: threads)
        return try Trainer(smallModel(), data, options, resuming: resuming, context: code.context)
    }

    @Test(arguments: [Optimizer.adamW(), .sgd()], [1, 2])
    func tenAndTenStepsAreTwenty(optimizer: Optimizer, threads: Int) throws {
        let data = try smallText()
        let whole = try trainer(data, optimizer, threads: threads)
        let losses = try (0..<20).map { _ in try whole.advance().loss }
        let first = try trainer(data, optimizer, threads: threads)
        for _ in 0..<10 { _ = try first.advance() }
        let folder = try TemporaryFolder()
        try first.checkpoint.write(to: folder.url.path)
        let second = try trainer(data, optimizer, threads: threads, resuming: Checkpoint.read(from: folder.url.path))
        #expect(second.step == 10)
        let rest = try (0..<10).map { _ in try second.advance().loss }
        #expect(rest == Array(losses[10...]))
        #expect(bits(second.weights) == bits(whole.weights))
        #expect(bits(whole.weights) != bits(first.weights) && (losses.last ?? 0) < losses[0])
    }

    /// What a writer keeps of what it has read, and what it reads of that.
    private static let memories = [
        "one": "state S: [K, J]\n  S = sigmoid(sum(x)) * S[t-1] + outer(n, n @ Wv)\n  m = x @ S",
        // Two states of one recurrence, and a complex one.
        "several": """
            state S: [K, J]
              state W: [K, J]
              state Z: complex[K, J]
              S = 0.8 * S[t-1] - 0.1 * outer(n, n @ W[t-1] - n @ Wv)
              W = 0.9 * W[t-1] + S
              Z = 0.9 * cis(0.3) * Z[t-1] + outer(complex(n, x), complex(n @ Wv, n @ Wv))
              m = x @ W + re(complex(x, n) @ Z)
            """,
    ]

    /// Matrix states, whose chunks have a length, and beside them a recurrence that runs otherwise.
    @Test("a run in chunks goes on in them, and so do its validations", arguments: memories.keys.sorted(), [1, 2])
    func chunksGoOn(memory: String, threads: Int) throws {
        let model = try Model(
            Program(
                text: """
                    model Writer(V, K) {
                      dim J = K
                      input token, target: int
                      param E: [V, K] = normal(0.5)
                      param Wk, Wv: [K, J]
                      param head: [V, J] = normal(0.5)
                      state n: [K]
                      x = E[token]
                      n = 0.5 * n[t-1] + x
                      \(try #require(Self.memories[memory]))
                      loss nll = mean[t](crossentropy(head @ ((x @ Wk) + m), target))
                    }
                    """), dims: ["V": 256, "K": 5])
        try goesOn(model, memory == "one" ? ["S"] : ["S", "Z"], .chunkwise(16), threads)
    }

    @Test("windows of time go on bit for bit", arguments: [1, 2]) func windowsGoOn(threads: Int) throws {
        let model = try Model(
            Program(
                text: """
                    model Reader(V, H) {
                      input token, target: int
                      param E: [V, H] = normal(0.5)
                      param u, w: [H] = uniform(-1, 1)
                      param head: [V, H] = normal(0.5)
                      state g, h: [H]
                      g = tanh(E[token] + u * g[t-1])
                      h = tanh(g - w * h[t-1])
                      loss nll = mean[t](crossentropy(head @ h, target))
                    }
                    """), dims: ["V": 256, "H": 5])
        try goesOn(model, ["g", "h"], .shooting(4), threads)
    }

    /// Training that is cut gives the bits of training that is not, where recurrences have a form of whole runs.
    private func goesOn(_ model: Model, _ states: [String], _ form: PlanForm, _ threads: Int) throws {
        let tokens = try TextTokens.read([Project.path("docs/gradients.md")])
        let (data, validation) = try TrainingData(ModelData(inputs: ["token": tokens]), for: model, window: 40).holdingOut(0.1)
        func trainer(_ form: PlanForm, resuming checkpoint: Checkpoint? = nil) throws -> Trainer {
            try Trainer(model, data, TrainingOptions(batch: 3, seed: 4, threads: threads, forms: Dictionary(uniqueKeysWithValues: states.map { ($0, form) })), resuming: checkpoint, context: code.context)
        }
        let whole = try trainer(form)
        let losses = try (0..<6).map { _ in try whole.advance().loss }
        let first = try trainer(form)
        for _ in 0..<3 { _ = try first.advance() }
        let folder = try TemporaryFolder()
        try first.checkpoint.write(to: folder.url.path)
        let second = try trainer(form, resuming: Checkpoint.read(from: folder.url.path))
        #expect(try (0..<3).map { _ in try second.advance().loss } == Array(losses[3...]))
        #expect(bits(second.weights) == bits(whole.weights))
        let loss = try whole.loss(on: validation)
        #expect(try second.loss(on: validation) == loss)
        // One step after another gives the same but for rounding.
        let steps = try trainer(.sequential)
        for expected in losses { #expect(try abs(steps.advance().loss - expected) < 1e-4) }
        #expect(try abs(steps.loss(on: validation) - loss) < 1e-4)
    }

    @Test func otherRunsAreRefused() throws {
        let data = try smallText()
        let checkpoint = try trainer(data, .adamW()).checkpoint
        #expect(throws: DiagnosticList.self) { try trainer(data, .sgd(), resuming: checkpoint) }
        #expect(throws: DiagnosticList.self) { try trainer(data, .adamW(), seed: 5, resuming: checkpoint) }
        #expect(throws: DiagnosticList.self) { try trainer(data.holdingOut(0.1).training, .adamW(), resuming: checkpoint) }
        #expect(try Checkpoint.read(from: TemporaryFolder().url.path) == nil)
        do { _ = try trainer(data, .sgd(), resuming: checkpoint) } catch {
            let error = try #require((error as? DiagnosticList)?.diagnostics.first)
            #expect(error.id == .checkpointMismatch && error.message.contains("optimizer"))
        }
    }

    @Test func changedDataAreRefusedHoweverLarge() throws {
        let model = try Model(Program(text: "model M {\n input x: real\n param a: real\n loss l = mean[t]((a * x) * (a * x))\n}\n"))
        func trainer(_ numbers: [Float], resuming checkpoint: Checkpoint? = nil) throws -> Trainer {
            let data = try TrainingData(ModelData(inputs: ["x": Tensor(numbers, shape: [8, numbers.count / 8])]), for: model)
            return try Trainer(model, data, TrainingOptions(batch: 2), resuming: checkpoint)
        }
        var numbers = [Float](repeating: 0.5, count: 400_000)
        let first = try trainer(numbers)
        _ = try first.advance()
        #expect(try trainer(numbers, resuming: first.checkpoint).step == 1)
        numbers[123_457] = 0.25
        do {
            _ = try trainer(numbers, resuming: first.checkpoint)
            Issue.record("other data were taken")
        } catch let error as DiagnosticList {
            #expect(error.problems[0].id == "checkpoint-mismatch" && error.problems[0].message.contains("the data differ"))
        }
    }

    @Test func logsGoOnToo() throws {
        let data = try smallText()
        let folder = try TemporaryFolder()
        let log = folder.path("log.csv")
        var run = TrainingRun(steps: 6, every: 2, checkpoints: folder.url.path, log: log)
        try run.run(trainer(data, .adamW()))
        // A row that the next run does not know of, and half of one.
        try (String(contentsOfFile: log, encoding: .utf8) + "8,1.0,,0.1,1.0,7\n9,2").write(toFile: log, atomically: true, encoding: .utf8)
        run.steps = 10
        try run.run(trainer(data, .adamW(), resuming: Checkpoint.read(from: folder.url.path)))
        let rows = try TrainingLog(path: log).rows
        #expect(rows.map(\.step) == [2, 4, 6, 8, 10] && rows[3].loss != 1)
        let svg = try LossChart(TrainingLog(path: log)).svg
        #expect(svg.hasPrefix("<svg") && svg.contains("<polyline") && XMLText.isBalanced(svg))
    }

    @Test func badNumbersAreTracedToTheirTensor() throws {
        let program = Program(text: "model M {\n input x: real\n param a, b: real\n loss l = mean[t](log(a * x) + b)\n}\n")
        let model = try Model(program)
        func message(_ x: Double, _ a: Double, _ b: Double = 0) throws -> String {
            let data = try TrainingData(ModelData(inputs: ["x": Tensor([1.0, x], shape: [1, 2])]), for: model)
            let trainer = try Trainer(
                model, data, TrainingOptions(batch: 1), weights: ["a": Tensor([a], shape: []), "b": Tensor([b], shape: [])])
            do { _ = try trainer.advance() } catch {
                let error = try #require(error.diagnostics.first)
                // Where the model's equations are at fault the place in the source is shown.
                #expect((error.span != nil) == error.message.contains("first value"))
                #expect(error.id == .notFinite && error.message.contains("at step 1") && trainer.step == 0)
                return error.message
            }
            return ""
        }
        #expect(try message(2, 1) == "")
        #expect(try message(.nan, 1).contains("input 'x'"))
        #expect(try message(2, .infinity).contains("parameter 'a'"))
        #expect(try message(2, 1, .nan).contains("parameter 'b'"))
        #expect(try message(-1, 1).contains("the first value that is not finite is nan at step 1"))
        // In f32 alone, and in no tensor that the run gives.
        #expect(try message(3e38, 1e30).contains("finite by themselves"))
    }
}

enum XMLText {
    /// Whether every tag is closed, in a text without comments.
    static func isBalanced(_ text: String) -> Bool {
        var open: [Substring] = []
        for piece in text.split(separator: "<") {
            guard let end = piece.firstIndex(of: ">") else { return false }
            let tag = piece[..<end]
            if tag.hasSuffix("/") { continue }
            if tag.hasPrefix("/") {
                guard open.popLast() == tag.dropFirst() else { return false }
            } else {
                open.append(tag.prefix { $0 != " " })
            }
        }
        return open.isEmpty
    }
}
