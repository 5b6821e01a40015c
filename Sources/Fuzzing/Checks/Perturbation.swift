import RecStream
import RecTensors

/// A way to compute a little wrongly, as code does that rounds.
enum Perturbation: Hashable {
    /// Every number times `1 ± size`: a factor for each value, the same at every step, so that errors add up rather than cancel.
    case factors(size: Double, seed: UInt64)
    /// The same with a factor for each element at each step, which are data: so numbers that are equal but for rounding change places.
    case elements(size: Double, seed: UInt64)
    /// Every number rounded to so many bits less than f64 has, each by itself (Veltkamp's splitting; Dekker, Numer. Math. 18, 1971).
    case rounding(bits: Int)
}

extension Perturbation {
    /// The name of the factors of a value.
    static func path(of value: ValueID) -> String { "\(prefix)\(value.index)" }
    static let prefix = "rounding."
}

extension StreamGraph {
    /// The same graph with every number that is computed, and every input and parameter, changed a little.
    func perturbed(_ how: Perturbation) -> StreamGraph {
        var random: Dice?
        if case .factors(_, let seed) = how { random = Dice(seed: seed, for: "rounding") }
        // What takes the place of a value is the last of several.
        var places: [Int] = []
        var next = 0
        for value in values {
            next += 1 + (value.isRounded ? value.addedCount(how) : 0)
            places.append(next - 1)
        }
        func moved(_ id: ValueID) -> ValueID { ValueID(places[id.index]) }
        var result = StreamGraph(name: name, axes: axes)
        for value in values {
            var copy = value
            copy.operation = value.operation.mapOperands(moved)
            let own = result.add(copy)
            guard value.isRounded else { continue }
            switch how {
            case .factors(let size, _):
                let share = 0.5 + Double(random?.below(51) ?? 0) / 100
                let factor = result.constant(1 + (random?.chance(50) == true ? size : -size) * share, like: value)
                result.compute(.multiply, own, factor, like: value)
            case .elements:
                let name = Perturbation.path(of: own)
                let parameter = Operation.parameter(ParameterInfo(path: name, isTrained: false, initializer: .ones))
                // Data do not run over chunks.
                let isData = value.variance.batch && value.variance.axes >> dataAxes.count == 0
                let operation = isData ? Operation.input(name: name, fallback: nil) : parameter
                let factor = result.add(Value(operation, element: value.element, shape: value.shape, variance: isData ? value.variance : .none))
                result.compute(.multiply, own, factor, like: value)
            case .rounding(let bits): result.round(own, bits, like: value)
            }
        }
        result.states = states.map { State(name: $0.name, value: moved($0.value), initial: $0.initial.map(moved)) }
        result.outputs = outputs.map { Output(name: $0.name, value: moved($0.value)) }
        result.losses = losses.map { Output(name: $0.name, value: moved($0.value)) }
        return result
    }

    /// A number in the shape of a value.
    private mutating func constant(_ number: Double, like value: Value) -> ValueID {
        let scalar: Scalar = value.element == .complex ? .complex(number, 0) : .real(number)
        let id = add(Value(.constant(scalar), element: value.element, shape: [], variance: .none))
        guard !value.shape.isEmpty else { return id }
        return add(Value(.broadcast(id, from: value.shape.map { _ in nil }), element: value.element, shape: value.shape, variance: .none))
    }

    @discardableResult
    private mutating func compute(_ function: BinaryOperator, _ a: ValueID, _ b: ValueID, like value: Value) -> ValueID {
        let element: ElementType = function == .equal ? .bool : value.element
        return add(Value(.binary(function, a, b), element: element, shape: value.shape, variance: value.variance))
    }

    /// Adds a value rounded: `(2^bits + 1) x − ((2^bits + 1) x − x)`, or the value itself where that is not finite.
    private mutating func round(_ own: ValueID, _ bits: Int, like value: Value) {
        let factor = constant(Double(1 << bits) + 1, like: value)
        guard value.element == .real else {
            // A complex number has no rounding of its own here.
            compute(.multiply, own, constant(1 + 0x1p-53 * Double(1 << bits), like: value), like: value)
            return
        }
        let zero = constant(0, like: value)
        let large = compute(.multiply, own, factor, like: value)
        let rounded = compute(.subtract, large, compute(.subtract, large, own, like: value), like: value)
        let isFinite = compute(.equal, compute(.subtract, large, large, like: value), zero, like: value)
        _ = add(Value(.select(isFinite, then: rounded, otherwise: own), element: value.element, shape: value.shape, variance: value.variance))
    }
}

extension Value {
    /// How many values a change of this one adds.
    fileprivate func addedCount(_ how: Perturbation) -> Int {
        let constant = shape.isEmpty ? 1 : 2
        return switch how {
        case .factors: constant + 1
        case .elements: 2
        case .rounding: element == .real ? 2 * constant + 6 : 2 * constant + 1
        }
    }

    /// Whether code may give another number than the true one.
    fileprivate var isRounded: Bool {
        guard element == .real || element == .complex else { return false }
        switch operation {
        case .unary(let function, _): return !function.isExact
        case .binary(let function, _, _): return ![.min, .max, .complex].contains(function)
        // Which element is the largest must stay visible: gradients look for what is equal to it.
        case .reduce(let kind, _, _): return ![.min, .max, .argmax].contains(kind)
        case .overTime(let kind, _, _): return kind == .sum || kind == .mean
        case .input, .parameter, .contract, .scatter, .overBatch, .along, .distance, .runningAffine, .solve: return true
        case .constant, .select, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .delay, .chunks, .steps: return false
        }
    }
}

extension UnaryOperator {
    /// Whether every engine gives the same number: what is not computed cannot be rounded.
    fileprivate var isExact: Bool {
        switch self {
        case .negate, .abs, .sign, .floor, .not, .relu, .step, .re, .im, .conj, .stop: true
        case .exp, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .gelu, .silu, .softplus,
            .cis, .toReal, .toInt, .toComplex, .numbered: false
        }
    }
}

extension BoundData {
    /// With the factors that a graph wants which was changed element by element.
    func withFactors(for graph: StreamGraph, _ how: Perturbation) -> BoundData {
        guard case .elements(let size, let seed) = how else { return self }
        var result = self
        func factors(_ name: String, _ value: Value, _ outer: [Int]) -> Tensor {
            var dice = Dice(seed: seed, for: name)
            let pair = value.element == .complex ? 2 : 1
            let shape = outer + value.shape.sizes + (pair == 2 ? [2] : [])
            let numbers = (0..<shape.reduce(1, *)).map { k in
                (k % pair == 0 ? 1 : 0) + (dice.chance(50) ? size : -size) * (0.5 + Double(dice.below(51)) / 100)
            }
            return Tensor(numbers, shape: shape)
        }
        for value in graph.values {
            switch value.operation {
            case .parameter(let info) where info.path.hasPrefix(Perturbation.prefix): result.parameters[info.path] = factors(info.path, value, [])
            case .input(let name, _) where name.hasPrefix(Perturbation.prefix):
                let steps = extents.indices.filter { value.variance.varies(over: $0) }.map { extents[$0] }
                result.inputs[name] = factors(name, value, [batch] + steps)
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
                .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        return result
    }

    /// Every number times `1 ± size`, each with a factor of its own.
    func perturbed(by size: Double, seed: UInt64) -> BoundData {
        func changed(_ name: String, _ tensor: Tensor) -> Tensor {
            guard tensor.type.isFloating else { return tensor }
            var dice = Dice(seed: seed, for: name)
            return Tensor(tensor.doubles().map { $0 * (1 + (dice.chance(50) ? size : -size)) }, shape: tensor.shape)
        }
        var result = self
        result.inputs = Dictionary(uniqueKeysWithValues: inputs.map { ($0, changed($0, $1)) })
        result.parameters = Dictionary(uniqueKeysWithValues: parameters.map { ($0, changed($0, $1)) })
        return result
    }
}
