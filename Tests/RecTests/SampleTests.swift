import Foundation
import Rec
import TestSupport
import Testing

/// What a model gives at one step is what it is given at the next.
@Suite struct SampleTests {
    private static let tokens = """
        model LM(V, H) {
          input token: int
          input target: int
          param E: [V, H] = normal(1)
          param U: [H, H]
          param W: [V, H] = normal(1)
          state h: [H]
          h = tanh(E[token] + U @ h[t-1])
          logits = W @ h
          output logits
          output hidden = h
          loss l = mean[t](crossentropy(logits, target))
        }

        """
    private static let numbers = "model Forecast(D) {\n  input x: [D]\n  param A: [D, D] = normal(0.3)\n  state h: [D]\n  h = tanh(A @ h[t-1] + x[t-1] + x)\n  output next = 0.9 * h\n  output size = sum(h)\n}\n"

    private func model() throws -> Model {
        let model = try Model(Program(text: Self.tokens), dims: ["V": 9, "H": 4])
        return try model.withParameters(model.initialParameters(seed: 2))
    }

    private func drawn(_ options: SamplingOptions, _ count: Int = 40, state: ModelState = ModelState()) throws -> [Int] {
        let sampler = try Sampler(model(), options: options, state: state)
        try sampler.feed(tokens: [1, 2, 3])
        return try (0..<count).map { _ in try sampler.nextToken() }
    }

    @Test func temperatureZeroTakesTheMostLikely() throws {
        let model = try model()
        var text = [1, 2, 3]
        for _ in 0..<12 {
            let logits = try model(["token": Tensor(text, shape: [1, text.count])])["logits"].floats().suffix(9)
            text.append(try #require(logits.indices.max { logits[$0] < logits[$1] }) - logits.startIndex)
        }
        #expect(try drawn(SamplingOptions(temperature: 0), 12) == Array(text.dropFirst(3)))
        #expect(try drawn(SamplingOptions(temperature: 2, topK: 1), 12) == Array(text.dropFirst(3)))
    }

    @Test func theSeedTellsTheText() throws {
        let first = try drawn(SamplingOptions(seed: 5))
        #expect(try drawn(SamplingOptions(seed: 5)) == first)
        #expect(try drawn(SamplingOptions(seed: 6)) != first)
        #expect(first.allSatisfy { (0..<9).contains($0) })
        // Every token is drawn as often as the model says, from the most likely ones alone.
        let model = try model()
        let logits = try model(["token": Tensor([1, 2, 3], shape: [1, 3])])["logits"].doubles().suffix(9).map { $0 / 1.5 }
        let order = logits.indices.sorted { logits[$0] > logits[$1] }.prefix(4)
        let sum = order.reduce(0) { $0 + exp(logits[$1]) }
        var counts = [Int](repeating: 0, count: 9)
        let start = try #require(try model(["token": Tensor([1, 2], shape: [1, 2])], state: ModelState()).state)
        for seed in 0..<40 as Range<UInt64> {
            let sampler = try Sampler(model, options: SamplingOptions(temperature: 1.5, topK: 4, seed: seed), state: start)
            try sampler.feed(tokens: [3])
            counts[try sampler.nextToken()] += 1
        }
        for token in counts.indices where !order.contains(token) { #expect(counts[token] == 0) }
        // Four standard deviations at most.
        for token in order {
            let share = exp(logits[token]) / sum
            #expect(abs(Double(counts[token]) - 40 * share) < 4 * (40 * share * (1 - share)).squareRoot() + 1, "\(token)")
        }
    }

    @Test func numbersAreFedBack() throws {
        let model = try Model(Program(text: Self.numbers), dims: ["D": 2]).initialized(seed: 3)
        let sampler = try Sampler(model)
        #expect(sampler.input == "x" && sampler.output == "next" && sampler.vocabulary == nil && sampler.width == 2)
        let prompt: [Float] = [0.1, -0.2, 0.3, 0.5]
        try sampler.feed(prompt)
        let added = try (0..<6).flatMap { _ in try sampler.nextNumbers() }
        let whole = try model(["x": prompt + added])["next"].floats()
        #expect(zip(added, whole[2...]).allSatisfy { abs($0 - $1) < 1e-5 })
    }

    /// A sampler goes on from the state of another as that one would have gone on, whatever is drawn, and through a file.
    @Test func samplesInPieces() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("s.safetensors")
        for options in [SamplingOptions(temperature: 0), SamplingOptions(temperature: 0.8, topK: 5), SamplingOptions(seed: 7)] {
            let whole = try drawn(options, 12)
            let first = try Sampler(model(), options: options)
            try first.feed(tokens: [1, 2, 3])
            var tokens = try (0..<5).map { _ in try first.nextToken() }
            try first.state().write(to: path)
            var own = options
            own.seed = nil
            let second = try Sampler(model(), options: own, state: ModelState(path: path))
            #expect(second.knowsWhatIsNext)
            tokens += try (0..<4).map { _ in try second.nextToken() }
            let third = try Sampler(model(), options: own, state: second.state())
            // Nothing was drawn here yet, and nothing is lost.
            let fourth = try Sampler(model(), options: own, state: third.state())
            tokens += try (0..<3).map { _ in try fourth.nextToken() }
            #expect(tokens == whole, "\(options)")
            // A seed begins other draws from the same place.
            own.seed = 99
            let others = try Sampler(model(), options: own, state: ModelState(path: path))
            _ = try others.nextToken()
            // Runs take the same file, and know nothing of draws.
            let run = try model()(["token": Tensor([1], shape: [1, 1])], state: ModelState(path: path))
            #expect(run.state?.lastOutput == nil)
        }
        for precision in [Precision.f32, .f64] {
            let numbers = try Model(Program(text: Self.numbers), dims: ["D": 2]).initialized(seed: 3)
            let whole = try Sampler(numbers, precision: precision)
            try whole.feed([0.1, -0.2, 0.3, 0.5])
            let expected = try (0..<4).flatMap { _ in try whole.nextNumbers() }
            let first = try Sampler(numbers, precision: precision)
            try first.feed([0.1, -0.2, 0.3, 0.5])
            let pieces = try (0..<2).flatMap { _ in try first.nextNumbers() }
            try first.state().write(to: path)
            let second = try Sampler(numbers, state: ModelState(path: path), precision: precision)
            #expect(try pieces + (0..<2).flatMap { _ in try second.nextNumbers() } == expected)
        }
    }

    @Test func statesOfOtherVersions() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("s.safetensors")
        let sampler = try Sampler(model())
        try sampler.feed(tokens: [1, 2, 3])
        try sampler.state().write(to: path)
        let archive = try TensorArchive(path: path)
        #expect(archive.metadata["state"] == "2" && archive["last[t](logits)"]?.shape == [1, 9])
        // As it was before samplers wrote what comes next: a prompt is needed.
        var metadata = archive.metadata
        metadata["state"] = "1"
        metadata["draws"] = nil
        try TensorArchive(tensors: archive.tensors.filter { !$0.name.hasPrefix("last") }, metadata: metadata).write(to: path)
        let old = try Sampler(model(), state: ModelState(path: path))
        #expect(!old.knowsWhatIsNext)
        #expect(throws: DiagnosticList.self) { try old.nextToken() }
        try old.feed(tokens: [1])
        _ = try old.nextToken()
        for (key, text) in [("state", "3"), ("draws", "1,2,3"), ("draws", "0,0,0,0"), ("draws", "x")] {
            var wrong = archive.metadata
            wrong[key] = text
            try TensorArchive(tensors: archive.tensors, metadata: wrong).write(to: path)
            #expect(throws: DiagnosticList.self, "\(key) \(text)") { try ModelState(path: path) }
        }
        let misshapen = archive.tensors.map { $0.name.hasPrefix("last") ? NamedTensor(name: $0.name, tensor: Tensor([1, 2, 3] as [Float], shape: [1, 3])) : $0 }
        try TensorArchive(tensors: misshapen, metadata: archive.metadata).write(to: path)
        #expect(throws: DiagnosticList.self) { try Sampler(model(), state: ModelState(path: path)) }
    }

    @Test func whatDoesNotFitIsSaid() throws {
        func problem(_ text: String, _ dims: [String: Int] = [:], output: String? = nil, input: String? = nil) throws -> String {
            let model = try Model(Program(text: text), dims: dims)
            do {
                _ = try Sampler(model.withParameters(model.initialParameters(seed: 1)), output: output, input: input)
                return ""
            } catch { return error.description }
        }
        #expect(try problem("model M {\n input x: [3]\n output y = sum(x)\n}\n").contains("'y' is real, and 'x' is real[3=3]"))
        let two = "model M {\n input k: int\n param w: [3]\n output y = w * real(k)\n output z = 2 * y\n}\n"
        #expect(try problem(two).contains("'y' into 'k', 'z' into 'k'") && problem(two, output: "y") == "")
        #expect(try problem("model M {\n input x: real\n output y = x\n output z = 2 * x\n}\n").contains("'y' into 'x', 'z' into 'x'"))
        #expect(try problem("model M {\n input x: real\n output y = x\n output z = 2 * x\n}\n", output: "z") == "")
        #expect(try problem("model M {\n input x, u: real\n output y = x + u\n}\n").contains("needs 'u' as well as 'x'"))
        #expect(try problem("model M {\n input x: real\n output y = x[t+1]\n}\n").contains("it looks ahead here"))
        #expect(try problem("model M {\n input x: real\n output y = x\n}\n", output: "q").contains("there is no output 'q'"))
        #expect(try problem("model M {\n input x: real\n output y = x\n}\n", input: "q").contains("there is no input 'q'"))
        #expect(try problem("model M {\n input x: real\n loss y = mean[t](x)\n}\n").contains("no output with a value at every step"))
        let broken = try Model(Program(text: "model M {\n input k: int\n param w: [3]\n output y = w / 0 * real(k)\n}\n"))
        let sampler = try Sampler(broken.withParameters(["w": Tensor([0, 0, 0] as [Float], shape: [3])]))
        try sampler.feed(tokens: [1])
        #expect(throws: DiagnosticList.self) { try sampler.nextToken() }
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
    func theCommandSamples() throws {
        let recc = try ReccCommand(Project.path(".build/debug/recc"))
        let file = try recc.file("lm.rec", Self.tokens)
        func weights(_ model: Model, _ name: String) throws -> String {
            let tensors = model.initialParameters(seed: 2).sorted { $0.key < $1.key }.map { NamedTensor(name: $0.key, tensor: $0.value) }
            try TensorArchive(tensors: tensors).write(to: recc.folder.path(name))
            return name
        }
        let text = try weights(Model(Program(text: Self.tokens), dims: ["V": 128, "H": 4]), "w.safetensors")
        let given = ["sample", file, "--params", text, "--length", "30"]
        let first = try recc.run(given + ["--prompt", "ab", "--temperature", "0.8", "--top-k", "40", "--seed", "1"])
        #expect(first.status == 0 && first.output.hasPrefix("ab") && first.output.utf8.count == 33, "\(first.errors)")
        #expect(try recc.run(given + ["--prompt", "ab", "--temperature", "0.8", "--top-k", "40", "--seed", "1"]).output == first.output)
        #expect(try recc.run(given + ["--prompt", "ab", "--temperature", "0.8", "--top-k", "40", "--seed", "2"]).output != first.output)
        // In two parts, the second going on from the state of the first.
        let whole = try recc.run(given + ["--tokens", "--prompt", "97 98", "--temperature", "0"])
        #expect(whole.status == 0 && whole.output.split(separator: " ").count == 32, "\(whole.errors)")
        let half = try recc.run(["sample", file, "--params", text, "--tokens", "--prompt", "97 98", "--temperature", "0", "--length", "10", "--save-state", "s.safetensors"])
        #expect(half.status == 0 && whole.output.hasPrefix(half.output.dropLast()), "\(half.errors)")
        for more in [["--temperature", "0"], ["--seed", "3"], ["--temperature", "0.7", "--top-k", "9"]] {
            for prompt in [[], ["--prompt", ""]] {
                let four = try recc.run(given + more + ["--prompt", "ab", "--length", "4"])
                let two = try recc.run(given + more + ["--prompt", "ab", "--length", "2", "--save-state", "s.safetensors"])
                let unseeded = more.first == "--seed" ? [] : more
                let rest = try recc.run(given + unseeded + prompt + ["--length", "2", "--state", "s.safetensors"])
                #expect(four.status == 0 && rest.status == 0 && Array(two.output.utf8.dropLast() + rest.output.utf8) == Array(four.output.utf8), "\(more): \(rest.errors)")
                let numbered = try recc.run(given + unseeded + prompt + ["--tokens", "--length", "2", "--state", "s.safetensors"])
                #expect(numbered.output.utf8.filter { $0 == 0x20 }.count == 1 && numbered.output.first != " ", "\(numbered)")
            }
        }
        try TensorArchive(tensors: [NamedTensor(name: "", tensor: Tensor([1, 2, 3], shape: [3]))]).write(to: recc.folder.path("t.npy"))
        let ran = try recc.run(["run", file, "--params", text, "--input", "token=t.npy", "--output-name", "logits", "--save-state", "r.safetensors"])
        #expect(ran.status == 0, "\(ran.errors)")
        for (options, status, words) in [
            (["--state", "r.safetensors"], 1, "'recc sample --save-state'"), (["--prompt", "a", "--prompt-file", "x"], 2, "not both"),
            (["--prompt", ""], 1, "the prompt is empty"), (["--prompt", "é"], 1, "the model knows 128 tokens"),
            (["--prompt", "a", "--temperature", "-1"], 2, "--temperature"), (["--prompt", "a", "--temperature", "nan"], 2, "--temperature"),
            (["--prompt", "a", "--top-k", "0"], 2, "--top-k"), ([], 2, "--prompt"), (["--prompt", "a", "--output-name", "hiden"], 1, "did you mean 'hidden'?"),
            (["--tokens", "--prompt", "1 x"], 1, "'x' in the prompt"), (["--prompt", "a", "--output-name", "hidden"], 1, "'hidden' has 4 numbers, and 'token' tells 128 tokens apart"),
        ] as [([String], Int32, String)] {
            let outcome = try recc.run(given + options)
            #expect(outcome.status == status && outcome.errors.contains(words), "\(options): \(outcome.errors)")
        }
        let forecast = try recc.file("f.rec", Self.numbers)
        let matrix = try weights(Model(Program(text: Self.numbers), dims: ["D": 2]), "f.safetensors")
        try TensorArchive(tensors: [NamedTensor(name: "", tensor: Tensor([0.1, -0.2, 0.3, 0.5] as [Float], shape: [2, 2]))]).write(to: recc.folder.path("x.npy"))
        let numbers = try recc.run(["sample", forecast, "--params", matrix, "--prompt-file", "x.npy", "--length", "5", "-o", "y.npy"])
        #expect(numbers.status == 0, "\(numbers.errors)")
        #expect(try TensorArchive(path: recc.folder.path("y.npy"))[""]?.shape == [1, 5, 2])
        let four = try recc.run(["sample", forecast, "--params", matrix, "--prompt-file", "x.npy", "--length", "4", "-o", "four.npy"])
        let two = try recc.run(["sample", forecast, "--params", matrix, "--prompt-file", "x.npy", "--length", "2", "-o", "a.npy", "--save-state", "f-s.safetensors"])
        let rest = try recc.run(["sample", forecast, "--params", matrix, "--length", "2", "-o", "b.npy", "--state", "f-s.safetensors"])
        #expect(four.status == 0 && two.status == 0 && rest.status == 0, "\(rest.errors)")
        let pieces = try ["a.npy", "b.npy"].flatMap { try TensorArchive(path: recc.folder.path($0))[""]?.floats() ?? [] }
        #expect(try pieces == TensorArchive(path: recc.folder.path("four.npy"))[""]?.floats())
        let other = try recc.run(["sample", forecast, "--params", matrix, "--state", "f-s.safetensors", "--output-name", "size"])
        #expect(other.status == 1, "\(other)")
        // Dims that only the prompt tells, of an input that is not the first; and a table of one column for an input of numbers.
        let alone = try recc.file("alone.rec", "model Alone(E, D) {\n  input target: [E]\n  input x: [D]\n  param w: real\n  output y = w * x\n  loss l = mean[t](sum(x) - sum(target))\n}\n")
        try TensorArchive(tensors: [NamedTensor(name: "w", tensor: Tensor([2] as [Float], shape: []))]).write(to: recc.folder.path("two.safetensors"))
        let told = try recc.run(["sample", alone, "--params", "two.safetensors", "-D", "E=1", "--prompt-file", "x.npy", "--length", "3", "-o", "z.npy"])
        #expect(told.status == 0, "\(told.errors)")
        #expect(try TensorArchive(path: recc.folder.path("z.npy"))[""]?.shape == [1, 3, 2])
        let scalar = try recc.file("scalar.rec", "model S {\n  input x: real\n  param w: real\n  output y = w * x\n}\n")
        let column = try recc.file("column.csv", "v\n1\n2\n3\n")
        let doubled = try recc.run(["sample", scalar, "--params", "two.safetensors", "--prompt-file", column, "--length", "3", "-o", "d.npy"])
        #expect(doubled.status == 0, "\(doubled.errors)")
        #expect(try TensorArchive(path: recc.folder.path("d.npy"))[""]?.floats() == [6, 12, 24])
        let bare = try recc.run(["sample", scalar, "--prompt-file", column])
        #expect(bare.status == 1 && bare.errors.contains("give it with --params") && !bare.errors.contains("--seed"), "\(bare.errors)")
        let words = try recc.run(["sample", forecast, "--params", matrix, "--prompt", "x"])
        #expect(words.status == 1 && words.errors.contains("takes numbers"))
    }
}
