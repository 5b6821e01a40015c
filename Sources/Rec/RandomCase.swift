import RecSource
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
    ///   - ranges: of inputs, and of parameters by path, that are uniform in one.
    package init(
        for model: Model, batch: Int, length: Int, lengths: [Int]? = nil, ranges: InputRanges = InputRanges(), seed: UInt64
    ) {
        self.init(
            for: model, batch: batch, extents: model.graph.axes.map { $0.length ?? length }, lengths: lengths, ranges: ranges, seed: seed)
    }

    /// The same with what a case gives in the place of what is random.
    ///
    /// - Throws: `DiagnosticList` where the case has some inputs and lacks others, or they do not fit.
    package func replacing(with file: CaseFile, for model: Model, ranges: InputRanges, seed: UInt64) throws(DiagnosticList) -> RandomCase {
        var result = self
        result.data.parameters = model.parameters(file.data.parameters, else: data.parameters)
        if !file.data.inputs.isEmpty {
            // The case's inputs say how large everything is.
            let given = ModelData(inputs: file.data.inputs, parameters: result.data.parameters, lengths: file.data.lengths, lengthsByAxis: file.data.lengthsByAxis)
            let bound = try BoundData(given, for: model.graph)
            result = RandomCase(
                for: model, batch: bound.batch, extents: bound.extents, lengths: bound.lengths, ranges: ranges, seed: seed)
            result.data = ModelData(
                inputs: bound.inputs, parameters: bound.parameters, lengths: bound.lengths, lengthsByAxis: bound.lengthsByAxis(of: model.graph))
        }
        result.cotangents.merge(file.cotangents) { $1 }
        return result
    }

    private init(for model: Model, batch: Int, extents: [Int], lengths: [Int]?, ranges: InputRanges, seed: UInt64) {
        let graph = model.graph
        data = ModelData(lengths: lengths)
        // Parameters that start from zero would sit on a kink of what follows, or hide it.
        for (path, tensor) in model.initialParameters(seed: seed) {
            var random = SeededGenerator(seed: seed, for: path)
            let range = ranges.byName[path]
            data.parameters[path] = Tensor(
                tensor.doubles().map { number in range.map { random.uniform(in: $0) } ?? number + 0.1 * random.normal() }, shape: tensor.shape)
        }
        func shape(of value: Value) -> [Int] {
            var shape = value.variance.batch ? [batch] : []
            for (axis, extent) in extents.enumerated() where value.variance.varies(over: axis) { shape.append(extent) }
            return shape + value.shape.sizes + (value.element == .complex ? [2] : [])
        }
        func numbers(_ shape: [Int], _ random: inout SeededGenerator, in range: ClosedRange<Double>? = nil) -> Tensor {
            let count = shape.reduce(1, *)
            var numbers: [Double] = []
            numbers.reserveCapacity(count)
            while numbers.count < count { numbers.append(range.map { random.uniform(in: $0) } ?? 0.7 * random.normal()) }
            return Tensor(numbers, shape: shape)
        }
        let tables = graph.tableSizes
        for value in graph.values {
            guard case .input(let name, _) = value.operation else { continue }
            var random = SeededGenerator(seed: seed, for: name)
            let shape = shape(of: value)
            let count = shape.reduce(1, *)
            let range = ranges.range(of: name, value.element)
            switch value.element {
            case .real, .complex: data.inputs[name] = numbers(shape, &random, in: range)
            case .int:
                let size = UInt64(tables[name] ?? 4)
                data.inputs[name] = Tensor(
                    (0..<count).map { _ in range.map { random.integer(in: $0) } ?? Int(random.next() % size) }, shape: shape)
            case .bool: data.inputs[name] = Tensor((0..<count).map { _ in Int(random.next() % 2) }, shape: shape)
            }
        }
        func isContinuous(_ value: Value) -> Bool { value.element == .real || value.element == .complex }
        for output in graph.outputs where isContinuous(graph[output.value]) {
            var random = SeededGenerator(seed: seed, for: "cotangent.\(output.name)")
            cotangents[output.name] = numbers(shape(of: graph[output.value]), &random)
        }
        guard graph.dataAxes.count == 1 else { return }
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
    var tableSizes: [String: Int] {
        var sizes: [String: Int] = [:]
        for value in values {
            guard case .gather(let table, let index) = value.operation, case .input(let name, _) = self[index].operation else { continue }
            sizes[name] = min(sizes[name] ?? .max, self[table].shape[0].size)
        }
        return sizes
    }
}
