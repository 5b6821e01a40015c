import Foundation
import RecSource
import Testing

@testable import RecSyntax

@Suite struct GrammarTests {
    private let grammar: Grammar
    private let compiled: CompiledGrammar
    /// More sentences can be asked for, to look for rare failures.
    private static let rounds = ProcessInfo.processInfo.environment["MUTATION_ROUNDS"].flatMap(Int.init) ?? 300

    init() throws {
        let url = Programs.root.appendingPathComponent("grammar/rec.ebnf")
        grammar = try Grammar(try String(contentsOf: url, encoding: .utf8))
        compiled = CompiledGrammar(grammar)
    }

    private func grammarAccepts(_ text: String) -> Bool {
        guard let tokens = grammarTokens(text) else { return false }
        var recognizer = Recognizer(compiled, tokens)
        return recognizer.accepts()
    }

    @Test func productionsAreTheParsers() {
        #expect(Set(grammar.rules.keys) == Set(Production.allCases.map(\.rawValue)))
    }

    @Test func corpusIsAcceptedAndRejectedAlike() {
        let accepted = Programs.texts(in: "grammar/corpus/accept") + Programs.all
        let rejected = Programs.texts(in: "grammar/corpus/reject")
        #expect(accepted.count > 10 && rejected.count > 10)
        for (name, text) in accepted {
            #expect(grammarAccepts(text), "the grammar, \(name)")
            #expect(Programs.parsed(text).problems.isEmpty, "the parser, \(name)")
        }
        for (name, text) in rejected {
            #expect(!grammarAccepts(text), "the grammar, \(name)")
            #expect(!Programs.parsed(text).problems.isEmpty, "the parser, \(name)")
        }
    }

    @Test func parserTakesSentencesOfTheGrammar() {
        var maker = SentenceMaker(grammar)
        for seed in 0..<Self.rounds {
            let text = maker.sentence(seed: seed, words: 5 + seed % 300).joined(separator: " ") + "\n"
            let problems = Programs.parsed(text).problems
            #expect(problems.isEmpty, "seed \(seed): \(problems.map(\.message)) in\n\(text)")
        }
    }

    /// A tree without its places.
    private func meaning(_ tree: SyntaxFile) -> String {
        let parts = "\(tree.items)".components(separatedBy: "SourceSpan(")
        return parts[0] + parts.dropFirst().map { $0.components(separatedBy: ")").dropFirst(2).joined(separator: ")") }.joined()
    }

    /// Sentences laid out afresh are sentences of the same grammar, mean the same, and are laid out already.
    @Test func sentencesAreFormatted() {
        var maker = SentenceMaker(grammar)
        var random = Mutator(state: 2)
        for seed in 0..<Self.rounds {
            // Comments stand wherever a line ends.
            let words = maker.sentence(seed: seed, words: 5 + seed % 200).map { word in
                word == "\n" && random.next(3) == 0 ? "// note \(random.next(100))\n" : word
            }
            let first = Programs.parsed(words.joined(separator: " ") + "\n")
            let once = format(first.tree, in: first.sources)
            let second = Programs.parsed(once)
            #expect(second.problems.isEmpty, "seed \(seed): \(second.problems.map(\.message)) in\n\(once)")
            #expect(format(second.tree, in: second.sources) == once, "seed \(seed):\n\(once)")
            #expect(meaning(second.tree) == meaning(first.tree), "seed \(seed):\n\(once)")
            #expect(second.tree.comments.map(\.text) == first.tree.comments.map(\.text), "seed \(seed):\n\(once)")
        }
    }

    /// Sentences with words lost, doubled, exchanged and replaced: the grammar and the parser still say the same.
    @Test func damagedSentencesAreJudgedAlike() {
        var maker = SentenceMaker(grammar)
        var random = Mutator(state: 1)
        var accepted = 0
        for seed in 0..<Self.rounds {
            let words = maker.sentence(seed: seed, words: 5 + seed % 100)
            guard !words.isEmpty else { continue }
            var damaged = words
            for _ in 0...random.next(2) {
                let place = random.next(damaged.count)
                switch random.next(5) {
                case 0: damaged.remove(at: place)
                case 1: damaged.insert(damaged[place], at: place)
                case 2: damaged.swapAt(place, random.next(damaged.count))
                case 3: damaged.insert("\n", at: place)
                default: damaged[place] = words[random.next(words.count)]
                }
                if damaged.isEmpty { break }
            }
            let text = damaged.joined(separator: " ") + "\n"
            let expected = grammarAccepts(text)
            if expected { accepted += 1 }
            #expect(expected == Programs.parsed(text).problems.isEmpty, "seed \(seed): \(Programs.parsed(text).problems.map(\.message))\n\(text)")
        }
        #expect(accepted > 20 && accepted < Self.rounds - 20)
    }
    /// The corpus with a line left out.
    @Test func shortenedCorpusIsJudgedAlike() {
        for (name, text) in Programs.texts(in: "grammar/corpus/accept") {
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            for line in lines.indices {
                var damaged = lines
                damaged.remove(at: line)
                let shorter = damaged.joined(separator: "\n")
                #expect(grammarAccepts(shorter) == Programs.parsed(shorter).problems.isEmpty, "\(name) without line \(line + 1):\n\(shorter)")
            }
        }
    }
}
