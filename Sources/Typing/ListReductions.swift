import RecSource
import RecStream
import RecSyntax

/// Reductions of values that stand in a list, element by element: `sum([a, b])`, `logsumexp([a, b, c])`.
extension ModelTyper {
    func listReduction(_ call: Builtins.Call, _ items: [Expression], _ span: SourceSpan) throws -> ValueID {
        let name = call.name.text
        if let axis = call.brackets?.first {
            throw report(
                .wrongArgument, "a list is reduced over its items, not over an axis", at: axis.span,
                help: "reduce it first: \(name)[\(sources.text(of: axis.span))](\(name)([…]))")
        }
        guard !items.isEmpty else {
            throw report(.wrongArgument, "a list that is reduced has one item or more", at: span)
        }
        let given = items.map { item in Result { try value(of: item) } }
        var terms: [Term] = try zip(given, items).map { (value: try $0.get(), span: $1.span) }
        let keepsInts = ["sum", "prod", "max", "min", "argmax", "argmin"].contains(name)
        for k in terms.indices {
            try require(terms[k].value, is: name == "sum" ? [.real, .int, .complex] : [.real, .int], "'\(name)'", terms[k].span)
            if !keepsInts { terms[k].value = try converted(terms[k].value, to: .real, terms[k].span) }
        }
        switch name {
        case "sum": return try joined(terms, .add, call.span)
        case "prod": return try joined(terms, .multiply, call.span)
        case "max": return try joined(terms, .max, call.span)
        case "min": return try joined(terms, .min, call.span)
        case "mean": return try mean(terms, call.span)
        case "logsumexp": return try joinedInPairs(terms, .logaddexp, call.span)
        case "norm": return unary(.sqrt, try joined(squares(terms, call.span), .add, call.span), call.span)
        case "var":
            let center = try mean(terms, call.span)
            let deviations = try terms.map { (value: try elementwise(.subtract, $0.value, center, ($0.span, call.span), call.span), span: $0.span) }
            return try mean(squares(deviations, call.span), call.span)
        case "argmax", "argmin": return try place(terms, isLargest: name == "argmax", call.span)
        default:
            throw report(
                .wrongArgument, "'\(name)' takes no list", at: span,
                help: name == "softmax" ? "numbers become a vector with concat(a, b)" : nil)
        }
    }

    private typealias Term = (value: ValueID, span: SourceSpan)

    private func joined(_ terms: [Term], _ function: BinaryOperator, _ span: SourceSpan) throws -> ValueID {
        try terms.dropFirst().reduce(terms[0].value) { try elementwise(function, $0, $1.value, (terms[0].span, $1.span), span) }
    }

    /// As a tree, in which every term passes through few roundings.
    private func joinedInPairs(_ terms: [Term], _ function: BinaryOperator, _ span: SourceSpan) throws -> ValueID {
        guard terms.count > 2 else { return try joined(terms, function, span) }
        let half = terms.count / 2
        let sides = [Array(terms[..<half]), Array(terms[half...])]
        return try joined(sides.map { (value: try joinedInPairs($0, function, span), span: $0[0].span) }, function, span)
    }

    private func squares(_ terms: [Term], _ span: SourceSpan) -> [Term] {
        terms.map { (value: apply(.multiply, $0.value, $0.value, span), span: $0.span) }
    }

    private func mean(_ terms: [Term], _ span: SourceSpan) throws -> ValueID {
        try elementwise(.divide, try joined(terms, .add, span), constant(Double(terms.count), span), (span, span), span)
    }

    /// The number of the first largest item, or the first smallest; that of the first NaN, where there is one.
    private func place(_ terms: [Term], isLargest: Bool, _ span: SourceSpan) throws -> ValueID {
        // All in one shape and element type: that of their sum.
        let widest = try joined(terms, .add, span)
        func number(_ k: Int) throws -> ValueID {
            try broadcast(add(.primitive(.constant(.int(k))), .int, [], .none, span), to: model[widest].shape, span)
        }
        func whole(_ term: Term) throws -> ValueID {
            try broadcast(try converted(term.value, to: model[widest].element, term.span), to: model[widest].shape, term.span)
        }
        func chosen(_ condition: ValueID, _ a: ValueID, _ b: ValueID) -> ValueID {
            let variance = [condition, a, b].reduce(Variance.none) { $0.union(model[$1].variance) }
            return add(.primitive(.select(condition, then: a, otherwise: b)), model[a].element, model[a].shape, variance, span)
        }
        var best = try whole(terms[0])
        var place = try number(0)
        for (k, term) in terms.enumerated().dropFirst() {
            let next = try whole(term)
            // NaN is neither smaller nor larger: it is taken where the best is a number.
            let isNoBetter = apply(isLargest ? .lessOrEqual : .greaterOrEqual, next, best, span)
            let isBetter = apply(.and, unary(.not, isNoBetter, span), apply(.equal, best, best, span), span)
            (best, place) = (chosen(isBetter, next, best), chosen(isBetter, try number(k), place))
        }
        return place
    }
}
