import Foundation
import RecSource
import Testing

@testable import RecSyntax

/// Everything that tests of programs share.
enum Programs {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func texts(in folder: String) -> [(name: String, text: String)] {
        let url = root.appendingPathComponent(folder)
        let files = (try? FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "rec" }.sorted { $0.path < $1.path }.compactMap { file in
            (try? String(contentsOf: file, encoding: .utf8)).map { (file.lastPathComponent, $0) }
        }
    }

    /// The examples, and the conformance programs where they are at hand.
    static let all = texts(in: "examples") + texts(in: "../shared/conformance")

    static func parsed(_ text: String) -> (tree: SyntaxFile, problems: [Diagnostic], sources: SourceMap) {
        var sources = SourceMap()
        let file = sources.add(path: "test.rec", text: text)
        let (tree, problems) = parse(file, in: sources)
        return (tree, problems, sources)
    }

    static func ids(_ text: String) -> [DiagnosticID] { parsed(text).problems.map(\.id) }

    /// The body of a model around one equation.
    static func expression(_ text: String) -> String {
        let (tree, problems, _) = parsed("model M {\n y = \(text)\n}\n")
        guard problems.isEmpty, case .model(let model) = tree.items.first, case .equation(let equation) = model.members.first else {
            return "error"
        }
        return ExpressionPrinter.text(equation.value)
    }
}

@Suite struct ParserTests {
    @Test func programsParse() {
        #expect(!Programs.all.isEmpty)
        for (name, text) in Programs.all { #expect(Programs.parsed(text).problems.isEmpty, "\(name)") }
    }

    @Test(arguments: [
        ("a + b * c", "a + b * c"), ("(a + b) * c", "(a + b) * c"), ("-a * b", "-a * b"), ("-(a * b)", "-(a * b)"),
        ("a - (b - c)", "a - (b - c)"), ("(a - b) - c", "a - b - c"), ("2^3^2", "2^3^2"), ("(2^3)^2", "(2^3)^2"),
        ("-a^2", "-a^2"), ("W @ x + U @ h[t-1]", "W @ x + U @ h[t-1]"), ("z * (W @ x)", "z * (W @ x)"),
        ("h[t-1] as [J]", "h[t-1] as [J]"), ("a + (h as [J])", "a + (h as [J])"), ("not a and b or c", "not a and b or c"),
        ("if a > 0 then b else c + d", "if a > 0 then b else c + d"), ("(if a then b else c) + d", "(if a then b else c) + d"),
        ("x |> f |> g", "x |> f |> g"), ("sum[K, V](q * S)", "sum[K, V](q * S)"), ("x[0:H, 1:]", "x[0:H, 1:]"),
        ("conv[L](x, W, stride: 2)", "conv[L](x, W, stride: 2)"), ("fold M(a, 1, b)", "fold M(a, 1, b)"),
        ("-\n x", "-x"), ("if\n - a > 0 then b else c", "if -a > 0 then b else c"), ("f(\n n\n :\n 1)", "f(n: 1)"), ("1e-6 + .5 + 2.", "1e-6 + 0.5 + 2.0"), ("W.T @ y.h", "W.T @ y.h"), ("a\n  + b", "a + b"), ("a +\n b", "a + b"),
        ("sum[s<=t](x[s])", "sum[s <= t](x[s])"), ("max[t - W + 1<=s<t where a and b](x[s - 1])", "max[t-W+1 <= s < t where a and b](x[s-1])"),
        ("sum[s in t where if a then b else c](s)", "sum[s in t where if a then b else c](s)"), ("f[K, (a < b) > t,](1)", "f[K, (a < b) > t](1)"),
    ])
    func bindsAsDocumented(source: String, printed: String) { #expect(Programs.expression(source) == printed) }

    @Test func oneMistakeGivesOneError() {
        #expect(Programs.ids("model M {\n y = x + \n}\n") == [.unexpectedToken])
        #expect(Programs.ids("model M {\n y = (x + 1\n z = 2\n}\n") == [.unexpectedToken])
        #expect(Programs.ids("model M {\n sate h: [H]\n}\n") == [.unexpectedToken])
        #expect(Programs.ids("model M {\n y = a < b < c\n}\n") == [.unexpectedToken])
        #expect(Programs.ids("model M {\n y = 3x\n}\n") == [.malformedNumber])
        #expect(Programs.ids("model M {\n y = a & b\n}\n").first == .unexpectedCharacter)
        #expect(Programs.ids("import \"gru.rec\n") == [.unterminatedText])
        #expect(Programs.ids("model M {\n y = 1\n") == [.unexpectedToken])
    }

    /// What belongs to a broken line is passed over with it, and what follows is read.
    @Test(arguments: [
        "y = f(a,\n b c,\n d)", "y = f(a,\n b c,\n g(d)\n)", "y = (a + ) \n + b\n - c", "y = if a thn b\n else c",
        "y = [a b,\n -c,\n (d)]", "example x = [1 2,\n 3]\n -> y = [1,\n 2]", "y = sum[K(x\n z = 2", "y = a b\n |> f",
    ])
    func recoversBehindTheWholeMistake(member: String) {
        #expect(Programs.ids("model M {\n \(member)\n}\n") == [.unexpectedToken])
        #expect(Programs.ids("model M {\n \(member)\n w = 1\n u = )\n}\n") == [.unexpectedToken, .unexpectedToken])
    }

    /// A line goes on behind '=', and inside brackets of any kind.
    @Test(arguments: ["dim a =\n 2", "state h: real =\n 1", "param p: real =\n ones", "layer l =\n A", "require affine(\n h\n )"])
    func linesGoOn(member: String) { #expect(Programs.ids("model M {\n \(member)\n}\n") == []) }

    @Test func modelsRunOverSomething() { #expect(Programs.ids("model M over () {\n}\n") == [.unexpectedToken]) }

    @Test func severalMistakesGiveSeveralErrors() {
        #expect(Programs.ids("model M {\n y = x +\n}\nmodel N {\n z = )\n}\n").count == 2)
        #expect(Programs.ids("model M {\n a = x + * 2\n b = 1\n c = ]\n}\n").count == 2)
    }

    @Test func nestingIsLimited() {
        let deep = String(repeating: "(", count: 100_000)
        #expect(Programs.ids("model M {\n y = \(deep)\n}\n").contains(.nestingTooDeep))
        let signs = String(repeating: "-", count: 100_000)
        #expect(Programs.ids("model M {\n y = \(signs)x\n}\n").contains(.nestingTooDeep))
    }

    @Test func chainsAreLimited() {
        let sum = String(repeating: "x + ", count: 200_000)
        #expect(Programs.ids("model M {\n y = \(sum)x\n}\n") == [.nestingTooDeep])
        let indices = String(repeating: "[0]", count: 200_000)
        #expect(Programs.ids("model M {\n y = x\(indices)\n}\n") == [.nestingTooDeep])
    }

    @Test func helpNamesTheLikelyMend() {
        let problem = Programs.parsed("model M {\n sate h: [H]\n}\n").problems.first
        #expect(problem?.help == "did you mean 'state'?")
    }
}

@Suite struct FormatterTests {
    @Test func formattingIsIdempotentAndChangesNothing() {
        for (name, text) in Programs.all {
            let first = Programs.parsed(text)
            let once = format(first.tree, in: first.sources)
            let second = Programs.parsed(once)
            #expect(second.problems.isEmpty, "\(name)")
            #expect(format(second.tree, in: second.sources) == once, "\(name)")
            #expect(first.tree.comments.map(\.text) == second.tree.comments.map(\.text), "\(name)")
            #expect(first.tree.items.count == second.tree.items.count, "\(name)")
        }
    }

    @Test func examplesAreFormatted() {
        for (name, text) in Programs.texts(in: "examples") {
            let (tree, _, sources) = Programs.parsed(text)
            #expect(format(tree, in: sources) == text, "\(name)")
        }
    }
}

@Suite struct MutationTests {
    /// Programs with bytes changed, lost, doubled and cut off: errors, but never a trap.
    @Test func mutatedSourcesNeverTrap() {
        var generator = Mutator(state: 42)
        for (_, text) in Programs.all {
            for _ in 0..<25 {
                let mutated = generator.mutated(Array(text.utf8))
                let (tree, _, sources) = Programs.parsed(String(decoding: mutated, as: UTF8.self))
                _ = DiagnosticRenderer(sources).text(Programs.parsed(String(decoding: mutated, as: UTF8.self)).problems)
                _ = tree
            }
        }
    }
}

/// Seeded damage to bytes.
struct Mutator {
    var state: UInt64

    mutating func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % max(1, bound)
    }

    mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
        var result = bytes
        for _ in 0...next(4) where !result.isEmpty {
            let at = next(result.count)
            switch next(5) {
            case 0: result[at] = UInt8(next(256))
            case 1: result.remove(at: at)
            case 2: result.insert(contentsOf: result[at..<min(result.count, at + next(20))], at: at)
            case 3: result.removeLast(min(result.count, next(40)))
            default: result.swapAt(at, next(result.count))
            }
        }
        return result
    }
}
