import RecSource
import RecStream
import RecSyntax

/// What rests on the equations: states, outputs, losses, promises.
extension ModelTyper {
    func finishStates() {
        // All of them first: an initial value may read other states at other steps, and these delays are completed as well.
        let initials = states.map { state in (try? initialValues(of: state)) ?? [] }
        for k in states.indices {
            let state = states[k]
            let initial = initials[k].first
            guard state.equation != nil else {
                // Of two equations for another state one was meant for this, most likely.
                if diagnostics.contains(where: { $0.id == .duplicateDefinition }) { continue }
                report(
                    .stateWithoutEquation, "the state '\(state.name.text)' has no equation", at: state.name.span,
                    help: "add an equation '\(state.name.text) = …'")
                continue
            }
            guard let value = try? value(ofState: k) else { continue }
            guard areRead(initials[k], of: state) else { continue }
            if initials[k].count > 1 {
                let delays = delays(of: k, at: value, from: initials[k])
                model.states.append(TypedState(name: state.name.text, value: value, initial: initial, delays: delays, span: state.name.span))
                continue
            }
            for delay in states[k].delays {
                switch model[delay].operation {
                case .primitive(.delay(_, let offsets, _)):
                    model.values[delay.index].operation = .primitive(.delay(value, offsets: offsets, initial: initial))
                case .window(_, var window):
                    window.initial = initial
                    model.values[delay.index].operation = .window(value, window)
                case .primitive, .parameter, .dim, .slice, .pad, .pick, .callOutput, .derivative, .own, .adjoint, .step, .along, .distance, .draw, .training: continue
                }
            }
            model.states.append(TypedState(name: state.name.text, value: value, initial: initial, delays: states[k].delays, span: state.name.span))
        }
    }

    /// Functions that give a value for the whole sequence.
    private static let wholeSequence = ["sum", "mean", "var", "max", "min", "first", "last"]

    func initialValue(_ expression: Expression, of state: DeclaredState) throws -> ValueID {
        drawsOnce = true
        defer { drawsOnce = false }
        let value = try value(of: expression)
        guard !model[value].variance.isStream else {
            throw report(
                .onceNeedsConstant, "the initial value of '\(state.name.text)' varies over time", at: expression.span,
                help: "it is made of parameters, constants, 'once' inputs and values for the whole sequence: \(Self.wholeSequence.map { "\($0)[\(model.axes[0].name)](x)" }.joined(separator: ", "))")
        }
        return try fit(value, to: state.type, what: "the initial value of '\(state.name.text)'", at: expression.span)
    }

    /// The value of a state's equation in the state's own shape.
    func value(ofState index: Int) throws -> ValueID {
        guard let equation = states[index].equation else { throw Abandoned() }
        let meaning = try meaning(ofEquation: equation)
        switch meaning {
        case .value, .record: return try single(meaning, at: equations[equation].span)
        case .tuple(let parts):
            guard let component = equations[equation].names.firstIndex(where: { $0.text == states[index].name.text }),
                component < parts.count
            else { throw Abandoned() }
            return parts[component]
        }
    }

    func finish(_ member: Member) {
        switch member {
        case .output(let declaration):
            guard let value = try? value(named: declaration.name, at: declaration.value?.span) else { return }
            if model.outputs.contains(where: { $0.name == declaration.name.text }) {
                report(.duplicateDefinition, "'\(declaration.name.text)' is an output already", at: declaration.name.span)
                return
            }
            model.outputs.append(TypedOutput(name: declaration.name.text, value: value, span: declaration.span))
        case .loss(let declaration):
            guard let value = try? value(named: declaration.name, at: declaration.value.span) else { return }
            let typed = model[value]
            guard typed.shape.isEmpty, !typed.variance.isStream, typed.element == .real else {
                let isSteps = typed.shape.isEmpty && typed.variance.isStream && typed.element == .real
                report(
                    .shapeMismatch, "a loss is one real number for each sequence, '\(declaration.name.text)' is \(isSteps ? "one for each step" : describe(value))",
                    at: declaration.value.span, help: "reduce it over time and its dims, as in mean[t](…)")
                return
            }
            model.losses.append(TypedOutput(name: declaration.name.text, value: value, span: declaration.span))
        case .require(let declaration):
            finish(declaration)
        case .example(let declaration):
            if let example = try? example(declaration) { model.examples.append(example) }
        case .input, .parameter, .state, .dim, .layer, .equation, .broken:
            break
        }
    }

    func finish(_ declaration: RequireDeclaration) {
        guard states.contains(where: { $0.name.text == declaration.state.text }) else {
            let close = nearest(declaration.state.text, among: states.map(\.name.text))
            report(
                .unknownName, "'\(declaration.state.text)' is not a state", at: declaration.state.span,
                help: close.map { "did you mean '\($0)'?" })
            return
        }
        let property: StreamGraph.Requirement.Property
        switch declaration.property.text {
        case "affine": property = .affine
        case "diagonal": property = .diagonal
        case "plan":
            let known = ["map", "sequential", "scan", "chunkwise", "shooting", "newton"]
            for choice in declaration.choices where !known.contains(choice.text) {
                report(
                    .unknownName, "'\(choice.text)' is not a plan", at: choice.span,
                    help: nearest(choice.text, among: known).map { "did you mean '\($0)'?" } ?? "plans are \(known.joined(separator: ", "))")
                return
            }
            property = .plan(declaration.choices.map(\.text))
        default:
            report(
                .unknownName, "'\(declaration.property.text)' is nothing that can be required", at: declaration.property.span,
                help: "use affine(S), diagonal(S) or plan(S) in (…)")
            return
        }
        model.requirements.append(
            StreamGraph.Requirement(property: property, state: declaration.state.text, span: declaration.span))
    }
}
