import Foundation
import RecSource
import Testing

@testable import RecSyntax

@Suite struct GrammarTests {
    private let grammar: Grammar
    private let compiled: CompiledGrammar

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
        for seed in 0..<300 {
            let text = maker.sentence(seed: seed, words: 5 + seed).joined(separator: " ") + "\n"
            let problems = Programs.parsed(text).problems
            #expect(problems.isEmpty, "seed \(seed): \(problems.map(\.message)) in\n\(text)")
        }
    }

    /// Sentences with words lost, doubled, exchanged and replaced: the grammar and the parser still say the same.
    @Test func damagedSentencesAreJudgedAlike() {
        var maker = SentenceMaker(grammar)
        var random = Mutator(state: 1)
        var accepted = 0
        for seed in 0..<400 {
            let words = maker.sentence(seed: seed, words: 5 + seed / 4)
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
            #expect(expected == Programs.parsed(text).problems.isEmpty, "seed \(seed):\n\(text)")
        }
        #expect(accepted > 20 && accepted < 380)
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
