import RecDifferentiation
import RecStream
import RecTensors

/// Sequences of different length along several axes. Plans know the lengths along one axis alone; over several, lengths are inputs of a graph
/// that sees nothing behind the ends.
extension Model {
    /// The axes along which data have lengths that a plan cannot have.
    func axesToEnd(_ data: BoundData) -> [Int] {
        guard graph.dataAxes.count > 1 else { return [] }
        return graph.dataAxes.filter { data.lengths(along: $0) != nil }
    }

    /// The same model with the lengths along some axes as inputs.
    package func ending(along axes: [Int]) -> Model {
        guard !axes.isEmpty else { return self }
        return code.part(ModelCode.Part(selection: Selection(all: graph), endedAxes: axes), of: self) { () throws(Never) in graph.ending(along: axes) }
    }
}

extension ModelData {
    /// The same data with the lengths as inputs that plans cannot have, and along which axes that is.
    ///
    /// - Throws: where there are lengths along an axis that the model does not have, or twice along one.
    package func endingByInputs(for model: Model) throws(DiagnosticList) -> (data: ModelData, axes: [Int]) {
        let graph = model.graph
        var found: [Int: [Int]] = [:]
        for (name, given) in lengthsByAxis.sorted(by: { $0.key < $1.key }) {
            guard let axis = graph.dataAxes.first(where: { graph.axes[$0].name == name }) else {
                throw DiagnosticList(
                    .unknownName, "there are lengths along '\(name)', and no axis of that name",
                    help: "the axes are \(graph.dataAxes.map { graph.axes[$0].name }.joined(separator: ", "))")
            }
            found[axis] = given
        }
        if let lengths {
            guard found.updateValue(lengths, forKey: 0) == nil else {
                throw DiagnosticList(.badData, "there are lengths along '\(graph.axes[0].name)' twice", help: "leave one of them out")
            }
        }
        if graph.dataAxes.count > 1 { return (withLengths(found, of: graph), found.keys.sorted()) }
        var result = self
        (result.lengths, result.lengthsByAxis) = (found[0], [:])
        return (result, [])
    }

    /// The same data with lengths that have been checked as inputs.
    func endingByInputs(_ bound: BoundData, along axes: [Int], of graph: StreamGraph) -> ModelData {
        var lengths: [Int: [Int]] = [:]
        for axis in axes { lengths[axis] = bound.lengths(along: axis) }
        return withLengths(lengths, of: graph)
    }

    private func withLengths(_ lengths: [Int: [Int]], of graph: StreamGraph) -> ModelData {
        var result = self
        (result.lengths, result.lengthsByAxis) = (nil, [:])
        for (axis, own) in lengths { result.inputs[graph.lengthsName(of: axis)] = Tensor(own, shape: [own.count]) }
        return result
    }
}

extension GradientRequest {
    /// - Throws: where a gradient by an initial value is asked for that a sequence has at its end: lengths as inputs put numbers there.
    func checkEnds(along axes: [Int], of model: Model) throws(DiagnosticList) {
        let graph = model.graph
        for case .initialState(let name) in targets {
            guard let state = graph.states.first(where: { $0.name == name }) else { continue }
            let looksAhead = graph.values.contains { value in
                guard case .delay(state.value, let offsets, _) = value.operation else { return false }
                return axes.contains { offsets[$0] > 0 }
            }
            guard looksAhead else { continue }
            throw DiagnosticList([
                Diagnostic(
                    .unsupported, "'\(name)' begins where sequences end, and there is no code for the gradient by that of sequences of different length over several axes",
                    at: state.span, help: "run it with 'recc run --interpret', or ask for other gradients")
            ])
        }
    }
}
