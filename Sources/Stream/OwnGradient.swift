import RecSource

extension StreamGraph {
    /// The gradient that a function of the program has of its own, at one of its calls: what reverse mode gives the arguments, in place of
    /// what would follow from how the value is computed.
    package struct OwnGradient: Equatable, Sendable {
        /// The name of the function.
        package var function: String
        /// What the call gives: `stop` of what the function computes, so that no derivative passes but this one.
        package var value: ValueID
        package var arguments: [ValueID]
        /// The gradients as a graph without axes. Its inputs are `dy`, the adjoint of the value, and the arguments by their position, `0`, `1`, …;
        /// it has an output for each real argument, by its position as well.
        package var rule: StreamGraph
        package var span: SourceSpan?

        package init(function: String, value: ValueID, arguments: [ValueID], rule: StreamGraph, span: SourceSpan? = nil) {
            self.function = function
            self.value = value
            self.arguments = arguments
            self.rule = rule
            self.span = span
        }

        /// The input of a rule that stands for the adjoint of the value.
        package static let adjointName = "dy"

        /// Whether it gives the same arguments the same.
        func isSame(as other: OwnGradient) -> Bool {
            function == other.function && arguments == other.arguments && rule == other.rule
        }

        /// The same in a graph whose values have other numbers.
        package func renumbered(_ rename: (ValueID) -> ValueID) -> OwnGradient {
            OwnGradient(function: function, value: rename(value), arguments: arguments.map(rename), rule: rule, span: span)
        }
    }

    /// By the value of the call.
    package var ownGradientsByValue: [ValueID: OwnGradient] {
        ownGradients.isEmpty ? [:] : Dictionary(ownGradients.map { ($0.value, $0) }) { first, _ in first }
    }

    /// What a value needs besides its operands, by value: the arguments of a call, for its gradient.
    package var furtherOperands: [ValueID: [ValueID]] { ownGradientsByValue.mapValues(\.arguments) }

    /// The names of the functions that have gradients of their own, each once.
    package var functionsWithOwnGradients: [String] {
        ownGradients.map(\.function).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// The gradients of calls that are there still, whose values have other numbers.
    package func renumberedOwnGradients(_ rename: (ValueID) -> ValueID?) -> [OwnGradient] {
        var seen: Set<ValueID> = []
        return ownGradients.compactMap { own in
            guard let value = rename(own.value), seen.insert(value).inserted else { return nil }
            return own.renumbered { rename($0) ?? value }
        }
    }

    /// The same graph in which functions have the derivatives that follow from how they are computed.
    package func withoutOwnGradients() -> StreamGraph {
        var result = self
        for own in ownGradients {
            guard case .unary(.stop, let inner) = self[own.value].operation else { continue }
            result[own.value].operation = .rename(inner)
        }
        result.ownGradients = []
        return result
    }

    /// The rule that some values are, computed from the adjoint and the arguments of a call; nil where one takes anything else than these
    /// and constants.
    ///
    /// - Parameter shares: by argument; nil where it has no gradient.
    package func rule(_ shares: [ValueID?], adjoint: ValueID, arguments: [ValueID]) -> StreamGraph? {
        var rule = StreamGraph(name: name, axes: [])
        var known: [ValueID: ValueID] = [:]
        for (place, id) in [(OwnGradient.adjointName, adjoint)] + arguments.enumerated().map({ ("\($0.offset)", $0.element) }) {
            let value = self[id]
            let input = Value(.input(name: place, fallback: nil), element: value.element, shape: value.shape, variance: .none)
            let own = rule.add(input)
            if known[id] == nil { known[id] = own }
        }
        let further = furtherOperands
        var found: Set<ValueID> = []
        var waiting = shares.compactMap { $0 }
        while let id = waiting.popLast() {
            guard known[id] == nil, found.insert(id).inserted else { continue }
            waiting += self[id].operation.operands + (further[id] ?? [])
        }
        for id in found.sorted() {
            var value = self[id]
            if value.operation.isFromElsewhere { return nil }
            value.operation = value.operation.mapOperands { known[$0] ?? ValueID(0) }
            value.variance = .none
            value.name = nil
            known[id] = rule.add(value)
        }
        rule.ownGradients = renumberedOwnGradients { found.contains($0) || arguments.contains($0) ? known[$0] : nil }
            .filter { if case .unary(.stop, _) = rule[$0.value].operation { true } else { false } }
        for (place, share) in shares.enumerated() {
            if let share, let value = known[share] { rule.outputs.append(Output(name: "\(place)", value: value)) }
        }
        return rule.splittingComplex()
    }
}

extension Operation {
    /// Whether it takes nothing from its own step: what is given, and what comes from other steps.
    package var isFromElsewhere: Bool {
        switch self {
        case .input, .parameter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps: true
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .runningAffine, .solve:
            false
        }
    }
}
