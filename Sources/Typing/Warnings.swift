import RecSource
import RecSyntax

/// What is no mistake, and most likely not meant, in the main file of a program without mistakes.
package func warnings(about program: ProgramSyntax) -> [Diagnostic] {
    let models = program.mainFileModels.compactMap { program.models[$0] }
    guard let file = models.first?.span.file else { return [] }
    let functions = program.functions.values.filter { $0.span.file == file }
    var found = models.flatMap { UnusedNames(in: $0).warnings }
    for function in functions {
        found += UnusedNames(in: function).warnings
        guard Builtins.names.contains(function.name.text) else { continue }
        found.append(
            Diagnostic(
                .hiddenFunction, "'\(function.name.text)' is a function of the language, too; in this program it is yours",
                at: function.name.span, help: "give yours another name", severity: .warning))
    }
    return Array(found.sorted { ($0.span?.start ?? 0) < ($1.span?.start ?? 0) }.prefix(Diagnostic.most))
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
        mention([function.body])
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
        var stack = expressions.compactMap { $0 }
        while let expression = stack.popLast() {
            if case .name(let name) = expression.kind { mentioned.insert(name) }
            if case .call(let name, _, _) = expression.kind { mentioned.insert(name.text) }
            stack += expression.children
        }
    }

    var warnings: [Diagnostic] {
        declared.filter { !mentioned.contains($0.name.text) && !$0.name.text.hasPrefix("_") }.map { what, name in
            Diagnostic(
                .unusedName, "nothing uses the \(what) '\(name.text)'", at: name.span,
                help: "leave it out, or let its name begin with '_'", severity: .warning)
        }
    }
}
