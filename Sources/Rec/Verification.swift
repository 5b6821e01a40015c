import RecRuntime
import RecSource
import RecTensors

/// Results of a model held against expected ones, under every engine.
public struct Verification: Sendable {
    public struct Row: Sendable {
        public var engine: Engine
        /// The form of the recurrences that have it: sequential or scan.
        public var form: PlanForm
        /// `output y`, `loss nll`, `final h`
        public var what: String
        /// `‖got − expected‖ / ‖expected‖`
        public var error: Double
        public var tolerance: Double
        public var isWithin: Bool { error <= tolerance }
    }

    public var rows: [Row] = []
    /// Expected tensors that the model does not give.
    public var unknown: [String] = []

    public var isWithin: Bool { unknown.isEmpty && rows.allSatisfy(\.isWithin) }

    /// The relative error allowed in results of an engine.
    public static func tolerance(of engine: Engine) -> Double {
        switch engine {
        case .interpreter, .compiled(.f64): 1e-11
        case .compiled(.f32): 1e-5
        }
    }

    /// - Parameters:
    ///   - tolerance: instead of each engine's own.
    ///   - threads: compiled engines run with one thread and with so many.
    public init(_ model: Model, _ file: CaseFile, engines: [Engine], tolerance: Double? = nil, threads: Int = 1) throws {
        let forms = PlanForms(model)
        for (engine, form) in Self.runs(engines, forms) {
            let results = try model.run(file.data, on: engine, threads: threads, forcing: forms.all(as: form))
            let groups = [
                ("output", file.outputs, results.outputs), ("loss", file.losses, results.losses),
                ("final", file.finalStates, results.finalStates),
            ]
            for (kind, expected, got) in groups {
                for item in expected {
                    guard let result = got.first(where: { $0.name == item.name }) else {
                        let name = "\(kind) \(item.name)"
                        if !unknown.contains(name) { unknown.append(name) }
                        continue
                    }
                    rows.append(
                        Row(
                            engine: engine, form: form, what: "\(kind) \(item.name)",
                            error: relativeError(result.tensor, item.tensor),
                            tolerance: tolerance ?? Self.tolerance(of: engine)))
                }
            }
        }
    }

    /// Compiled code is held against the file in every form that recurrences can have.
    private static func runs(_ engines: [Engine], _ forms: PlanForms) -> [(Engine, PlanForm)] {
        engines.flatMap { engine -> [(Engine, PlanForm)] in
            switch engine {
            case .interpreter: [(engine, .sequential)]
            case .compiled: forms.all(as: .scan).isEmpty ? [(engine, .sequential)] : [(engine, .sequential), (engine, .scan)]
            }
        }
    }
}
