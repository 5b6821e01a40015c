import RecSource
import RecStream
import RecTensors

/// What a stream whose state is known carries from step to step.
struct StreamState {
    /// What stands before the first step that compiled code takes: `[batch, …]`.
    struct Input {
        var name: String
        var element: ElementType
        var memory: AlignedMemory
        var byteCount: Int
    }

    var inputs: [Input] = []
    /// The state as it was given last.
    var start: ModelState
    /// Steps of the last call since then.
    var lastSteps = 0

    init(from start: ModelState) { self.start = start }
}

extension StreamSession {
    /// The state behind the last step, from which runs and other streams of the model can go on.
    ///
    /// - Throws: where the stream was not made with `stream(state:)`.
    public func state() throws(DiagnosticList) -> ModelState {
        let carried = try known()
        return carried.lastSteps == 0 ? carried.start : state(carried, after: carried.lastSteps)
    }

    /// The state after so many of the steps of the last call.
    ///
    /// - Throws: where the last call took fewer steps, `count` is less than 1, or the stream was not made with `stream(state:)`.
    public func state(after count: Int) throws(DiagnosticList) -> ModelState {
        let carried = try known()
        guard (1...max(1, carried.lastSteps)).contains(count), carried.lastSteps > 0 else {
            throw DiagnosticList(.badCall, "the last call took \(carried.lastSteps) steps, and the state after \(count) of them is asked for")
        }
        return state(carried, after: count)
    }

    /// Goes on from a state, as if its steps had just been taken.
    ///
    /// - Throws: where the state is of another model or has another number of sequences, or the stream was not made with `stream(state:)`; the
    ///   stream is then as it was.
    public func resume(from state: ModelState) throws(DiagnosticList) { try resume(from: state, after: 0) }

    func resume(from state: ModelState, after steps: Int) throws(DiagnosticList) {
        let carried = try known()
        func mismatch(_ message: String) -> DiagnosticList {
            DiagnosticList(.stateMismatch, message, help: "a state goes with the program and the dims of the run that saved it")
        }
        if !state.isBeginning, state.program != carried.start.program { throw mismatch("the state is one of another program") }
        var tensors: [String: Tensor] = [:]
        for item in state.tensors { tensors[CarriedState.prefix + item.name] = item.tensor }
        for input in carried.inputs where tensors[input.name] == nil {
            tensors[input.name] = state.formerly(String(input.name.dropFirst(CarriedState.prefix.count)))
        }
        for input in carried.inputs where input.name != CarriedState.switchName && !state.isBeginning {
            let name = input.name.dropFirst(CarriedState.prefix.count)
            guard let tensor = tensors[input.name] else { throw mismatch("the state has no '\(name)'") }
            guard tensor.shape.first == batch, tensor.count * input.element.byteCount(model.precision) == input.byteCount else {
                throw mismatch("'\(name)' of the state has the shape \(tensor.shape), which is not that of a stream of \(batch) sequence\(batch == 1 ? "" : "s")")
            }
        }
        for input in carried.inputs {
            let bytes = UnsafeMutableRawBufferPointer(start: input.memory.start, count: input.byteCount)
            if input.name == CarriedState.switchName {
                bytes.initializeMemory(as: UInt8.self, repeating: state.isBeginning ? 0 : 1)
            } else if let tensor = tensors[input.name] {
                resident(tensor, as: input.element, model.precision).withUnsafeBytes { bytes.copyMemory(from: $0) }
            } else {
                bytes.initializeMemory(as: UInt8.self, repeating: 0)
            }
        }
        self.carried?.start = ModelState(state.tensors, program: carried.start.program, dims: carried.start.dims)
        self.carried?.lastSteps = 0
        drafts = nil
        restart(after: steps)
    }

    private func known() throws(DiagnosticList) -> StreamState {
        if let carried { return carried }
        throw DiagnosticList(.badCall, "the stream was made without its state", help: "make it with stream(state: ModelState())")
    }

    private func state(_ carried: StreamState, after count: Int) -> ModelState {
        let tensors = carriedOutputs.map { port in
            let value = model.plan[port.buffer]
            let sizes = model.plan.graph.outputs.first { $0.name == port.name }.map { model.plan.graph[$0.value].shape.sizes } ?? []
            let row = value.variance.isStream ? (count - 1) * port.stepBytes : 0
            let tensor = Tensor(type: port.element.tensorType(model.precision), shape: [batch] + sizes) { target in
                for sequence in 0..<batch {
                    let source = UnsafeRawBufferPointer(start: port.memory.start + sequence * port.sequenceBytes + row, count: port.stepBytes)
                    UnsafeMutableRawBufferPointer(rebasing: target[sequence * port.stepBytes..<(sequence + 1) * port.stepBytes]).copyMemory(from: source)
                }
            }
            return NamedTensor(name: String(port.name.dropFirst(CarriedState.prefix.count)), tensor: tensor)
        }
        return ModelState(tensors, program: carried.start.program, dims: carried.start.dims)
    }
}
