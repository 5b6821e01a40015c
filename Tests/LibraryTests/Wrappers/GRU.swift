// Written by 'recc compile --emit swift' of recc 0.2.0 from gru.rec. Write it anew where the program or its dims change.

import Rec

/// The model 'GRU' with D = 8, H = 64.
///
/// ```swift
/// let model = try GRU(weights: "weights.safetensors")
/// let outputs = try model(GRU.Inputs(x: x))
/// ```
///
/// It may be used by any number of threads and tasks at the same time.
struct GRU: Sendable {
    /// The sizes of the dims.
    enum Dims {
        static let D = 8
        static let H = 64
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
        runner = try Runner(model, precision: .f32)
    }

    private static func bare() throws(DiagnosticList) -> Model {
        try Model(Program(text: source, path: "gru.rec"), named: "GRU", dims: ["D": 8, "H": 64])
    }

    /// What goes in: the numbers of one step behind those of the other.
    struct Inputs: Sendable {
        /// `[t, D]`.
        var x: [Float]
        /// `[H]`; nil for what the source states.
        var h0: [Float]?

        /// Inputs of a sequence.
        init(x: [Float], h0: [Float]? = nil) {
            self.x = x
            self.h0 = h0
        }

        fileprivate func tensors() throws(DiagnosticList) -> [String: Tensor] {
            var tensors: [String: Tensor] = [:]
            tensors["x"] = try Tensor(x, shape: [1, x.count / 8, 8])
            if let h0 { tensors["h0"] = try Tensor(h0, shape: [1, 64]) }
            return tensors
        }
    }

    /// What comes out, in the same order.
    struct Outputs: Sendable {
        /// `[t, H]`.
        let h: [Float]

        fileprivate init(_ results: ModelResults) throws(DiagnosticList) {
            self.h = try results["h"].floats()
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
    func stream(h0: [Float]? = nil, state: ModelState? = nil) throws(DiagnosticList) -> Stream {
        var once: [String: Tensor] = [:]
        if let h0 { once["h0"] = try Tensor(h0, shape: [1, 64]) }
        return Stream(try model.stream(once: once, state: state, precision: .f32))
    }

    /// A sequence that is given step by step. It belongs to one thread at a time.
    final class Stream {
        /// What takes the steps, for snapshots and states.
        let session: StreamSession

        fileprivate init(_ session: StreamSession) { self.session = session }

        /// What a step gives.
        struct Step: Sendable {
            /// `[H]`.
            let h: [Float]
        }

        /// Takes a step.
        ///
        /// - Throws: where an input has another number of values.
        func step(x: [Float]) throws(DiagnosticList) -> Step {
            let tensor0 = try Tensor(x, shape: [8])
            try session.withInput("x") { memory in tensor0.withUnsafeBytes { memory.copyMemory(from: $0) } }
            try session.advance()
            return Step(
                h: try session.withOutput("h") { Array($0.bindMemory(to: Float.self).prefix(64)) })
        }
    }

    private static let source = #"""
/// Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), with the reset gate after the product, as cuDNN has it.
model GRU(D, H) {
  input x: [D]
  input h0: [H] once = 0
  param Wz, Wr, Wn: [H, D]
  param Uz, Ur, Un: [H, H] = orthogonal
  param bz, br, bn, cn: [H]
  state h: [H] = h0

  z = sigmoid(Wz @ x + Uz @ h[t-1] + bz)
  r = sigmoid(Wr @ x + Ur @ h[t-1] + br)
  n = tanh(Wn @ x + bn + r * (Un @ h[t-1] + cn))
  h = (1 - z) * n + z * h[t-1]

  output h
}

"""#
}
