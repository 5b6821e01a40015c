import RecSource

@testable import RecSyntax

/// A grammar ready for recognising: rules as nodes with numbers, each with the set of tokens that it can begin with.
final class CompiledGrammar {
    enum Node {
        case terminal
        /// A NEWLINE, or nothing in front of "}" and at the end of the file.
        case end
        case rule(Int)
        case sequence([Int]), choice([Int]), optional(Int), repeated(Int)
    }

    private(set) var nodes: [Node] = []
    /// The terminals a node can begin with, a bit each, and whether it can be empty.
    private(set) var first: [UInt128] = []
    private(set) var isNullable: [Bool] = []
    /// The node of each rule.
    private(set) var bodies: [Int] = []
    let start: Int

    private var bits: [String: UInt128] = [:]
    private let ruleNumbers: [String: Int]

    init(_ grammar: Grammar) {
        let names = grammar.rules.keys.sorted()
        ruleNumbers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        start = ruleNumbers["file"] ?? 0
        for name in names { bodies.append(add(grammar.rules[name] ?? .sequence([]))) }
        var changes = true
        while changes {
            changes = false
            for node in nodes.indices { changes = widen(node) || changes }
        }
    }

    /// The bits that a token matches: its own, and that of the word it may be in some places.
    func mask(_ token: String) -> UInt128 {
        let name = token.split(separator: ":", maxSplits: 1).map(String.init)
        if name.count == 2, name[0] == "NAME" { return (bits["NAME"] ?? 0) | (bits["'" + name[1]] ?? 0) }
        return bits[token] ?? 0
    }

    private func bit(_ terminal: String) -> UInt128 {
        if let known = bits[terminal] { return known }
        let fresh = UInt128(1) << UInt128(bits.count)
        bits[terminal] = fresh
        return fresh
    }

    private func add(_ rule: Grammar.Rule) -> Int {
        switch rule {
        case .token(let token): return add(.terminal, bit("'" + token))
        case .name("END"): return add(.end, bit("NEWLINE") | bit("'}") | bit("END OF FILE"))
        case .name(let name):
            if let number = ruleNumbers[name] { return add(.rule(number), 0) }
            return add(.terminal, bit(name))
        case .sequence(let parts): return add(.sequence(parts.map(add)), 0)
        case .choice(let choices): return add(.choice(choices.map(add)), 0)
        case .optional(let inner): return add(.optional(add(inner)), 0)
        case .repeated(let inner): return add(.repeated(add(inner)), 0)
        }
    }

    private func add(_ node: Node, _ mask: UInt128) -> Int {
        nodes.append(node)
        first.append(mask)
        isNullable.append(false)
        return nodes.count - 1
    }

    /// Adds what follows from the parts of a node; whether that was news.
    private func widen(_ node: Int) -> Bool {
        var mask = first[node]
        var empty = isNullable[node]
        switch nodes[node] {
        case .terminal, .end: return false
        case .rule(let rule): (mask, empty) = (first[bodies[rule]], isNullable[bodies[rule]])
        case .sequence(let parts):
            var open = true
            for part in parts where open {
                mask |= first[part]
                open = isNullable[part]
            }
            empty = open
        case .choice(let choices):
            for choice in choices {
                mask |= first[choice]
                empty = empty || isNullable[choice]
            }
        case .optional(let inner), .repeated(let inner): (mask, empty) = (first[inner], true)
        }
        defer { (first[node], isNullable[node]) = (mask, empty) }
        return mask != first[node] || empty != isNullable[node]
    }
}

/// Recognises tokens by a grammar: the places at which a rule can end, remembered for each place it can begin. A rule that
/// cannot begin with the token at hand is not tried.
struct Recognizer {
    private let grammar: CompiledGrammar
    private let tokens: [UInt128]
    private var known: [Int: [Int]] = [:]

    init(_ grammar: CompiledGrammar, _ tokens: [String]) {
        self.grammar = grammar
        self.tokens = (tokens + ["END OF FILE"]).map(grammar.mask)
    }

    mutating func accepts() -> Bool { ends(grammar.bodies[grammar.start], from: 0).contains(tokens.count - 1) }

    private mutating func ends(_ node: Int, from start: Int) -> [Int] {
        guard grammar.first[node] & tokens[start] != 0 else { return grammar.isNullable[node] ? [start] : [] }
        switch grammar.nodes[node] {
        case .terminal: return [start + 1]
        case .end: return [tokens[start] & grammar.mask("NEWLINE") != 0 ? start + 1 : start]
        case .rule(let rule):
            let key = rule * tokens.count + start
            if let found = known[key] { return found }
            let found = ends(grammar.bodies[rule], from: start)
            known[key] = found
            return found
        case .sequence(let parts):
            var places = [start]
            for part in parts { places = union(places.map { ends(part, from: $0) }) }
            return places
        case .choice(let choices): return union(choices.map { ends($0, from: start) })
        case .optional(let inner): return union([[start], ends(inner, from: start)])
        case .repeated(let inner):
            var places: Set<Int> = [start]
            var fresh = [start]
            while let place = fresh.popLast() {
                for end in ends(inner, from: place) where places.insert(end).inserted { fresh.append(end) }
            }
            return Array(places)
        }
    }

    private func union(_ lists: [[Int]]) -> [Int] {
        let lists = lists.filter { !$0.isEmpty }
        return lists.count <= 1 ? lists.first ?? [] : Array(Set(lists.joined()))
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

