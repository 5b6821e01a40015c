import RecRuntime
import RecSource
import RecTensors

/// Whole data run step by step, as a stream would be.
package enum StreamRun {
    /// A session for a model with its parameters and once inputs in place.
    ///
    /// - Parameter state: from what it begins, where its state is to be known.
    package static func session(
        _ whole: Model, _ data: ModelData, state: ModelState? = nil, precision: Precision, batch: Int = 1, capacity: Int = 1,
        context: CompileContext = CompileContext()
    ) throws -> StreamSession {
        // Streams are not there yet: they count as empty.
        var (model, known) = try whole.knowingOtherAxes(data, batch: batch, precision: precision, context: context)
        let whole = model
        if let state {
            try whole.checkBeginning(state)
            model = try whole.carrying(.either, givingEachStep: true)
            known.inputs.merge(try model.inputs(from: state, batch: batch)) { $1 }
        }
        for input in model.typed.inputs where !input.isOnce {
            let value = model.graph.values.first { value in
                if case .input(input.name, _) = value.operation { true } else { false }
            }
            guard let value, value.variance.isStream else { continue }
            var shape = [batch]
            for (k, axis) in model.graph.axes.enumerated() where value.variance.varies(over: k) { shape.append(k == 0 ? 0 : axis.length ?? 1) }
            shape += value.shape.sizes + (value.element == .complex ? [2] : [])
            known.inputs[input.name] = Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape: shape)
        }
        let bound = try BoundData(known, for: model.graph, openBatch: batch)
        let code = try model.compile(precision, context: context)
        let compiled = try context.times.measure("pack") { () throws in try CompiledModel(code, parameters: bound.parameters) }
        let session = try StreamSession(compiled, batch: bound.batch, capacity: capacity, once: bound.inputs, state: state.map { model.state($0.tensors) })
        session.mostSteps = model.mostStreamedSteps
        return session
    }

    /// Results of a run in pieces of `piece` steps. Losses and final states are not given.
    package static func run(
        _ whole: Model, _ data: ModelData, state: ModelState? = nil, precision: Precision, piece: Int = 1, keeping kept: Int? = nil,
        context: CompileContext = CompileContext()
    ) throws -> ModelResults {
        var model = try whole.streaming(given: Set(data.inputs.keys), context: kept)
        var data = data
        (model, data) = try model.knowingOtherAxes(data, precision: precision, context: context)
        let outputs = model.graph.outputs.map { (name: $0.name, value: model.graph[$0.value]) }
        if let state {
            try model.checkBeginning(state)
            model = try model.carrying(.either, givingEachStep: true)
            data.inputs.merge(try model.inputs(from: state, batch: model.batch(of: data))) { $1 }
        }
        let bound = try BoundData(data, for: model.graph)
        guard bound.lengths == nil else {
            throw Diagnostic(.unsupported, "sequences of different length cannot be streamed together", at: nil, help: "stream each by itself")
        }
        guard model.graph.axes.count == 1 else {
            throw Diagnostic(.unsupported, "models over two axes are not run from files step by step", at: nil)
        }
        try model.checkMemory(batch: bound.batch, extents: bound.extents)
        let code = try model.compile(precision, context: context)
        let compiled = try context.times.measure("pack") { () throws in try CompiledModel(code, parameters: bound.parameters) }
        let session = try StreamSession(
            compiled, batch: bound.batch, capacity: piece, once: bound.inputs, state: state.map { model.state($0.tensors) })
        session.mostSteps = model.mostStreamedSteps
        let total = bound.extents[0]
        var streams: [String: Numbers] = [:]
        for name in session.inputNames { streams[name] = bound.inputs[name].map { Numbers($0, model.element(ofInput: name)) } }
        var collected: [String: Numbers] = [:]
        var widths: [String: Int] = [:]
        /// The numbers of some steps of each sequence, behind those that are there.
        func collect(_ output: (name: String, value: Value), _ steps: Int, of total: Int, at: Int) throws {
            let width = widths[output.name] ?? 0
            for sequence in 0..<bound.batch {
                try session.withOutput(output.name, sequence: sequence) { bytes in
                    for k in 0..<steps * width { collected[output.name]?.read(bytes, k, precision, to: (sequence * total + at) * width + k) }
                }
            }
        }
        for output in outputs {
            widths[output.name] = output.value.shape.elementCount * (output.value.element == .complex ? 2 : 1)
            let steps = output.value.variance.isStream ? total : 1
            collected[output.name] = Numbers(zeros: bound.batch * steps * (widths[output.name] ?? 0), output.value.element)
            // What does not vary over time is known before the first step.
            if !output.value.variance.isStream { try collect(output, 1, of: 1, at: 0) }
        }
        var at = 0
        while at < total {
            let steps = min(piece, total - at)
            for (name, numbers) in streams {
                let width = numbers.count / max(1, bound.batch * total)
                for sequence in 0..<bound.batch {
                    let start = (sequence * total + at) * width
                    try session.withInput(name, sequence: sequence) { bytes in
                        for k in 0..<steps * width { numbers.write(start + k, to: bytes, k, precision) }
                    }
                }
            }
            try session.advance(steps)
            for output in outputs where output.value.variance.isStream { try collect(output, steps, of: total, at: at) }
            at += steps
        }
        let tensors = outputs.map { output in
            let steps = output.value.variance.isStream ? [total] : []
            let shape = [bound.batch] + steps + output.value.shape.sizes + (output.value.element == .complex ? [2] : [])
            return NamedTensor(name: output.name, tensor: (collected[output.name] ?? Numbers(zeros: 0, .real)).tensor(shape))
        }
        var results = ModelResults(outputs: tensors, losses: [], finalStates: [])
        if state != nil { results.state = try session.state() }
        return results
    }

    /// Numbers of a stream; ints are exact.
    private enum Numbers {
        case reals([Double])
        case ints([Int])
        case bools([Double])

        init(_ tensor: Tensor, _ element: ElementType) {
            switch element {
            case .real, .complex: self = .reals(tensor.doubles())
            case .int: self = .ints(tensor.ints())
            case .bool: self = .bools(tensor.doubles())
            }
        }

        init(zeros count: Int, _ element: ElementType) {
            switch element {
            case .real, .complex: self = .reals([Double](repeating: 0, count: count))
            case .int: self = .ints([Int](repeating: 0, count: count))
            case .bool: self = .bools([Double](repeating: 0, count: count))
            }
        }

        var count: Int {
            switch self {
            case .reals(let numbers), .bools(let numbers): numbers.count
            case .ints(let numbers): numbers.count
            }
        }

        func tensor(_ shape: [Int]) -> Tensor {
            switch self {
            case .reals(let numbers), .bools(let numbers): Tensor(numbers, shape: shape)
            case .ints(let numbers): Tensor(numbers, shape: shape)
            }
        }

        /// Number `at` as element `k` of a stream's memory.
        func write(_ at: Int, to bytes: UnsafeMutableRawBufferPointer, _ k: Int, _ precision: Precision) {
            switch self {
            case .bools(let numbers): bytes[k] = numbers[at] == 0 ? 0 : 1
            case .ints(let numbers): bytes.storeBytes(of: Int64(numbers[at]), toByteOffset: 8 * k, as: Int64.self)
            case .reals(let numbers):
                switch precision {
                case .f32: bytes.storeBytes(of: Float(numbers[at]), toByteOffset: 4 * k, as: Float.self)
                case .f64: bytes.storeBytes(of: numbers[at], toByteOffset: 8 * k, as: Double.self)
                }
            }
        }

        /// Element `k` of a stream's memory becomes number `at`.
        mutating func read(_ bytes: UnsafeRawBufferPointer, _ k: Int, _ precision: Precision, to at: Int) {
            switch self {
            case .bools(var numbers):
                self = .bools([])
                numbers[at] = Double(bytes[k])
                self = .bools(numbers)
            case .ints(var numbers):
                self = .ints([])
                numbers[at] = Int(bytes.load(fromByteOffset: 8 * k, as: Int64.self))
                self = .ints(numbers)
            case .reals(var numbers):
                self = .reals([])
                numbers[at] = precision == .f32 ? Double(bytes.load(fromByteOffset: 4 * k, as: Float.self)) : bytes.load(fromByteOffset: 8 * k, as: Double.self)
                self = .reals(numbers)
            }
        }
    }
}

extension Model {
    fileprivate func element(ofInput name: String) -> ElementType {
        typed.inputs.first { $0.name == name }.map { typed[$0.value].element } ?? .real
    }
}
