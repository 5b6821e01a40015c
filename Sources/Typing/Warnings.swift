import RecSource
import RecSyntax

/// What is no mistake, and most likely not meant, in the main file of a program without mistakes.
///
/// - Parameter typed: the models of the program, as far as they are known.
package func warnings(about program: ProgramSyntax, _ sources: SourceMap, typed: TypedProgram? = nil) -> [Diagnostic] {
    let models = program.mainFileModels.compactMap { program.models[$0] }
    guard let file = models.first?.span.file else { return [] }
    let functions = program.functions.values.filter { $0.span.file == file }
    var found = models.flatMap { UnusedNames(in: $0).warnings + unreadStates(of: $0) }
    for function in functions {
        found += UnusedNames(in: function).warnings
        guard Builtins.names.contains(function.name.text) else { continue }
        found.append(
            Diagnostic(
                .hiddenFunction, "'\(function.name.text)' is a function of the language, too; in this program it is yours",
                at: function.name.span, help: "give yours another name", severity: .warning))
    }
    for model in program.mainFileModels.compactMap({ typed?.models[$0] }) {
        // A function that is called in several places has its values in each.
        for warning in zeroDerivatives(in: model, sources.text) where warning.span?.file == file && !found.contains(warning) { found.append(warning) }
    }
    let names = models.map(\.name) + functions.map(\.name) + program.monoids.values.map(\.name).filter { $0.span.file == file }
    for name in names {
        guard let module = program.scopes.hidden[name.text] else { continue }
        found.append(
            Diagnostic(
                .hiddenImport, "'\(name.text)' is a name of \(module), too; in this program it is yours", at: name.span,
                help: "give yours another name", severity: .warning))
    }
    return Array(found.sorted { ($0.span?.start ?? 0) < ($1.span?.start ?? 0) }.prefix(Diagnostic.most))
}

/// States that no output and no loss depends on, in a model that has some. They run all the same: the last value of a state is a result.
private func unreadStates(of model: ModelDeclaration) -> [Diagnostic] {
    var states: [Identifier] = []
    var reads: [String: Set<String>] = [:]
    var waiting: [String] = []
    for member in model.members {
        switch member {
        case .state(let state):
            states += state.names
            // A state is what its equation says, from its initial value.
            for name in state.names { reads[name.text, default: []].formUnion(names(in: [state.initial])) }
        case .equation(let equation):
            for name in equation.names { reads[name.text, default: []].formUnion(names(in: [equation.value])) }
        case .output(let output):
            waiting += [output.name.text] + names(in: [output.value])
        case .loss(let loss): waiting += [loss.name.text] + names(in: [loss.value])
        case .require(let promise): waiting.append(promise.state.text)
        case .input, .parameter, .dim, .layer, .example: break
        case .broken: return []
        }
    }
    guard !waiting.isEmpty else { return [] }
    if let until = model.until { waiting.append(until.text) }
    var reached: Set<String> = []
    while let name = waiting.popLast() {
        if reached.insert(name).inserted { waiting += reads[name] ?? [] }
    }
    let unread = states.filter { !reached.contains($0.text) && !$0.text.hasPrefix("_") }
    return unread.map { state in
        let others = unread.contains { $0.text != state.text && reads[$0.text]?.contains(state.text) ?? false }
        return Diagnostic(
            .unusedName, others ? "no output and no loss depends on the state '\(state.text)'" : "nothing reads the state '\(state.text)' but itself", at: state.span,
            help: "a run gives its last value; leave it out, or let its name begin with '_'", severity: .warning)
    }
}

/// All names that expressions mention, of values and of what is called.
private func names(in expressions: [Expression?]) -> Set<String> {
    var result: Set<String> = []
    var stack = expressions.compactMap { $0 }
    while let expression = stack.popLast() {
        if case .name(let name) = expression.kind { result.insert(name) }
        if case .call(let name, _, _) = expression.kind { result.insert(name.text) }
        stack += expression.children
    }
    return result
}

/// Names that nothing reads: inputs, parameters, dims, layers and equations. A name that begins with '_' is meant to be so.
private struct UnusedNames {
    private var mentioned: Set<String> = []
    private var declared: [(what: String, name: Identifier)] = []

    init(in model: ModelDeclaration) {
        for dim in model.dims {
            declared.append(("dim", dim.name))
            mention([dim.defaultValue])
        }
        for axis in model.axes { mention([axis.length]) }
        if let until = model.until { mentioned.insert(until.text) }
        // A state has a result, its last value; an output is one.
        var results: Set<String> = []
        for member in model.members {
            switch member {
            case .state(let state): results.formUnion(state.names.map(\.text))
            case .output(let output): results.insert(output.name.text)
            case .loss(let loss): results.insert(loss.name.text)
            case .input, .parameter, .dim, .layer, .equation, .require, .example, .broken: break
            }
        }
        for member in model.members { add(member) }
        declared.removeAll { results.contains($0.name.text) }
        mentioned.formUnion(results)
    }

    init(in function: FunctionDeclaration) {
        declared = function.parameters.map { ("parameter", $0) }
        mention(function.expressions)
    }

    private mutating func add(_ member: Member) {
        func declare(_ what: String, _ names: [Identifier]) { declared += names.map { (what, $0) } }
        switch member {
        case .input(let input):
            declare("input", input.names)
            mention(input.type.dims ?? [])
        case .parameter(let parameter):
            declare("parameter", parameter.names)
            mention(parameter.type.dims ?? [])
            mention([parameter.initializer])
        case .state(let state):
            mention(state.type.dims ?? [])
            mention([state.initial])
        case .dim(let dim):
            declare("dim", [dim.name])
            mention([dim.value])
        case .layer(let layer):
            declare("layer", [layer.name])
            mention([layer.count] + layer.arguments.map(\.value))
        case .equation(let equation):
            declare("equation of", equation.names)
            mention([equation.value])
        case .output(let output):
            // What an output names is read by it.
            mentioned.insert(output.name.text)
            mention([output.value])
        case .loss(let loss): mention([loss.value])
        case .require(let promise): mentioned.insert(promise.state.text)
        case .example, .broken: break
        }
    }

    private mutating func mention(_ expressions: [Expression?]) {
        mentioned.formUnion(names(in: expressions))
    }

    var warnings: [Diagnostic] {
        declared.filter { !mentioned.contains($0.name.text) && !$0.name.text.hasPrefix("_") }.map { what, name in
            Diagnostic(
                .unusedName, "nothing uses the \(what) '\(name.text)'", at: name.span,
                help: "leave it out, or let its name begin with '_'", severity: .warning)
        }
    }
}
