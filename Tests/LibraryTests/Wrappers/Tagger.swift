// Written by 'recc compile --emit swift' of recc 0.2.0 from tagger.rec. Write it anew where the program or its dims change.

import Rec

/// The model 'Tagger' with D = 2, H = 3, V = 5.
///
/// ```swift
/// let model = try Tagger(weights: "weights.safetensors")
/// let outputs = try model(Tagger.Inputs(token: token, on: on, x: x, bias: bias))
/// ```
///
/// It may be used by any number of threads and tasks at the same time.
struct Tagger: Sendable {
    /// The sizes of the dims.
    enum Dims {
        static let D = 2
        static let H = 3
        static let V = 5
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
        try Model(Program(text: source, path: "tagger.rec"), named: "Tagger", dims: ["D": 2, "H": 3, "V": 5])
    }

    /// What goes in: the numbers of one step behind those of the other.
    struct Inputs: Sendable {
        /// `[t]`.
        var token: [Int]
        /// `[t]`.
        var on: [Bool]
        /// `[t, D]`.
        var x: [Double]
        /// One number; nil for what the source states.
        var `class`: Double?
        /// `[H]`.
        var bias: [Double]
        /// `[t, H]`; nil where what needs it is not wanted.
        var target: [Double]?

        /// Inputs of a sequence.
        init(token: [Int], on: [Bool], x: [Double], `class`: Double? = nil, bias: [Double], target: [Double]? = nil) {
            self.token = token
            self.on = on
            self.x = x
            self.`class` = `class`
            self.bias = bias
            self.target = target
        }

        fileprivate func tensors() throws(DiagnosticList) -> [String: Tensor] {
            var tensors: [String: Tensor] = [:]
            tensors["token"] = try Tensor(token, shape: [1, token.count])
            tensors["on"] = try Tensor(on.map { $0 ? 1 : 0 } as [Int], shape: [1, on.count])
            tensors["x"] = try Tensor(x, shape: [1, x.count / 2, 2])
            if let `class` { tensors["class"] = try Tensor([`class`], shape: [1]) }
            tensors["bias"] = try Tensor(bias, shape: [1, 3])
            if let target { tensors["target"] = try Tensor(target, shape: [1, target.count / 3, 3]) }
            return tensors
        }
    }

    /// What comes out, in the same order.
    struct Outputs: Sendable {
        /// `[t, H]`.
        let h: [Double]
        /// `[t]`.
        let best: [Int]
        /// `[t]`.
        let high: [Bool]
        /// A loss; nil where inputs that it needs were left out.
        let error: Double?

        fileprivate init(_ results: ModelResults) throws(DiagnosticList) {
            self.h = try results["h"].doubles()
            self.best = try results["best"].withUnsafeBytes { $0.bindMemory(to: Int64.self).map { Int($0) } }
            self.high = try results["high"].withUnsafeBytes { $0.map { $0 != 0 } }
            self.error = results.losses.first { $0.name == "error" }?.tensor.doubles().first
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
    func stream(`class`: Double? = nil, bias: [Double], state: ModelState? = nil) throws(DiagnosticList) -> Stream {
        var once: [String: Tensor] = [:]
        if let `class` { once["class"] = try Tensor([`class`], shape: [1]) }
        once["bias"] = try Tensor(bias, shape: [1, 3])
        return Stream(try model.stream(once: once, state: state, precision: .f64))
    }

    /// A sequence that is given step by step. It belongs to one thread at a time.
    final class Stream {
        /// What takes the steps, for snapshots and states.
        let session: StreamSession

        fileprivate init(_ session: StreamSession) { self.session = session }

        /// What a step gives.
        struct Step: Sendable {
            /// `[H]`.
            let h: [Double]
            /// One number.
            let best: Int
            /// One number.
            let high: Bool
        }

        /// Takes a step.
        ///
        /// - Throws: where an input has another number of values.
        func step(token: Int, on: Bool, x: [Double]) throws(DiagnosticList) -> Step {
            let tensor0 = try Tensor([token], shape: [])
            let tensor1 = try Tensor([on].map { $0 ? 1 : 0 } as [Int], shape: [])
            let tensor2 = try Tensor(x, shape: [2])
            try session.withInput("token") { memory in tensor0.withUnsafeBytes { memory.copyMemory(from: $0) } }
            try session.withInput("on") { memory in for (k, bit) in tensor1.doubles().enumerated() { memory[k] = bit == 0 ? 0 : 1 } }
            try session.withInput("x") { memory in tensor2.withUnsafeBytes { memory.copyMemory(from: $0) } }
            try session.advance()
            return Step(
                h: try session.withOutput("h") { Array($0.bindMemory(to: Double.self).prefix(3)) },
                best: try session.withOutput("best") { Int($0.bindMemory(to: Int64.self)[0]) },
                high: try session.withOutput("high") { $0[0] != 0 })
        }
    }

    private static let source = #"""
model Tagger(D, H, V) {
  input token: int
  input on: bool
  input x: [D]
  input class: real once = 1
  input bias: [H] once
  input target: [H]
  param table: [V, H]
  param W: [H, D]
  param U: [H, H]
  state h: [H]
  h = if on then tanh(class * (W @ x) + U @ h[t-1] + table[token] + bias) else h[t-1]
  output h
  output best = argmax[H](h)
  output high = sum(h) > 0
  loss error = mean[t](sum((h - target) * (h - target)))
}

"""#
}
