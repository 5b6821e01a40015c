import RecSource
import RecStream
import RecTyping
import Testing

/// Where the tensors of layers and parameters are: `from "lstm.{}_l0"`.
@Suite struct TensorPlaces {
    /// The tensor's name of each parameter, by path.
    private func names(_ text: String, _ dims: [String: Int] = [:]) throws -> [String: String] {
        try graph(text, dims).values.reduce(into: [:]) { names, value in
            if case .parameter(let info) = value.operation { names[info.path] = info.tensorName ?? info.path }
        }
    }

    private static let cell = "model Cell(D) { input x: [D]\n param w: [D]\n param b: [D] from \"bias\"\n output y = w * x + b }\n"

    @Test func namesGoWhereTheLayerSays() throws {
        let found = try names(
            Self.cell + """
                model M(D) {
                  input x: [D]
                  layer f = Cell(D) from "lstm.{}_l0"
                  layer g = Cell(D)
                  layer h = Cell(D) from "{}"
                  layer r = repeat(2, Cell(D)) from "layers.{i}.mixer.{}"
                  layer s = repeat(2, Cell(D)) from "{}_l{ i + 1 }"
                  layer p = repeat(2, Cell(D))
                  output y = x |> f |> g |> h |> r |> s |> p
                }
                """, ["D": 2])
        #expect(
            found == [
                "f.w": "lstm.w_l0", "f.b": "lstm.bias_l0", "g.w": "g.w", "g.b": "g.bias", "h.w": "w", "h.b": "bias",
                "r.0.w": "layers.0.mixer.w", "r.0.b": "layers.0.mixer.bias", "r.1.w": "layers.1.mixer.w", "r.1.b": "layers.1.mixer.bias",
                "s.0.w": "w_l1", "s.0.b": "bias_l1", "s.1.w": "w_l2", "s.1.b": "bias_l2",
                "p.0.w": "p.0.w", "p.0.b": "p.0.bias", "p.1.w": "p.1.w", "p.1.b": "p.1.bias",
            ])
        let several = try names("model M(D) { input x: [D]\n param a, c: [D] from \"{}.weight\"\n output y = a * x + c }", ["D": 2])
        #expect(several == ["a": "a.weight", "c": "c.weight"])
    }

    /// What comes out of the inner place goes into the outer one.
    @Test func placesWithinPlaces() throws {
        let nested =
            Self.cell + """
                model Block(D) {
                  input x: [D]
                  layer mixer = Cell(D) from "mixer.{}.weight"
                  layer plain = Cell(D)
                  layer twice = repeat(2, Cell(D)) from "{i}.{}"
                  output y = x |> mixer |> plain |> twice
                }
                model M(D, L) {
                  input x: [D]
                  layer b = repeat(L, Block(D)) from "net.{i}.{}!"
                  layer a = repeat(L, Block(D))
                  output y = x |> b |> a
                }
                """
        let found = try names(nested, ["D": 2, "L": 2])
        #expect(found["b.1.mixer.w"] == "net.1.mixer.w.weight!" && found["b.0.mixer.b"] == "net.0.mixer.bias.weight!")
        #expect(found["b.1.plain.b"] == "net.1.plain.bias!" && found["b.1.twice.0.w"] == "net.1.0.w!")
        #expect(found["a.1.mixer.w"] == "a.1.mixer.w.weight" && found["a.0.twice.1.b"] == "a.0.1.bias" && found["a.0.plain.w"] == "a.0.plain.w")
        #expect(found.count == 32)
    }

    /// A layer that is called twice has its tensors once.
    @Test func callsShareTensors() throws {
        let found = try names(Self.cell + "model M(D) { input x: [D]\n layer f = Cell(D) from \"f.{}\"\n output y = f(f(x)) }", ["D": 2])
        #expect(found == ["f.w": "f.w", "f.b": "f.bias"])
    }

    @Test(arguments: [
        ("layer f = Cell(D) from \"lstm.l0\"", "\"lstm.l0\"", "{} where they go"),
        ("layer f = Cell(D) from \"\"", "\"\"", "{} where they go"),
        ("layer f = Cell(D) from \"{}.{}\"", "\"{}.{}\"", "write {} once"),
        ("layer f = Cell(D) from \"f.{k}.{}\"", "{k}", "{i} and {i+1}"),
        ("layer f = Cell(D) from \"f.{i-1}.{}\"", "{i-1}", "{i} and {i+1}"),
        ("layer f = Cell(D) from \"f.{i+}.{}\"", "{i+}", "{i} and {i+1}"),
        ("layer f = Cell(D) from \"f.{i+99999999999999999999}.{}\"", "{i+99999999999999999999}", "{i} and {i+1}"),
        ("layer f = Cell(D) from \"f.{i}.{}\"", "\"f.{i}.{}\"", "repeat the layer"),
        ("layer f = repeat(2, Cell(D)) from \"f.{}\"", "\"f.{}\"", "\"f.{i}.{}\""),
        ("layer f = Cell(D) from \"f.{\"", "{", "{} is the name"),
        ("layer f = Cell(D) from \"f.{}}\"", "}", "{} is the name"),
        ("layer f = Cell(D) from \"ü{}é}\"", "}", "{} is the name"),
    ])
    func badPlacesAreErrors(layer: String, place: String, help: String) {
        expectError(.badTensorName, at: place, in: Self.cell + "model M(D) { input x: [D]\n \(layer)\n output y = f(x) }", helps: help)
    }

    @Test func badNamesOfParametersAreErrors() {
        func program(_ from: String) -> String { "model M(D) { input x: [D]\n param w: [D] from \(from)\n output y = w * x }" }
        expectError(.badTensorName, at: "\"w.{i}\"", in: program("\"w.{i}\""), helps: "repeat")
        expectError(.badTensorName, at: "{j}", in: program("\"w.{j}\""))
        expectError(.badTensorName, at: "\"\"", in: program("\"\""), helps: "leave 'from' out")
        expectError(.badTensorName, at: "\"{}{}\"", in: program("\"{}{}\""), helps: "once")
        expectError(.wrongArgument, at: "a, b", in: "model M(D) { input x: [D]\n param a, b: [D] from \"w\"\n output y = a * x + b }", helps: "{} for the name")
        expectError(.unexpectedToken, at: "w", in: Self.cell + "model M(D) { input x: [D]\n layer f = Cell(D) from w\n output y = f(x) }", helps: nil)
    }

    /// Sizes and numbers of copies are read off tensors under their own names.
    @Test func dimsAreReadUnderTheNamesOfTensors() {
        let checked = check(
            Self.cell + """
                model Block(D, N) {
                  input x: [D]
                  param u: [N, D]
                  layer inner = repeat(N, Cell(D)) from "{}_{i+1}"
                  output y = inner(x) * sum(u @ x)
                }
                model M(D, N, L) {
                  input x: [D]
                  layer b = repeat(L, Block(D, N)) from "net.{i+3}.{}"
                  output y = b(x)
                }
                """)
        #expect(checked.diagnostics.isEmpty, "\(checked.diagnostics.map(\.message))")
        func solved(_ tensors: [(String, [Int])]) -> [String: Int]? {
            checked.program.models["M"]?.solveDims(given: [:], evidence: tensors.map { DimEvidence(name: $0.0, role: .parameter, sizes: $0.1) }) {
                checked.program.models[$0]
            }
        }
        #expect(solved([("net.3.u", [4, 7]), ("net.4.w_1", [7]), ("net.9.x", [7])]) == ["D": 7, "N": 4, "L": 2])
        #expect(solved([("net.3.bias_1", [7]), ("net.3.bias_5", [7]), ("net.5.bias_1", [7])]) == ["D": 7, "N": 5, "L": 3])
        #expect(solved([("b.0.u", [4, 7]), ("b.2.u", [4, 7])]) == ["D": 7, "N": 4, "L": 3])
        #expect(solved([("net.2.u", [4, 7]), ("u", [1, 1])]) == [:])
    }
}
