import Foundation
import RecSource
import Testing

@testable import RecSyntax

/// A grammar in the notation of `grammar/rec.ebnf`.
struct Grammar {
    indirect enum Rule {
        case token(String), name(String), sequence([Rule]), choice([Rule]), optional(Rule), repeated(Rule)
    }

    private(set) var rules: [String: Rule] = [:]
    private var words: [String] = []
    private var position = 0

    init(_ text: String) throws {
        words = Self.split(text)
        while position < words.count {
            let name = take()
            try expect("=")
            rules[name] = try alternatives()
            try expect(";")
        }
    }

    private struct Malformed: Error { var place: String }

    private static func split(_ text: String) -> [String] {
        var words: [String] = []
        var rest = Substring(text)
        while let first = rest.first {
            if first.isWhitespace {
                rest.removeFirst()
            } else if rest.hasPrefix("(*") {
                rest = rest[(rest.firstRange(of: "*)")?.upperBound ?? rest.endIndex)...]
            } else if first == "\"" {
                let body = rest.dropFirst().prefix { $0 != "\"" }
                words.append("\"" + body)
                rest = rest.dropFirst(body.count + 2)
            } else if first.isLetter {
                let name = rest.prefix { $0.isLetter }
                words.append(String(name))
                rest = rest.dropFirst(name.count)
            } else {
                words.append(String(first))
                rest.removeFirst()
            }
        }
        return words
    }

    private mutating func take() -> String {
        position += 1
        return position <= words.count ? words[position - 1] : ""
    }
    private var next: String { position < words.count ? words[position] : "" }
    private mutating func expect(_ word: String) throws { if take() != word { throw Malformed(place: words.prefix(position).suffix(5).joined(separator: " ")) } }

    private mutating func alternatives() throws -> Rule {
        var choices = [try sequence()]
        while next == "|" {
            position += 1
            choices.append(try sequence())
        }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func sequence() throws -> Rule {
        var parts: [Rule] = []
        while !["|", ";", ")", "]", "}", ""].contains(next) { parts.append(try part()) }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func part() throws -> Rule {
        let word = take()
        let closing = ["(": ")", "[": "]", "{": "}"]
        if let close = closing[word] {
            let inner = try alternatives()
            try expect(close)
            return word == "[" ? .optional(inner) : word == "{" ? .repeated(inner) : inner
        }
        return word.hasPrefix("\"") ? .token(String(word.dropFirst())) : .name(word)
    }
}

/// Recognises tokens by a grammar: the set of places at which a rule can end, remembered for each place it can begin.
struct Recognizer {
    private let grammar: Grammar
    private let tokens: [String]
    private var known: [String: [Int: Set<Int>]] = [:]

    init(_ grammar: Grammar, _ tokens: [String]) {
        self.grammar = grammar
        self.tokens = tokens
    }

    mutating func accepts() -> Bool { ends(.name("file"), from: 0).contains(tokens.count) }

    private mutating func ends(_ rule: Grammar.Rule, from start: Int) -> Set<Int> {
        switch rule {
        case .token(let token):
            return start < tokens.count && (tokens[start] == "'\(token)" || tokens[start] == "NAME:\(token)") ? [start + 1] : []
        case .name(let name):
            if let rule = grammar.rules[name] {
                if let found = known[name]?[start] { return found }
                let found = ends(rule, from: start)
                known[name, default: [:]][start] = found
                return found
            }
            if name == "END", start == tokens.count || tokens[start] == "'}" { return [start] }
            let wanted = name == "END" ? "NEWLINE" : name
            guard start < tokens.count else { return [] }
            return tokens[start] == wanted || tokens[start].hasPrefix(wanted + ":") ? [start + 1] : []
        case .sequence(let parts):
            var places: Set<Int> = [start]
            for part in parts {
                var next: Set<Int> = []
                for place in places { next.formUnion(ends(part, from: place)) }
                places = next
                if places.isEmpty { break }
            }
            return places
        case .choice(let choices):
            var places: Set<Int> = []
            for choice in choices { places.formUnion(ends(choice, from: start)) }
            return places
        case .optional(let inner):
            return ends(inner, from: start).union([start])
        case .repeated(let inner):
            var places: Set<Int> = [start]
            var fresh = places
            while !fresh.isEmpty {
                var next: Set<Int> = []
                for place in fresh { next.formUnion(ends(inner, from: place)) }
                fresh = next.subtracting(places)
                places.formUnion(fresh)
            }
            return places
        }
    }
}

/// The tokens of a text as the grammar knows them, with the line ends that count; nil where the text has no tokens.
func grammarTokens(_ text: String) -> [String]? {
    var sources = SourceMap()
    let lexer = Lexer(sources.add(path: "t", text: text), in: sources)
    guard lexer.diagnostics.isEmpty else { return nil }
    let binary: Set<String> = ["+", "-", "*", "/", "^", "@", "<", "<=", "==", "!=", ">=", ">", "and", "or", "|>", "then", "else", "->"]
    var names: [String] = []
    for token in lexer.tokens {
        switch token.kind {
        case .identifier(let name): names.append("NAME:\(name)")
        case .keyword(let word): names.append("'\(word.rawValue)")
        case .integer: names.append("INT")
        case .real: names.append("REAL")
        case .text: names.append("TEXT")
        case .symbol(let symbol): names.append("'\(symbol)")
        case .newline: names.append("NEWLINE")
        case .invalid, .end: break
        }
    }
    var result: [String] = []
    var depth = 0
    for (index, name) in names.enumerated() {
        if name == "'(" || name == "'[" { depth += 1 }
        if name == "')" || name == "']" { depth -= 1 }
        if name == "NEWLINE" {
            if depth > 0 { continue }
            if let last = result.last, binary.contains(String(last.dropFirst())) || last == "'=", last.hasPrefix("'") { continue }
            if let following = names[(index + 1)...].first(where: { $0 != "NEWLINE" }), following.hasPrefix("'"), binary.contains(String(following.dropFirst())) { continue }
        }
        result.append(name)
    }
    return result
}

@Suite struct GrammarTests {
    private let grammar: Grammar

    init() throws {
        let url = Programs.root.appendingPathComponent("grammar/rec.ebnf")
        grammar = try Grammar(try String(contentsOf: url, encoding: .utf8))
    }

    private func grammarAccepts(_ text: String) -> Bool {
        guard let tokens = grammarTokens(text) else { return false }
        var recognizer = Recognizer(grammar, tokens)
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
        for seed in 0..<300 {
            var maker = SentenceMaker(grammar: grammar, choices: Mutator(state: UInt64(seed)))
            let text = maker.sentence()
            let problems = Programs.parsed(text).problems
            #expect(problems.isEmpty, "seed \(seed): \(problems.map(\.message)) in\n\(text)")
        }
    }

    /// Small damage to sentences: both sides still say the same.
    @Test func damagedSentencesAreJudgedAlike() {
        for (name, text) in Programs.texts(in: "grammar/corpus/accept") {
            guard let lines = Optional(text.split(separator: "\n", omittingEmptySubsequences: false)), lines.count > 1 else { continue }
            for line in lines.indices {
                var damaged = lines
                damaged.remove(at: line)
                let shorter = damaged.joined(separator: "\n")
                #expect(grammarAccepts(shorter) == Programs.parsed(shorter).problems.isEmpty, "\(name) without line \(line + 1):\n\(shorter)")
            }
        }
    }
}

/// Makes sentences of a grammar at random.
struct SentenceMaker {
    let grammar: Grammar
    var choices: Mutator
    private var words: [String] = []

    init(grammar: Grammar, choices: Mutator) {
        self.grammar = grammar
        self.choices = choices
    }

    mutating func sentence() -> String {
        words = []
        make(.name("file"), depth: 0)
        return words.joined(separator: " ") + "\n"
    }

    private mutating func make(_ rule: Grammar.Rule, depth: Int) {
        switch rule {
        case .token(let token): words.append(token)
        case .name(let name):
            if let rule = grammar.rules[name] { return make(rule, depth: depth + 1) }
            switch name {
            case "NAME": words.append(["x", "h", "Wz", "t", "f", "step", "once"][choices.next(7)])
            case "INT": words.append("\(choices.next(100))")
            case "REAL": words.append(["1.5", ".25", "1e-6", "2."][choices.next(4)])
            case "TEXT": words.append("\"a.rec\"")
            default: words.append("\n")
            }
        case .sequence(let parts): for part in parts { make(part, depth: depth) }
        case .choice(let alternatives):
            // Deep down the shortest way out: a plain name or number.
            let index = depth > 24 ? (alternatives.count > 4 ? 0 : alternatives.count - 1) : choices.next(alternatives.count)
            make(alternatives[index], depth: depth)
        case .optional(let inner): if depth < 24, choices.next(3) == 0 { make(inner, depth: depth) }
        case .repeated(let inner):
            var left = depth < 24 ? choices.next(depth < 2 ? 6 : 3) : 0
            while left > 0 {
                make(inner, depth: depth)
                left -= 1
            }
        }
    }
}
