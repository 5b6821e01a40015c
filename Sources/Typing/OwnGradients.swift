import RecSource
import RecStream
import RecSyntax

/// `func f(x) = … gradient (dy) = …`: a function with a gradient of its own.
extension ModelTyper {
    /// What a call gives, with the gradients of its arguments as the function states them. The function's parameters are visible.
    ///
    /// - Parameters:
    ///   - body: what the function computes.
    ///   - arguments: of the call, by parameter.
    func own(
        _ gradient: FunctionDeclaration.Gradient, of function: FunctionDeclaration, _ body: ValueID, _ arguments: [ValueID], _ span: SourceSpan
    ) throws -> ValueID {
        let name = function.name.text
        guard model[body].element == .real else {
            throw report(
                .wrongElementType, "'\(name)' has a gradient of its own, and gives \(model[body].element.withArticle) value", at: function.body.span,
                caption: describe(body), help: "real values alone have one")
        }
        for (argument, parameter) in zip(arguments, function.parameters) where model[argument].element == .complex {
            throw report(
                .wrongElementType, "'\(name)' has a gradient of its own, and its argument '\(parameter.text)' is complex here", at: span,
                help: "pass the real and the imaginary part, re(x) and im(x)")
        }
        // A program whose function has more or fewer expressions has been told so.
        guard gradient.values.count == arguments.count else { throw Abandoned() }
        let adjoint = add(.adjoint, .real, model[body].shape, model[body].variance, gradient.adjoint.span)
        environment?.meanings[gradient.adjoint.text] = .value(adjoint)
        var shares: [ValueID?] = []
        for ((expression, argument), parameter) in zip(zip(gradient.values, arguments), function.parameters) {
            let share = try value(of: expression)
            guard model[argument].element == .real else {
                shares.append(nil)
                continue
            }
            try require(share, is: [.real, .int], "a gradient", expression.span)
            shares.append(try fitted(converted(share, to: .real, expression.span), of: argument, parameter.text, spread: model[body].shape, expression.span))
        }
        model.ownGradients.append(
            TypedOwnGradient(function: name, arguments: arguments, shares: shares, adjoint: adjoint, span: span))
        let variance = arguments.reduce(model[body].variance) { $0.union(model[$1].variance) }
        return add(.own(body, gradient: model.ownGradients.count - 1), .real, model[body].shape, variance, span)
    }

    /// A gradient in the shape of its argument: dims of the function's value that the argument does not have are those along which it was
    /// spread, and are summed; along dims that the gradient does not have it is the same.
    private func fitted(
        _ share: ValueID, of argument: ValueID, _ name: String, spread: TypedShape, _ span: SourceSpan
    ) throws -> ValueID {
        let target = model[argument].shape
        guard model[share].shape != target else { return share }
        let own = model[share].shape
        let isAmbiguous = repeatedName(own) != nil || repeatedName(target) != nil
        let misfit = own.contains { dim in !target.contains(dim) && (target.contains { $0.name == dim.name } || !spread.contains(dim)) }
        guard !isAmbiguous, !misfit else {
            throw report(
                .shapeMismatch, "the gradient of '\(name)' is \(describe(share)), and '\(name)' is \(describe(argument))", at: span,
                help: "a gradient has the dims of its argument, by name")
        }
        let summed = own.indices.filter { axis in !target.contains { $0.name == own[axis].name } }
        var result = share
        if !summed.isEmpty {
            let left = own.indices.filter { !summed.contains($0) }.map { own[$0] }
            result = add(.primitive(.reduce(.sum, share, axes: summed)), .real, left, model[share].variance, span)
        }
        return try broadcast(result, to: target, span)
    }
}
