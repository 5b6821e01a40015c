import Rec
import RecSyntax

/// What no result of a program follows from.
enum DeadMembers {
    /// A text with the parts of it that may go.
    private struct Part {
        var span: SourceSpan
        /// What it defines; nil for a result.
        var names: [String]?
        var words: Set<String>
    }

    /// The program without what its results do not need; with one result alone, where `keeping` says which of them.
    static func removed(from text: String, keeping: Int? = nil) -> String {
        let bytes = Array(text.utf8)
        let program = Program(text: text)
        let tree = parse(FileID(0), in: program.sources).tree
        var parts: [Part] = []
        var results = 0
        func add(_ span: SourceSpan, _ names: [String]?) {
            var names = names
            if names == nil {
                // Other results count as names that nobody uses.
                if let keeping, keeping != results { names = [] }
                results += 1
            }
            parts.append(Part(span: span, names: names, words: words(bytes[span.start..<span.end])))
        }
        for item in tree.items {
            switch item {
            case .importFile: break
            case .function(let declaration): add(declaration.span, [declaration.name.text])
            case .monoid(let declaration): add(declaration.span, [declaration.name.text])
            case .model(let declaration):
                guard case .model(let last) = tree.items.last, declaration.span == last.span else {
                    add(declaration.span, [declaration.name.text])
                    continue
                }
                for member in declaration.members { add(member.span, member.defined) }
            }
        }
        var live = Set(parts.indices.filter { parts[$0].names == nil })
        var used = live.reduce(into: Set<String>()) { $0.formUnion(parts[$1].words) }
        if case .model(let main)? = tree.items.last, let until = main.until { used.insert(until.text) }
        while true {
            let more = parts.indices.filter { !live.contains($0) && parts[$0].names?.contains(where: used.contains) == true }
            if more.isEmpty { break }
            live.formUnion(more)
            for k in more { used.formUnion(parts[k].words) }
        }
        var changed = bytes
        for k in parts.indices.reversed() where !live.contains(k) { changed.removeSubrange(parts[k].span.start..<parts[k].span.end) }
        return tidied(String(decoding: changed, as: UTF8.self))
    }

    /// Results that the main model has.
    static func resultCount(of text: String) -> Int {
        let program = Program(text: text)
        guard case .model(let model) = parse(FileID(0), in: program.sources).tree.items.last else { return 0 }
        return model.members.count { $0.defined == nil }
    }

    /// Without lines that hold nothing.
    static func tidied(_ text: String) -> String {
        text.split(separator: "\n").filter { line in line.contains { $0 != " " } }.map { $0 + "\n" }.joined()
    }

    private static func words(_ bytes: ArraySlice<UInt8>) -> Set<String> {
        Set(String(decoding: bytes, as: UTF8.self).split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init))
    }
}

extension Member {
    /// The names that it defines; nil for what is a result.
    var defined: [String]? {
        switch self {
        case .input(let declaration): declaration.names.map(\.text)
        case .parameter(let declaration): declaration.names.map(\.text)
        case .state(let declaration): declaration.names.map(\.text)
        case .dim(let declaration): [declaration.name.text]
        case .layer(let declaration): [declaration.name.text]
        case .equation(let equation): equation.names.map(\.text)
        case .output, .loss: nil
        case .require(let declaration): [declaration.state.text]
        case .example: []
        case .broken(let names): names.map(\.text)
        }
    }

    var span: SourceSpan {
        switch self {
        case .input(let declaration): declaration.span
        case .parameter(let declaration): declaration.span
        case .state(let declaration): declaration.span
        case .dim(let declaration): declaration.span
        case .layer(let declaration): declaration.span
        case .equation(let equation): equation.span
        case .output(let declaration): declaration.span
        case .loss(let declaration): declaration.span
        case .require(let declaration): declaration.span
        case .example(let declaration): declaration.span
        // Programs that are shrunk have no broken lines.
        case .broken(let names): names.first?.span ?? SourceSpan(file: FileID(0), start: 0, end: 0)
        }
    }
}
