import RecSource
import RecSyntax

/// What `from` says of a parameter or a layer.
extension ModelTyper {
    /// Where a layer's tensors are; nil where it has been reported.
    func tensors(_ syntax: TextSyntax, of declaration: LayerDeclaration) -> TensorTemplate? {
        guard let template = template(syntax) else { return nil }
        let name = declaration.name.text
        if template.nameCount != 1 {
            report(
                .badTensorName,
                template.nameCount == 0
                    ? "\"\(syntax.text)\" has no place for the names of the tensors within '\(name)'"
                    : "a name has one place, and \"\(syntax.text)\" has \(template.nameCount)",
                at: syntax.span, help: template.nameCount == 0 ? "write {} where they go: \"\(syntax.text).{}\"" : "write {} once")
            return nil
        }
        let isRepeated = declaration.count != nil
        if isRepeated == template.copyOffsets.isEmpty {
            report(
                .badTensorName,
                isRepeated
                    ? "all copies of '\(name)' would have the same tensors" : "'{i}' is the number of a copy, and '\(name)' has no copies",
                at: syntax.span, help: isRepeated ? "write {i} for the number of the copy: \"\(name).{i}.{}\"" : "leave it out, or repeat the layer")
            return nil
        }
        return template
    }

    /// Where a parameter's tensor is; nil where it has been reported.
    func tensor(_ syntax: TextSyntax, of declaration: ParameterDeclaration) -> TensorTemplate? {
        guard let template = template(syntax) else { return nil }
        guard !template.parts.isEmpty, template.copyOffsets.isEmpty, template.nameCount <= 1 else {
            report(
                .badTensorName,
                template.parts.isEmpty
                    ? "a tensor has a name"
                    : template.nameCount > 1 ? "a name has one place, and \"\(syntax.text)\" has \(template.nameCount)"
                        : "'{i}' is the number of a copy, and a parameter has none",
                at: syntax.span,
                help: template.parts.isEmpty
                    ? "leave 'from' out, or write the name between the quotes"
                    : template.nameCount > 1 ? "write {} once" : "the layer that is repeated says where copies are: repeat(…) from \"….{i}.{}\"")
            return nil
        }
        if declaration.names.count > 1, template.nameCount == 0 {
            report(
                .wrongArgument, "\"\(syntax.text)\" is one tensor, and \(declaration.names.count) names are to have it",
                at: declaration.names[0].span.joined(with: declaration.names[declaration.names.count - 1].span),
                help: "declare them one by one, or write {} for the name")
            return nil
        }
        return template
    }

    private func template(_ syntax: TextSyntax) -> TensorTemplate? {
        do { return try TensorTemplate(syntax.text) } catch {
            // The text begins behind a quote.
            let start = syntax.span.start + 1
            report(
                .badTensorName, error.message,
                at: SourceSpan(file: syntax.span.file, start: start + error.range.lowerBound, end: start + error.range.upperBound),
                help: "{} is the name of the tensor within, {i} and {i+1} are numbers of a copy, from 0 and from 1")
            return nil
        }
    }
}
