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
