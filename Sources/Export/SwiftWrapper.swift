import Foundation
import Rec
import RecRuntime
import RecSource
import RecStream

/// A file in Swift with types for one model: its inputs and outputs by name, whole sequences and streams (`docs/embedding.md`).
package struct SwiftWrapper {
    /// What the file says.
    package private(set) var text = ""

    private let model: Model
    private let name: String
    private let precision: Precision
    /// Of a program of one file.
    private let source: (file: String, text: String)
    private let inputs: [SwiftPort]
    private let outputs: [SwiftPort]
    private let losses: [SwiftPort]
    /// Of the part that runs step by step; nil where none does.
    private let steps: (inputs: [SwiftPort], outputs: [SwiftPort])?

    /// - Parameter given: what the type is called; nil for what the model is.
    /// - Throws: `library-refused` where there can be no such file.
    package init(_ model: Model, named given: String?, precision: Precision) throws {
        self.model = model
        self.precision = precision
        name = given ?? model.graph.name
        let graph = model.graph
        func refused(_ message: String, help: String? = nil) -> Diagnostic { Diagnostic(.libraryRefused, message, at: nil, help: help) }
        guard SwiftNames.isType(name) else {
            throw refused("a type of Swift cannot be called '\(name)' here", help: "give another name: --name \(name.filter { $0.isASCII && $0.isLetter })Cell")
        }
        guard graph.axes.count == 1 else { throw refused("'\(graph.name)' runs over \(graph.axes.count) axes, and a file in Swift has sequences along one") }
        let files = model.program.sources.files.filter { !$0.isLibrary }
        guard files.count == 1, let file = files.first else {
            throw refused("the program imports other files, and a file in Swift holds one", help: "put its models into one file")
        }
        source = ((file.path as NSString).lastPathComponent, file.text)
        let real = precision == .f32 ? "Float" : "Double"
        let required = Set(graph.requiredInputs(of: (graph.outputs.isEmpty ? graph.losses : graph.outputs).map(\.value)))
        let order = Dictionary(model.typed.inputs.enumerated().map { ($1.name, $0) }) { a, _ in a }
        inputs = graph.values.compactMap { value in
            guard case .input(let name, _) = value.operation else { return nil }
            return SwiftPort(name, value, of: graph, real: real, isOptional: !required.contains(name))
        }.sorted { order[$0.name, default: 0] < order[$1.name, default: 0] }
        func ports(_ results: [StreamGraph.Output]) -> [SwiftPort] {
            results.map { result in
                let isOptional = !graph.requiredInputs(of: [result.value]).allSatisfy(required.contains)
                return SwiftPort(result.name, graph[result.value], of: graph, real: real, isOptional: isOptional)
            }
        }
        (outputs, losses) = (ports(graph.outputs), ports(graph.losses))
        if let part = try? model.streaming(given: required.union(model.streamNames)), let plan = try? part.plan(), (try? StreamSession.onlySweep(of: plan)) != nil {
            let needed = Set(part.graph.values.compactMap { if case .input(let name, _) = $0.operation { name } else { nil } })
            let there = Set(part.graph.outputs.map(\.name))
            steps = (inputs.filter { needed.contains($0.name) }, outputs.filter { there.contains($0.name) })
        } else {
            steps = nil
        }
        write()
    }

    private mutating func write() {
        let dims = model.typed.dims.compactMap { dim in model.sizes[dim].map { (name: dim, size: $0) } }
        let sizes = dims.map { "\($0.name) = \($0.size)" }.joined(separator: ", ")
        let call = inputs.filter { !$0.isOptional }.map { "\($0.word): \($0.word)" }.joined(separator: ", ")
        text = """
            // Written by 'recc compile --emit swift' of recc \(Rec.version) from \(source.file). Write it anew where the program or its dims change.

            import Rec

            /// The model '\(model.graph.name)'\(dims.isEmpty ? "" : " with \(sizes)").
            ///
            /// ```swift
            /// let model = try \(name)(weights: "weights.safetensors")
            /// let outputs = try model(\(name).Inputs(\(call)))
            /// ```
            ///
            /// It may be used by any number of threads and tasks at the same time.
            struct \(name): Sendable {
                /// The sizes of the dims.
                enum Dims {
            \(dims.map { "        static let \(SwiftNames.member($0.name)) = \($0.size)\n" }.joined())    }

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
                    runner = try Runner(model, precision: .\(precision.rawValue))
                }

                private static func bare() throws(DiagnosticList) -> Model {
                    try Model(Program(text: source, path: \(quoted(source.file))), named: \(quoted(model.graph.name)), dims: [\(dims.isEmpty ? ":" : dims.map { "\(quoted($0.name)): \($0.size)" }.joined(separator: ", "))])
                }


            """
        writeInputs()
        writeOutputs()
        text += """

                /// Runs a sequence from its beginning to its end.
                ///
                /// - Throws: where the numbers of an input do not make whole steps, or as many as those of the others.
                func callAsFunction(_ inputs: Inputs, threads: Int = 1) throws(DiagnosticList) -> Outputs {
                    try Outputs(runner.run(inputs.tensors(), threads: threads))
                }

            """
        if let steps { writeStream(steps.inputs, steps.outputs) }
        writeSource()
    }

    private mutating func writeInputs() {
        text += "    /// What goes in: the numbers of one step behind those of the other.\n    struct Inputs: Sendable {\n"
        for port in inputs {
            let rest = port.isOptional ? (port.isStream ? "; nil where what needs it is not wanted" : "; nil for what the source states") : ""
            text += "        /// \(shown(port.axes))\(rest).\n        var \(port.word): \(port.type)\(port.isOptional ? "?" : "")\n"
        }
        let parameters = inputs.map { "\($0.word): \($0.type)\($0.isOptional ? "? = nil" : "")" }.joined(separator: ", ")
        text += "\n        /// Inputs of a sequence.\n        init(\(parameters)) {\n"
        for port in inputs { text += "            self.\(port.word) = \(port.word)\n" }
        text += "        }\n\n        fileprivate func tensors() throws(DiagnosticList) -> [String: Tensor] {\n"
        text += inputs.isEmpty ? "            [:]\n" : "            var tensors: [String: Tensor] = [:]\n"
        for port in inputs {
            let line = "tensors[\(quoted(port.name))] = \(port.tensor)"
            text += port.isOptional ? "            if let \(port.word) { \(line) }\n" : "            \(line)\n"
        }
        text += inputs.isEmpty ? "        }\n    }\n\n" : "            return tensors\n        }\n    }\n\n"
    }

    private mutating func writeOutputs() {
        text += "    /// What comes out, in the same order.\n    struct Outputs: Sendable {\n"
        for port in outputs { text += "        /// \(shown(port.axes)).\n        let \(port.word): \(port.type)\n" }
        for port in losses { text += "        /// A loss\(port.isOptional ? "; nil where inputs that it needs were left out" : "").\n        let \(port.word): Double\(port.isOptional ? "?" : "")\n" }
        text += "\n        fileprivate init(_ results: ModelResults) throws(DiagnosticList) {\n"
        for port in outputs { text += "            self.\(port.word) = \(port.read)\n" }
        for port in losses {
            text += port.isOptional
                ? "            self.\(port.word) = results.losses.first { $0.name == \(quoted(port.name)) }?.tensor.doubles().first\n"
                : "            self.\(port.word) = try results[\(quoted(port.name))].doubles()[0]\n"
        }
        text += "        }\n    }\n"
    }

    private mutating func writeStream(_ inputs: [SwiftPort], _ outputs: [SwiftPort]) {
        let (streams, once) = (inputs.filter(\.isStream), inputs.filter { !$0.isStream })
        let onceParameters = once.map { "\($0.word): \($0.type)\($0.isOptional ? "? = nil" : "")" } + ["state: ModelState? = nil"]
        text += """

                /// The model step by step\(once.isEmpty ? "" : ", with the inputs that are given once"). With a `state`, `ModelState()` for the beginning, `session.state()` gives it after
                /// each step.
                ///
                /// - Throws: where an input or the state does not fit.
                func stream(\(onceParameters.joined(separator: ", "))) throws(DiagnosticList) -> Stream {
                    \(once.isEmpty ? "let once: [String: Tensor] = [:]" : "var once: [String: Tensor] = [:]")

            """
        for port in once {
            let line = "once[\(quoted(port.name))] = \(port.tensor)"
            text += port.isOptional ? "        if let \(port.word) { \(line) }\n" : "        \(line)\n"
        }
        text += """
                    return Stream(try model.stream(once: once, state: state, precision: .\(precision.rawValue)))
                }

                /// A sequence that is given step by step. It belongs to one thread at a time.
                final class Stream {
                    /// What takes the steps, for snapshots and states.
                    let session: StreamSession

                    fileprivate init(_ session: StreamSession) { self.session = session }

                    /// What a step gives.
                    struct Step: Sendable {

            """
        for port in outputs { text += "            /// \(shown(stepAxes(port))).\n            let \(port.word): \(port.stepType)\n" }
        text += "        }\n\n        /// Takes a step.\n        ///\n        /// - Throws: where an input has another number of values.\n"
        text += "        func step(\(streams.map { "\($0.word): \($0.stepType)" }.joined(separator: ", "))) throws(DiagnosticList) -> Step {\n"
        // All are checked before any is written.
        for (k, port) in streams.enumerated() { text += "            let tensor\(k) = \(port.stepTensor)\n" }
        for (k, port) in streams.enumerated() {
            text += "            try session.withInput(\(quoted(port.name))) { memory in \(port.stepWrite("tensor\(k)")) }\n"
        }
        text += "            try session.advance()\n            return Step("
        text += outputs.map { "\n                \($0.word): try session.withOutput(\(quoted($0.name))) { \($0.stepRead) }" }.joined(separator: ",")
        text += ")\n        }\n    }\n"
    }

    private func shown(_ axes: String) -> String { axes.isEmpty ? "One number" : "`[\(axes)]`" }

    private func stepAxes(_ port: SwiftPort) -> String {
        port.isStream ? port.axes.split(separator: ", ").dropFirst().joined(separator: ", ") : port.axes
    }

    private mutating func writeSource() {
        var hashes = "#"
        while source.text.contains("\"\"\"" + hashes) || source.text.contains("\\" + hashes) { hashes += "#" }
        let body = source.text.hasSuffix("\n") ? source.text : source.text + "\n"
        text += "\n    private static let source = \(hashes)\"\"\"\n\(body)\n\"\"\"\(hashes)\n}\n"
    }

    private func quoted(_ text: String) -> String {
        "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"") + "\""
    }
}
