import CRecc
import Rec

/// `recc_model`: a model, how its runs go, and the code that they have taken.
final class ModelHandle: Handle {
    let model: Model
    let options: Options
    /// By what `recc.h` numbers them.
    private let ports: [PortList]
    private let parameters: TensorList
    private let dims: [(name: String, size: Int)]
    private let dimNames: CStrings
    private let names: CStrings
    private let runners = KeptOnce<Precision, Runner>()

    init(_ model: Model, _ options: Options) {
        self.model = model
        self.options = options
        let graph = model.graph
        var (inputs, parameters): ([Port], [Port]) = ([], [])
        for value in graph.values {
            if case .input(let name, let fallback) = value.operation {
                inputs.append(Port(name, value, of: graph, options.resultPrecision, flags: fallback == nil ? 0 : RECC_OPTIONAL))
            } else if case .parameter(let info) = value.operation {
                let flags = (info.isTrained ? RECC_TRAINED : 0) | (info.fillsItself ? RECC_OPTIONAL : 0)
                parameters.append(Port(info.path, value, of: graph, options.resultPrecision, flags: flags))
            }
        }
        let order = Dictionary(model.typed.inputs.enumerated().map { ($1.name, $0) }) { a, _ in a }
        // What no program declares, the seeds of chance, comes last.
        inputs.sort { order[$0.name, default: .max] < order[$1.name, default: .max] }
        let states = graph.dataAxes.count == 1 ? graph.states : []
        ports = [
            PortList(inputs), PortList(parameters),
            PortList(graph.outputs.map { Port($0.name, graph[$0.value], of: graph, options.resultPrecision) }),
            PortList(graph.losses.map { Port($0.name, graph[$0.value], of: graph, options.resultPrecision, isLoss: true) }),
            PortList(
                states.map { state in
                    var value = graph[state.value]
                    value.variance = .once
                    return Port(state.name, value, of: graph, options.resultPrecision)
                }),
        ]
        let known = model.parameters
        self.parameters = TensorList(parameters.compactMap { port in known[port.name].map { NamedTensor(name: port.name, tensor: $0) } })
        let sizes = model.sizes
        dims = model.typed.dims.compactMap { name in sizes[name].map { (name, $0) } }
        dimNames = CStrings(dims.map(\.name))
        names = CStrings([graph.name])
    }

    /// A program's model with its dims and weights.
    convenience init(_ program: Program, _ options: Options, _ given: [(name: String, tensor: Tensor)]) throws(DiagnosticList) {
        let files = try DataFiles(case: nil, weights: options.weightFiles, for: program.model(named: options.model))
        var all = files.file.data
        for (name, tensor) in given { all.parameters[name] = tensor }
        var model = try files.model(
            options.isTraining ? program.training : program, named: options.model, dims: options.dims, passingOverUnknown: true, fillingMissing: options.seed != nil, fitting: all)
        try model.checkNames(given.map(\.name))
        if !options.outputs.isEmpty { model = try model.computing(options.outputs) }
        model = model.storingWeights(as: options.weights)
        if let seed = options.seed {
            try model.checkMemory()
            let initial = model.initialParameters(seed: seed).mapValues { options.resultPrecision == .f32 ? Tensor($0.floats(), shape: $0.shape) : $0 }
            all.parameters = model.parameters(all.parameters, else: initial)
        }
        // Without any, runs are given them.
        if !all.parameters.isEmpty { model = try model.withParameters(all.parameters) }
        self.init(model, options)
    }

    func withParameters(_ given: [(name: String, tensor: Tensor)]) throws(DiagnosticList) -> ModelHandle {
        try model.checkNames(given.map(\.name))
        let tensors = Dictionary(given.map { ($0.name, $0.tensor) }) { a, _ in a }
        return ModelHandle(try model.withParameters(model.parameters(tensors, else: model.parameters)), options)
    }

    var name: UnsafePointer<CChar>? { names[0] }
    var dimCount: Int { dims.count }

    func dim(_ index: Int64) throws(DiagnosticList) -> (name: UnsafePointer<CChar>?, size: Int64) {
        let k = try element(dims, index, "dim")
        return (dimNames[k], Int64(dims[k].size))
    }

    func ports(of kind: Int32) -> PortList? { ports.indices.contains(Int(kind)) ? ports[Int(kind)] : nil }

    func parameter(_ index: Int64) throws(DiagnosticList) -> recc_tensor {
        let all = ports[RECC_PARAMETERS].ports
        return try parameters.tensor(named: all[element(all, index, "parameter")].name, what: "parameter with numbers")
    }

    // MARK: Runs

    /// Data of a run: inputs over the memory of the caller, parameters and what is given with them as copies.
    func data(
        _ list: UnsafePointer<recc_tensor>?, _ count: Int64, cotangents allowed: Bool = false
    ) throws(DiagnosticList) -> (data: ModelData, cotangents: [String: Tensor]) {
        var (data, cotangents): (ModelData, [String: Tensor]) = (ModelData(), [:])
        let inputs = model.typed.inputs.map(\.name)
        let lengths = model.graph.axes[model.graph.dataAxes].map { "lengths.\($0.name)" }
        func isInput(_ name: String) -> Bool { inputs.contains(name) || name.hasPrefix("cotangent.") }
        for (name, tensor) in try tensors(list, count, copying: { !isInput($0) }) {
            if inputs.contains(name) {
                data.inputs[name] = tensor
            } else if name == "lengths" || lengths.contains(name) {
                guard tensor.shape.count == 1, tensor.type == .i64 || tensor.type == .i32 else {
                    throw .badCall("'\(name)' are whole numbers, one for each sequence, and not \(tensor.type.rawValue) of the shape \(tensor.shape)")
                }
                if name == "lengths" { data.lengths = tensor.ints() } else { data.lengthsByAxis[String(name.dropFirst("lengths.".count))] = tensor.ints() }
            } else if allowed, name.hasPrefix("cotangent.") {
                cotangents[String(name.dropFirst("cotangent.".count))] = tensor
            } else {
                try model.checkNames([name], inputs: inputs)
                data.parameters[name] = tensor
            }
        }
        return (data, cotangents)
    }

    func threads(_ count: Int32) -> Int { count == 0 ? options.threads : Int(count) }

    func run(_ data: ModelData, _ state: ModelState?, threads: Int) throws(DiagnosticList) -> ModelResults {
        guard case .compiled(let precision) = options.engine, state == nil, data.parameters.isEmpty, !model.parameters.isEmpty || model.parameterPaths.isEmpty
        else {
            return try model.run(
                data, state: state, on: options.engine, threads: threads, forcing: options.forms, within: options.memory, context: options.context)
        }
        // Weights are packed once.
        return try kept(precision).run(data.inputs, lengths: data.lengths, lengthsByAxis: data.lengthsByAxis, threads: threads)
    }

    private func kept(_ precision: Precision) throws(DiagnosticList) -> Runner {
        try runners.value(for: precision) { () throws(DiagnosticList) in
            try Runner(model, precision: precision, forcing: options.forms, within: options.memory, context: options.context)
        }
    }
}

extension Model {
    /// Refuses parameters that the model does not have: one that is left alone may be a name misspelt.
    ///
    /// - Parameter inputs: what else a name could have stood for.
    func checkNames(_ names: [String], inputs: [String] = []) throws(DiagnosticList) {
        for name in names where wholeGraph.parameterPath(name) == nil {
            let known = inputs + wholeGraph.values.flatMap { value in
                if case .parameter(let info) = value.operation { info.names } else { [String]() }
            }
            throw DiagnosticList(
                .unknownName, "'\(graph.name)' has no \(inputs.isEmpty ? "parameter" : "input or parameter") '\(name)'",
                help: nearest(name, among: known).map { "did you mean '\($0)'?" }
                    ?? (known.isEmpty ? "it has none" : "there are \(known.prefix(12).joined(separator: ", "))\(known.count > 12 ? ", …" : "")"))
        }
    }
}
