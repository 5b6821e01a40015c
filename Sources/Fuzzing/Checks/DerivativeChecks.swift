import Rec
import RecDifferentiation
import RecInterpreter
import RecStream
import RecTensors

/// Reverse mode against forward mode and differences, by the interpreter.
extension Checker {
    /// The gradient of all losses and outputs, by everything.
    static func request(_ model: Model, withFinals: Bool) -> GradientRequest {
        func isContinuous(_ id: ValueID) -> Bool { [.real, .complex].contains(model.graph[id].element) }
        var request = GradientRequest(of: model.graph)
        request.seeds = model.graph.losses.map { .loss($0.name) } + model.graph.outputs.filter { isContinuous($0.value) }.map { .output($0.name) }
        let states = model.graph.states.filter { isContinuous($0.value) }.map(\.name)
        if withFinals, model.graph.dataAxes.count == 1 { request.seeds += states.map { .finalState($0) } }
        request.targets += states.map { .initialState($0) }
        return request
    }

    /// - Parameter chunkwise: the same graph with recurrences chunk by chunk.
    mutating func checkDerivatives(_ model: Model, _ primal: Reference, _ chunkwise: [(graph: StreamGraph, steps: Int)]) throws {
        var dice = Dice(seed: item.checkSeed, for: "derivatives")
        let withFinals = dice.chance(50)
        let request = Self.request(model, withFinals: withFinals)
        guard !request.seeds.isEmpty, !request.targets.isEmpty else { return }
        let gradients = try must("gradient") { try GradientModel(model, request) }
        let plain = try must("gradient") { try gradient(of: model.graph, request) }
        try expect("gradient: graph", plain.violations().first)
        let data = CaseData(item).bound(for: plain, within: model.graph)
        let reference = Reference(plain, data)
        try expect("results beside the gradient", primal.mismatch(reference.numbers.withComplexStates(like: primal.numbers), .double))
        try compare("gradient of joined products", gradients.graph, with: reference)
        var graph = gradients.graph
        for pass in Pipeline.passes {
            graph = pass.run(graph)
            try compare("gradient, \(pass.name)", graph, with: reference)
        }
        try checkChunkwiseGradients(chunkwise, request, reference)
        try checkPairs("gradient, pairs of steps", gradients.graph, reference)
        if dice.chance(5), let choice = try? PlanChoice(gradients) { try plan(choice, "plan of the gradient") }
        // Differences and directions know nothing of gradients that functions have of their own.
        guard model.graph.ownGradients.isEmpty else { return }
        // A direction needs numbers, and a mean over no sequences is none.
        guard item.values != .notFinite, item.values != .huge, item.runs[0].batch > 0, item.runs[0].length > 0, item.runs[0].lengths?.contains(0) != true else { return }
        if withFinals {
            if item.values == .usual, !item.text.contains("stop(") { try checkDifferences(model.graph, request, reference) }
        } else {
            try checkTangents(model.graph, request, reference)
        }
    }

    /// ⟨J v, w⟩ = ⟨v, Jᵀ w⟩.
    private mutating func checkTangents(_ graph: StreamGraph, _ request: GradientRequest, _ backward: Reference) throws {
        let forward = try must("tangent") { try tangent(of: graph, along: request.targets) }
        try expect("tangent: graph", forward.violations().first)
        let data = CaseData(item).bound(for: forward, within: graph)
        func sums(_ gradient: StreamGraph, _ tangents: StreamGraph) -> (left: Double, right: Double, size: Double) {
            let numbers = RunNumbers(Interpreter(gradient).run(backward.data), of: gradient)
            let results = Interpreter(tangents).run(data)
            var (left, right, size) = (0.0, 0.0, 0.0)
            for (target, item) in zip(request.targets, numbers.items.filter { $0.name.hasPrefix("output ") }.suffix(request.targets.count)) {
                for (a, b) in zip(item.numbers, Self.direction(target, data)) {
                    right += a * b
                    size += abs(a * b)
                }
            }
            for item in results.losses where item.name.hasPrefix("tangent.") { left += item.tensor.doubles()[0] }
            for item in results.outputs where item.name.hasPrefix("tangent.") {
                let cotangent = backward.data.inputs["cotangent.\(item.name.dropFirst("tangent.".count))"]
                    ?? backward.data.parameters["cotangent.\(item.name.dropFirst("tangent.".count))"]
                for (a, b) in zip(item.tensor.doubles(), cotangent?.doubles() ?? []) {
                    left += a * b
                    size += abs(a * b)
                }
            }
            return (left, right, size)
        }
        let found = sums(backward.graph, forward)
        outcome.count("gradient against tangent")
        guard found.left.isFinite, found.right.isFinite, abs(found.left - found.right) > 1e-10 * (1 + found.size) else { return }
        // How much of it is rounding?
        var allowed = 0.0
        for seed in 0..<3 as Range<UInt64> {
            let other = sums(backward.graph.perturbed(.factors(size: 0x1p-43, seed: seed)), forward.perturbed(.factors(size: 0x1p-43, seed: seed)))
            allowed += 4 * (abs(other.left - found.left) + abs(other.right - found.right))
        }
        guard abs(found.left - found.right) > allowed + 1e-10 * (1 + found.size) else { return }
        throw Failure("gradient against tangent", "⟨Jv, w⟩ = \(found.left), ⟨v, Jᵀw⟩ = \(found.right), rounding explains \(allowed)")
    }

    /// The direction along which a tangent is taken; the parts of a complex initial value have one each.
    private static func direction(_ target: GradientRequest.Target, _ data: BoundData) -> [Double] {
        func find(_ name: String) -> [Double]? { (data.inputs[name] ?? data.parameters[name])?.doubles() }
        switch target {
        case .parameter(let name), .input(let name): return find("tangent.\(name)") ?? []
        case .initialState(let name):
            if let whole = find("tangent.initial.\(name)") { return whole }
            return zip(find("tangent.initial.\(name).re") ?? [], find("tangent.initial.\(name).im") ?? []).flatMap { [$0, $1] }
        }
    }

    /// Slopes along one direction against central differences; where the differences of both sides disagree there is a kink.
    private mutating func checkDifferences(_ graph: StreamGraph, _ request: GradientRequest, _ reference: Reference) throws {
        let targets = zip(request.targets, reference.numbers.items.filter { $0.name.hasPrefix("output ") }.suffix(request.targets.count)).filter {
            if case .initialState = $0.0 { false } else { true }
        }
        let interpreter = Interpreter(graph)
        for (target, gradient) in targets {
            var dice = Dice(seed: item.dataSeed, for: "difference \(gradient.name)")
            let direction = gradient.numbers.map { _ in dice.normal() }
            let slope = zip(gradient.numbers, direction).reduce(0) { $0 + $1.0 * $1.1 }
            guard slope.isFinite else { continue }
            func value(_ distance: Double) -> (sum: Double, size: Double) {
                objective(interpreter, moved(reference.data, target, direction, distance), reference.data)
            }
            let middle = value(0)
            outcome.count("gradient against differences")
            var best = Double.infinity
            var smooth = true
            let norm = gradient.numbers.reduce(0) { $0 + $1 * $1 }.squareRoot()
            // Between jumps that are close to each other, as those of mod(a, b) with a small b, only small steps tell the slope.
            for step in [1e-4, 1e-5, 1e-6, 1e-7, 1e-8] + (norm > 1e3 ? [1e-9, 1e-10] : []) where best > 1e-4 {
                let (low, high) = (value(-step), value(step))
                let central = (high.sum - low.sum) / (2 * step)
                let bend = abs(high.sum - 2 * middle.sum + low.sum) / step
                let rounding = 1e-15 * (low.size + high.size + 1) / step
                let error = max(0, abs(central - slope) - rounding) / max(1e-3, norm, abs(central))
                if error.isNaN { return }
                best = min(best, error)
                // A smooth function bends less and less.
                smooth = bend <= 1e3 * step * max(1, norm) + rounding
            }
            guard best > 1e-4, smooth else { continue }
            throw Failure("gradient against differences", "\(gradient.name): slope \(slope), off by \(best) of its norm")
        }
    }

    private func moved(_ data: BoundData, _ target: GradientRequest.Target, _ direction: [Double], _ distance: Double) -> BoundData {
        var data = data
        func moved(_ tensor: Tensor?) -> Tensor? {
            tensor.map { tensor in Tensor(zip(tensor.doubles(), direction).map { $0 + distance * $1 }, shape: tensor.shape) }
        }
        switch target {
        case .parameter(let path): data.parameters[path] = moved(data.parameters[path])
        case .input(let name): data.inputs[name] = moved(data.inputs[name])
        case .initialState: break
        }
        return data
    }

    /// The number that is differentiated, and the sum of the magnitudes of its terms.
    private func objective(_ interpreter: Interpreter, _ data: BoundData, _ given: BoundData) -> (sum: Double, size: Double) {
        let results = interpreter.run(data)
        var (sum, size) = (0.0, 0.0)
        for loss in results.losses {
            sum += loss.tensor.doubles()[0]
            size += abs(loss.tensor.doubles()[0])
        }
        let finals = results.finalStates.map { NamedTensor(name: "final.\($0.name)", tensor: $0.tensor) }
        for item in results.outputs + finals {
            let name = "cotangent.\(item.name)"
            guard let cotangent = given.inputs[name] ?? given.parameters[name] else { continue }
            for (a, b) in zip(item.tensor.doubles(), cotangent.doubles()) {
                sum += a * b
                size += abs(a * b)
            }
        }
        return (sum, size)
    }
}

extension RunNumbers {
    func withComplexStates(like other: RunNumbers) -> RunNumbers {
        var result = self
        result.joinComplexStates(like: other)
        return result
    }
}
