import RecSource
import RecSyntax

extension ModelTyper {
    /// The numbers of an `example`, with the names of inputs, dims and outputs checked.
    func example(_ declaration: ExampleDeclaration) throws -> TypedExample {
        let inputs = model.inputs.map(\.name)
        let given = try declaration.given.map { binding in
            guard inputs.contains(binding.name.text) || dims[binding.name.text] != nil || hasParameter(binding.name.text) else {
                throw report(
                    .unknownName, "'\(binding.name.text)' is no input, parameter or dim", at: binding.name.span,
                    help: nearest(binding.name.text, among: inputs + dimOrder).map { "did you mean '\($0)'?" })
            }
            let given = try numbers(binding)
            if dims[given.name] != nil, given.numbers.count != 1 || !given.numbers.allSatisfy({ $0 >= 1 && Int(exactly: $0) != nil }) {
                throw report(.unsolvableDim, "a dim is a whole number of 1 or more", at: given.span)
            }
            return given
        }
        let expected = try declaration.expected.map { binding in
            guard resultNames.contains(binding.name.text) else {
                throw report(
                    .unknownName, "'\(binding.name.text)' is no output", at: binding.name.span,
                    help: nearest(binding.name.text, among: resultNames.sorted()).map { "did you mean '\($0)'?" })
            }
            return try numbers(binding)
        }
        return TypedExample(given: given, expected: expected, span: declaration.span)
    }

    private func hasParameter(_ name: String) -> Bool {
        model.values.contains { value in
            if case .parameter(let info) = value.operation { return info.path == name }
            return false
        }
    }

    private func numbers(_ binding: ExampleDeclaration.Binding) throws -> TypedExample.Binding {
        var shape: [Int] = []
        let numbers = try flattened(binding.value, depth: 0, shape: &shape)
        return TypedExample.Binding(
            name: binding.name.text, isApproximate: binding.isApproximate, shape: shape, numbers: numbers,
            span: binding.value.span)
    }

    private func flattened(_ expression: Expression, depth: Int, shape: inout [Int]) throws -> [Double] {
        guard case .array(let items) = expression.kind else {
            guard depth == shape.count else {
                throw report(.shapeMismatch, "the lists of an example are of equal length", at: expression.span)
            }
            if case .boolean(let truth) = expression.kind { return [truth ? 1 : 0] }
            return [try constantNumber(expression)]
        }
        if depth == shape.count {
            shape.append(items.count)
        } else if shape[depth] != items.count {
            throw report(
                .shapeMismatch, "the lists of an example are of equal length: \(shape[depth]) and \(items.count)",
                at: expression.span)
        }
        if items.isEmpty { return [] }
        // The first item fixes the depth of the others.
        var inner = shape
        var result: [Double] = []
        for (k, item) in items.enumerated() {
            if k == 0 { inner = Array(shape.prefix(depth + 1)) }
            result += try flattened(item, depth: depth + 1, shape: &inner)
        }
        if inner.count > shape.count { shape = inner }
        return result
    }
}
