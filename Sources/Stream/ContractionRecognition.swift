extension StreamGraph {
    /// The same graph with products of factors that were lined up for it as contractions of the factors as they were before:
    /// `sum[K](q * S)` reads `q` and `S`, and no product lies in memory.
    ///
    /// Three forms are found, where what becomes part of a contraction has no other use: the sum of a product; the sum of
    /// several products added up, of which each has a factor that varies over nothing, as one contraction each; and the sum
    /// over time of an outer product.
    package func recognizingContractions() -> StreamGraph {
        var recognition = ContractionRecognition(self)
        return recognition.run()
    }
}

private struct ContractionRecognition {
    private let graph: StreamGraph
    private var result: StreamGraph
    private let uses: [Int]

    init(_ graph: StreamGraph) {
        self.graph = graph
        result = graph
        var uses = [Int](repeating: 0, count: graph.values.count)
        for value in graph.values { for operand in value.operation.operands { uses[operand.index] += 1 } }
        for output in graph.outputs + graph.losses { uses[output.value.index] += 1 }
        for state in graph.states { uses[state.value.index] += 1 }
        for fold in graph.folds { for id in fold.elements + fold.states { uses[id.index] += 1 } }
        self.uses = uses
    }

    mutating func run() -> StreamGraph {
        for id in graph.ids where graph[id].element == .real {
            switch graph[id].operation {
            case .reduce(.sum, let operand, let axes):
                let rank = graph[operand].shape.count
                sum(operand, into: id, leaving: (0..<rank).filter { !axes.contains($0) })
            case .overTime(.sum, let product, _):
                let labels = Array(graph[product].shape.indices)
                guard uses[product.index] == 1, let contraction = contraction(of: product, leaving: labels),
                    contraction.leftLabels.count < labels.count, contraction.rightLabels.count < labels.count
                else { continue }
                result[product].operation = .contract(contraction)
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape,
                .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                continue
            }
        }
        return result.ordered()
    }

    /// Makes the sum `id` of `operand` one contraction, or several added up.
    private mutating func sum(_ operand: ValueID, into id: ValueID, leaving kept: [Int]) {
        if uses[operand.index] == 1, let contraction = contraction(of: operand, leaving: kept) {
            result[id].operation = .contract(contraction)
            return
        }
        let terms = terms(of: operand)
        guard terms.count > 1 else { return }
        let contractions = terms.compactMap { term in
            contraction(of: term.value, leaving: kept).flatMap { found in
                graph[found.left].variance.isStatic != graph[found.right].variance.isStatic ? found : nil
            }
        }
        guard contractions.count == terms.count else { return }
        var total: ValueID?
        for (number, (term, contraction)) in zip(terms, contractions).enumerated() {
            var value = graph[id]
            value.name = nil
            value.operation = .contract(contraction)
            let part = result.add(value)
            let operation: Operation? = switch (total, term.isNegative) {
            case (nil, false): nil
            case (nil, true): .unary(.negate, part)
            case (let total?, let isNegative): .binary(isNegative ? .subtract : .add, total, part)
            }
            guard let operation else {
                total = part
                continue
            }
            if number == terms.count - 1 {
                result[id].operation = operation
            } else {
                value.operation = operation
                total = result.add(value)
            }
        }
    }

    /// What is added up in a value, from left to right.
    private func terms(of id: ValueID) -> [(value: ValueID, isNegative: Bool)] {
        var found: [(value: ValueID, isNegative: Bool)] = []
        var waiting = [(value: id, isNegative: false)]
        while let (value, isNegative) = waiting.popLast() {
            guard uses[value.index] == 1 else { return [] }
            switch graph[value].operation {
            case .binary(.add, let a, let b): waiting += [(b, isNegative), (a, isNegative)]
            case .binary(.subtract, let a, let b): waiting += [(b, !isNegative), (a, isNegative)]
            case .unary(.negate, let a): waiting.append((a, !isNegative))
            case .binary(.multiply, _, _): found.append((value, isNegative))
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape,
                .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                return []
            }
        }
        return found
    }

    private func contraction(of product: ValueID, leaving kept: [Int]) -> Contraction? { graph.contraction(of: product, leaving: kept) }
}

extension StreamGraph {
    /// A product with only some of its axes left, the others summed; nil where a value is none, or an axis would be lost.
    func contraction(of product: ValueID, leaving kept: [Int]) -> Contraction? {
        guard case .binary(.multiply, let a, let b) = self[product].operation else { return nil }
        let (left, leftLabels) = factor(a)
        let (right, rightLabels) = factor(b)
        // A kept axis that neither factor has would be lost, a summed one would have to be counted.
        guard self[product].shape.indices.allSatisfy({ leftLabels.contains($0) || rightLabels.contains($0) }) else { return nil }
        return Contraction(left: left, right: right, leftLabels: leftLabels, rightLabels: rightLabels, resultLabels: kept)
    }

    /// A factor without the broadcast around it, and for each of its axes the axis of the product.
    private func factor(_ id: ValueID) -> (ValueID, [Int]) {
        guard case .broadcast(let operand, let from) = self[id].operation else { return (id, Array(self[id].shape.indices)) }
        var labels = [Int](repeating: 0, count: self[operand].shape.count)
        for (axis, source) in from.enumerated() { if let source { labels[source] = axis } }
        return (operand, labels)
    }
}
