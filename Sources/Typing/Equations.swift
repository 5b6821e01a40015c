import RecSource
import RecStream
import RecSyntax

/// Names and the equations behind them.
extension ModelTyper {
    // MARK: Names

    /// `span` is where the value is written, if that is not the name itself.
    func value(named name: Identifier, at span: SourceSpan? = nil) throws -> ValueID {
        try single(meaning(of: name.text, at: name.span), at: span ?? name.span)
    }

    /// What a name stands for at the present step.
    func meaning(of name: String, at span: SourceSpan) throws -> Meaning {
        if let index = secondIndex(name) { return .value(try step(of: index, span)) }
        if let environment { return try meaning(of: name, in: environment, at: span) }
        switch definitions[name] {
        case .value(let value): return .value(value)
        case .state(let index):
            guard let equation = states[index].equation else { throw Abandoned() }
            _ = try meaning(ofEquation: equation)
            return .value(try value(ofState: index))
        case .equation(let index, let component):
            let meaning = try meaning(ofEquation: index)
            if case .tuple(let parts) = meaning, equations[index].names.count > 1 {
                guard component < parts.count else { throw Abandoned() }
                return .value(parts[component])
            }
            return meaning
        case .failed: throw Abandoned()
        case .layer:
            throw report(.wrongArgument, "'\(name)' is a layer, not a value", at: span, help: "call it: \(name)(x)")
        case nil: break
        }
        return try global(name, at: span)
    }

    func meaning(of name: String, in environment: Environment, at span: SourceSpan) throws -> Meaning {
        if let meaning = environment.meanings[name] {
            try requireOwnIndex(meaning, named: name, span)
            return meaning
        }
        if let (equation, component) = environment.equations[name] {
            if environment.inProgress.contains(name) {
                throw report(.instantCycle, "'\(name)' depends on itself", at: span,
                    help: "fields of the two elements are written with them, as in a.\(name)")
            }
            environment.inProgress.append(name)
            defer { environment.inProgress.removeLast() }
            let meaning = try meaning(of: equation.value)
            if case .tuple(let parts) = meaning, equation.names.count > 1 {
                guard parts.count == equation.names.count else { throw Abandoned() }
                environment.meanings[name] = .value(parts[component])
                return .value(parts[component])
            }
            environment.meanings[name] = meaning
            return meaning
        }
        return try global(name, at: span)
    }

    func global(_ name: String, at span: SourceSpan) throws -> Meaning {
        switch name {
        case "inf": return .value(constant(.infinity, span))
        case "nan": return .value(constant(.nan, span))
        case "pi": return .value(constant(.pi, span))
        default: break
        }
        if failedDims.contains(name) { throw Abandoned() }
        if let size = dims[name] {
            return .value(add(.dim(size), .int, [], .none, span))
        }
        if let axis = model.axes.firstIndex(where: { $0.name == name }) { return .value(step(along: axis, span)) }
        if Builtins.names.contains(name) || program.function(name, at: span) != nil {
            throw report(.wrongArgument, "'\(name)' is a function", at: span, help: "call it: \(name)(x)")
        }
        // Each unknown name is told once.
        if environment == nil, !unknownNames.insert(name).inserted { throw Abandoned() }
        if let place = indexPlaces[name] { throw reportEscape(name, boundAt: place, at: span) }
        var visible: [String] {
            if let environment { return Array(environment.meanings.keys) + Array(environment.equations.keys) }
            return Array(definitions.keys) + Array(dims.keys)
        }
        throw report(
            .unknownName, "there is no '\(name)' here", at: span,
            help: OtherNames.value(name)
                ?? nearest(name, among: visible.sorted()).map { "did you mean '\($0)'?" }
                ?? (Self.initializers.contains(name) ? "initialisers belong to params and consts; a number fills a whole shape" : nil)
                ?? "declare it as an input, a param or a state, or give it an equation")
    }

    /// Types every equation, each after those it mentions, so that long chains of names need no deep calls.
    func typeEquations() {
        let mentions = mentions()
        for component in stronglyConnected(mentions) {
            if component.count > Self.longestCycle {
                let equation = equations[component[0]]
                report(
                    .instantCycle, "'\(equation.names[0].text)' depends on itself at the same step, through \(component.count) names",
                    at: equation.names[0].span, help: "make one of them a state and use its value of the step before")
                for member in component { progress[member] = .failed }
                continue
            }
            // A cycle is told from a state, where one is in it.
            let stateFirst = component.filter(definesState) + component.filter { !definesState($0) }
            for member in stateFirst { _ = try? meaning(ofEquation: member) }
        }
    }

    /// Longer cycles of names are reported without showing their path.
    private static let longestCycle = 50

    private func definesState(_ equation: Int) -> Bool {
        equations[equation].names.contains { name in
            if case .state = definitions[name.text] { true } else { false }
        }
    }

    /// For each equation the others it needs the types of: the values of states at other steps are known by their
    /// declarations.
    private func mentions() -> [[Int]] {
        equations.map { equation in
            var result: [Int] = []
            var stack = [(expression: equation.value, isDelayed: false)]
            while let (expression, isDelayed) = stack.popLast() {
                if case .name(let name) = expression.kind {
                    switch definitions[name] {
                    case .state(let index): if !isDelayed, let equation = states[index].equation { result.append(equation) }
                    case .equation(let index, _): result.append(index)
                    case .value, .layer, .failed, nil: break
                    }
                }
                var isDelay = false
                if case .index(let subject, let items) = expression.kind, case .name = subject.kind {
                    isDelay = items.contains(where: passesOverThisStep)
                }
                for (position, child) in expression.children.enumerated() {
                    stack.append((child, isDelay && position == 0))
                }
            }
            return result
        }
    }

    func meaning(ofEquation index: Int) throws -> Meaning {
        let equation = equations[index]
        switch progress[index] {
        case .done(let meaning): return meaning
        case .failed: throw Abandoned()
        case .inProgress: throw reportCycle(equation)
        case .pending: break
        }
        progress[index] = .inProgress
        path.append((equation.names[0].text, .here, equation.names[0].span))
        let saved = (environment, secondIndices, reducedSteps)
        (environment, secondIndices, reducedSteps) = (nil, [], [])
        defer {
            path.removeLast()
            (environment, secondIndices, reducedSteps) = saved
        }
        do {
            let meaning = try checked(meaning(of: equation.value), of: equation)
            progress[index] = .done(meaning)
            return meaning
        } catch {
            progress[index] = .failed
            throw error
        }
    }

    func reportCycle(_ equation: Equation) -> Abandoned {
        let name = equation.names[0].text
        guard let start = path.firstIndex(where: { $0.name == name }) else { return Abandoned() }
        let cycle = path[start...]
        if let reading = cycle.first(where: { $0.reading == .elsewhere }) {
            return reportCycleOverSteps(cycle.filter { $0.reading == .here }.map(\.name) + [name], at: reading.place)
        }
        let names = cycle.map(\.name) + [name]
        let members = cycle.filter { $0.reading == .here }.compactMap { entry in equations.firstIndex { $0.names[0].text == entry.name } }
        // Over several axes what is known behind the inner one may feed the next step of the outer one.
        if model.axes.count == 1 || !cycle.contains(where: { $0.reading == .delayed }), let whole = wholeSequence(around: members) {
            let axis = model.axes[whole.axis].name
            let way = cycle.filter { $0.reading == .here }.map(\.name) + [name]
            return report(
                .bothDirections,
                "'\(name)' depends on itself over all of '\(axis)': \(way.joined(separator: " → ")), and '\(sources.text(of: whole.span))' is known behind the last step of '\(axis)' only",
                at: whole.span, labels: [Diagnostic.Label(span: equation.names[0].span, text: "the cycle closes here")],
                help: "carry it from step to step with a state, made of the steps before: a sum so far is s = s[\(axis)-1] + …")
        }
        if let delayed = cycle.dropFirst().first(where: { $0.reading == .delayed }) {
            guard !delayed.name.isEmpty else {
                return report(
                    .undeclaredState, "'\(sources.text(of: delayed.place))' reads '\(name)' at another step, within the equation of '\(name)'",
                    at: delayed.place, help: "read the states at that step instead, or make what is read a state with a name of its own")
            }
            return report(
                .undeclaredState, "'\(delayed.name)' is read at another step within its own recurrence", at: delayed.place,
                help: "declare it: state \(delayed.name): […]")
        }
        let isState = states.contains { $0.name.text == name }
        let axis = model.axes.first?.name ?? "t"
        return report(
            .instantCycle, "'\(name)' depends on itself at the same step: \(names.joined(separator: " → "))",
            at: equation.names[0].span,
            help: isState
                ? "use \(name)[\(axis)-1] for the value of the step before"
                : "make one of them a state and use its value of the step before")
    }

    /// Names the values of an equation and brings states into their declared types.
    func checked(_ meaning: Meaning, of equation: Equation) throws -> Meaning {
        switch meaning {
        case .value(let value):
            guard equation.names.count == 1 else {
                throw report(
                    .wrongArgument, "\(equation.names.count) names on the left, one value on the right", at: equation.span)
            }
            return .value(try named(value, equation.names[0], at: equation.value.span))
        case .tuple(let parts):
            guard parts.count == equation.names.count else {
                throw report(
                    .wrongArgument, "\(equation.names.count) names on the left, \(parts.count) values on the right",
                    at: equation.span)
            }
            return .tuple(try zip(parts, equation.names).map { try named($0, $1, at: equation.value.span) })
        case .record(let fields, let what):
            guard equation.names.count == 1 else {
                throw report(
                    .wrongArgument, "'\(what)' gives one record, not \(equation.names.count) values", at: equation.span,
                    help: "name it, and use \(fields.map { "NAME.\($0.name)" }.joined(separator: ", "))")
            }
            if case .state = definitions[equation.names[0].text] {
                return .value(try named(single(meaning, at: equation.value.span), equation.names[0], at: equation.value.span))
            }
            for (field, value) in fields where model[value].name == nil {
                model.values[value.index].name = "\(equation.names[0].text).\(field)"
            }
            return meaning
        }
    }

    func named(_ value: ValueID, _ name: Identifier, at span: SourceSpan) throws -> ValueID {
        var value = value
        if case .state(let index) = definitions[name.text] {
            value = try fit(value, to: states[index].type, what: "the equation of '\(name.text)'", at: span)
            // A state is a stream even where its equation is constant.
            if !model[value].variance.isStream { value = steady(value, over: states[index].axes, span) }
        }
        if model[value].name == nil {
            model.values[value.index].name = name.text
            // What a function gives stands in the function; it is this equation's all the same.
            let place = model.values[value.index].span
            if place.file != span.file || place.start < span.start || place.end > span.end { model.values[value.index].span = span }
        }
        return value
    }

    /// A state or stream read at another step.
    func delayed(_ subject: Expression, offsets: [Int], span: SourceSpan) throws -> ValueID {
        if environment == nil, case .name(let name) = subject.kind, case .state(let index) = definitions[name] {
            let type = states[index].type
            guard offsets.contains(where: { $0 != 0 }) else { return try value(of: subject) }
            let delay = add(
                .primitive(.delay(ValueID(0), offsets: offsets, initial: nil)), type.element, type.shape, states[index].axes.moved(by: offsets), span)
            states[index].delays.append(delay)
            return delay
        }
        path.append(("", .delayed, span))
        let last = path.count - 1
        if case .name(let name) = subject.kind { path[last].name = name }
        defer { path.removeLast() }
        let value = try value(of: subject)
        try requireOneIndex(value, "a value at another step", span)
        if !offsets.contains(where: { $0 != 0 }) {
            try requireNoTable(value, subject, span)
            return value
        }
        guard model[value].variance.isStream else {
            throw report(
                .notAStream, "'\(sources.text(of: subject.span))' does not vary over time", at: span,
                help: "use it without an index of time")
        }
        return add(
            .primitive(.delay(value, offsets: offsets, initial: nil)), model[value].element, model[value].shape,
            variance(ofDelayed: value, by: offsets), span)
    }
}
