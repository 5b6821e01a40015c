// Written by 'recc compile --emit swift' of recc 0.2.0 from names.rec. Write it anew where the program or its dims change.

import Rec

/// The model 'Names' with Type = 2.
///
/// ```swift
/// let model = try Names(weights: "weights.safetensors")
/// let outputs = try model(Names.Inputs(init_: init_, session_: session_, tensor0_: tensor0_, tensors_: tensors_, memory: memory, results: results))
/// ```
///
/// It may be used by any number of threads and tasks at the same time.
struct Names: Sendable {
    /// The sizes of the dims.
    enum Dims {
        static let Type_ = 2
    }

    /// What runs, with its weights.
    let model: Model
    private let runner: Runner

    /// With the weights of a file, `.safetensors` or `.npz`.
    ///
    /// - Throws: where it cannot be read, or weights are missing or misshapen.
    init(weights path: String) throws(DiagnosticList) {
        var data = ModelData()
        try data.addParameters(from: [path])
        try self.init(parameters: data.parameters)
    }

    /// With these weights, by path or by the name that the source gives.
    ///
    /// - Throws: where one is missing or misshapen.
    init(parameters: [String: Tensor]) throws(DiagnosticList) { try self.init(Self.bare().withParameters(parameters)) }

    /// With weights that start from the initialisers of the source.
    ///
    /// - Throws: where they do not fit into memory.
    init(seed: UInt64) throws(DiagnosticList) { try self.init(Self.bare().initialized(seed: seed)) }

    private init(_ model: Model) throws(DiagnosticList) {
        self.model = model
        runner = try Runner(model, precision: .f64)
    }

    private static func bare() throws(DiagnosticList) -> Model {
        try Model(Program(text: source, path: "names.rec"), named: "Names", dims: ["Type": 2])
    }

    /// What goes in: the numbers of one step behind those of the other.
    struct Inputs: Sendable {
        /// `[t]`.
        var init_: [Double]
        /// `[t]`.
        var session_: [Double]
        /// `[t]`.
        var tensor0_: [Double]
        /// `[t]`.
        var tensors_: [Double]
        /// `[t]`.
        var memory: [Double]
        /// `[t]`.
        var results: [Double]
        /// One number; nil for what the source states.
        var `class`: Double?
        /// One number; nil for what the source states.
        var once_: Double?
        /// One number; nil for what the source states.
        var Tensor_: Double?
        /// One number; nil for what the source states.
        var inputs: Double?

        /// Inputs of a sequence.
        init(init_: [Double], session_: [Double], tensor0_: [Double], tensors_: [Double], memory: [Double], results: [Double], `class`: Double? = nil, once_: Double? = nil, Tensor_: Double? = nil, inputs: Double? = nil) {
            self.init_ = init_
            self.session_ = session_
            self.tensor0_ = tensor0_
            self.tensors_ = tensors_
            self.memory = memory
            self.results = results
            self.`class` = `class`
            self.once_ = once_
            self.Tensor_ = Tensor_
            self.inputs = inputs
        }

        fileprivate func tensors() throws(DiagnosticList) -> [String: Tensor] {
            var tensors: [String: Tensor] = [:]
            tensors["init"] = try Tensor(init_, shape: [1, init_.count])
            tensors["session"] = try Tensor(session_, shape: [1, session_.count])
            tensors["tensor0"] = try Tensor(tensor0_, shape: [1, tensor0_.count])
            tensors["tensors"] = try Tensor(tensors_, shape: [1, tensors_.count])
            tensors["memory"] = try Tensor(memory, shape: [1, memory.count])
            tensors["results"] = try Tensor(results, shape: [1, results.count])
            if let `class` { tensors["class"] = try Tensor([`class`], shape: [1]) }
            if let once_ { tensors["once"] = try Tensor([once_], shape: [1]) }
            if let Tensor_ { tensors["Tensor"] = try Tensor([Tensor_], shape: [1]) }
            if let inputs { tensors["inputs"] = try Tensor([inputs], shape: [1]) }
            return tensors
        }
    }

    /// What comes out, in the same order.
    struct Outputs: Sendable {
        /// `[t]`.
        let self_: [Double]
        /// `[t]`.
        let Step_: [Double]

        fileprivate init(_ results: ModelResults) throws(DiagnosticList) {
            self.self_ = try results["self"].doubles()
            self.Step_ = try results["Step"].doubles()
        }
    }

    /// Runs a sequence from its beginning to its end.
    ///
    /// - Throws: where the numbers of an input do not make whole steps, or as many as those of the others.
    func callAsFunction(_ inputs: Inputs, threads: Int = 1) throws(DiagnosticList) -> Outputs {
        try Outputs(runner.run(inputs.tensors(), threads: threads))
    }

    /// The model step by step, with the inputs that are given once. With a `state`, `ModelState()` for the beginning, `session.state()` gives it after
    /// each step.
    ///
    /// - Throws: where an input or the state does not fit.
    func stream(`class`: Double? = nil, once_: Double? = nil, Tensor_: Double? = nil, inputs: Double? = nil, state: ModelState? = nil) throws(DiagnosticList) -> Stream {
        var once: [String: Tensor] = [:]
        if let `class` { once["class"] = try Tensor([`class`], shape: [1]) }
        if let once_ { once["once"] = try Tensor([once_], shape: [1]) }
        if let Tensor_ { once["Tensor"] = try Tensor([Tensor_], shape: [1]) }
        if let inputs { once["inputs"] = try Tensor([inputs], shape: [1]) }
        return Stream(try model.stream(once: once, state: state, precision: .f64))
    }

    /// A sequence that is given step by step. It belongs to one thread at a time.
    final class Stream {
        /// What takes the steps, for snapshots and states.
        let session: StreamSession

        fileprivate init(_ session: StreamSession) { self.session = session }

        /// What a step gives.
        struct Step: Sendable {
            /// One number.
            let self_: Double
            /// One number.
            let Step_: Double
        }

        /// Takes a step.
        ///
        /// - Throws: where an input has another number of values.
        func step(init_: Double, session_: Double, tensor0_: Double, tensors_: Double, memory: Double, results: Double) throws(DiagnosticList) -> Step {
            let tensor0 = try Tensor([init_], shape: [])
            let tensor1 = try Tensor([session_], shape: [])
            let tensor2 = try Tensor([tensor0_], shape: [])
            let tensor3 = try Tensor([tensors_], shape: [])
            let tensor4 = try Tensor([memory], shape: [])
            let tensor5 = try Tensor([results], shape: [])
            try session.withInput("init") { memory in tensor0.withUnsafeBytes { memory.copyMemory(from: $0) } }
            try session.withInput("session") { memory in tensor1.withUnsafeBytes { memory.copyMemory(from: $0) } }
            try session.withInput("tensor0") { memory in tensor2.withUnsafeBytes { memory.copyMemory(from: $0) } }
            try session.withInput("tensors") { memory in tensor3.withUnsafeBytes { memory.copyMemory(from: $0) } }
            try session.withInput("memory") { memory in tensor4.withUnsafeBytes { memory.copyMemory(from: $0) } }
            try session.withInput("results") { memory in tensor5.withUnsafeBytes { memory.copyMemory(from: $0) } }
            try session.advance()
            return Step(
                self_: try session.withOutput("self") { $0.bindMemory(to: Double.self)[0] },
                Step_: try session.withOutput("Step") { $0.bindMemory(to: Double.self)[0] })
        }
    }

    private static let source = #"""
model Names(Type) {
  input init, session, tensor0, tensors, memory, results: real
  input class, once, Tensor, inputs: real once = 1
  output self = init + 2 * session + 3 * tensor0 + 4 * tensors + 5 * memory + 6 * results
  output Step = class + 3 * once + 4 * Tensor + 5 * inputs + init
}

"""#
}
