import RecStream
import RecTensors

/// Random data for any model, for checks that need no data in earnest.
package struct RandomCase: Sendable {
    /// Inputs `[batch, axes…, dims…]`, and parameters that start from their initialisers, moved a little.
    package var data: ModelData
    /// A cotangent for each real or complex output, and by `final.STATE` for each such state of a model over one axis.
    package var cotangents: [String: Tensor] = [:]

    /// - Parameters:
    ///   - length: steps along each axis that has no length of its own.
    ///   - lengths: steps of each sequence; nil where all have the full length.
    package init(for model: Model, batch: Int, length: Int, lengths: [Int]? = nil, seed: UInt64) {
        let graph = model.graph
        let extents = graph.axes.map { $0.length ?? length }
        data = ModelData(lengths: lengths)
        // Parameters that start from zero would sit on a kink of what follows, or hide it.
        for (path, tensor) in model.initialParameters(seed: seed) {
            var random = SeededGenerator(seed: seed, for: path)
            data.parameters[path] = Tensor(tensor.doubles().map { $0 + 0.1 * random.normal() }, shape: tensor.shape)
        }
        func shape(of value: Value) -> [Int] {
            var shape = value.variance.batch ? [batch] : []
            for (axis, extent) in extents.enumerated() where value.variance.varies(over: axis) { shape.append(extent) }
            return shape + value.shape.sizes + (value.element == .complex ? [2] : [])
        }
        func numbers(_ shape: [Int], _ random: inout SeededGenerator) -> Tensor {
            Tensor((0..<shape.reduce(1, *)).map { _ in 0.7 * random.normal() }, shape: shape)
        }
        let tables = graph.tableSizes
        for value in graph.values {
            guard case .input(let name, _) = value.operation else { continue }
            var random = SeededGenerator(seed: seed, for: name)
            let shape = shape(of: value)
            let count = shape.reduce(1, *)
            switch value.element {
            case .real, .complex: data.inputs[name] = numbers(shape, &random)
            case .int:
                let size = UInt64(tables[name] ?? 4)
                data.inputs[name] = Tensor((0..<count).map { _ in Int(random.next() % size) }, shape: shape)
            case .bool: data.inputs[name] = Tensor((0..<count).map { _ in Int(random.next() % 2) }, shape: shape)
            }
        }
        func isContinuous(_ value: Value) -> Bool { value.element == .real || value.element == .complex }
        for output in graph.outputs where isContinuous(graph[output.value]) {
            var random = SeededGenerator(seed: seed, for: "cotangent.\(output.name)")
            cotangents[output.name] = numbers(shape(of: graph[output.value]), &random)
        }
        guard graph.axes.count == 1 else { return }
        for state in graph.states where isContinuous(graph[state.value]) {
            var random = SeededGenerator(seed: seed, for: "cotangent.final.\(state.name)")
            let value = graph[state.value]
            cotangents["final.\(state.name)"] = numbers(
                [batch] + value.shape.sizes + (value.element == .complex ? [2] : []), &random)
        }
    }
}

extension StreamGraph {
    /// How many rows the smallest table has that each input indexes directly.
    fileprivate var tableSizes: [String: Int] {
        var sizes: [String: Int] = [:]
        for value in values {
            guard case .gather(let table, let index) = value.operation, case .input(let name, _) = self[index].operation else { continue }
            sizes[name] = min(sizes[name] ?? .max, self[table].shape[0].size)
        }
        return sizes
    }
}
