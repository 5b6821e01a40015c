import RecLibrary
import RecLowering
import RecSource
import RecTyping
import Testing

/// `import std.gru`: what is found, what is not, and what names stand for then.
@Suite struct LibraryImports {
    private static let user = "model M(D) { input x: [D]\n layer g = GRU(D, D)\n output y = g(x) }"

    @Test func modulesAreFound() {
        #expect(check("import std.gru\n" + Self.user).ids == [])
        // Twice is once, and from a file that is imported, too.
        #expect(check("import std.gru\nimport std.gru\n" + Self.user).ids == [])
        #expect(check("import \"g.rec\"\n" + Self.user, files: ["g.rec": "import std.gru"]).ids == [])
        #expect(check("import \"g.rec\"\nimport std.gru\n" + Self.user, files: ["g.rec": "import std.gru"]).ids == [])
        #expect(check("import std.gru\nimport std.mamba\n" + Self.user).program.mainFileModels == ["M"])
    }

    @Test func everyModuleIsSound() {
        for module in Library.modules { #expect(check("import \(module)").diagnostics.map(\.message) == [], "\(module)") }
        #expect(check(Library.modules.map { "import \($0)\n" }.joined()).diagnostics.map(\.message) == [])
    }

    @Test func unknownModulesAreTold() {
        expectError(.importNotFound, at: "std.grru", in: "import std.grru\n" + Self.user, says: "no module 'std.grru'", helps: "did you mean 'std.gru'? modules are std.aaren, ")
        expectError(.importNotFound, at: "std.GRU", in: "import std.GRU", helps: "did you mean 'std.gru'?")
        expectError(.importNotFound, at: "std.kda", in: "import std.kda", helps: "'KDA' is in 'std.deltanet'")
        expectError(.importNotFound, at: "torch.nn.gru", in: "import torch.nn.gru", helps: "'std.gru'")
        expectError(.importNotFound, at: "std.gru.GRU", in: "import std.gru.GRU", helps: "std.gru")
        expectError(.importNotFound, at: "\"std.gru\"", in: "import \"std.gru\"", says: "no file 'std.gru'", helps: "without quotes: import std.gru")
    }

    @Test func brokenImportsAreTold() {
        expectError(.unexpectedToken, at: "\n", in: "import gru\n", says: "'std.gru'", helps: "write import \"gru.rec\", or import std.gru")
        expectError(.unexpectedToken, at: "\n", in: "import std\n", helps: "import std.gru")
        expectError(.unexpectedToken, at: "\n", in: "import std.\n", says: "the name of a module")
        expectError(.unexpectedToken, at: "3", in: "import 3\n", says: "a path in quotes, or a module", helps: "import std.gru")
        expectError(.unexpectedToken, at: "model", in: "import std.model\n", says: "the name of a module", helps: "word of the language")
    }

    /// The library is known to those who do not import it.
    @Test func theLibraryIsNamedInHelp() {
        expectError(.unknownName, at: "GRU", in: Self.user, helps: "import std.gru")
        expectError(.unknownName, at: "gru", in: "model M(D) { input x: [D]\n layer g = gru(D, D)\n output y = g(x) }", helps: "where it is 'GRU'")
        expectError(.unknownName, at: "LSTM", in: "model M(D) { input x: [D]\n output y = LSTM(x) }", helps: "import std.lstm, and declare a layer: layer lstm = LSTM(D, H)")
        expectError(.unknownName, at: "GRUCell", in: "model M(D) { input x: [D]\n output y = GRUCell(x) }", helps: "import std.gru")
        expectError(.unknownName, at: "gla", in: "func f(x) = gla(x)\nmodel M(D) { input x: [D]\n output y = f(x) }", helps: "import std.gla")
        expectError(
            .unknownName, at: "SoftmaxMean", in: "model M(D) { input x: [D]\n f = fold SoftmaxMean(x)\n output y = f.m }", helps: "import std.aaren")
        // A name of one's own that is close goes first.
        expectError(.unknownName, at: "GRV", in: "model GRU(D) { input x: [D]\n output y = x }\n" + Self.user.replacing("GRU(D, D)", with: "GRV(D)"), helps: "did you mean 'GRU'?")
    }

    /// What a module imports itself, and what it calls with '_' in front, is not seen by the program.
    @Test func modulesKeepWhatIsTheirs() {
        expectError(
            .unknownName, at: "BiasedShortConvolution",
            in: "import std.mamba\nmodel M(D) { input x: [D]\n layer c = BiasedShortConvolution(D)\n output y = c(x) }", helps: "import std.convolution")
        expectError(.unknownName, at: "_moved", in: "import std.deltanet\nmodel M(D) { input x: [D]\n output y = _moved(x, x, x, x, x) }")
        #expect(check("import std.mamba\nimport std.convolution\nmodel M(D) { input x: [D]\n layer c = BiasedShortConvolution(D)\n output y = c(x) }").ids == [])
    }

    /// A definition of the program goes first, and changes nothing within the library.
    @Test func theProgramsOwnNamesGoFirst() throws {
        let own = """
            import std.mamba
            import std.gru
            func silu(x) = 0 * x
            func _moved(a) = a
            monoid SelectiveScan(m) {
              identity (0)
              combine (a, b) {
                m = a.m + b.m
              }
            }
            model BiasedShortConvolution(D) { input x: [D]
             output y = _moved(silu(x)) }
            model GRU(D) { input x: [D]
             output y = 2 * x }
            model M(D) { input x: [D]
             layer a = BiasedShortConvolution(D)
             layer b = Mamba(D, 4, 2, 2)
             layer c = GRU(D)
             layer d = ResetBeforeGRU(D, D)
             output y = b(d(c(x))) + a(x) }
            """
        let program = check(own)
        #expect(program.diagnostics.map(\.message) == [])
        let layers = try #require(program.program.models["M"]).layers.map(\.model)
        #expect(layers == ["BiasedShortConvolution", "Mamba", "GRU", "ResetBeforeGRU"])
        let inner = try #require(program.program.models["Mamba"]).layers.map(\.model)
        #expect(inner == ["std.convolution.BiasedShortConvolution", "std.mamba.SelectiveScan"])
        // The same graph as without those names, but for the layers that are the program's own.
        let plain = "import std.mamba\nmodel M(D) { input x: [D]\n layer b = Mamba(D, 4, 2, 2)\n output y = b(x) }\n"
        let hostile = "func silu(x) = 0 * x\nfunc softplus(x) = x\nfunc split(x, y) = x\nmodel SelectiveScan(E, N) { input x: [E]\n output y = x }\n" + plain
        #expect(try graph(plain, ["D": 3]).text == graph(hostile, ["D": 3], model: "M").text)
    }

    @Test func hiddenNamesAreWarnedOf() {
        func warned(_ text: String) -> [String] {
            let loader = ProgramLoader(path: "main.rec", text: text) { _, _ in nil }
            #expect(loader.diagnostics.isEmpty)
            return warnings(about: loader.program, loader.sources).map { "\($0.id.rawValue): \($0.message)" }
        }
        let own = "model GRU(D) { input x: [D]\n output y = x }"
        #expect(warned("import std.gru\n" + own) == ["hidden-import: 'GRU' is a name of std.gru, too; in this program it is yours"])
        #expect(warned(own) == [] && warned("import std.lstm\n" + own) == [])
        #expect(warned("import std.aaren\nmodel M { input x: real\n output x }\nfunc Aaren(x) = x").map { $0.prefix(13) } == ["hidden-import"])
    }

    /// Mistakes within the library's models point into its files.
    @Test func placesAreThoseOfTheLibrary() throws {
        let text = "import std.mamba2\nmodel M { input x: [4]\n layer b = Mamba2(4, 1, 1, 4096, 1048576)\n output y = b(x) }"
        let checked = check(text)
        #expect(checked.diagnostics.map(\.message) == [])
        do {
            _ = try lower(checked.program, model: "M", dims: [:])
            Issue.record("nothing was too large")
        } catch {
            let span = try #require(error.diagnostics.first?.span)
            #expect(checked.sources[span.file].path == "std/mamba2.rec", "\(error.diagnostics)")
        }
        #expect(checked.sources.files.map(\.path) == ["main.rec", "std/mamba2.rec", "std/convolution.rec"])
        #expect(checked.sources.files.map(\.isLibrary) == [false, true, true])
    }
}
