import RecInterpreter
import RecStream
import RecTensors
import Testing

/// Runs a graph on numbers; streams are `[batch, axes…, dims…]`, given as flat lists.
func run(
    _ graph: StreamGraph, batch: Int = 1, _ extents: [Int], lengths: [Int]? = nil, _ inputs: [String: [Double]] = [:],
    parameters: [String: [Double]] = [:], sourceLocation: SourceLocation = #_sourceLocation
) -> ModelResults {
    #expect(graph.violations() == [], sourceLocation: sourceLocation)
    return Interpreter(graph).run(bound(graph, batch: batch, extents, lengths: lengths, inputs, parameters: parameters))
}

/// Flat numbers in the shapes that a graph expects.
func bound(
    _ graph: StreamGraph, batch: Int = 1, _ extents: [Int], lengths: [Int]? = nil, _ inputs: [String: [Double]] = [:],
    parameters: [String: [Double]] = [:]
) -> BoundData {
    var data = BoundData(batch: batch, extents: extents, lengths: lengths, inputs: [:], parameters: [:])
    for value in graph.values {
        var shape = value.variance.batch ? [batch] : []
        for (axis, extent) in extents.enumerated() where value.variance.varies(over: axis) { shape.append(extent) }
        shape += value.shape.sizes + (value.element == .complex ? [2] : [])
        switch value.operation {
        case .input(let name, _): data.inputs[name] = inputs[name].map { Tensor($0, shape: shape) }
        case .parameter(let info): data.parameters[info.path] = parameters[info.path].map { Tensor($0, shape: shape) }
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            break
        }
    }
    return data
}

extension ModelResults {
    subscript(_ name: String) -> [Double]? { (outputs + losses).first { $0.name == name }?.tensor.doubles() }
    func finalState(_ name: String) -> [Double]? { finalStates.first { $0.name == name }?.tensor.doubles() }
}

/// Whether numbers agree to twelve digits, NaN with NaN.
func agree(_ got: [Double]?, _ expected: [Double], within tolerance: Double = 1e-12) -> Bool {
    guard let got, got.count == expected.count else { return false }
    return zip(got, expected).allSatisfy { a, b in
        a == b || a.isNaN && b.isNaN || abs(a - b) <= tolerance * max(1, abs(a), abs(b))
    }
}
