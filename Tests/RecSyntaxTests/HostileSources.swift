import RecSource
import Testing

@testable import RecSyntax

/// Texts meant to exhaust the parser, the printer and the formatter: they end in a message, or in a tree that everything
/// behind the parser can walk, within seconds.
@Suite(.timeLimit(.minutes(30))) struct HostileSources {
    private func model(_ expression: String) -> String { "model M {\n y = \(expression)\n}\n" }

    /// What is accepted can be printed and formatted, too.
    private func ids(_ text: String) -> [DiagnosticID] {
        let (tree, problems, sources) = Programs.parsed(text)
        _ = DiagnosticRenderer(sources).text(problems)
        _ = DiagnosticRenderer(sources).json(problems)
        guard problems.isEmpty else { return problems.map(\.id) }
        let once = format(tree, in: sources)
        let again = Programs.parsed(once)
        #expect(again.problems.isEmpty)
        #expect(format(again.tree, in: again.sources) == once)
        return []
    }

    /// Each wraps an expression once more.
    private static let wrappings: [(before: String, after: String)] = [
        ("(", ")"), ("[", "]"), ("-", ""), ("not ", ""), ("f(", ")"), ("x[", "]"), ("sum[K](", ")"), ("fold M(", ")"), ("2^", ""),
        ("if a then b else ", ""), ("if a then ", " else b"), ("if ", " then a else b"), ("a + (", ")"), ("f(n: ", ")"),
        ("x[:", "]"), ("sum[", "](a)"), ("a as [", "]"), ("(a |> f(", "))"),
    ]

    @Test(arguments: wrappings.indices) func deepNesting(index: Int) {
        let wrapping = Self.wrappings[index]
        func wrapped(_ depth: Int) -> String {
            model(String(repeating: wrapping.before, count: depth) + "1" + String(repeating: wrapping.after, count: depth))
        }
        #expect(ids(wrapped(60)) == [])
        #expect(ids(wrapped(5_000)) == [.nestingTooDeep])
    }

    @Test(arguments: [" + x", " * x", " or x", " and x", " @ x", " |> f", "[0]", ".T", " as [K]", "\n + x"])
    func longChains(link: String) {
        #expect(ids(model("x" + String(repeating: link, count: 500))) == [])
        #expect(ids(model("x" + String(repeating: link, count: 15_000))) == [.nestingTooDeep])
    }

    /// Chains within chains: each is short, the tree of all is not.
    @Test func heightsOfChainsAddUp() {
        let link = String(repeating: " + x", count: 300)
        let tower = String(repeating: "(", count: 150) + "x" + String(repeating: link + ")", count: 150)
        #expect(ids(model(tower)) == [.nestingTooDeep])
        let call = String(repeating: "f(", count: 150) + "x" + String(repeating: link + ")", count: 150)
        #expect(ids(model(call)) == [.nestingTooDeep])
    }

    /// Whether brackets index or call is not looked for again at each level.
    @Test func bracketsInBrackets() {
        let deep = String(repeating: "x[", count: 190) + String(repeating: "1, ", count: 20_000) + "1" + String(repeating: "]", count: 190)
        #expect(ids(model(deep)) == [])
    }

    @Test func longDeclarations() {
        let names = (0..<5_000).map { "a\($0)" }.joined(separator: ", ")
        #expect(ids("model M(\(names)) {\n input \(names): [\(names)]\n}\n") == [])
        #expect(ids("monoid M(\(names)) {\n identity (\(names))\n combine (a, b) {\n \(names) = a\n }\n}\n") == [])
        #expect(ids("func f(\(names)) = a0\n") == [])
        let name = String(repeating: "n", count: 500_000)
        #expect(ids("model \(name) {\n \(name) = \(name)\n}\n") == [])
        #expect(ids("modle \(name)\n\(name) M\n").count == 1)
    }

    /// Everything on one line: places are found without reading the line again for each.
    @Test func oneLongLine() {
        #expect(ids(String(repeating: "model M { x = 1 } ", count: 5_000)) == [])
        #expect(ids("model M { " + String(repeating: "dim a = 1 } model M { ", count: 5_000) + "}") == [])
    }

    @Test func longRunsOfLineEnds() {
        let gap = String(repeating: "\n", count: 100_000)
        #expect(ids(model("(((((\(gap)x\(gap))))))\(gap)+ 1")) == [])
        #expect(ids("\(gap)model M\(gap){\(gap)}") == [])
    }

    @Test func documentationOfManyLines() {
        let lines = String(repeating: "/// a line\n", count: 10_000)
        #expect(ids(lines + String(repeating: "func f(x) = x\n", count: 500)) == [])
        #expect(ids(String(repeating: "/// a line\nfunc f(x) = x\n", count: 5_000)) == [])
    }

    /// A file that is no program is refused by its first mistakes.
    @Test(arguments: ["&", "\"", "}", "{", "a", "1x ", ")", "\u{0}", "é", "model ", "x = \n", "\u{FFFD}\n", "99999999999999999999999 "])
    func repeatedMistakes(text: String) {
        for frame in [("", ""), ("model M {\n", "\n}\n")] {
            let found = ids(frame.0 + String(repeating: text, count: 10_000) + frame.1)
            #expect(!found.isEmpty && found.count <= 100)
        }
    }

    @Test func hugeNumbers() {
        #expect(ids(model(String(repeating: "9", count: 100_000))) == [.malformedNumber])
        #expect(ids(model("1e\(String(repeating: "9", count: 100_000))")) == [.malformedNumber])
        #expect(ids(model("0.\(String(repeating: "0", count: 100_000))1")) == [])
        #expect(ids(model("9007199254740993 + 1e308 + 1e-400 + 4.9e-324")) == [])
        #expect(ids(model("9223372036854775807 + 9223372036854775808.0")) == [])
        #expect(ids(model("9223372036854775808")) == [.malformedNumber])
    }
}
