/// The productions of `grammar/rec.ebnf`, which is normative; a test holds the two lists against each other.
enum Production: String, CaseIterable {
    case file, `import`, module, `func`, monoid, fields, field, model, dims, dim, axes, axis, member
    case input, param, const, state, alias, layer, copies, along, instance, equation, output, loss, require, example, binding, result
    case names, type, element, expressions, arguments, argument
    case expression, choice, disjunction, conjunction, negation, comparison, sum, product, contraction, signed, power
    case renamed, postfix, indices, index, brackets, bracket, steps, primary
}
