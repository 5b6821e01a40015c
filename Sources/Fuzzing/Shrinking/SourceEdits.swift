import Rec
import RecSyntax

/// Simpler texts of a program: members left out, expressions replaced by what they are made of, sizes made smaller.
///
/// Most of them are no programs any more; who asks finds out.
struct SourceEdits {
    private let bytes: [UInt8]
    private var edits: [(start: Int, end: Int, text: String)] = []
    private let count: Int

    init(_ text: String) {
        bytes = Array(text.utf8)
        count = bytes.count
        let program = Program(text: text)
        let tree = parse(FileID(0), in: program.sources).tree
        for item in tree.items { collect(item) }
    }

    /// The largest cuts first.
    var candidates: [String] {
        var seen: Set<String> = []
        let text = String(decoding: bytes, as: UTF8.self)
        let results = DeadMembers.resultCount(of: text)
        var whole = [DeadMembers.removed(from: text)]
        if results > 1 { whole = (0..<results).map { DeadMembers.removed(from: text, keeping: $0) } + whole }
        return whole.filter { $0 != text && seen.insert($0).inserted } + edits.sorted { ($0.end - $0.start - $0.text.utf8.count) > ($1.end - $1.start - $1.text.utf8.count) }.compactMap { edit in
            var changed = bytes
            changed.replaceSubrange(edit.start..<edit.end, with: Array(edit.text.utf8))
            let text = DeadMembers.tidied(String(decoding: changed, as: UTF8.self))
            return changed != bytes && seen.insert(text).inserted ? text : nil
        }
    }

    private mutating func collect(_ item: TopLevelItem) {
        switch item {
        case .importFile(let declaration): remove(declaration.span)
        case .function(let declaration):
            remove(declaration.span)
            for expression in declaration.expressions { collect(expression) }
        case .monoid(let declaration):
            remove(declaration.span)
            for equation in declaration.equations { collect(equation.value) }
        case .model(let declaration):
            remove(declaration.span)
            for dim in declaration.dims { if let value = dim.defaultValue { shrinkSize(value) } }
            for member in declaration.members { collect(member) }
        }
    }

    private mutating func collect(_ member: Member) {
        switch member {
        case .input(let declaration): remove(declaration.span)
        case .parameter(let declaration): remove(declaration.span)
        case .state(let declaration):
            remove(declaration.span)
            if let initial = declaration.initial {
                edits.append((declaration.type.span.end, initial.span.end, ""))
                collect(initial)
            }
        case .dim(let declaration):
            remove(declaration.span)
            shrinkSize(declaration.value)
        case .layer(let declaration):
            remove(declaration.span)
            if let count = declaration.count { shrinkSize(count) }
        case .equation(let equation):
            remove(equation.span)
            collect(equation.value)
        case .output(let declaration):
            remove(declaration.span)
            if let value = declaration.value { collect(value) }
        case .loss(let declaration):
            remove(declaration.span)
            collect(declaration.value)
        case .require(let declaration): remove(declaration.span)
        case .example(let declaration): remove(declaration.span)
        case .broken: break
        }
    }

    /// The whole of a member.
    private mutating func remove(_ span: SourceSpan) { edits.append((span.start, span.end, "")) }

    private mutating func shrinkSize(_ value: Expression) {
        guard case .integer(let size) = value.kind else { return }
        for smaller in Set([1, 2, 3, 4, size / 2, size - 1]).sorted() where smaller >= 1 && smaller < size { replace(value, "\(smaller)") }
    }

    private mutating func replace(_ expression: Expression, _ text: String) { edits.append((expression.span.start, expression.span.end, text)) }

    private func text(_ expression: Expression) -> String {
        guard expression.span.start <= expression.span.end, expression.span.end <= count else { return "" }
        return String(decoding: bytes[expression.span.start..<expression.span.end], as: UTF8.self)
    }

    private mutating func collect(_ expression: Expression) {
        let children = expression.parts
        for child in children { replace(expression, "(\(text(child)))") }
        switch expression.kind {
        case .integer, .boolean, .error: break
        case .real: replace(expression, "1")
        case .name: break
        case .array, .steps: break
        case .unary, .binary, .conditional, .call, .index, .member, .rename, .pipe, .fold:
            replace(expression, "1")
            replace(expression, "0.5")
        }
        for child in children { collect(child) }
    }
}

extension Expression {
    /// The expressions that it is made of and that may stand in its place.
    fileprivate var parts: [Expression] {
        switch kind {
        case .integer, .real, .boolean, .name, .error: []
        case .unary(_, let a): [a]
        case .binary(_, let a, let b): [a, b]
        case .conditional(let c, let a, let b): [a, b, c]
        case .call(_, _, let arguments): arguments.map(\.value)
        case .index(let subject, _), .member(let subject, _), .rename(let subject, _): [subject]
        case .pipe(let a, let b): [a, b]
        case .fold(_, let items): items
        case .array(let items): items
        case .steps(let range): range.condition.map { [$0] } ?? []
        }
    }
}
