import RecCodeGen
import RecForms
import RecRuntime
import RecScheduling
import RecSource
import RecStream
import RecTensors

/// One recurrence of a model whose steps of different times run at once, until each satisfies its equation.
protocol SolvedRecurrence: Sendable {
    /// The state that it was asked for by.
    var state: String { get }
    /// As it was asked for.
    var form: PlanForm { get }
    var split: RecurrenceSplit { get }
    /// What runs again and again, as a graph.
    var repeated: StreamGraph { get }
    /// Before it has run.
    var report: SolveReport { get }

    /// Seconds that a run should take that goes well.
    func estimatedSeconds(_ work: Workload, on machine: MachineProfile) throws(DiagnosticList) -> Double
    /// Floating-point operations of the products of such a run.
    func operationCount(for work: Workload) -> Double
    func run(_ run: SolvedRun, _ report: inout SolveReport) throws -> SolvedRun.Results
}

extension SolvedRecurrence {
    /// Whether the recurrence has this state.
    func has(_ state: String) -> Bool {
        split.cell.states.contains { StreamGraph.wholeName($0.name) == RecurrenceSplit.mark + state }
    }
}

/// What a run of such a recurrence has of others, and where it does its work.
struct SolvedRun {
    /// What other parts of the model have handed on.
    var tensors: [String: Tensor]
    var data: BoundData
    var precision: Precision
    var context: CompileContext
    var pool: ThreadPool
    var memory: ResultMemory

    struct Results {
        /// What is handed on.
        var tensors: [String: Tensor] = [:]
        var finalStates: [NamedTensor] = []
    }

    var steps: Int { data.extents.first ?? 0 }

    func model(_ part: StepsPart, batch: Int, steps: Int) throws -> CompiledModel {
        let work = Workload(batch: batch, extents: [steps], threads: pool.count, bytesPerReal: precision.byteCount)
        return try CompiledModel(part.code(for: work, precision, .full, context), parameters: data.parameters.merging(tensors) { $1 }, memory: memory)
    }

    /// What the steps read.
    struct Inputs {
        /// `[batch, steps, width]`, in the type of compiled code.
        var streams: [(name: String, value: Value, tensor: Tensor)] = []
        /// What is given once, `[batch, dims…]`.
        var once: [String: Tensor] = [:]
    }

    /// - Parameter isWanted: by name; what is not is no input of others.
    func inputs(of split: RecurrenceSplit, where isWanted: (String) -> Bool = { _ in true }) throws(DiagnosticList) -> Inputs {
        var result = Inputs()
        for value in split.cell.values {
            guard case .input(let name, let fallback) = value.operation, isWanted(name) else { continue }
            let own = String(name.dropFirst(RecurrenceSplit.mark.count))
            guard let given = tensors[own] ?? data.inputs[own] else {
                guard let fallback, !value.variance.isStream else { throw DiagnosticList(.missingTensor, "the input '\(own)' is missing") }
                let shape = [data.batch] + value.shape.sizes
                result.once[name] = Tensor([Double](repeating: fallback, count: shape.reduce(1, *)), shape: shape)
                continue
            }
            guard value.variance.isStream else {
                result.once[name] = given.reshaped([data.batch] + value.shape.sizes)
                continue
            }
            let width = value.shape.elementCount
            var tensor = resident(given, as: value.element, precision)
            // What is the same for all sequences is given to each.
            if tensor.count == steps * width, data.batch > 1 { tensor = tensor.reshaped([1, steps, width]).repeatingRows(data.batch) }
            tensor = tensor.reshaped([data.batch, steps, width])
            if split.isReversed { tensor = tensor.reversingSteps(lengths: data.lengths) }
            result.streams.append((name, value, tensor))
        }
        return result
    }

    /// Streams that steps have given from the first to the last, as the recurrence runs.
    func turned(_ streams: [String: Tensor], _ split: RecurrenceSplit) -> [String: Tensor] {
        split.isReversed ? streams.mapValues { $0.reversingSteps(lengths: data.lengths) } : streams
    }

    /// The name of a state of the steps in the whole model.
    static func stateName(_ name: String) -> String { String(name.dropFirst(RecurrenceSplit.mark.count)) }
}
