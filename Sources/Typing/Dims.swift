import RecSource
import RecStream
import RecSyntax

extension ModelTyper {
    /// An expression of dims and whole numbers.
    func dimExpression(_ expression: Expression) throws -> DimExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepestExpression else {
            throw report(.nestingTooDeep, "this size is nested too deep", at: expression.span, help: "give a part of it a name: dim G = …")
        }
        switch expression.kind {
        case .integer(let number):
            return DimExpression(number)
        case .name(let name):
            if let size = dims[name] { return size }
            if failedDims.contains(name) { throw Abandoned() }
            throw report(
                .unknownDim, "there is no dim '\(name)' here", at: expression.span,
                help: nearest(name, among: dimOrder).map { "did you mean '\($0)'?" }
                    ?? "name it in the model's head: model \(model.name)(\((model.dims + [name]).joined(separator: ", ")))")
        case .unary(.negate, let operand):
            return try inRange(DimExpression.product(try dimExpression(operand), DimExpression(-1)), expression.span)
        case .binary(let syntax, let left, let right):
            let (a, b) = (try dimExpression(left), try dimExpression(right))
            switch syntax {
            case .add: return try inRange(DimExpression.sum(a, b), expression.span)
            case .subtract: return try inRange(DimExpression.difference(a, b), expression.span)
            case .multiply: return try inRange(DimExpression.product(a, b), expression.span)
            case .divide:
                guard let result = DimExpression.quotient(a, b) else {
                    throw report(
                        .unsupported, "a dim can be divided by a number or by a product of dims, not by '\(b)'",
                        at: right.span)
                }
                return result
            case .power, .matmul, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or:
                throw report(.wrongArgument, "dims have + - * / only", at: expression.span)
            }
        case .real, .boolean, .unary, .conditional, .call, .index, .member, .rename, .pipe, .fold, .array, .steps, .error:
            throw report(
                .wrongArgument, "a size is made of dims and whole numbers", at: expression.span,
                help: "for example H, 4 * H or 16")
        }
    }

    private func inRange(_ size: DimExpression?, _ span: SourceSpan) throws -> DimExpression {
        guard let size else { throw report(.tooLarge, "this size is too large", at: span) }
        return size
    }

    /// An axis as it is written in a type: a dim lends its name, arithmetic is named by its size.
    func typedDim(_ expression: Expression) throws -> TypedDim {
        let size = try dimExpression(expression)
        if case .name(let name) = expression.kind { return TypedDim(name, size) }
        if let number = size.constant, number < 1 {
            throw report(.unsolvableDim, "a size is 1 or more, not \(number)", at: expression.span)
        }
        if let number = size.constant, number > 1 << 31 {
            throw report(.tooLarge, "a size is at most \(1 << 31), not \(number)", at: expression.span)
        }
        return namedDim(size)
    }

    /// An axis of a size that arises from arithmetic: the first dim of that size lends its name, else it is its
    /// canonical text.
    func namedDim(_ size: DimExpression) -> TypedDim {
        for name in dimOrder where dims[name] == size { return TypedDim(name, size) }
        return TypedDim(size.description, size)
    }

    func typeInfo(_ syntax: TypeSyntax) throws -> TypeInfo {
        var element = ElementType.real
        if let name = syntax.element {
            guard let known = ElementType(rawValue: name.text) else {
                throw report(
                    .wrongElementType, "'\(name.text)' is no element type", at: name.span,
                    help: (OtherNames.element(name.text) ?? nearest(name.text, among: ElementType.allCases.map(\.rawValue))).map { "did you mean '\($0)'?" }
                        ?? "element types are real, int, bool and complex; dims stand in brackets: [\(name.text)]")
            }
            element = known
        }
        return TypeInfo(element: element, shape: try (syntax.dims ?? []).map { try typedDim($0) })
    }

    /// A number that is known as it stands.
    func constantNumber(_ expression: Expression) throws -> Double {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepestExpression else {
            throw report(.nestingTooDeep, "this number is nested too deep", at: expression.span)
        }
        switch expression.kind {
        case .integer(let number): return Double(number)
        case .real(let number): return number
        case .name("inf"): return .infinity
        case .name("nan"): return .nan
        case .name("pi"): return .pi
        case .unary(.negate, let operand): return -(try constantNumber(operand))
        case .binary(.add, let a, let b): return try constantNumber(a) + constantNumber(b)
        case .binary(.subtract, let a, let b): return try constantNumber(a) - constantNumber(b)
        case .binary(.multiply, let a, let b): return try constantNumber(a) * constantNumber(b)
        case .binary(.divide, let a, let b): return try constantNumber(a) / constantNumber(b)
        case .boolean, .name, .unary, .binary, .conditional, .call, .index, .member, .rename, .pipe, .fold, .array, .steps, .error:
            throw report(.onceNeedsConstant, "a number is needed here", at: expression.span)
        }
    }

    /// A small whole number that is known as it stands.
    func constantInteger(_ expression: Expression, _ what: String) throws -> Int {
        if case .integer(let number) = expression.kind { return number }
        if case .unary(.negate, let operand) = expression.kind, case .integer(let number) = operand.kind { return -number }
        if let size = try? quietly({ try self.dimExpression(expression) }), let number = size.constant { return number }
        throw report(.wrongArgument, "\(what) is a whole number", at: expression.span)
    }

    // MARK: Initialisers

    func initializer(_ declaration: ParameterDeclaration, rank: Int) -> Initializer {
        guard let expression = declaration.initializer else { return rank >= 2 ? .glorot : .zeros }
        return (try? initializer(expression)) ?? .zeros
    }

    private func initializer(_ expression: Expression) throws -> Initializer {
        let name: Identifier
        var numbers: [Double] = []
        switch expression.kind {
        case .name(let text): name = Identifier(text: text, span: expression.span)
        case .call(let called, nil, let arguments):
            name = called
            numbers = try arguments.map { try constantNumber($0.value) }
        case .integer, .real, .unary:
            return .constant(try constantNumber(expression))
        case .boolean, .binary, .conditional, .call, .index, .member, .rename, .pipe, .fold, .array, .steps, .error:
            throw report(.wrongArgument, "this is no initialiser", at: expression.span, help: Self.initializerHelp)
        }
        let counts = [
            "zeros": 0, "ones": 0, "constant": 1, "uniform": 2, "normal": 1, "glorot": 0, "orthogonal": 0, "linspace": 2,
            "hippo": 0,
        ]
        guard let count = counts[name.text] else {
            throw report(
                .unknownName, "there is no initialiser '\(name.text)'", at: name.span,
                help: nearest(name.text, among: counts.keys.sorted()).map { "did you mean '\($0)'?" } ?? Self.initializerHelp)
        }
        guard numbers.count == count else {
            throw report(
                .wrongArgument, "'\(name.text)' takes \(count) number\(count == 1 ? "" : "s"), not \(numbers.count)",
                at: expression.span, help: Self.initializerHelp)
        }
        switch name.text {
        case "ones": return .ones
        case "constant": return .constant(numbers[0])
        case "uniform": return .uniform(numbers[0], numbers[1])
        case "normal": return .normal(numbers[0])
        case "glorot": return .glorot
        case "orthogonal": return .orthogonal
        case "linspace": return .linspace(numbers[0], numbers[1])
        case "hippo": return .hippo
        default: return .zeros
        }
    }

    private static let initializerHelp =
        "initialisers are zeros, ones, constant(c), uniform(a, b), normal(std), glorot, orthogonal, linspace(a, b), hippo"
}
