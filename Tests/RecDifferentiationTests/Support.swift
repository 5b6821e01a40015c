import Rec
import RecInterpreter
import Testing

/// Random data for every input and parameter of a graph.
func randomData(_ graph: StreamGraph, batch: Int, _ extents: [Int], lengths: [Int]?, seed: UInt64, positive: Bool = false) -> BoundData {
    var data = BoundData(batch: batch, extents: extents, lengths: lengths, inputs: [:], parameters: [:])
    for value in graph.values {
        var shape = value.variance.batch ? [batch] : []
        for (axis, extent) in extents.enumerated() where value.variance.varies(over: axis) { shape.append(extent) }
        shape += value.shape.sizes + (value.element == .complex ? [2] : [])
        let count = shape.reduce(1, *)
        func tensor(_ name: String) -> Tensor {
            var random = SeededGenerator(seed: seed, for: name)
            switch value.element {
            case .real, .complex:
                return Tensor((0..<count).map { _ in positive ? 0.5 + abs(random.normal()) : random.normal() }, shape: shape)
            case .int: return Tensor((0..<count).map { _ in Int(random.next() % 6) - 1 }, shape: shape)
            case .bool: return Tensor((0..<count).map { _ in Int(random.next() % 2) }, shape: shape)
            }
        }
        if case .input(let name, _) = value.operation { data.inputs[name] = tensor(name) }
        if case .parameter(let info) = value.operation { data.parameters[info.path] = tensor(info.path) }
    }
    return data
}

func dot(_ a: Tensor, _ b: Tensor) -> Double { zip(a.doubles(), b.doubles()).reduce(0) { $0 + $1.0 * $1.1 } }

/// What a test of derivatives runs over: sequences, lengths of axes, and of each sequence.
struct Extent: Sendable {
    var batch: Int
    var extents: [Int]
    var lengths: [Int]?

    static let oneAxis = [
        Extent(batch: 1, extents: [0]), Extent(batch: 2, extents: [1]), Extent(batch: 1, extents: [2]), Extent(batch: 2, extents: [17]),
        Extent(batch: 4, extents: [7], lengths: [7, 0, 1, 4]),
    ]
    static let twoAxes = [
        Extent(batch: 1, extents: [0, 3]), Extent(batch: 1, extents: [1, 1]), Extent(batch: 2, extents: [4, 5]), Extent(batch: 1, extents: [6, 1]),
    ]
}

/// Holds the gradients of `sum(output * cotangent)`, of all losses and last values of states against central differences, the
/// tangents against the gradients, and compiled gradients against interpreted ones.
func expectDerivatives(
    _ graph: StreamGraph, _ extents: [Extent] = Extent.oneAxis, positive: Bool = false, states: Bool = true, tolerance: Double = 1e-6,
    truncation: Int? = nil, isCompiled: Bool = true, _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation
) throws {
    #expect(graph.violations() == [], "\(what)", sourceLocation: sourceLocation)
    var request = GradientRequest(of: graph, truncation: truncation)
    request.seeds = graph.losses.map { .loss($0.name) }
        + graph.outputs.filter { [.real, .complex].contains(graph[$0.value].element) }.map { .output($0.name) }
    let named = graph.states.filter { [.real, .complex].contains(graph[$0.value].element) }.map(\.name)
    if graph.dataAxes.count == 1, states { request.seeds += named.map { .finalState($0) } }
    if states { request.targets += named.map { .initialState($0) } }
    let differentiated = try gradient(of: graph, request)
    #expect(differentiated.violations() == [], "\(what)\n\(differentiated.text)", sourceLocation: sourceLocation)
    let code = isCompiled ? try CompiledPlan(Pipeline.plan(differentiated), precision: .f64) : nil
    for (k, extent) in extents.enumerated() {
        let data = randomData(
            differentiated, batch: extent.batch, extent.extents, lengths: extent.lengths, seed: UInt64(k + 1), positive: positive)
        let results = Interpreter(differentiated).run(data)
        let place = "\(what) \(extent.batch)×\(extent.extents) \(extent.lengths ?? [])"
        for (target, item) in zip(request.targets, results.outputs.suffix(request.targets.count)) where truncation == nil {
            guard item.tensor.count > 0 else { continue }
            if case .initialState = target { continue }
            let (slope, difference) = slopes(graph, data, target, item.tensor)
            let scale = max(1, dot(item.tensor, item.tensor).squareRoot())
            #expect(
                abs(slope - difference) <= tolerance * scale, "\(place) \(item.name): \(slope), by differences \(difference)",
                sourceLocation: sourceLocation)
        }
        if truncation == nil {
            try expectTransposed(graph, request, results, data, place, sourceLocation: sourceLocation)
        }
        guard let code else { continue }
        let compiled = try CompiledModel(code, parameters: data.parameters)
        for threads in [1, 2] {
            let got = try compiled.run(
                inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengths, pool: ThreadPool(count: threads, leastWork: 0))
            for (a, b) in zip(got.outputs, results.outputs) {
                let isSame = zip(a.tensor.doubles(), b.tensor.doubles()).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
                #expect(
                    a.tensor.shape == b.tensor.shape && (isSame || relativeError(a.tensor, b.tensor) < 1e-9),
                    "\(place) \(a.name) compiled, \(threads) threads: \(relativeError(a.tensor, b.tensor))", sourceLocation: sourceLocation)
            }
        }
    }
}

/// The derivative along a random direction by a gradient, and by central differences.
private func slopes(_ graph: StreamGraph, _ data: BoundData, _ target: GradientRequest.Target, _ gradient: Tensor) -> (Double, Double) {
    var random = SeededGenerator(seed: 9, for: target.gradientName)
    let direction = Tensor((0..<gradient.count).map { _ in random.normal() }, shape: gradient.shape)
    func value(_ distance: Double) -> Double {
        var moved = data
        func move(_ tensor: Tensor?) -> Tensor? {
            tensor.map { Tensor(zip($0.doubles(), direction.doubles()).map { $0 + distance * $1 }, shape: $0.shape) }
        }
        switch target {
        case .parameter(let path): moved.parameters[path] = move(data.parameters[path])
        case .input(let name): moved.inputs[name] = move(data.inputs[name])
        case .initialState: break
        }
        return objective(graph, moved)
    }
    let step = 1e-5
    return (dot(gradient, direction), (value(step) - value(-step)) / (2 * step))
}

/// The sum of losses, and of outputs and last values times their cotangents.
private func objective(_ graph: StreamGraph, _ data: BoundData) -> Double {
    let results = Interpreter(graph).run(data)
    var sum = results.losses.reduce(0) { $0 + $1.tensor.doubles()[0] }
    for item in results.outputs { if let cotangent = data.inputs["cotangent.\(item.name)"] ?? data.parameters["cotangent.\(item.name)"] { sum += dot(item.tensor, cotangent) } }
    for item in results.finalStates { if let cotangent = data.inputs["cotangent.final.\(item.name)"] { sum += dot(item.tensor, cotangent) } }
    return sum
}

/// ⟨J v, w⟩ = ⟨v, Jᵀ w⟩ for the outputs alone.
private func expectTransposed(
    _ graph: StreamGraph, _ request: GradientRequest, _ results: ModelResults, _ data: BoundData, _ what: String,
    sourceLocation: SourceLocation
) throws {
    var outputsOnly = request
    outputsOnly.seeds.removeAll { if case .finalState = $0 { true } else { false } }
    var data = data
    let backward = Interpreter(try gradient(of: graph, outputsOnly)).run(data).outputs.suffix(request.targets.count)
    let forward = try tangent(of: graph, along: request.targets)
    #expect(forward.violations() == [], "\(what)\n\(forward.text)", sourceLocation: sourceLocation)
    let directions = randomData(forward, batch: data.batch, data.extents, lengths: data.lengths, seed: 77)
    for (name, tensor) in directions.inputs where name.hasPrefix("tangent.") { data.inputs[name] = tensor }
    for (path, tensor) in directions.parameters where path.hasPrefix("tangent.") { data.parameters[path] = tensor }
    var (left, right, scale) = (0.0, 0.0, 1.0)
    for (target, item) in zip(request.targets, backward) {
        let direction: Tensor
        switch target {
        case .parameter(let path): direction = data.parameters["tangent.\(path)"] ?? item.tensor
        case .input(let name): direction = data.inputs["tangent.\(name)"] ?? item.tensor
        case .initialState(let name):
            // The parts of a complex state have a direction each.
            if let whole = data.inputs["tangent.initial.\(name)"] { direction = whole } else {
                let parts = [".re", ".im"].map { data.inputs["tangent.initial.\(name)\($0)"]?.doubles() ?? [] }
                direction = Tensor(zip(parts[0], parts[1]).flatMap { [$0, $1] }, shape: item.tensor.shape)
            }
        }
        right += dot(item.tensor, direction)
        scale += abs(dot(item.tensor, item.tensor)).squareRoot()
    }
    let tangents = Interpreter(forward).run(data)
    for item in tangents.outputs where item.name.hasPrefix("tangent.") {
        let name = "cotangent.\(item.name.dropFirst("tangent.".count))"
        if let cotangent = data.inputs[name] ?? data.parameters[name] { left += dot(item.tensor, cotangent) }
    }
    for item in tangents.losses where item.name.hasPrefix("tangent.") { left += item.tensor.doubles()[0] }
    #expect(
        abs(left - right) <= 1e-9 * scale || left.isNaN && data.extents[0] == 0, "\(what): ⟨Jv, w⟩ = \(left), ⟨v, Jᵀw⟩ = \(right)",
        sourceLocation: sourceLocation)
}
