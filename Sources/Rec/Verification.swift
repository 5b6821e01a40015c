import RecRuntime
import RecSource
import RecTensors

/// Results of a model held against expected ones, under every engine, step by step and with every scan that is legal.
package struct Verification: Sendable {
    package struct Row: Sendable {
        package var engine: Engine
        package var weights = WeightFormat.full
        /// Whether every recurrence that can be a scan ran as one; else one step followed another.
        package var usesScans = false
        /// `output y`, `loss nll`, `final h`, `grad W`
        package var what: String
        /// `‖got − expected‖ / ‖expected‖`
        package var error: Double
        package var tolerance: Double
        package var isWithin: Bool { error <= tolerance }
        /// `compiled f32`, `compiled f32, scans`
        package var how: String {
            engine.name + (weights == .full ? "" : ", \(weights.rawValue) weights") + (usesScans ? ", scans" : "")
        }
    }

    package var rows: [Row] = []
    /// Expected tensors that the model does not give.
    package var unknown: [String] = []

    package var isWithin: Bool { unknown.isEmpty && rows.allSatisfy(\.isWithin) }

    /// The relative error allowed in results of an engine.
    package static func tolerance(of engine: Engine) -> Double {
        switch engine {
        case .interpreter, .compiled(.f64): 1e-11
        case .compiled(.f32): 1e-5
        }
    }

    /// The relative error allowed where weights are stored so: each is off by 2^-9 at most, and a recurrence adds to it.
    static func tolerance(of weights: WeightFormat) -> Double {
        switch weights {
        case .full: 0
        case .bf16: 3e-2
        }
    }

    /// The relative error allowed in gradients of an engine.
    package static func gradientTolerance(of engine: Engine) -> Double {
        switch engine {
        case .interpreter, .compiled(.f64): 1e-9
        case .compiled(.f32): 1e-4
        }
    }

    /// - Parameters:
    ///   - tolerance: instead of each engine's own.
    ///   - threads: compiled engines run with one thread and with so many.
    package init(_ model: Model, _ file: CaseFile, engines: [Engine], tolerance: Double? = nil, threads: Int = 1) throws {
        let gradients = model.weights == .full ? try Self.gradients(model, file) : nil
        let forms = (model: PlanForms(model), gradients: gradients.map { PlanForms($0) })
        func all(_ form: PlanForm) -> (model: [String: PlanForm], gradients: [String: PlanForm]) {
            (forms.model.all(as: form), forms.gradients?.all(as: form) ?? [:])
        }
        let isScannable = !all(.scan).model.isEmpty || !all(.scan).gradients.isEmpty
        for (engine, usesScans) in engines.flatMap({ $0.isCompiled && isScannable ? [($0, false), ($0, true)] : [($0, false)] }) {
            let scans = all(usesScans ? .scan : .sequential)
            let results = try model.run(file.data, on: engine, threads: threads, forcing: scans.model)
            var groups = [
                ("output", file.outputs, results.outputs), ("loss", file.losses, results.losses),
                ("final", file.finalStates, results.finalStates),
            ]
            if let gradients {
                let got = try gradients.run(
                    file.data, cotangents: file.cotangents, on: engine, threads: threads, forcing: scans.gradients)
                groups.append(("grad", file.gradients, got.gradients))
            }
            if model.weights != .full, !usesScans {
                // Beside what was expected, what full weights give: the difference is that of the weights alone.
                let full = try model.storingWeights(as: .full).run(file.data, on: engine, threads: threads, forcing: scans.model)
                groups.append(("against full weights: output", full.outputs, results.outputs))
            }
            for (kind, expected, got) in groups {
                for item in expected {
                    guard let result = got.first(where: { $0.name == item.name }) else {
                        let name = "\(kind) \(item.name)"
                        if !unknown.contains(name) { unknown.append(name) }
                        continue
                    }
                    rows.append(
                        Row(
                            engine: engine, weights: model.weights, usesScans: usesScans, what: "\(kind) \(item.name)",
                            error: relativeError(result.tensor, item.tensor),
                            tolerance: tolerance
                                ?? max(
                                    kind == "grad" ? Self.gradientTolerance(of: engine) : Self.tolerance(of: engine),
                                    Self.tolerance(of: model.weights))))
                }
            }
        }
    }

    /// The gradients that a file expects; nil where it expects none.
    private static func gradients(_ model: Model, _ file: CaseFile) throws(DiagnosticList) -> GradientModel? {
        guard !file.gradients.isEmpty else { return nil }
        var request = GradientRequest(of: model.graph)
        if !file.cotangents.isEmpty { request.seeds = file.cotangents.keys.sorted().map(GradientRequest.Seed.init(cotangent:)) }
        request.targets += model.graph.states.map { .initialState($0.name) }
        let expected = Set(file.gradients.map { "grad.\($0.name)" })
        request.targets.removeAll { !expected.contains($0.gradientName) }
        return try GradientModel(model, request)
    }
}
