import RecSource
import RecStream

extension StreamGraph {
    /// Adds the derivative of a number of a step with respect to a value of the same step: reverse mode over what is computed within
    /// the step. What comes from other steps counts as constant: delays, and values over a whole axis.
    ///
    /// - Parameters:
    ///   - result: a real scalar.
    ///   - places: the value, real or complex; several ids where it stands in the graph several times.
    ///   - span: the place in the source of what is added.
    /// - Returns: a value of the shape and the element type of `places`; 0 where `result` does not depend on them.
    package mutating func addDerivative(of result: ValueID, by places: [ValueID], at span: SourceSpan?) -> ValueID {
        let step = StepGraph(of: result, by: places, in: self)
        var reverse = ReverseMode(Differentiation(step: step.graph))
        let differentiated = reverse.run()
        return add(step, differentiated, at: span)
    }

    /// Adds what the derivative needs of a differentiated step, simplified.
    private mutating func add(_ step: StepGraph, _ differentiated: StreamGraph, at span: SourceSpan?) -> ValueID {
        let gradient = differentiated.outputs.last?.value ?? ValueID(0)
        let isNeeded = differentiated.needed(by: [gradient])
        let simplifier = Simplifier(span: span)
        var added: [ValueID] = []
        added.reserveCapacity(differentiated.values.count)
        for id in differentiated.ids {
            let value = differentiated[id]
            if let origin = step.origin(of: id) {
                added.append(origin)
            } else if !isNeeded[id.index] {
                added.append(ValueID(0))
            } else if let leaf = step.leaf(value.operation) {
                added.append(value.shape == self[leaf].shape ? leaf : parts(of: leaf, value.shape, at: span))
            } else if case .parameter = value.operation {
                // The cotangent of the number itself.
                added.append(simplifier.number(1, [], &self))
            } else {
                let operation = value.operation.mapOperands { added[$0.index] }
                // What was there before stays what it is, also where it is infinite.
                let isNew = id.index >= step.count
                added.append(isNew ? simplifier.add(operation, value.type, &self) : add(operation, value.type, at: span))
            }
        }
        for own in differentiated.ownGradients where own.value.index >= step.count && isNeeded[own.value.index] {
            ownGradients.append(own.renumbered { added[$0.index] })
        }
        let found = added[gradient.index]
        return step.isComplex ? joined(found, self[step.place].shape, at: span) : found
    }

    /// Adds a value that varies over what its operands vary over.
    fileprivate mutating func add(_ operation: Operation, _ type: ValueType, at span: SourceSpan?) -> ValueID {
        let variance = operation.operands.reduce(Variance.none) { $0.union(self[$1].variance) }
        return add(Value(operation, element: type.element, shape: type.shape, variance: variance, span: span))
    }

    /// The parts of a complex value along a last axis, as a graph without complex values has them.
    private mutating func parts(of id: ValueID, _ shape: Shape, at span: SourceSpan?) -> ValueID {
        let own = self[id].shape
        let halves = [UnaryOperator.re, .im].map { part -> ValueID in
            let half = add(.unary(part, id), ValueType(.real, own, .none), at: span)
            return add(.reshape(half), ValueType(.real, own + [Dim("1", 1)], .none), at: span)
        }
        return add(.concat(halves, axis: own.count), ValueType(.real, shape, .none), at: span)
    }

    /// The complex value of such parts.
    private mutating func joined(_ parts: ValueID, _ shape: Shape, at span: SourceSpan?) -> ValueID {
        let halves = (0..<2).map { part -> ValueID in
            let half = add(
                .slice(parts, axis: shape.count, start: part, stride: 1), ValueType(.real, shape + [Dim("1", 1)], .none), at: span)
            return add(.reshape(half), ValueType(.real, shape, .none), at: span)
        }
        return add(.binary(.complex, halves[0], halves[1]), ValueType(.complex, shape, .none), at: span)
    }
}

/// One step of a graph on its own, as far as a number depends on it: without axes, and with inputs for what comes from elsewhere.
private struct StepGraph {
    /// Without complex values. Its output is the number, and the input `place` what it is differentiated by.
    let graph: StreamGraph
    /// How many values it had before it was differentiated.
    var count: Int { graph.values.count }
    /// What it is differentiated by, in the whole graph.
    let place: ValueID
    let isComplex: Bool
    /// For each value that of the whole graph; nil where complex values have been taken apart.
    private let origins: [ValueID]?

    static let placeName = "place"

    init(of result: ValueID, by places: [ValueID], in whole: StreamGraph) {
        let place = places.min() ?? result
        self.place = place
        isComplex = whole[place].element == .complex
        var step = StreamGraph(name: whole.name, axes: [])
        var origins = [place]
        var known: [ValueID: ValueID] = [:]
        func added(_ operation: Operation, _ id: ValueID, _ step: inout StreamGraph) -> ValueID {
            let value = whole[id]
            return step.add(Value(operation, element: value.element, shape: value.shape, variance: .none, span: value.span))
        }
        let own = added(.input(name: Self.placeName, fallback: nil), place, &step)
        for id in places { known[id] = own }
        for id in whole.withinStep(result, places) where known[id] == nil {
            let operation = whole[id].operation
            let isLeaf = operation.isFromElsewhere
            let inner = isLeaf ? .input(name: "\(id.index)", fallback: nil) : operation.mapOperands { known[$0] ?? own }
            known[id] = added(inner, id, &step)
            origins.append(id)
        }
        step.ownGradients = whole.renumberedOwnGradients { known[$0] }.filter { $0.value != own }
        step.outputs = [StreamGraph.Output(name: "number", value: known[result] ?? own)]
        let hasComplex = step.values.contains { $0.element == .complex }
        graph = step.splittingComplex()
        self.origins = hasComplex ? nil : origins
    }

    /// The value of the whole graph that one of the differentiated graph is.
    func origin(of id: ValueID) -> ValueID? {
        guard let origins, id.index < origins.count else { return nil }
        return origins[id.index]
    }

    /// The value of the whole graph that an input stands for.
    func leaf(_ operation: Operation) -> ValueID? {
        guard case .input(let name, _) = operation else { return nil }
        return name == Self.placeName ? place : Int(name).map(ValueID.init)
    }
}

extension StreamGraph {
    /// What a value is computed from within its step, ascending; what `places` are computed from is left out.
    package func withinStep(_ result: ValueID, _ places: [ValueID]) -> [ValueID] {
        var found: Set<ValueID> = [result]
        var waiting = [result]
        let further = furtherOperands
        while let id = waiting.popLast() {
            guard !places.contains(id), !self[id].operation.isFromElsewhere else { continue }
            for operand in self[id].operation.operands + (further[id] ?? []) where found.insert(operand).inserted { waiting.append(operand) }
        }
        return found.sorted()
    }
}

extension Differentiation {
    /// The derivative of the output of a step on its own by its input `place`.
    fileprivate init(step: StreamGraph) {
        primal = step
        let place = step.ids.filter { if case .input(StepGraph.placeName, _) = step[$0].operation { true } else { false } }
        targets = [(.input(StepGraph.placeName), place, false)]
        seeds = [(.output("number"), step.outputs.map(\.value), false)]
        truncation = nil
        // A program that goes on with the derivative has it as one would write it: a test of what depends on a state would make of a
        // linear step one that is not.
        boundsFactors = false
        boundsSlopes = true
        masksUnchosen = true
    }
}
