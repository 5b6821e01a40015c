import RecStream

extension StreamGraph {
    /// The same graph in which products of one value with several weights are one product with the weights behind each other,
    /// of which the others are slices: the gates of a cell, however the program has written them.
    ///
    /// The weights are put together once for a set of parameters. Where a graph is differentiated after that, the transposed
    /// products that meet in one sum are one as well, and so are the gradients of the weights.
    ///
    /// - Parameters:
    ///   - states: products that are part of the recurrences of these states stay as they are.
    ///   - parameters: weights that follow from these paths are not put together with others; nil where that makes no difference.
    package func joiningProducts(leaving states: Set<String> = [], apart parameters: Set<String>? = nil) -> StreamGraph {
        let joining = ProductJoining(self, leaving: states, apart: parameters)
        var result = self
        for group in joining.groups { result.join(group) }
        return joining.groups.isEmpty ? self : result.ordered()
    }

    private mutating func join(_ group: ProductJoining.Group) {
        let first = self[group.products[0]]
        guard case .contract(var contraction) = first.operation else { return }
        let extents = group.weights.map { self[$0].shape[group.weightAxis].size }
        let columns = Dim("\(extents.reduce(0, +))", extents.reduce(0, +))
        var weight = self[group.weights[0]]
        weight.operation = .concat(group.weights, axis: group.weightAxis)
        weight.shape[group.weightAxis] = columns
        weight.name = nil
        weight.span = nil
        let joined = add(weight)
        if contraction.left == group.weights[0] { contraction.left = joined } else { contraction.right = joined }
        var product = first
        product.operation = .contract(contraction)
        product.shape[group.resultAxis] = columns
        product.name = nil
        let whole = add(product)
        var start = 0
        for (part, extent) in zip(group.products, extents) {
            self[part].operation = .slice(whole, axis: group.resultAxis, start: start, stride: 1)
            start += extent
        }
    }
}

/// Which products are worth taking as one.
struct ProductJoining {
    /// Products that become one, in the order of the graph, and the weights of each.
    struct Group {
        var products: [ValueID]
        var weights: [ValueID]
        /// The axis along which weights, and results, stand behind each other.
        var weightAxis: Int
        var resultAxis: Int

        /// In the order in which the products stand in the source.
        fileprivate mutating func sort(as graph: StreamGraph) {
            let order = products.indices.sorted { a, b in
                guard let first = graph[products[a]].span, let second = graph[products[b]].span else { return a < b }
                return (first.file, first.start, a) < (second.file, second.start, b)
            }
            products = order.map { products[$0] }
            weights = order.map { weights[$0] }
        }
    }

    private(set) var groups: [Group] = []

    /// What products have in common that can be one.
    private struct Key: Hashable {
        var input: ValueID
        /// Labels of the weights and of the result: a position among those of the input, or below 0 among the columns.
        var weightLabels: [Int]
        var resultLabels: [Int]
        /// Extents of the weights along the axes that must agree.
        var extents: [Int?]
        var variance: Variance
        /// The pass, and the recurrence that the products are part of.
        var segment: Int?
        var recurrence: Int?
        /// The passes in which the results are used.
        var users: Set<Int?>
        var isApart: Bool
    }

    /// In a recurrence workers share the columns of so many products at most.
    private static let mostParts = 16
    /// Outside of recurrences, loops over shorter rows take several steps to a vector, and rows must then lie behind each other.
    private static let fewestColumns = 32

    init(_ graph: StreamGraph, leaving states: Set<String>, apart parameters: Set<String>?) {
        let components = components(of: graph)
        let placement = Placement(graph, components: components, totals: TotalShape.all(in: graph))
        let users = graph.users
        let kept = Set(graph.kept)
        var recurrence = [Int?](repeating: nil, count: graph.values.count)
        var isLeft = [Bool](repeating: false, count: graph.values.count)
        let left = Set(graph.states.filter { states.contains($0.name) }.map(\.value))
        for (number, component) in components.enumerated() where component.isRecurrence {
            let isLeftAlone = !left.isDisjoint(with: component.members)
            for member in component.members {
                recurrence[member.index] = number
                isLeft[member.index] = isLeftAlone
            }
        }
        let isApart = graph.following(from: parameters)
        var number: [Key: Int] = [:]
        for id in graph.ids {
            // Heads stay blocks: workers that share a step take whole heads of every product.
            guard !isLeft[id.index], !kept.contains(id), let shape = ProductShape(id, in: graph), shape.batches.isEmpty,
                case .contract(let contraction) = graph[id].operation, let column = shape.columns.first,
                let weightAxis = shape.weightLabels.firstIndex(of: column),
                let resultAxis = contraction.resultLabels.firstIndex(of: column),
                users[id.index].allSatisfy({ graph[$0].operation.readsThroughSlices })
            else { continue }
            let inRecurrence = recurrence[id.index] != nil
            let extent = graph[shape.weight].shape[weightAxis].size
            guard inRecurrence || extent >= Self.fewestColumns else { continue }
            func place(_ label: Int) -> Int {
                shape.inputLabels.firstIndex(of: label) ?? -1 - (shape.columns.firstIndex(of: label) ?? 0)
            }
            let key = Key(
                input: shape.input, weightLabels: shape.weightLabels.map(place), resultLabels: contraction.resultLabels.map(place),
                extents: graph[shape.weight].shape.enumerated().map { axis, dim in
                    // Workers that share a step take the same columns of each part.
                    axis != weightAxis || inRecurrence ? dim.size : nil
                },
                variance: graph[id].variance, segment: placement.segment[id.index], recurrence: recurrence[id.index],
                users: Set(users[id.index].map { placement.segment[$0.index] }), isApart: isApart[shape.weight.index])
            if let known = number[key], groups[known].products.count < Self.mostParts {
                groups[known].products.append(id)
                groups[known].weights.append(shape.weight)
            } else {
                number[key] = groups.count
                groups.append(Group(products: [id], weights: [shape.weight], weightAxis: weightAxis, resultAxis: resultAxis))
            }
        }
        groups.removeAll { $0.products.count < 2 }
        for k in groups.indices { groups[k].sort(as: graph) }
    }
}

extension Operation {
    /// Whether an operand may be a slice of another value and need no memory of its own.
    var readsThroughSlices: Bool {
        switch self {
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .slice, .concat, .pad,
            .window, .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            true
        case .reshape, .gather, .delay: false
        }
    }
}

extension StreamGraph {
    /// Which values follow from parameters of these paths.
    fileprivate func following(from parameters: Set<String>?) -> [Bool] {
        var result = [Bool](repeating: false, count: values.count)
        guard let parameters else { return result }
        for id in ids {
            if case .parameter(let info) = self[id].operation {
                result[id.index] = parameters.contains(info.path)
            } else {
                result[id.index] = self[id].operation.instantOperands.contains { result[$0.index] }
            }
        }
        return result
    }
}
