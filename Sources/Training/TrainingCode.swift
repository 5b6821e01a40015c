import Rec
import RecCodeGen

/// The machine code of a graph that a trainer runs again and again: chunk by chunk where recurrences are to run so, and step by step.
///
/// Code for steps is compiled when it is first needed, which beside chunks is seldom.
struct TrainingCode: Sendable {
    /// Nil where nothing runs chunk by chunk.
    let chunks: PartitionedModel?
    private let compiled: Deferred<Result<CompiledPlan, any Error>>

    init(chunks: PartitionedModel?, steps: @escaping @Sendable () throws -> CompiledPlan) {
        self.chunks = chunks
        compiled = Deferred { Result { try onDeepStack(steps) } }
    }

    /// - Throws: what goes wrong in code generation.
    func steps() throws -> CompiledPlan { try compiled.value.get() }
}
