import RecSource
import RecStream

/// A graph that computes gradients beside the results of `graph`: reverse mode as a transform of graphs.
///
/// Every value gets an adjoint, the derivative of the seeds with respect to it. A delay becomes its mirror image: what `d`
/// reads one step back, its adjoint gives one step ahead. So the backward pass is again recurrences, affine in the adjoints,
/// whatever the cell was. Complex values are taken apart first; the gradient of a complex value is that of its real part and
/// that of its imaginary part. `docs/gradients.md` states the conventions where there is no derivative.
///
/// Speelpenning, "Compiling fast partial derivatives of functions given by algorithms", Univ. of Illinois (1980); for
/// recurrences Werbos, "Backpropagation through time", Proc. IEEE 78 (1990).
///
/// - Returns: `graph` without complex values, with a further output for each target.
/// - Throws: where a name is not known, or what it stands for is no real or complex value.
package func gradient(of graph: StreamGraph, _ request: GradientRequest) throws(DiagnosticList) -> StreamGraph {
    var reverse = ReverseMode(try Differentiation(graph, request))
    return reverse.run().sharingCommonValues()
}

/// A request whose names have been looked up.
struct Differentiation {
    /// The graph to differentiate, without complex values.
    let primal: StreamGraph
    /// For each target its values: a state that was complex has two.
    let targets: [(target: GradientRequest.Target, values: [ValueID], isPair: Bool)]
    let seeds: [(seed: GradientRequest.Seed, values: [ValueID], isPair: Bool)]
    let truncation: Int?
    /// Whether a factor of a product that may have a pole counts as 0 there.
    let boundsFactors: Bool
    /// Whether slopes count as 0 where they are infinite or NaN.
    let boundsSlopes: Bool
    /// Whether what a select does not choose is kept from having a part.
    let masksUnchosen: Bool

    init(_ graph: StreamGraph, _ request: GradientRequest) throws(DiagnosticList) {
        // Shared first: a state that is read in several places is delayed once, and so is its adjoint.
        let primal = graph.splittingComplex().sharingCommonValues()
        self.primal = primal
        truncation = request.truncation
        boundsFactors = !request.assumesFinite
        boundsSlopes = !request.assumesFinite
        masksUnchosen = !request.assumesFinite
        var problems: [Diagnostic] = []
        func found(_ values: [ValueID], _ what: String, _ name: String, among known: [String]) -> [ValueID] {
            if values.isEmpty {
                let list = known.isEmpty ? "the model has none" : "the model has \(known.joined(separator: ", "))"
                let help = nearest(name, among: known).map { "did you mean '\($0)'?" } ?? list
                problems.append(Diagnostic(.unknownName, "there is no \(what) '\(name)'", at: nil, help: help))
            }
            for id in values where primal[id].element != .real {
                problems.append(Diagnostic(.wrongElementType, "\(what) '\(name)' is \(primal[id].element.rawValue) and has no derivative", at: primal[id].span))
            }
            return values
        }
        func stateValues(_ name: String) -> (values: [ValueID], isPair: Bool) {
            let whole = primal.states.filter { $0.name == name }
            let parts = ["\(name).re", "\(name).im"].flatMap { part in primal.states.filter { $0.name == part } }
            return whole.isEmpty ? (parts.map(\.value), true) : (whole.map(\.value), false)
        }
        let states = graph.states.map(\.name)
        var parameters: [String] = []
        var inputs: [String] = []
        var parameterValues: [String: [ValueID]] = [:]
        var inputValues: [String: [ValueID]] = [:]
        for id in primal.ids {
            if case .parameter(let info) = primal[id].operation {
                parameters.append(info.path)
                parameterValues[info.path, default: []].append(id)
            } else if case .input(let name, _) = primal[id].operation {
                inputs.append(name)
                inputValues[name, default: []].append(id)
            }
        }
        targets = request.targets.map { target in
            switch target {
            case .parameter(let path):
                return (target, found(parameterValues[path] ?? [], "parameter", path, among: parameters), false)
            case .input(let name):
                return (target, found(inputValues[name] ?? [], "input", name, among: inputs), false)
            case .initialState(let name):
                let (values, isPair) = stateValues(name)
                return (target, found(values, "state", name, among: states), isPair)
            }
        }
        seeds = request.seeds.map { seed in
            switch seed {
            case .loss(let name):
                return (seed, found(primal.losses.filter { $0.name == name }.map(\.value), "loss", name, among: primal.losses.map(\.name)), false)
            case .output(let name):
                return (seed, found(primal.outputs.filter { $0.name == name }.map(\.value), "output", name, among: primal.outputs.map(\.name)), false)
            case .finalState(let name):
                if primal.dataAxes.count != 1 {
                    problems.append(Diagnostic(.unsupported, "over several axes the state '\(name)' has no last step", at: nil))
                }
                let (values, isPair) = stateValues(name)
                return (seed, found(values, "state", name, among: states), isPair)
            }
        }
        if let truncation, truncation < 1 {
            problems.append(Diagnostic(.badData, "gradients are truncated to 1 step or more, not to \(truncation)", at: nil))
        }
        if !problems.isEmpty { throw DiagnosticList(problems) }
    }
}
