import Foundation
import RecRuntime
import RecSource
import RecTensors

/// Results of a model held against expected ones, under every engine, step by step, with every scan that is legal, with every
/// recurrence chunk by chunk that can run so, and those that cannot be composed in windows of time and by Newton's method.
package struct Verification: Sendable {
    /// One result under one engine and plan.
    package struct Row: Sendable {
        package var engine: Engine
        package var weights = WeightFormat.full
        /// In which form every recurrence ran that has it; the others went step by step.
        package var form = PlanForm.sequential
        /// Whether chunks were left for single steps, as what they gave was not finite.
        package var leftChunks = false
        /// `output y`, `loss nll`, `final h`, `grad W`
        package var what: String
        /// As in `Deviation`.
        package var error: Double
        package var tolerance: Double
        /// Where the result is farthest off, or why it could not be compared.
        package var note: String?
        /// Whether there was a number to compare, and the engine can represent what is expected.
        package var isCompared = true
        package var isWithin: Bool { !isCompared || error <= tolerance }
        private var manner: String {
            switch form {
            case .sequential: ""
            case .scan: ", scans"
            case .chunkwise: leftChunks ? ", chunks left for steps" : ", chunks"
            case .shooting: ", windows of time"
            case .newton: ", Newton's method"
            }
        }

        /// `compiled f32`, `compiled f32, scans`, `compiled f32, chunks`
        package var how: String {
            engine.name + (weights == .full ? "" : ", \(weights.rawValue) weights") + manner
        }
    }

    package private(set) var rows: [Row] = []
    /// Expected tensors that the model does not give.
    package private(set) var unknown: [String] = []
    /// Results of the model that nothing is expected of: outputs and losses, and of last values and gradients those that are
    /// missing among others.
    package private(set) var missing: [String] = []

    private var compared: [Row] { rows.filter(\.isCompared) }

    /// Whether something was compared, and everything that was lies within its tolerance.
    package var isWithin: Bool { unknown.isEmpty && !compared.isEmpty && rows.allSatisfy(\.isWithin) }

    /// The relative error allowed in results of an engine, held against numbers of a type: the larger of what the engine and
    /// the type of the reference allow.
    package static func tolerance(of engine: Engine, against reference: TensorType = .f64) -> Double {
        max(engine.isDouble ? 1e-11 : 1e-5, rounding(of: reference).values)
    }

    /// The relative error allowed where weights are stored so: each is off by 2^-9 at most, and a recurrence adds to it.
    static func tolerance(of weights: WeightFormat) -> Double {
        switch weights {
        case .full: 0
        case .bf16: 3e-2
        }
    }

    /// The relative error allowed in gradients of an engine, held against numbers of a type.
    package static func gradientTolerance(of engine: Engine, against reference: TensorType = .f64) -> Double {
        max(engine.isDouble ? 1e-9 : 1e-4, rounding(of: reference).gradients)
    }

    /// What is allowed for numbers that another program computed, or only wrote, in this type.
    private static func rounding(of reference: TensorType) -> (values: Double, gradients: Double) {
        switch reference {
        case .f64, .i64, .i32, .u8, .bool: (0, 0)
        case .f32: (1e-5, 1e-4)
        case .f16: (2e-3, 2e-3)
        case .bf16: (1e-2, 1e-2)
        }
    }

    /// - Parameters:
    ///   - tolerance: instead of each engine's own.
    ///   - threads: compiled engines run with one thread and with so many.
    ///   - names: of the forms in which compiled engines run, where there are such; nil for all.
    package init(
        _ model: Model, _ file: CaseFile, engines: [Engine], tolerance: Double? = nil, threads: Int = 1, forms names: Set<String>? = nil,
        context: CompileContext = CompileContext()
    ) throws {
        var file = file
        file.gradients = file.gradients.map { NamedTensor(name: model.graph.gradientName($0.name), tensor: $0.tensor) }
        let gradients = model.weights == .full ? try Self.gradients(model, file) : nil
        let forms = (model: PlanForms(model), gradients: gradients.map { PlanForms($0) })
        // Short chunks, and few windows: files of expected results are seldom long. What the source does not let run so is left as it is.
        let isWhole = model.weights == .full && engines.contains(where: \.isCompiled)
        let chunks = isWhole ? ChunkwiseForms(of: model.graph).all(by: 16, without: model.graph.statesRequired(otherThan: .chunkwise(nil))) : [:]
        let windows = isWhole ? SolvedForms.all(of: forms.model, as: .shooting(4)) : [:], newton = isWhole ? SolvedForms.all(of: forms.model, as: .newton) : [:]
        func all(_ form: PlanForm) -> (model: [String: PlanForm], gradients: [String: PlanForm]) {
            switch form {
            case .chunkwise: return (chunks, chunks)
            case .shooting: return (windows, windows)
            case .newton: return (newton, newton)
            case .sequential, .scan: break
            }
            // What is no scan runs step by step: nothing else is chosen for it.
            func with(_ forms: PlanForms) -> [String: PlanForm] { forms.all(as: .sequential).merging(forms.all(as: form)) { $1 } }
            return (with(forms.model), forms.gradients.map(with) ?? [:])
        }
        var known = [PlanForm.sequential]
        if !forms.model.all(as: .scan).isEmpty || forms.gradients?.all(as: .scan).isEmpty == false { known.append(.scan) }
        if !chunks.isEmpty { known.append(.chunkwise(16)) }
        if !windows.isEmpty { known.append(.shooting(4)) }
        if !newton.isEmpty { known.append(.newton) }
        if let names { known.removeAll { !names.contains($0.name) } }
        for (engine, form) in engines.flatMap({ engine in (engine.isCompiled ? known : [.sequential]).map { (engine, $0) } }) {
            let scans = all(form)
            let results = try model.run(file.data, on: engine, threads: threads, forcing: scans.model, context: context)
            var groups = [
                ("output", file.outputs, results.outputs), ("loss", file.losses, results.losses),
                ("final", file.finalStates, results.finalStates),
            ]
            var leftChunks = results.leftChunks
            if let gradients {
                let got = try gradients.run(
                    file.data, cotangents: file.cotangents, on: engine, threads: threads, forcing: scans.gradients, context: context)
                groups.append(("grad", file.gradients, got.gradients))
                leftChunks = leftChunks || got.results.leftChunks
            }
            if model.weights != .full, form == .sequential {
                // Beside what was expected, what full weights give: the difference is that of the weights alone.
                let full = try model.storingWeights(as: .full).run(file.data, on: engine, threads: threads, forcing: scans.model, context: context)
                groups.append(("against full weights: output", full.outputs, results.outputs))
            }
            for (kind, expected, got) in groups {
                for item in expected {
                    let what = "\(kind) \(item.name)"
                    guard let result = got.first(where: { $0.name == item.name }) else {
                        if !unknown.contains(what) { unknown.append(what) }
                        continue
                    }
                    let reference = item.tensor.type
                    let allowed = kind == "grad"
                        ? Self.gradientTolerance(of: engine, against: reference) : Self.tolerance(of: engine, against: reference)
                    var row = Row(
                        engine: engine, weights: model.weights, form: form, what: what,
                        tolerance: tolerance ?? max(allowed, Self.tolerance(of: model.weights)), result.tensor, item.tensor)
                    row.leftChunks = leftChunks
                    rows.append(row)
                }
                let isOptional = kind == "final" || kind == "grad"
                for result in got where !(isOptional && expected.isEmpty) && !expected.contains(where: { $0.name == result.name }) {
                    let what = "\(kind) \(result.name)"
                    if !missing.contains(what) { missing.append(what) }
                }
            }
        }
        missing += Self.gradientsLeftOut(model, file)
    }

    /// Gradients by parameters that the file does not have among others.
    private static func gradientsLeftOut(_ model: Model, _ file: CaseFile) -> [String] {
        guard !file.gradients.isEmpty, model.weights == .full else { return [] }
        let given = Set(file.gradients.map { "grad.\($0.name)" })
        return GradientRequest(of: model.graph).targets.map(\.gradientName).filter { !given.contains($0) }
            .map { $0.replacing("grad.", with: "grad ", maxReplacements: 1) }
    }

    /// What came out, in a line: `verified: 12 tensors on 6 engines and plans, worst 3.1e-06 (output h, compiled f32, scans)`.
    package var verdict: String {
        let some = compared
        func count(_ number: Int, _ one: String, _ many: String) -> String { "\(number) \(number == 1 ? one : many)" }
        let tensors = Set(some.map(\.what)).count
        let places = count(Set(some.map(\.how)).count, "engine", "engines and plans")
        guard let worst = some.max(by: { !($0.error >= $1.error) }) else {
            let reason = !unknown.isEmpty
                ? "the model does not give \(unknown.joined(separator: ", "))"
                : rows.first?.note ?? "the file has no output.NAME, loss.NAME, final.STATE or grad.NAME"
            return "failed: nothing was compared, as \(reason)"
        }
        // Of those that fail the one that is furthest beyond what it is allowed.
        let failing = some.filter { !$0.isWithin }
        let shown = failing.max { !($0.error / $0.tolerance >= $1.error / $1.tolerance) } ?? worst
        let most = "\(Self.short(shown.error)) (\(shown.what), \(shown.how))"
        let wrong = Set(failing.map(\.what)).count
        guard wrong == 0 else {
            return "failed: \(wrong) of \(count(tensors, "tensor", "tensors")) on \(places), worst \(most)"
        }
        guard unknown.isEmpty else {
            return "failed: the model does not give \(unknown.joined(separator: ", ")); the other \(count(tensors, "tensor", "tensors")) agree"
        }
        let rest = rows.filter { !$0.isCompared }
        let left = rest.isEmpty ? "" : "; not compared: " + rest.map { "\($0.what) (\($0.how))" }.joined(separator: ", ")
        return "verified: \(count(tensors, "tensor", "tensors")) on \(places), worst \(most)\(left)"
    }

    /// `3.1e-06`
    package static func short(_ number: Double) -> String { String(format: "%.1e", number) }

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

extension Verification.Row {
    /// A result beside what is expected.
    fileprivate init(
        engine: Engine, weights: WeightFormat, form: PlanForm, what: String, tolerance: Double, _ got: Tensor, _ expected: Tensor
    ) {
        let deviation = Deviation(of: got, from: expected)
        self.init(
            engine: engine, weights: weights, form: form, what: what, error: deviation.error, tolerance: tolerance,
            isCompared: expected.count > 0)
        guard got.hasShape(of: expected) else {
            error = .infinity
            isCompared = true
            note = "it has the shape \(got.shape), and \(expected.shape) is expected"
            return
        }
        guard expected.count > 0 else {
            note = "it is empty"
            return
        }
        guard error > tolerance || error.isNaN else { return }
        if engine == .compiled(.f32), expected.isBeyondSingle {
            isCompared = false
            note = "what is expected is beyond the range of f32"
        } else if let worst = deviation.worst {
            note = "farthest at \(expected.place(of: worst.index)): \(worst.got) for \(worst.expected)"
        }
    }
}

extension Tensor {
    /// Whether the shapes are the same; a batch of one needs no axis, and neither does a single number.
    fileprivate func hasShape(of other: Tensor) -> Bool {
        shape == other.shape || shape == [1] + other.shape || count == 1 && other.count == 1
    }

    /// Whether a finite number is larger than f32 can be, or all are smaller than it can be precisely.
    fileprivate var isBeyondSingle: Bool {
        var largest = 0.0
        forEach { _, number in if number.isFinite { largest = max(largest, abs(number)) } }
        return largest > Double(Float.greatestFiniteMagnitude) || largest > 0 && largest < Double(Float.leastNormalMagnitude)
    }

    /// `[0, 3, 2]`, of the element with this number in row-major order.
    fileprivate func place(of index: Int) -> String {
        var rest = index
        var place: [Int] = []
        for size in shape.reversed() {
            place.insert(rest % max(1, size), at: 0)
            rest /= max(1, size)
        }
        return "\(place)"
    }
}

extension Engine {
    fileprivate var isDouble: Bool {
        switch self {
        case .interpreter, .compiled(.f64): true
        case .compiled(.f32): false
        }
    }
}
