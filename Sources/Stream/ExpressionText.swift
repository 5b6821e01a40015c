/// An expression as users write it, and how tightly its outermost operator binds.
package struct ExpressionText: Equatable, Sendable {
    /// From the loosest; those of the language (docs/language.md).
    package enum Binding: Int, Comparable, Sendable {
        case choice, or, and, not, comparison, sum, product, contraction, sign, power, renaming, whole
        package static func < (a: Binding, b: Binding) -> Bool { a.rawValue < b.rawValue }

        /// What binds tighter than this.
        var next: Binding { Binding(rawValue: rawValue + 1) ?? .whole }
    }

    package var text: String
    package var binding: Binding

    package init(_ text: String, _ binding: Binding = .whole) {
        self.text = text
        self.binding = binding
    }

    /// What is left out.
    package static let omitted = ExpressionText("…")

    /// The text where something stands around it that binds this tightly.
    package func within(_ binding: Binding) -> String { self.binding < binding ? "(\(text))" : text }

    // MARK: Operations

    package static func number(_ value: Double) -> ExpressionText {
        let size: String
        if value.isNaN { return ExpressionText("nan") }
        if value.isInfinite { size = "inf" } else if value == value.rounded(), abs(value) < 1e9 { size = "\(Int(abs(value)))" } else { size = "\(abs(value))" }
        return value.sign == .minus ? ExpressionText("-\(size)", .sign) : ExpressionText(size)
    }

    package static func call(_ function: String, _ arguments: [ExpressionText]) -> ExpressionText {
        ExpressionText("\(function)(\(arguments.map(\.text).joined(separator: ", ")))")
    }

    package static func infix(_ left: ExpressionText, _ sign: String, _ right: ExpressionText, _ binding: Binding, isAssociative: Bool = false) -> ExpressionText {
        ExpressionText("\(left.within(binding)) \(sign) \(right.within(isAssociative ? binding : binding.next))", binding)
    }

    package static func unary(_ function: UnaryOperator, _ a: ExpressionText) -> ExpressionText {
        switch function {
        case .negate: ExpressionText("-\(a.within(.power))", .sign)
        case .not: ExpressionText("not \(a.within(.not))", .not)
        // Numbers become real and complex by themselves.
        case .toReal, .toComplex: a
        case .numbered: call("step", [a])
        case .toInt: call("int", [a])
        case .abs, .sign, .floor, .exp, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid,
            .logsigmoid, .relu, .gelu, .silu, .softplus, .step, .re, .im, .conj, .cis, .stop:
            call(function.rawValue, [a])
        }
    }

    package static func binary(_ function: BinaryOperator, _ a: ExpressionText, _ b: ExpressionText) -> ExpressionText {
        func compared(_ sign: String) -> ExpressionText {
            ExpressionText("\(a.within(.sum)) \(sign) \(b.within(.sum))", .comparison)
        }
        switch function {
        case .add: return infix(a, "+", b, .sum, isAssociative: true)
        case .subtract: return infix(a, "-", b, .sum)
        case .multiply: return infix(a, "*", b, .product)
        case .divide: return infix(a, "/", b, .product)
        case .power: return ExpressionText("\(a.within(.renaming))^\(b.within(.renaming))", .power)
        case .less: return compared("<")
        case .lessOrEqual: return compared("<=")
        case .equal: return compared("==")
        case .notEqual: return compared("!=")
        case .greaterOrEqual: return compared(">=")
        case .greater: return compared(">")
        case .and: return infix(a, "and", b, .and, isAssociative: true)
        case .or: return infix(a, "or", b, .or, isAssociative: true)
        case .min, .max, .logaddexp, .atan2, .mod, .complex, .random, .uniform, .uniformNext: return call(function.rawValue, [a, b])
        }
    }

    package static func select(_ test: ExpressionText, _ yes: ExpressionText, _ no: ExpressionText) -> ExpressionText {
        ExpressionText("if \(test.within(.or)) then \(yes.within(.or)) else \(no.text)", .choice)
    }

    /// `sum[K](x)`; without names over all axes.
    package static func reduction(_ kind: ReduceKind, _ axes: [String], _ a: ExpressionText) -> ExpressionText {
        let function = kind == .product ? "prod" : kind.rawValue
        return call(axes.isEmpty ? function : "\(function)[\(axes.joined(separator: ", "))]", [a])
    }

    /// `x as [J]`, which is put in parentheses wherever something stands around it: few know how tightly `as` binds.
    package func renamed(_ names: [String]) -> ExpressionText {
        ExpressionText("\(within(.renaming)) as [\(names.joined(separator: ", "))]", .choice)
    }

    /// `h[t-1]`, of what varies over some axes.
    package func delayed(by offsets: [Int], along axes: [StreamAxis], of variance: Variance) -> ExpressionText {
        let varied = axes.indices.filter { variance.varies(over: $0) && (axes[$0].chunks == nil || offsets[$0] != 0) || offsets[$0] != 0 }
        let indices = varied.map { place in
            let (axis, offset) = (axes[place], offsets[place])
            return offset == 0 ? axis.name : offset < 0 ? "\(axis.name)\(offset)" : "\(axis.name)+\(offset)"
        }
        return ExpressionText("\(within(.whole))[\(indices.joined(separator: ", "))]")
    }

    /// `x[0:4, :]`, from a range for each axis; nil for a whole one. A range of one element is its index.
    package func sliced(_ ranges: [(start: Int, count: Int, stride: Int)?]) -> ExpressionText {
        var indices = ranges.map { range in
            guard let (start, count, stride) = range else { return ":" }
            if count == 1 { return "\(start)" }
            let end = start + (count - 1) * stride
            return stride < 0 ? "\(start):…:\(stride)" : "\(start):\(end + 1)" + (stride == 1 ? "" : ":\(stride)")
        }
        while indices.last == ":" { indices.removeLast() }
        return indices.isEmpty ? self : ExpressionText("\(within(.whole))[\(indices.joined(separator: ", "))]")
    }
}
