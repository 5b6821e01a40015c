import Foundation
import RecExport
import RecLowering
import TestSupport
import Testing

@testable import Rec

/// Every model of the standard library gives what its paper says, by cases of `Library/references.py`, and is what it promises.
@Suite struct StandardLibraryTests {
    private static let cases = Project.files("Tests/RecTests/Library", "safetensors")

    /// The models, as `std.gru.GRU`.
    private static let models = Library.modules.flatMap { module in
        (Library.contents(of: module)?.definitions ?? []).filter { $0.kind == .model }.map { "\(module).\($0.name)" }
    }

    private static func parts(_ model: String) -> (module: String, name: String) {
        let dot = model.lastIndex(of: ".") ?? model.endIndex
        return (String(model[..<dot]), String(model[dot...].dropFirst()))
    }

    @Test func everyModelHasItsCase() {
        #expect(Self.models.count > 40)
        #expect(Set(Self.models) == Set(Self.cases.map { (($0 as NSString).lastPathComponent as NSString).deletingPathExtension }))
    }

    /// In the interpreter and compiled, in every form that its recurrences have, gradients too. Where they are those of models within it,
    /// which are held by themselves, step by step alone.
    @Test(.timeLimit(.minutes(30)), arguments: models) func modelsGiveWhatTheirPapersSay(model: String) throws {
        let (module, name) = Self.parts(model)
        let program = try Program(path: module)
        let files = try DataFiles(case: Project.path("Tests/RecTests/Library/\(model).safetensors"), for: program.model(named: name))
        let built = try files.model(program, named: name, dims: [:], passingOverUnknown: false, usingResults: true)
        let isAround = built.graph.states.allSatisfy { $0.name.contains(".") }
        let verification = try Verification(
            built, files.file, engines: [.interpreter, .compiled(.f64)], forms: isAround ? ["sequential"] : nil, context: .quick)
        #expect(verification.isWithin, "\(verification.verdict)")
        #expect(verification.unknown == [] && verification.missing.allSatisfy { $0.hasPrefix("grad ") }, "\(verification.unknown) \(verification.missing)")
        #expect(verification.rows.contains { $0.what.hasPrefix("grad") })
    }

    /// From their own initialisers, on data that their equations have not been held against.
    @Test(.timeLimit(.minutes(30)), arguments: models) func gradientsAreDerivatives(model: String) throws {
        let (module, name) = Self.parts(model)
        let program = try Program(path: module)
        let typed = try program.model(named: name)
        let sizes = ["M": 2, "N": 2, "P": 2, "G": 1]
        let built = try Model(program, named: name, dims: Dictionary(uniqueKeysWithValues: typed.dims.map { ($0, sizes[$0] ?? 3) }))
        let worst = try #require(GradientCheck(built, RandomCase(for: built, batch: 1, length: 3, seed: 3)).worst)
        #expect(worst.error < 1e-5, "\(worst)")
    }

    /// What a recurrence is, and the forms besides single steps in which it can run.
    private static let structures: [(model: String, dims: [String: Int], state: String, kind: String, forms: Set<String>)] = [
        ("std.mingru.MinGRU", ["D": 16, "H": 16], "h", "affine, diagonal[H]", ["scan"]),
        ("std.minlstm.MinLSTM", ["D": 16, "H": 16], "h", "affine, diagonal[H]", ["scan"]),
        ("std.rglru.RGLRU", ["H": 4, "B": 4], "h", "affine, diagonal[D]", ["scan"]),
        ("std.s4d.S4D", ["H": 8, "N": 4], "x", "affine, complex-diagonal", ["scan", "chunkwise"]),
        ("std.s5.S5", ["H": 8, "P": 8], "x", "affine, complex-diagonal", ["scan", "chunkwise"]),
        ("std.lru.LRU", ["D": 8, "N": 8], "x", "affine, complex-diagonal", ["scan", "chunkwise"]),
        ("std.mamba.SelectiveScan", ["E": 16, "N": 8], "S", "affine, diagonal[E,N]", ["scan", "chunkwise"]),
        ("std.mamba2.SSD", ["G": 1, "J": 2, "P": 16, "N": 16], "S", "affine, diagonal[G,J]", ["scan", "chunkwise"]),
        ("std.linear_attention.LinearAttention", ["H": 2, "K": 16, "V": 16], "S", "affine, identity", ["scan", "chunkwise"]),
        ("std.linear_attention.LinearAttention", ["H": 2, "K": 16, "V": 16], "z", "affine, identity", ["scan", "chunkwise"]),
        ("std.retnet.SimpleRetention", ["H": 2, "K": 16, "V": 16], "S", "affine, diagonal[H]", ["scan", "chunkwise"]),
        ("std.retnet.Retention", ["H": 2, "J": 8, "V": 16], "S", "affine, complex-diagonal", ["scan", "chunkwise"]),
        ("std.gla.GatedLinearAttention", ["H": 2, "K": 16, "V": 16], "S", "affine, diagonal[H,K]", ["scan", "chunkwise"]),
        ("std.rwkv4.WKV4", ["A": 16], "m", "semiring max-plus, diagonal[A]", ["scan"]),
        ("std.rwkv4.WKV4", ["A": 16], "top", "affine, diagonal[A]", ["scan"]),
        ("std.rwkv5.WKV5", ["H": 2, "K": 16], "S", "affine, diagonal[H,K]", ["scan", "chunkwise"]),
        ("std.rwkv6.WKV6", ["H": 2, "K": 16], "S", "affine, diagonal[H,K]", ["scan", "chunkwise"]),
        ("std.rwkv7.WKV7", ["H": 2, "K": 32], "S", "affine, diagonal + low-rank(1)", ["chunkwise"]),
        ("std.deltanet.DeltaRule", ["H": 2, "K": 32, "V": 32], "S", "affine, identity + low-rank(1)", ["chunkwise"]),
        ("std.deltanet.GatedDeltaRule", ["H": 2, "K": 32, "V": 32], "S", "affine, diagonal + low-rank(1)", ["chunkwise"]),
        ("std.deltanet.DeltaProductRule", ["H": 2, "K": 32, "V": 32], "S", "affine, diagonal + low-rank(2)", ["chunkwise"]),
        ("std.deltanet.KimiDeltaRule", ["H": 2, "K": 32, "V": 32], "S", "affine, diagonal + low-rank(1)", ["chunkwise"]),
        ("std.mlstm.MatrixMemory", ["H": 2, "K": 16, "V": 16], "m", "semiring max-plus, diagonal[H]", ["scan"]),
        ("std.mlstm.MatrixMemory", ["H": 2, "K": 16, "V": 16], "C", "affine, diagonal[H]", ["scan", "chunkwise"]),
        ("std.aaren.AttentionOverPast", ["H": 2, "K": 8, "V": 8], "seen", "associative, declared and checked", ["scan"]),
    ]

    @Test func structureIsFound() throws {
        for (model, dims, state, kind, forms) in Self.structures {
            let (module, name) = Self.parts(model)
            let built = try Model(Program(path: module), named: name, dims: dims)
            let text = try Explanation(built, work: Workload(batch: 2, extents: [2048], threads: 1)).text(built.program.sources)
            let paragraph = try #require(text.components(separatedBy: "\n\n").first { $0.contains("recurrence of \(state),") }, "\(model): \(text)")
            #expect(paragraph.contains("is           \(kind)\n"), "\(model): \(paragraph)")
            let found = ["scan", "chunkwise"].filter { paragraph.contains("as \($0), about") || paragraph.contains("runs as      \($0), about") }
            #expect(Set(found) == forms, "\(model): \(paragraph)")
        }
    }

    /// A model with a linear recurrence says so itself, so that no edit loses it.
    @Test func linearRecurrencesAreRequired() throws {
        for (model, _, state, kind, _) in Self.structures where kind.hasPrefix("affine") {
            let (module, name) = Self.parts(model)
            let requirements = try Program(path: module).model(named: name).requirements
            #expect(requirements.contains { $0.state == state && $0.property == .affine }, "\(model): \(state)")
        }
    }

    /// Short steps leave few digits to `exp(z) - 1`, and fewer to its derivatives.
    @Test(arguments: ["std.s4d.S4D", "std.s5.S5"]) func shortStepsKeepTheirDigits(model: String) throws {
        let (module, name) = Self.parts(model)
        let built = try Model(Program(path: module), named: name, dims: ["H": 3, model.hasSuffix("S5") ? "P" : "N": 4])
        var example = RandomCase(for: built, batch: 1, length: 40, seed: 3)
        for (path, tensor) in example.data.parameters where path.hasPrefix("log_") && !path.hasSuffix("real") {
            example.data.parameters[path] = Tensor(tensor.doubles().indices.map { -8.5 - 0.3 * Double($0) }, shape: tensor.shape)
        }
        let gradients = try GradientModel(built)
        let cotangents = example.cotangents.filter { !$0.key.hasPrefix("final.") }
        let expected = try gradients.run(example.data, cotangents: cotangents, on: .interpreter)
        let got = try gradients.run(example.data, cotangents: cotangents, on: .compiled(.f32))
        for (a, b) in zip(got.gradients, expected.gradients) {
            let error = relativeError(a.tensor, b.tensor)
            #expect(a.name == b.name && error < 1e-5, "\(a.name) \(error)")
        }
    }

    @Test func modulesAreTheFilesOfTheFolder() throws {
        let files = Project.files("Sources/Library/std", "rec")
        #expect(files.map { "std." + (($0 as NSString).lastPathComponent as NSString).deletingPathExtension } == Library.modules)
        for (file, module) in zip(files, Library.modules) {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            #expect(Library.text(of: module) == text, "\(module)")
            #expect(try formatted(text, path: file) == text, "\(module) is not formatted")
            // The file is a program like any other.
            let program = try Program(path: file)
            #expect(program.problems.isEmpty, "\(program.problems)")
            #expect(program.findUnsound().isEmpty)
        }
    }

    /// Names stand once, hide no function of the language, and have a first line and a source.
    @Test func definitionsAreDocumented() throws {
        var seen: Set<String> = []
        let page = try Project.text("docs/library.md")
        for module in Library.modules {
            let contents = try #require(Library.contents(of: module))
            #expect(page.contains("## \(module)\n"), "\(module)")
            for definition in contents.definitions {
                #expect(seen.insert(definition.name).inserted, "\(definition.name) stands twice")
                #expect(definition.summary.hasSuffix(".") && definition.summary.count < 150, "\(definition.name): \(definition.summary)")
                #expect(page.contains("| `\(definition.head)` |"), "docs/library.md lacks \(definition.head)")
            }
            #expect(contents.definitions.contains { $0.documentation.contains("arXiv:") || $0.documentation.contains("Neural Computation") }, "\(module)")
        }
        #expect(Library.text(of: "std.") == nil && Library.text(of: "gru") == nil && Library.contents(of: "std.nothing") == nil)
    }

    /// The page has every input, output and tensor of each model in its row.
    @Test(arguments: models) func thePageHasWhatAModelTakes(model: String) throws {
        let (module, name) = Self.parts(model)
        let program = try Program(path: module)
        let typed = try program.model(named: name)
        let built = try Model(program, named: name, dims: Dictionary(uniqueKeysWithValues: typed.dims.map { ($0, 2) }))
        let row = try #require(Project.text("docs/library.md").split(separator: "\n").first { $0.hasPrefix("| `\(name)(") })
        let words = Set(row.split { " `|".contains($0) }.map(String.init))
        let tensors = built.graph.values.compactMap { value -> String? in
            guard case .parameter(let info) = value.operation, info.isTrained else { return nil }
            return info.tensorName ?? info.path
        }
        for word in typed.inputs.map(\.name) + typed.outputs.map(\.name) + tensors { #expect(words.contains(word), "\(model): \(word)") }
    }

    @Test func modulesStandInPlaceOfFiles() throws {
        #expect(try Program(path: "std.gru").modelNames == ["GRU", "ResetBeforeGRU"])
        do {
            _ = try Program(path: "std.grv")
            Issue.record("it was found")
        } catch { #expect(error.description.contains("did you mean 'std.gru'?"), "\(error)") }
        let model = try Model("std.mingru", dims: ["D": 2, "H": 3]).initialized(seed: 1)
        #expect(try model(["x": Tensor([1.0, 2, 3, 4], shape: [1, 2, 2])])["h"].shape == [1, 2, 3])
    }

    /// A file in Swift holds a program that imports modules of the library, and none that imports files.
    @Test func wrappersImportModules() throws {
        let text = "import std.mingru\n\nmodel Two(D) {\n  input x: [D]\n  layer a = MinGRU(D, D)\n  output y = 2 * a(x)\n}\n"
        let written = try SwiftWrapper(Model(Program(text: text), dims: ["D": 2]), named: nil, precision: .f32).text
        #expect(written.contains("import std.mingru") && !written.contains("model MinGRU"))
    }

    @Test func theCommandListsAndPrints() throws {
        let recc = try ReccCommand(Project.path(".build/debug/recc"))
        let list = try recc("library")
        #expect(list.status == 0 && list.output.hasPrefix("std.aaren\n") && list.output.contains("\nstd.gru\n  GRU(D, H)\n      Gated recurrent unit "), "\(list)")
        #expect(!list.output.contains("  _"))
        #expect(try recc("library", "std.gru").output == Library.text(of: "std.gru"))
        let unknown = try recc("library", "std.grv")
        #expect(unknown.status == 1 && unknown.errors.contains("did you mean 'std.gru'?") && unknown.errors.contains("[import-not-found]"), "\(unknown)")
        let path = try recc.file("m.rec", "import std.gru\n\nmodel M(D) {\n  input x: [D]\n  layer g = GRU(D, D) from \"gru.{}_l0\"\n  output y = g(x)\n}\n")
        #expect(try recc("check", path).status == 0 && recc("fmt", "--check", path).status == 0)
        let explained = try recc("explain", path, "-D", "D=4")
        #expect(explained.status == 0 && explained.output.contains("[std/gru.rec:"), "\(explained)")
        #expect(try recc("explain", "std.gru", "--model", "GRU", "-D", "D=4", "-D", "H=4").status == 0)
        #expect(try recc("explain", path, "--model", "GRU", "-D", "D=4", "-D", "H=4").status == 0)
    }
}
