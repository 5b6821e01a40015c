import RecSource
import RecStream
import RecTensors

extension Model {
    /// The part whose runs go on from a state, and have one at their end.
    ///
    /// - Parameter givesEachStep: whether the state is known after each step.
    /// - Throws: `state-refused` where the model cannot go on from the last step of another run.
    package func carrying(_ beginning: Beginning, givingEachStep givesEachStep: Bool = false) throws(DiagnosticList) -> Model {
        let carried = ModelCode.Carried(beginning: beginning, givesEachStep: givesEachStep)
        let part = ModelCode.Part(selection: Selection(all: graph), given: nil, carried: carried)
        do {
            return try code.part(part, of: self) { () throws(DiagnosticList) in
                let named = selections.reduce(wholeGraph.namingDelayedValues()) { $0.keeping($1.selection, given: $1.given) }
                return try CarriedState.carrying(named, beginning, givingEachStep: givesEachStep)
            }
        } catch { throw error.placed(in: program.sources) }
    }

    /// The sequences of a run, as its first stream with a batch tells; nil where none does.
    package func batch(of data: ModelData) -> Int? {
        for value in graph.values {
            guard case .input(let name, _) = value.operation, value.variance.isStream, let tensor = data.inputs[name] else { continue }
            let rank = graph.axes.indices.filter { value.variance.varies(over: $0) }.count + value.shape.count + (value.element == .complex ? 1 : 0)
            if tensor.shape.count == rank { return 1 }
            if tensor.shape.count == rank + 1 { return tensor.shape[0] }
        }
        return nil
    }

    /// A state of this model.
    func state(_ tensors: [NamedTensor]) -> ModelState { ModelState(tensors, program: identity.value, dims: dims) }

    /// Results of a part whose state is carried, with that state apart.
    func separatingState(of results: ModelResults) -> ModelResults {
        var apart = results
        apart.finalStates = results.finalStates.filter { !$0.name.hasPrefix(CarriedState.prefix) }
        let carried = results.finalStates.filter { $0.name.hasPrefix(CarriedState.prefix) }
        apart.state = state(carried.map { NamedTensor(name: String($0.name.dropFirst(CarriedState.prefix.count)), tensor: $0.tensor) })
        return apart
    }
}

extension Model {
    /// A state as inputs of this part, which goes on from it.
    ///
    /// - Parameter batch: the sequences of the run; nil where data do not tell.
    /// - Throws: `state-mismatch` where the state is of another program, or does not fit.
    func inputs(from state: ModelState, batch: Int?) throws(DiagnosticList) -> [String: Tensor] {
        if !state.isBeginning { try check(state) }
        let tensors = Dictionary(state.tensors.map { ($0.name, $0.tensor) }) { a, _ in a }
        var result: [String: Tensor] = [:]
        for value in graph.values {
            guard case .input(let input, _) = value.operation else { continue }
            if input == CarriedState.switchName {
                let isGiven: Float = state.isBeginning ? 0 : 1
                result[input] = Tensor([Float](repeating: isGiven, count: batch ?? 1), shape: [batch ?? 1])
            }
            guard input.hasPrefix(CarriedState.prefix) else { continue }
            let sizes = value.shape.sizes + (value.element == .complex ? [2] : [])
            guard !state.isBeginning else {
                let shape = [batch ?? 1] + sizes
                result[input] = Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape: shape)
                continue
            }
            let name = String(input.dropFirst(CarriedState.prefix.count))
            guard let tensor = tensors[name] ?? state.formerly(name) else {
                throw mismatch("the state has no '\(name)'", help: "the run that saved it must have computed the same outputs, or more")
            }
            guard tensor.shape.count == sizes.count + 1, Array(tensor.shape.dropFirst()) == sizes else {
                throw mismatch("'\(name)' of the state has the shape \(tensor.shape), and [batch] + \(sizes) is expected")
            }
            guard batch == nil || tensor.shape[0] == batch else {
                throw mismatch(
                    "the state is of \(tensor.shape[0]) sequence\(tensor.shape[0] == 1 ? "" : "s"), and the run has \(batch ?? 0)",
                    help: "give as many sequences as the run that saved it")
            }
            result[input] = tensor
        }
        return result
    }

    private func check(_ state: ModelState) throws(DiagnosticList) {
        for (name, size) in dims.sorted(by: { $0.key < $1.key }) {
            guard let other = state.dims[name], other != size else { continue }
            throw mismatch("the state is of a model with \(name) = \(other), and this one has \(name) = \(size)")
        }
        guard state.program == identity.value else { throw mismatch("the state is one of another program than '\(graph.name)'") }
    }

    private func mismatch(
        _ message: String, help: String = "a state goes with the program and the dims of the run that saved it"
    ) -> DiagnosticList {
        DiagnosticList(.stateMismatch, message, help: help)
    }
}
