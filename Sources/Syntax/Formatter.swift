import RecSource

/// A file in its one layout: two spaces for each level, a space around operators, comments where they were.
package func format(_ tree: SyntaxFile, in sources: SourceMap) -> String {
    var formatter = Formatter(tree, sources)
    return formatter.run()
}

private struct Formatter {
    private let tree: SyntaxFile
    private let sources: SourceMap
    private var lines: [String] = []
    private var nextComment = 0
    /// The last line of the source that has been written.
    private var lastLine = 0
    private var indent = 0

    init(_ tree: SyntaxFile, _ sources: SourceMap) {
        self.tree = tree
        self.sources = sources
    }

    mutating func run() -> String {
        for item in tree.items { write(item) }
        writeComments(before: .max)
        while lines.last == "" { lines.removeLast() }
        return lines.isEmpty ? "" : lines.joined(separator: "\n") + "\n"
    }

    private func line(_ offset: Int) -> Int { sources.lineNumber(of: offset, in: tree.file) }

    /// One blank line is kept where there were some.
    private mutating func keepBlank(before start: Int) {
        if line(start) > lastLine + 1, let last = lines.last, last != "", !last.hasSuffix("{") { lines.append("") }
    }

    private mutating func emit(_ text: String, from start: Int, to end: Int) {
        keepBlank(before: start)
        lines.append(String(repeating: "  ", count: indent) + text)
        lastLine = line(max(start, end))
        appendTrailingComment(behind: end)
    }

    /// Comments that stand before a place, on lines of their own.
    private mutating func writeComments(before start: Int) {
        while nextComment < tree.comments.count, tree.comments[nextComment].span.start < start {
            let comment = tree.comments[nextComment]
            nextComment += 1
            keepBlank(before: comment.span.start)
            lines.append(String(repeating: "  ", count: indent) + comment.text)
            lastLine = line(comment.span.start)
        }
    }

    /// A comment behind a construct on its last line stays there; comments inside it follow it.
    private mutating func appendTrailingComment(behind end: Int) {
        while nextComment < tree.comments.count {
            let comment = tree.comments[nextComment]
            guard line(comment.span.start) <= lastLine, lines.last != nil else { return }
            nextComment += 1
            if lines[lines.count - 1].contains("//") {
                lines.append(String(repeating: "  ", count: indent) + comment.text)
            } else {
                lines[lines.count - 1] += "  " + comment.text
            }
        }
    }

    private mutating func write(_ item: TopLevelItem) {
        switch item {
        case .importFile(let declaration):
            writeComments(before: declaration.span.start)
            let source = switch declaration.source {
            case .file(let path): "\"\(path)\""
            case .module(let name): name
            }
            emit("import \(source)", from: declaration.span.start, to: declaration.span.end)
        case .function(let function):
            writeComments(before: function.span.start)
            let parameters = function.parameters.map(\.text).joined(separator: ", ")
            emit(
                "func \(function.name.text)(\(parameters)) = \(ExpressionPrinter.text(function.body))",
                from: function.span.start, to: function.body.span.end)
            if let gradient = function.gradient { write(gradient) }
        case .monoid(let monoid): write(monoid)
        case .model(let model): write(model)
        }
    }

    /// The gradient of a function stands on a line of its own.
    private mutating func write(_ gradient: FunctionDeclaration.Gradient) {
        indent += 1
        writeComments(before: gradient.span.start)
        lastLine = line(gradient.span.start)
        let values = gradient.values.map { ExpressionPrinter.text($0) }.joined(separator: ", ")
        emit("gradient (\(gradient.adjoint.text)) = \(values)", from: gradient.span.start, to: gradient.span.end)
        indent -= 1
    }

    private mutating func close(at end: Int) {
        writeComments(before: end - 1)
        while lines.last == "" { lines.removeLast() }
        indent -= 1
        lines.append(String(repeating: "  ", count: indent) + "}")
        lastLine = line(end - 1)
        appendTrailingComment(behind: end)
    }

    private mutating func write(_ monoid: MonoidDeclaration) {
        writeComments(before: monoid.span.start)
        let groups = monoid.fields.map { group in
            group.names.map(\.text).joined(separator: ", ") + (group.type.map { ": \(ExpressionPrinter.text($0))" } ?? "")
        }
        emit("monoid \(monoid.name.text)(\(groups.joined(separator: ", "))) {", from: monoid.span.start, to: monoid.span.start)
        indent += 1
        let identity = monoid.identity.map { ExpressionPrinter.text($0) }.joined(separator: ", ")
        writeComments(before: monoid.identitySpan.start)
        emit("identity (\(identity))", from: monoid.identitySpan.start, to: monoid.identitySpan.end)
        writeComments(before: monoid.combineSpan.start)
        emit("combine (\(monoid.left.text), \(monoid.right.text)) {", from: monoid.combineSpan.start, to: monoid.right.span.end)
        indent += 1
        for equation in monoid.equations { write(equation) }
        close(at: monoid.combineSpan.end)
        close(at: monoid.span.end)
    }

    private mutating func write(_ model: ModelDeclaration) {
        writeComments(before: model.span.start)
        var head = "model \(model.name.text)"
        if !model.dims.isEmpty {
            let dims = model.dims.map { dim in
                dim.name.text + (dim.defaultValue.map { " = \(ExpressionPrinter.text($0))" } ?? "")
            }
            head += "(\(dims.joined(separator: ", ")))"
        }
        let axes = model.axes.map { axis in
            axis.name.text + (axis.length.map { ": \(ExpressionPrinter.text($0))" } ?? "")
        }
        if axes.count == 1 { head += " over \(axes[0])" }
        if axes.count > 1 { head += " over (\(axes.joined(separator: ", ")))" }
        if let until = model.until { head += " until \(until.text)" }
        emit(head + " {", from: model.span.start, to: model.span.start)
        indent += 1
        for member in model.members { write(member) }
        close(at: model.span.end)
    }

    private mutating func write(_ equation: Equation) {
        writeComments(before: equation.span.start)
        let names = equation.names.map(\.text).joined(separator: ", ")
        emit("\(names) = \(ExpressionPrinter.text(equation.value))", from: equation.span.start, to: equation.span.end)
    }

    private mutating func write(_ member: Member) {
        if case .equation(let equation) = member { return write(equation) }
        guard let (text, span) = MemberPrinter.text(member) else { return }
        writeComments(before: span.start)
        emit(text, from: span.start, to: span.end)
    }
}

/// Declarations on one line.
private enum MemberPrinter {
    /// Nil for a line that could not be parsed.
    static func text(_ member: Member) -> (String, SourceSpan)? {
        func names(_ names: [Identifier]) -> String { names.map(\.text).joined(separator: ", ") }
        func value(_ expression: Expression?, _ before: String = " = ") -> String {
            expression.map { before + ExpressionPrinter.text($0) } ?? ""
        }
        func over(_ axes: [Identifier]) -> String { axes.isEmpty ? "" : axes.count == 1 ? " over \(axes[0].text)" : " over (\(names(axes)))" }
        func from(_ name: TextSyntax?) -> String { name.map { " from \"\($0.text)\"" } ?? "" }
        switch member {
        case .input(let input):
            let once = input.isOnce ? " once" : ""
            return ("input \(names(input.names)): \(ExpressionPrinter.text(input.type))\(over(input.axes))\(once)\(value(input.defaultValue))", input.span)
        case .parameter(let parameter):
            let word = parameter.isTrained ? "param" : "const"
            return ("\(word) \(names(parameter.names)): \(ExpressionPrinter.text(parameter.type))\(value(parameter.initializer))\(from(parameter.tensorName))", parameter.span)
        case .state(let state):
            return ("state \(names(state.names)): \(ExpressionPrinter.text(state.type))\(value(state.initial))", state.span)
        case .dim(let dim):
            return ("dim \(dim.name.text)\(value(dim.value))", dim.span)
        case .layer(let layer):
            let arguments = ExpressionPrinter.text(layer.arguments)
            let model = layer.model.text + (arguments.isEmpty ? "" : "(\(arguments))")
            let copies = layer.count.map { "repeat(\(ExpressionPrinter.text($0)), \(model))" } ?? model
            let body = layer.reversed.map { reversal in
                "reverse\(reversal.axes.map { "[\($0.map { ExpressionPrinter.text($0) }.joined(separator: ", "))]" } ?? "")(\(copies))"
            } ?? copies
            return ("layer \(layer.name.text) = \(body)\(over(layer.axes))\(from(layer.tensors))", layer.span)
        case .equation(let equation):
            return ("\(names(equation.names))\(value(equation.value))", equation.span)
        case .output(let output):
            return ("output \(output.name.text)\(value(output.value))", output.span)
        case .loss(let loss):
            return ("loss \(loss.name.text)\(value(loss.value))", loss.span)
        case .require(let require):
            let choices = require.choices.isEmpty ? "" : " in (\(names(require.choices)))"
            return ("require \(require.property.text)(\(require.state.text))\(choices)", require.span)
        case .example(let example):
            func side(_ bindings: [ExampleDeclaration.Binding]) -> String {
                bindings.map { "\($0.name.text) \($0.isApproximate ? "~" : "=") \(ExpressionPrinter.text($0.value))" }
                    .joined(separator: ", ")
            }
            let given = side(example.given)
            return ("example \(given)\(given.isEmpty ? "" : " ")-> \(side(example.expected))", example.span)
        case .broken: return nil
        }
    }
}
