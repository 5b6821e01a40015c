import RecSource
import RecStream
import RecSyntax

extension ModelTyper {
    /// What an expression stands for; its values are added to the model.
    func meaning(of expression: Expression) throws -> Meaning {
        effort += 1
        guard effort <= Self.mostEffort else {
            throw report(
                .tooLarge, "'\(model.name)' has more than \(Self.mostEffort) expressions when its functions are written out",
                at: model.span, help: "give what functions share a name of its own")
        }
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepestExpression else {
            throw report(
                .nestingTooDeep, "this is nested more than \(Self.deepestExpression) levels deep, functions written out",
                at: expression.span, help: "give a part of it a name")
        }
        switch expression.kind {
        case .error:
            throw Abandoned()
        case .integer(let number):
            return .value(add(.primitive(.constant(.int(number))), .int, [], .none, expression.span))
        case .real(let number):
            return .value(constant(number, expression.span))
        case .boolean(let truth):
            return .value(add(.primitive(.constant(.bool(truth))), .bool, [], .none, expression.span))
        case .name(let name):
            return try meaning(of: name, at: expression.span)
        case .unary(.negate, let operand):
            return .value(try negated(operand, expression.span))
        case .unary(.not, let operand):
            let value = try value(of: operand)
            try require(value, is: [.bool], "'not'", operand.span)
            return .value(unary(.not, value, expression.span))
        case .binary(let syntax, let left, let right):
            return .value(try binary(syntax, left, right, expression.span))
        case .conditional(let condition, let yes, let no):
            return .value(try conditional(condition, yes, no, expression.span))
        case .call(let name, let brackets, let arguments):
            return try call(name, brackets, arguments, expression.span)
        case .index(let subject, let items):
            return .value(try indexed(subject, items, expression.span))
        case .member(let subject, let name):
            return .value(try member(subject, name, expression.span))
        case .rename(let subject, let names):
            return .value(try renamed(subject, names, expression.span))
        case .pipe(let subject, let function):
            return try piped(subject, function, expression.span)
        case .fold(let monoid, let elements):
            return try fold(monoid, elements, expression.span)
        case .steps:
            throw report(
                .wrongArgument, "steps to go through stand in the brackets of a reduction", at: expression.span,
                help: "write sum[s <= \(model.axes.first?.name ?? "t")](…)")
        case .array:
            throw report(
                .wrongArgument, "a list of numbers is not a value", at: expression.span,
                help: "numbers become a vector with concat(a, b); a list stands in reductions, as in max([a, b]), in examples, and as a shape")
        }
    }

    private func negated(_ operand: Expression, _ span: SourceSpan) throws -> ValueID {
        let value = try value(of: operand)
        if case .primitive(.constant(let scalar)) = model[value].operation {
            switch scalar {
            case .int(let number): return add(.primitive(.constant(.int(-number))), .int, [], .none, span)
            case .real(let number): return constant(-number, span)
            case .bool, .complex: break
            }
        }
        try require(value, is: [.real, .int, .complex], "'-'", operand.span)
        return unary(.negate, value, span)
    }

    // MARK: Primitive builders

    func unary(_ function: UnaryOperator, _ value: ValueID, _ span: SourceSpan, to element: ElementType? = nil) -> ValueID {
        let operand = model[value]
        return add(
            .primitive(.unary(function, value)), element ?? operand.element, operand.shape, operand.variance, span)
    }

    /// Both operands have one shape and element type.
    func apply(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID, _ span: SourceSpan) -> ValueID {
        let element: ElementType
        switch function {
        case .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or: element = .bool
        case .complex: element = .complex
        case .random: element = .int
        case .uniform, .uniformNext: element = .real
        case .add, .subtract, .multiply, .divide, .power, .min, .max, .logaddexp, .atan2, .mod: element = model[a].element
        }
        return add(
            .primitive(.binary(function, a, b)), element, model[a].shape, model[a].variance.union(model[b].variance), span)
    }

    func require(_ value: ValueID, is allowed: [ElementType], _ what: String, _ span: SourceSpan) throws {
        let element = model[value].element
        guard !allowed.contains(element) else { return }
        var help: String?
        if element == .bool { help = "choose numbers with 'if … then 1 else 0'" }
        if allowed == [.bool] { help = "compare it, as in x > 0" }
        if element == .int, allowed.contains(.real) { help = "convert it with real(x)" }
        if element == .complex { help = "use re(x), im(x) or abs(x)" }
        throw report(
            .wrongElementType, "\(what) does not work on \(element.rawValue) values", at: span,
            caption: "\(describe(value)) here", help: help)
    }

    /// The value with element type `element`, where that is a promotion.
    func converted(_ value: ValueID, to element: ElementType, _ span: SourceSpan) throws -> ValueID {
        switch (model[value].element, element) {
        case (let from, let to) where from == to: return value
        case (.int, .real):
            if case .primitive(.constant(.int(let number))) = model[value].operation { return constant(Double(number), span) }
            return unary(.toReal, value, span, to: .real)
        case (.int, .complex):
            return unary(.toComplex, try converted(value, to: .real, span), span, to: .complex)
        case (.real, .complex): return unary(.toComplex, value, span, to: .complex)
        case (let from, let to):
            throw report(
                .wrongElementType, "\(from.withArticle) value stands where \(to.withArticle) one is needed", at: span,
                help: from == .bool
                    ? "choose numbers with 'if … then 1 else 0'"
                    : from == .complex ? "use re(x), im(x) or abs(x)" : to == .int ? "int(x) cuts off what is behind the point" : nil)
        }
    }

    /// Both values with the wider of their element types.
    func promoted(_ a: ValueID, _ b: ValueID, _ spanA: SourceSpan, _ spanB: SourceSpan) throws -> (ValueID, ValueID) {
        let order: [ElementType] = [.bool, .int, .real, .complex]
        let (x, y) = (model[a].element, model[b].element)
        guard x != y else { return (a, b) }
        let wider = (order.firstIndex(of: x) ?? 0) > (order.firstIndex(of: y) ?? 0) ? x : y
        return (try converted(a, to: wider, spanA), try converted(b, to: wider, spanB))
    }

    // MARK: Operators

    /// Long sums lean to the left, so the left is walked rather than descended into. Both sides are typed before either is
    /// given up, so that each has its own mistakes reported.
    private func binary(_ syntax: BinarySyntax, _ left: Expression, _ right: Expression, _ span: SourceSpan) throws -> ValueID {
        var steps = [(syntax: syntax, left: left, right: right, span: span)]
        var first = left
        while case .binary(let inner, let a, let b) = first.kind {
            steps.append((inner, a, b, first.span))
            first = a
        }
        effort += steps.count
        var result = Result { try value(of: first) }
        for step in steps.reversed() {
            let right = Result { try value(of: step.right) }
            let left = result
            result = Result {
                try combined(step.syntax, try left.get(), try right.get(), (step.left.span, step.right.span), step.span)
            }
        }
        return try result.get()
    }

    private func combined(
        _ syntax: BinarySyntax, _ x: ValueID, _ y: ValueID, _ spans: (SourceSpan, SourceSpan), _ span: SourceSpan
    ) throws -> ValueID {
        switch syntax {
        case .matmul:
            return try contracted(x, y, spans, span)
        case .and, .or:
            try require(x, is: [.bool], "'\(syntax.rawValue)'", spans.0)
            try require(y, is: [.bool], "'\(syntax.rawValue)'", spans.1)
            return try elementwise(syntax == .and ? .and : .or, x, y, spans, span)
        case .equal, .notEqual:
            return try elementwise(syntax == .equal ? .equal : .notEqual, x, y, spans, span)
        case .less: return try ordered(.less, x, y, spans, span)
        case .lessOrEqual: return try ordered(.lessOrEqual, x, y, spans, span)
        case .greaterOrEqual: return try ordered(.greaterOrEqual, x, y, spans, span)
        case .greater: return try ordered(.greater, x, y, spans, span)
        case .add: return try arithmetic(.add, x, y, spans, span)
        case .subtract: return try arithmetic(.subtract, x, y, spans, span)
        case .multiply: return try arithmetic(.multiply, x, y, spans, span)
        case .divide: return try arithmetic(.divide, x, y, spans, span)
        case .power: return try power(x, y, spans, span)
        }
    }

    private func ordered(
        _ function: BinaryOperator, _ a: ValueID, _ b: ValueID, _ spans: (SourceSpan, SourceSpan), _ span: SourceSpan
    ) throws -> ValueID {
        try require(a, is: [.real, .int], "a comparison", spans.0)
        try require(b, is: [.real, .int], "a comparison", spans.1)
        return try elementwise(function, a, b, spans, span)
    }

    private func arithmetic(
        _ function: BinaryOperator, _ a: ValueID, _ b: ValueID, _ spans: (SourceSpan, SourceSpan), _ span: SourceSpan
    ) throws -> ValueID {
        try require(a, is: [.real, .int, .complex], "arithmetic", spans.0)
        try require(b, is: [.real, .int, .complex], "arithmetic", spans.1)
        if function == .subtract, let distance = distance(a, b, span) { return distance }
        var (a, b) = (a, b)
        if function == .divide {
            // Division leaves the integers.
            if model[a].element == .int { a = try converted(a, to: .real, spans.0) }
            if model[b].element == .int { b = try converted(b, to: .real, spans.1) }
        }
        return try elementwise(function, a, b, spans, span)
    }

    /// Small whole exponents are multiplications, which hold for negative bases and complex numbers too.
    private func power(
        _ a: ValueID, _ b: ValueID, _ spans: (SourceSpan, SourceSpan), _ span: SourceSpan
    ) throws -> ValueID {
        if case .primitive(.constant(.int(let exponent))) = model[b].operation, (1...8).contains(exponent) {
            try require(a, is: [.real, .int, .complex], "'^'", spans.0)
            return (1..<exponent).reduce(a) { product, _ in apply(.multiply, product, a, span) }
        }
        try require(a, is: [.real, .int], "'^'", spans.0)
        try require(b, is: [.real, .int], "'^'", spans.1)
        return try elementwise(
            .power, try converted(a, to: .real, spans.0), try converted(b, to: .real, spans.1), spans, span)
    }

    func elementwise(
        _ function: BinaryOperator, _ a: ValueID, _ b: ValueID, _ spans: (SourceSpan, SourceSpan), _ span: SourceSpan
    ) throws -> ValueID {
        let (x, y) = try promoted(a, b, spans.0, spans.1)
        let (left, right) = try aligned(x, y, spans, span, of: function)
        return apply(function, left, right, span)
    }

    private func conditional(_ condition: Expression, _ yes: Expression, _ no: Expression, _ span: SourceSpan) throws -> ValueID {
        let test = Result { try value(of: condition) }
        let first = Result { try value(of: yes) }
        let second = Result { try value(of: no) }
        var (c, a, b) = (try test.get(), try first.get(), try second.get())
        try require(c, is: [.bool], "the condition of 'if'", condition.span)
        (a, b) = try promoted(a, b, yes.span, no.span)
        (a, b) = try aligned(a, b, (yes.span, no.span), span)
        (c, a) = try aligned(c, a, (condition.span, yes.span), span)
        b = try broadcast(b, to: model[a].shape, no.span)
        let variance = model[c].variance.union(model[a].variance).union(model[b].variance)
        return add(
            .primitive(.select(c, then: a, otherwise: b)), model[a].element, model[a].shape, variance, span)
    }

    // MARK: Contraction

    private func contracted(
        _ a: ValueID, _ b: ValueID, _ spans: (SourceSpan, SourceSpan), _ span: SourceSpan
    ) throws -> ValueID {
        try require(a, is: [.real, .int, .complex], "'@'", spans.0)
        try require(b, is: [.real, .int, .complex], "'@'", spans.1)
        let (x, y) = try promoted(a, b, spans.0, spans.1)
        guard let last = model[x].shape.last, let first = model[y].shape.first else {
            let scalar = model[x].shape.isEmpty ? spans.0 : spans.1
            throw report(
                .shapeMismatch, "'@' contracts two axes, and a scalar has none", at: scalar,
                caption: shapes(a, b, spans),
                help: model[b].element == .int && model[b].shape.isEmpty
                    ? "a row is chosen with \(sources.text(of: spans.0))[\(sources.text(of: spans.1))]" : "multiply with '*'")
        }
        guard last.size == first.size else {
            throw report(
                .shapeMismatch, "'\(sources.text(of: span))' contracts \(last.name) with \(first.name)", at: span,
                caption: shapes(a, b, spans), help: contractionHelp(a, b, spans))
        }
        let rankX = model[x].shape.count
        let leftLabels = Array(0..<rankX)
        let rightLabels = [rankX - 1] + (1..<max(model[y].shape.count, 1)).map { rankX + $0 }
        let result = Array(leftLabels.dropLast()) + rightLabels.dropFirst()
        return add(
            .primitive(
                .contract(
                    Contraction(
                        left: x, right: y, leftLabels: leftLabels, rightLabels: Array(rightLabels), resultLabels: result))),
            model[x].element, model[x].shape.dropLast() + model[y].shape.dropFirst(),
            model[x].variance.union(model[y].variance), span)
    }

    private func contractionHelp(_ a: ValueID, _ b: ValueID, _ spans: (SourceSpan, SourceSpan)) -> String? {
        let (x, y) = (model[a].shape, model[b].shape)
        let (left, right) = (sources.text(of: spans.0), sources.text(of: spans.1))
        if let last = x.last, y.count > 1, y[y.count - 1].size == last.size, Self.isBatchOrTime(y[0].name) {
            return "batch and time are understood: leave them out of the type of \(right)"
        }
        if x.count == 2, x[0].size == y[0].size {
            var help = "did you mean \(Self.transposed(left)) @ \(right)"
            if case .parameter(let info) = model[a].operation { help += ", or param \(info.path): [\(x[1].name), \(x[0].name)]" }
            return help + "?"
        }
        if y.count == 2, let last = x.last, last.size == y[1].size { return "did you mean \(left) @ \(Self.transposed(right))?" }
        if x.count == 1, y.count == 2 || x.count == 2, y.count >= 1, let last = y.last, last.size == x.first?.size {
            return "did you mean \(right) @ \(left)?"
        }
        return nil
    }

    /// The text of a matrix with its axes exchanged.
    static func transposed(_ text: String) -> String { text.hasSuffix(".T") ? String(text.dropLast(2)) : "\(text).T" }

    // MARK: Members and names

    private func member(_ subject: Expression, _ name: Identifier, _ span: SourceSpan) throws -> ValueID {
        if let axis = timeAxis(subject) { return try memberOfTime(axis, name, span) }
        if case .name(let index) = subject.kind, let index = secondIndex(index) { return try member(name, of: index, span) }
        if let library = foreignLibrary(subject) {
            throw report(
                .unknownName, "'\(library).\(name.text)' is of another library", at: name.span, help: OtherNames.constant(name.text))
        }
        if isSelf(subject) { return try ownMember(name, span) }
        let meaning = try meaning(of: subject)
        if case .record(let fields, let what) = meaning {
            if let field = fields.first(where: { $0.name == name.text }) { return field.value }
            throw report(
                .unknownName, "'\(what)' has no '\(name.text)'", at: name.span,
                help: nearest(name.text, among: fields.map(\.name)).map { "did you mean '\($0)'?" }
                    ?? "it has \(fields.map(\.name).joined(separator: ", "))")
        }
        let value = try single(meaning, at: subject.span)
        guard name.text == "T" else {
            throw report(
                .unknownName, "'\(sources.text(of: subject.span))' has no '\(name.text)'", at: name.span,
                help: OtherNames.member(name.text, of: mendedText(of: subject.span), isComplex: model[value].element == .complex))
        }
        let shape = model[value].shape
        guard shape.count == 2 else {
            throw report(
                .shapeMismatch, "'.T' transposes a matrix, and this has \(shape.count == 1 ? "1 axis" : "\(shape.count) axes")", at: span,
                caption: describe(value), help: shape.count == 1 ? "'@' takes a vector on either side as it is" : nil)
        }
        return add(
            .primitive(.broadcast(value, from: [1, 0])), model[value].element, [shape[1], shape[0]], model[value].variance,
            span)
    }

    private func renamed(_ subject: Expression, _ names: [Expression], _ span: SourceSpan) throws -> ValueID {
        let value = try value(of: subject)
        let shape = try names.map { try typedDim($0) }
        let old = model[value].shape
        guard old.count == shape.count, zip(old, shape).allSatisfy({ $0.size == $1.size }) else {
            throw report(
                .shapeMismatch, "'as' renames axes, it does not change their sizes", at: span,
                caption: "\(describe(value)) as \(describe(shape, .real))", help: "use reshape(x, […]) for another shape")
        }
        return add(.primitive(.rename(value)), model[value].element, shape, model[value].variance, span)
    }

    private func piped(_ subject: Expression, _ function: Expression, _ span: SourceSpan) throws -> Meaning {
        switch function.kind {
        case .name(let name):
            return try call(
                Identifier(text: name, span: function.span), nil, [Argument(label: nil, value: subject)], span)
        case .call(let name, let brackets, let arguments):
            return try call(name, brackets, [Argument(label: nil, value: subject)] + arguments, span)
        case .integer, .real, .boolean, .unary, .binary, .conditional, .index, .member, .rename, .pipe, .fold, .array,
            .steps, .error:
            throw report(
                .wrongArgument, "'|>' passes a value on to a function or a layer", at: function.span,
                help: "write its name: x |> f")
        }
    }
}
