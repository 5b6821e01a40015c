import RecSource
import RecSyntax

/// Layers that are run in reverse: `layer b = reverse(GRU(D, H))`.
extension ModelTyper {
    /// The axes of this model along which a layer runs from the end; all that it runs over where none is named. Nil where they are
    /// none, which is reported.
    func reversedAxes(_ reversal: ReversalSyntax, of inner: TypedModel, _ axes: [Int]) -> Set<Int>? {
        guard let brackets = reversal.axes else { return Set(axes) }
        var result: Set<Int> = []
        for expression in brackets {
            guard case .name(let name) = expression.kind, let axis = model.axes.firstIndex(where: { $0.name == name }), axes.contains(axis) else {
                let names = axes.map { model.axes[$0].name }
                report(
                    .wrongArgument, "'\(sources.text(of: expression.span))' is no axis that '\(inner.name)' runs over", at: expression.span,
                    help: "it runs over \(names.joined(separator: ", "))")
                return nil
            }
            guard result.insert(axis).inserted else {
                report(.wrongArgument, "'\(name)' is named twice", at: expression.span)
                return nil
            }
        }
        return result
    }
}

extension LayerDeclaration {
    /// `reverse(D)` as a layer of a model that is called `reverse`, where there is one; nil where it is none.
    func ofModelCalledReverse(in program: ProgramSyntax) -> LayerDeclaration? {
        guard let reversal = reversed, reversal.axes == nil, count == nil, arguments.isEmpty, program.fullName(model.text, at: model.span) == nil,
            program.fullName(reversal.word.text, at: reversal.word.span) != nil
        else { return nil }
        var result = self
        result.reversed = nil
        result.model = reversal.word
        result.arguments = [Argument(label: nil, value: Expression(.name(model.text), model.span))]
        return result
    }

    /// The name by which the program has the layer's model; nil where it has none.
    func fullModelName(in program: ProgramSyntax) -> String? {
        let model = (ofModelCalledReverse(in: program) ?? self).model
        return program.fullName(model.text, at: model.span)
    }
}
