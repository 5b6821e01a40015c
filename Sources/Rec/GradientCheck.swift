import RecInterpreter
import RecSource
import RecStream
import RecTensors

/// Gradients of a model held against differences of its results, in f64.
///
/// What is differentiated is the sum of all losses, and of all outputs and last values of states times a cotangent each. For
/// every parameter, input and initial value the derivative along a few random directions is compared.
package struct GradientCheck: Sendable {
    package struct Row: Sendable {
        /// `W`, `x`
        package var name: String
        /// Of the direction that fits worst: the difference over the gradient's norm.
        package var error: Double
        /// The derivative along that direction by the gradient, and by differences.
        package var slope: Double
        package var difference: Double
        /// What of it is not finite; the error is infinite then.
        package var note: String?
    }

    /// By descending error.
    package private(set) var rows: [Row] = []
    package var worst: Row? { rows.first }
    /// Functions with gradients of their own, which no differences can be held against: what is compared is the model in which they have
    /// the derivatives of what they compute.
    package let leftOut: [String]
    /// Why nothing was compared; nil where something was.
    package private(set) var emptiness: String?

    private let interpreter: Interpreter
    private let graph: StreamGraph
    private let cotangents: [String: Tensor]

    /// Directions for each tensor.
    private static let directions = 2
    /// A kink between two points spoils a difference: smaller steps are tried where a larger one does not fit.
    private static let steps = [1e-3, 1e-4, 1e-5, 1e-6]
    private static let enough = 1e-9

    /// - Parameter engine: what computes the gradients; differences are always the interpreter's.
    /// - Throws: `Diagnostic` with the id `not-finite` where a result of the model is NaN or infinite on these data, with the
    ///   first value that is: there is no derivative to hold anything against.
    package init(_ model: Model, _ generated: RandomCase, engine: Engine = .interpreter, seed: UInt64 = 1) throws {
        leftOut = model.graph.functionsWithOwnGradients
        var model = model
        model.graph = model.graph.withoutOwnGradients()
        graph = model.graph
        cotangents = generated.cotangents
        interpreter = Interpreter(model.graph)
        var request = GradientRequest(of: model.graph)
        request.seeds = model.graph.losses.map { .loss($0.name) } + cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:))
        let bound = try BoundData(generated.data, for: model.graph)
        try checkFinite(bound)
        let gradients = try GradientModel(model, request).run(generated.data, cotangents: cotangents, on: engine)
        for (target, gradient) in zip(request.targets, gradients.gradients) {
            var random = SeededGenerator(seed: seed, for: gradient.name)
            var worst = Row(name: gradient.name, error: -1, slope: 0, difference: 0)
            for _ in 0..<Self.directions {
                let direction = (0..<gradient.tensor.count).map { _ in random.normal() }
                let row = compare(gradient, target, direction, bound)
                if !(row.error <= worst.error) { worst = row }
            }
            rows.append(worst)
        }
        if engine.isCompiled { forgiveRounding() }
        rows.sort { $0.error > $1.error }
        let hasSteps = (bound.extents.isEmpty || bound.extents.contains { $0 > 0 }) && bound.batch > 0 && bound.lengths?.allSatisfy { $0 == 0 } != true
        if rows.isEmpty {
            emptiness = "there is nothing to differentiate by"
        } else if !hasSteps {
            emptiness = "the sequences have no steps"
        }
    }

    private func checkFinite(_ data: BoundData) throws(Diagnostic) {
        let value = objective(data)
        guard !value.sum.isFinite || !value.magnitude.isFinite else { return }
        let origin = ValueOrigin(of: graph.losses.map(\.value) + graph.outputs.map(\.value) + graph.states.map(\.value), in: graph, data)
        throw Diagnostic(
            .notFinite, "the results are not finite: \(origin?.text ?? "each value is, and their sum with the cotangents is not")",
            at: origin?.span, help: "give data on which the model is finite: --data FILE, --range 0.1,2 or --range x=0.1,2")
    }

    /// Beside large gradients single precision has nothing to say of small ones: where terms cancel each other, what is left is rounding.
    private mutating func forgiveRounding() {
        let largest = rows.reduce(0) { max($0, $1.slope.isFinite ? abs($1.slope) : 0) }
        for k in rows.indices where rows[k].error.isFinite {
            let own = max(abs(rows[k].slope), abs(rows[k].difference), .leastNormalMagnitude)
            rows[k].error *= min(1, own / (Self.shareOfRounding * largest))
        }
    }

    /// Smaller gradients than this share of the largest are as exact as that share of it is.
    private static let shareOfRounding = 1e-2

    private func compare(_ gradient: NamedTensor, _ target: GradientRequest.Target, _ direction: [Double], _ data: BoundData) -> Row {
        let numbers = gradient.tensor.doubles()
        let slope = zip(numbers, direction).reduce(0) { $0 + $1.0 * $1.1 }
        var best = Row(name: gradient.name, error: .infinity, slope: slope, difference: .nan)
        if let place = numbers.firstIndex(where: { !$0.isFinite }) {
            let count = numbers.count { !$0.isFinite }
            best.note = "the gradient is \(numbers[place]) at position \(place), and not finite at \(count) of \(numbers.count)"
            return best
        }
        // As a share of the largest, so that squares neither vanish nor overflow.
        let largest = numbers.reduce(0) { max($0, abs($1)) }
        let norm = largest == 0 ? 0 : largest * numbers.reduce(0) { $0 + ($1 / largest) * ($1 / largest) }.squareRoot()
        for step in Self.steps {
            func value(_ distance: Double) -> (sum: Double, magnitude: Double) {
                objective(moved(data, target, direction, by: distance * step))
            }
            let (a, b, c, d) = (value(-2), value(-1), value(1), value(2))
            // Four points: the error falls with the fourth power of the step.
            let difference = (a.sum - 8 * b.sum + 8 * c.sum - d.sum) / (12 * step)
            let rounding = 1e-16 * (abs(a.magnitude) + abs(d.magnitude)) / step
            guard difference.isFinite, rounding.isFinite, slope.isFinite else { continue }
            let error = max(0, abs(difference - slope) - rounding) / max(norm, abs(difference), .leastNormalMagnitude)
            if error < best.error || best.difference.isNaN {
                best.error = error
                best.difference = difference
            }
            if best.error <= Self.enough { break }
        }
        if best.difference.isNaN { best.note = "no difference is finite: the data lie at a pole, or numbers overflow" }
        return best
    }

    private func moved(_ data: BoundData, _ target: GradientRequest.Target, _ direction: [Double], by distance: Double) -> BoundData {
        func moved(_ tensor: Tensor?) -> Tensor? {
            tensor.map { tensor in Tensor(zip(tensor.doubles(), direction).map { $0 + distance * $1 }, shape: tensor.shape) }
        }
        var result = data
        switch target {
        case .parameter(let path): result.parameters[path] = moved(data.parameters[path])
        case .input(let name): result.inputs[name] = moved(data.inputs[name])
        case .initialState: break
        }
        return result
    }

    /// The number that is differentiated, and the sum of the magnitudes of its terms, which bounds its rounding.
    private func objective(_ data: BoundData) -> (sum: Double, magnitude: Double) {
        let results = interpreter.run(data)
        var (sum, magnitude) = (0.0, 0.0)
        func add(_ term: Double) {
            sum += term
            magnitude += abs(term)
        }
        for loss in results.losses { add(loss.tensor.doubles()[0]) }
        let finals = results.finalStates.map { NamedTensor(name: "final.\($0.name)", tensor: $0.tensor) }
        for item in results.outputs + finals {
            guard let cotangent = cotangents[item.name] else { continue }
            for (a, b) in zip(item.tensor.doubles(), cotangent.doubles()) { add(a * b) }
        }
        return (sum, magnitude)
    }
}
