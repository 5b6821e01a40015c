/// Makes sentences of a grammar at random, of about as many words as wanted.
struct SentenceMaker {
    private let grammar: Grammar
    /// The fewest words that each rule needs.
    private let least: [String: Int]
    private var choices: Mutator
    private var words: [String] = []
    private var wanted = 0

    init(_ grammar: Grammar) {
        self.grammar = grammar
        choices = Mutator(state: 0)
        var least: [String: Int] = [:]
        for _ in grammar.rules {
            for (name, rule) in grammar.rules { least[name] = Self.cost(rule, least) }
        }
        self.least = least
    }

    /// Words with a space between them.
    mutating func sentence(seed: Int, words count: Int) -> [String] {
        choices = Mutator(state: UInt64(seed))
        words = []
        wanted = count
        make(.name("file"))
        return words
    }

    private static let unknown = 1_000_000

    private static func cost(_ rule: Grammar.Rule, _ least: [String: Int]) -> Int {
        switch rule {
        case .token: 1
        case .name(let name): name.allSatisfy(\.isUppercase) ? 1 : min(unknown, 1 + (least[name] ?? unknown))
        case .sequence(let parts): min(unknown, parts.reduce(0) { $0 + cost($1, least) })
        case .choice(let alternatives): alternatives.map { cost($0, least) }.min() ?? unknown
        case .optional, .repeated: 0
        }
    }

    private mutating func make(_ rule: Grammar.Rule) {
        let isLong = words.count >= wanted
        switch rule {
        case .token(let token): words.append(token)
        case .name(let name):
            if let rule = grammar.rules[name] { return make(rule) }
            switch name {
            case "NAME": words.append(["x", "h", "Wz", "t", "f", "step", "once"][choices.next(7)])
            case "INT": words.append("\(choices.next(100))")
            case "REAL": words.append(["1.5", ".25", "1e-6", "2."][choices.next(4)])
            case "TEXT": words.append("\"a.rec\"")
            default: words.append("\n")
            }
        case .sequence(let parts): for part in parts { make(part) }
        case .choice(let alternatives):
            let shortest = alternatives.min { Self.cost($0, least) < Self.cost($1, least) }
            let chosen = isLong ? shortest : alternatives[choices.next(alternatives.count)]
            if let chosen { make(chosen) }
        case .optional(let inner): if !isLong, choices.next(3) == 0 { make(inner) }
        case .repeated(let inner):
            var left = isLong ? 0 : choices.next(4)
            // A file goes on until it is as long as wanted.
            if words.isEmpty { left = wanted }
            while left > 0, words.count < wanted {
                make(inner)
                left -= 1
            }
        }
    }
}
