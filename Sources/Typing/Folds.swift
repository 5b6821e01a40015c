import RecLibrary
import RecSource
import RecStream
import RecSyntax

/// Folds over a user's operator: the recurrence `acc = combine(acc[t-1], element)`, with the operator kept beside it.
extension ModelTyper {
    private typealias Field = (name: Identifier, type: TypeSyntax?)

    private func fields(of monoid: MonoidDeclaration) -> [Field] {
        monoid.fields.flatMap { group in group.names.map { (name: $0, type: group.type) } }
    }

    // MARK: The operator

    /// Types an operator on its own, its dims being symbols; reports what is wrong with it whatever it is used for.
    func check(monoid: MonoidDeclaration) {
        var seen: [String: SourceSpan] = [:]
        var types: [TypeInfo] = []
        for field in fields(of: monoid) {
            if let first = seen[field.name.text] {
                report(
                    .duplicateDefinition, "the field '\(field.name.text)' is defined twice", at: field.name.span,
                    labels: [Diagnostic.Label(span: first, text: "the first definition")])
                continue
            }
            seen[field.name.text] = field.name.span
            for name in (field.type?.dims ?? []).flatMap(namesIn) where dims[name] == nil {
                dims[name] = DimExpression(symbol: name)
                dimOrder.append(name)
            }
            let type = field.type.map { try? typeInfo($0) } ?? TypeInfo(element: .real, shape: [])
            if let type { types.append(type) }
        }
        guard types.count == fields(of: monoid).count else { return }
        _ = try? identity(of: monoid, types)
        _ = try? addCombination(of: monoid, types)
    }

    /// One number for each field.
    private func identity(of monoid: MonoidDeclaration, _ types: [TypeInfo]) throws -> [Scalar] {
        guard monoid.identity.count == types.count else {
            throw report(
                .wrongArgument,
                "the identity of '\(monoid.name.text)' has \(monoid.identity.count) value\(monoid.identity.count == 1 ? "" : "s") for \(types.count) fields",
                at: monoid.identity.first?.span ?? monoid.name.span, help: "give one number for each field, in order")
        }
        return try zip(monoid.identity, types).map { expression, type in
            let number = try constantNumber(expression)
            switch type.element {
            case .real: return .real(number)
            case .complex: return .complex(number, 0)
            case .bool: return .bool(number != 0)
            case .int:
                // An int that is written out is exact.
                if let integer = try? quietly({ try self.constantInteger(expression, "an identity") }) { return .int(integer) }
                guard let integer = Int(exactly: number), abs(number) < 0x1p53 else {
                    throw report(.wrongElementType, "this field is an int", at: expression.span)
                }
                return .int(integer)
            }
        }
    }

    /// Adds the inputs `a.FIELD` and `b.FIELD` and the fields of their combination, as the outputs.
    private func addCombination(of monoid: MonoidDeclaration, _ types: [TypeInfo]) throws {
        let names = fields(of: monoid).map(\.name.text)
        func inputs(_ side: String) -> [(name: String, value: ValueID)] {
            zip(names, types).map { field, type in
                let name = "\(side).\(field)"
                let value = add(
                    .primitive(.input(name: name, fallback: nil)), type.element, type.shape, .none, monoid.span, named: name)
                model.inputs.append(TypedInput(name: name, isOnce: true, value: value))
                return (field, value)
            }
        }
        let (a, b) = (inputs("a"), inputs("b"))
        let combined = try combine(monoid, a, b, types)
        model.outputs = zip(names, combined).map { TypedOutput(name: $0, value: $1, span: monoid.span) }
    }

    /// The fields of the combination of two records.
    private func combine(
        _ monoid: MonoidDeclaration, _ a: [(name: String, value: ValueID)], _ b: [(name: String, value: ValueID)],
        _ types: [TypeInfo]
    ) throws -> [ValueID] {
        let local = Environment([
            monoid.left.text: .record(a, of: monoid.left.text), monoid.right.text: .record(b, of: monoid.right.text),
        ])
        for equation in monoid.equations {
            for (component, name) in equation.names.enumerated() {
                guard local.equations[name.text] == nil, local.meanings[name.text] == nil else {
                    throw report(.duplicateDefinition, "'\(name.text)' has two definitions", at: name.span, help: "keep one of them")
                }
                local.equations[name.text] = (equation, component)
            }
        }
        let saved = environment
        environment = local
        defer { environment = saved }
        return try zip(fields(of: monoid), types).map { field, type in
            guard let (equation, _) = local.equations[field.name.text] else {
                throw report(
                    .stateWithoutEquation, "'combine' does not say what the field '\(field.name.text)' becomes",
                    at: field.name.span, help: "add '\(field.name.text) = …'")
            }
            let value = try single(meaning(of: field.name.text, at: equation.span), at: equation.value.span)
            return try fit(value, to: type, what: "the field '\(field.name.text)'", at: equation.value.span)
        }
    }

    // MARK: Its use

    func fold(_ name: Identifier, _ elements: [Expression], _ span: SourceSpan) throws -> Meaning {
        let given = elements.map { element in Result { try value(of: element) } }
        if program.fullName(name.text, at: name.span).map(failedMonoids.contains) ?? false { throw Abandoned() }
        guard let monoid = program.monoid(name) else {
            throw report(
                .unknownName, "there is no monoid '\(name.text)'", at: name.span,
                help: nearest(name.text, among: program.names(of: \.monoids, at: name.span)).map { "did you mean '\($0)'?" }
                    ?? Library.help(forUndefined: name.text, .monoid)
                    ?? "define it: monoid \(name.text)(…) { identity (…) combine (a, b) { … } }")
        }
        let fields = fields(of: monoid)
        guard elements.count == fields.count else {
            throw report(
                .wrongArgument, "'\(name.text)' has \(fields.count) fields, \(elements.count) values are given", at: span,
                help: "give \(fields.map(\.name.text).joined(separator: ", "))")
        }
        guard model.axes.count == 1 else {
            throw report(.unsupported, "a fold runs over the only axis of a model, and here are \(model.axes.count)", at: span)
        }
        var values = try given.map { try $0.get() }
        for (value, element) in zip(values, elements) { try requireOneIndex(value, "a fold", element.span) }
        let types = try fieldTypes(monoid, fields, zip(values, elements.map(\.span)).map { $0 }, span)
        for k in values.indices {
            values[k] = try fit(
                values[k], to: types[k], what: "the field '\(fields[k].name.text)' of '\(name.text)'", at: elements[k].span)
        }
        let identity = try identity(of: monoid, types)

        var previous: [(name: String, value: ValueID)] = []
        for (k, field) in fields.enumerated() {
            let scalar = add(.primitive(.constant(identity[k])), types[k].element, [], .none, span)
            let start = try broadcast(scalar, to: types[k].shape, span)
            let delay = add(
                .primitive(.delay(ValueID(0), offsets: [-1], initial: start)), types[k].element, types[k].shape, allAxes, span)
            previous.append((field.name.text, delay))
        }
        let elementRecord = zip(fields, values).map { (name: $0.name.text, value: $1) }
        callSites.append((name.text, span))
        defer { callSites.removeLast() }
        let combined = try combine(monoid, previous, elementRecord, types)
        for (k, value) in combined.enumerated() {
            guard case .primitive(.delay(_, let offsets, let initial)) = model[previous[k].value].operation else { continue }
            model.values[previous[k].value.index].operation = .primitive(.delay(value, offsets: offsets, initial: initial))
        }
        let alone = ModelTyper(
            nil, named: monoid.name.text, span: monoid.span, program: program, sources: sources, lookUpModel: lookUpModel)
        alone.dims = dims
        alone.dimOrder = dimOrder
        try alone.addCombination(of: monoid, types)
        model.folds.append(
            TypedFold(
                monoid: name.text, fields: fields.map(\.name.text), elements: values, states: combined, identity: identity,
                combine: alone.model, span: span))
        return .record(zip(fields, combined).map { (name: $0.name.text, value: $1) }, of: name.text)
    }

    /// The types of the fields here: the dims of the operator are read off the elements.
    private func fieldTypes(
        _ monoid: MonoidDeclaration, _ fields: [Field], _ elements: [(value: ValueID, span: SourceSpan)], _ span: SourceSpan
    ) throws -> [TypeInfo] {
        var solved: [String: TypedDim] = [:]
        for (field, element) in zip(fields, elements) {
            let written = field.type?.dims ?? []
            let shape = model[element.value].shape
            guard shape.count == written.count else { continue }
            for (expression, dim) in zip(written, shape) {
                guard case .name(let name) = expression.kind else { continue }
                if let known = solved[name], known != dim {
                    throw report(
                        .shapeMismatch, "'\(name)' of '\(monoid.name.text)' is \(known.name) and \(dim.name) at once",
                        at: element.span, caption: describe(element.value),
                        labels: [Diagnostic.Label(span: field.name.span, text: "declared here")])
                }
                solved[name] = dim
            }
        }
        let saved = (dims, dimOrder)
        defer { (dims, dimOrder) = saved }
        for (name, dim) in solved { dims[name] = dim.size }
        return try fields.map { field in
            guard let type = field.type else { return TypeInfo(element: .real, shape: []) }
            for name in (type.dims ?? []).flatMap(namesIn) where solved[name] == nil {
                throw report(
                    .unsolvableDim, "no value given to '\(monoid.name.text)' tells its dim '\(name)'", at: span,
                    labels: [Diagnostic.Label(span: field.name.span, text: "declared here")])
            }
            var info = try typeInfo(type)
            for (k, expression) in (type.dims ?? []).enumerated() {
                if case .name(let name) = expression.kind, let dim = solved[name] { info.shape[k] = dim }
            }
            return info
        }
    }
}
