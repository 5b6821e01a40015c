import RecSource
import RecStream
import RecTensors

/// Inputs of a benchmark, the same in every run.
///
/// Numbers are normal with a deviation of 0.5 and whole numbers 0, but for inputs with a range: these are uniform in it.
struct GeneratedInputs {
    var ranges: InputRanges

    func tensors(for graph: StreamGraph, batch: Int, extents: [Int]) throws(DiagnosticList) -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for value in graph.values {
            guard case .input(let name, _) = value.operation else { continue }
            var shape = [batch]
            for (k, extent) in extents.enumerated() where value.variance.varies(over: k) { shape.append(extent) }
            shape += value.shape.sizes + (value.element == .complex ? [2] : [])
            result[name] = tensor(name, value.element, shape: shape)
        }
        try ranges.check(result.keys)
        return result
    }

    private func tensor(_ name: String, _ element: ElementType, shape: [Int]) -> Tensor {
        var generator = SeededGenerator(seed: 2, for: name)
        let count = shape.reduce(1, *)
        switch (element, ranges.range(of: name, element)) {
        case (.real, nil), (.complex, nil):
            return reals(shape) { Float(0.5 * generator.normal()) }
        case (.real, let range?), (.complex, let range?):
            return reals(shape) { Float(generator.uniform(in: range)) }
        case (.int, nil), (.bool, nil):
            return Tensor([Int](repeating: 0, count: count), shape: shape)
        case (.int, let range?), (.bool, let range?):
            return Tensor((0..<count).map { _ in generator.integer(in: range) }, shape: shape)
        }
    }
}

/// A tensor that is filled where it lies: those of a benchmark may be as large as the memory has room for.
private func reals(_ shape: [Int], _ next: () -> Float) -> Tensor {
    Tensor(type: .f32, shape: shape) { bytes in
        for k in 0..<bytes.count / 4 { bytes.storeBytes(of: next(), toByteOffset: 4 * k, as: Float.self) }
    }
}
