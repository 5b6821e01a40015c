import CRecc
import Rec

/// `recc_gradient`: a model that is differentiated.
final class GradientHandle: Handle {
    let handle: ModelHandle
    let gradients: GradientModel
    /// What is asked for, in this order; nil for all that there is.
    private let asked: [String]?
    /// What nothing that is differentiated depends on.
    private let unused: Set<String>

    /// - Parameters:
    ///   - names: losses, outputs and `final.STATE`, whose sum is differentiated; nil for the losses, or all outputs.
    ///   - targets: parameters, inputs and `initial.STATE`; nil for everything.
    init(_ handle: ModelHandle, of names: [String]?, withRespectTo targets: [String]?, truncation: Int?) throws(DiagnosticList) {
        self.handle = handle
        let whole = handle.model
        var part = whole
        if let names {
            let final = "final."
            part = try whole.computing(
                names.filter { !$0.hasPrefix(final) },
                finalStates: names.filter { $0.hasPrefix(final) }.map { String($0.dropFirst(final.count)) })
        }
        var request = GradientRequest(of: part.graph, truncation: truncation)
        if let names {
            let losses = Set(part.graph.losses.map(\.name))
            request.seeds = names.map { losses.contains($0) ? .loss($0) : GradientRequest.Seed(cotangent: $0) }
        }
        asked = targets?.map { whole.graph.gradientName($0) }
        let here = part.graph.targetNames
        unused = Set(asked?.filter { whole.graph.targetNames.contains($0) && !here.contains($0) } ?? [])
        let unused = unused
        if let asked { request.targets = asked.filter { !unused.contains($0) }.map { GradientModel.target($0, of: whole.typed) } }
        gradients = try GradientModel(part, request)
    }

    func run(_ data: ModelData, _ cotangents: [String: Tensor], threads: Int) throws(DiagnosticList) -> ResultsHandle {
        let options = handle.options
        let all = try gradients.run(
            data, cotangents: cotangents, on: options.engine, threads: threads, forcing: gradients.model.forms(options.forms, of: handle.model),
            within: options.memory, context: options.context)
        guard let asked, !unused.isEmpty else { return ResultsHandle(all.results, gradients: all.gradients) }
        let named = try asked.map { name throws(DiagnosticList) in
            NamedTensor(name: name, tensor: try unused.contains(name) ? zeros(name, data) : all[name])
        }
        return ResultsHandle(all.results, gradients: named)
    }

    /// The gradient of what plays no part.
    private func zeros(_ name: String, _ data: ModelData) -> Tensor {
        let value = handle.model.graph.values.first { value in
            if case .parameter(let info) = value.operation { info.path == name } else { false }
        }
        let shape = value.map { $0.shape.sizes + ($0.element == .complex ? [2] : []) } ?? data.inputs[name]?.shape ?? []
        let count = shape.reduce(1, *)
        return options.resultPrecision == .f32 ? Tensor([Float](repeating: 0, count: count), shape: shape) : Tensor([Double](repeating: 0, count: count), shape: shape)
    }

    private var options: Options { handle.options }
}

extension StreamGraph {
    /// Inputs, and parameters by path.
    fileprivate var targetNames: Set<String> {
        Set(
            values.compactMap { value in
                if case .input(let name, _) = value.operation { return name }
                if case .parameter(let info) = value.operation { return info.path }
                return nil
            })
    }
}

/// See `recc.h`.
@_cdecl("recc_gradient_open") public func gradientOpen(
    _ model: OpaquePointer?, _ names: TextList?, _ targets: TextList?, _ truncation: Int64, _ gradient: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    making(gradient, error) {
        try GradientHandle(
            ModelHandle.given(model, "model"), of: texts(names, "name of what is differentiated"),
            withRespectTo: texts(targets, "name of what is differentiated by"), truncation: truncation == 0 ? nil : Int(truncation))
    }
}

/// See `recc.h`.
@_cdecl("recc_gradient_run") public func gradientRun(
    _ gradient: OpaquePointer?, _ data: UnsafePointer<recc_tensor>?, _ count: Int64, _ threads: Int32,
    _ results: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    making(results, error) {
        let gradient = try GradientHandle.given(gradient, "gradient")
        let (data, cotangents) = try gradient.handle.data(data, count, cotangents: true)
        return try gradient.run(data, cotangents, threads: gradient.handle.threads(threads))
    }
}

/// See `recc.h`.
@_cdecl("recc_gradient_free") public func gradientFree(_ gradient: OpaquePointer?) { Handle.free(gradient) }
