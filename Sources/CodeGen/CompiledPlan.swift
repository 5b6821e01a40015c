import RecScheduling
import RecSource

/// The machine code of a plan.
///
/// Sendable because nothing of it changes.
package final class CompiledPlan: @unchecked Sendable {
    /// The work of one stage: frame, sequences `b0 ..< b1`, steps `i0 ..< i1`, elements `l0 ..< l1`.
    package typealias StageFunction = @convention(c) (UnsafeMutableRawPointer, Int, Int, Int, Int, Int, Int) -> Void

    package let facts: KernelFacts
    package var plan: Plan { facts.plan }
    package var precision: Precision { facts.precision }
    package var packing: WeightPacking { facts.packing }
    /// By segment and stage.
    package let stages: [[StageFunction]]
    /// By segment and stage, what computes the maps of time blocks; nil where a stage is no scan.
    package let summaries: [[StageFunction?]]
    /// By segment and stage; meaningless where a stage is no lane loop.
    package var grains: [[LaneGrain]] { facts.grains }
    private let code: LoadedCode

    /// - Parameters:
    ///   - weights: how the weights of products are stored; bf16 goes with f32 only.
    ///   - context: where code is kept, if anywhere, and who asks where time goes.
    package init(
        _ plan: Plan, precision: Precision, weights: WeightFormat = .full, context: CompileContext = CompileContext()
    ) throws {
        try weights.check(precision)
        let linked = try context.code({ KernelKey(plan, precision: precision, weights: weights, effort: context.effort) }) { target in
            try PlanModule(plan, precision: precision, weights: weights, target: target).module
        } link: { try Linked($0, plan) }
        facts = KernelFacts(plan, precision: precision, weights: weights)
        code = linked.code
        stages = linked.stages
        summaries = linked.summaries
    }

    /// Code in memory, with the addresses of its functions.
    private struct Linked {
        var code: LoadedCode
        var stages: [[StageFunction]]
        var summaries: [[StageFunction?]]

        init(_ object: [UInt8], _ plan: Plan) throws {
            let code = try LoadedCode(object)
            func function(_ name: String) throws -> StageFunction { unsafeBitCast(try code.function(name), to: StageFunction.self) }
            let names = plan.segments.enumerated().map { s, segment in segment.stages.indices.map { PlanModule.stageName(s, $0) } }
            stages = try names.map { try $0.map(function) }
            summaries = try zip(plan.segments, names).map { segment, names in
                try zip(segment.stages, names).map { stage, name in
                    stage.scan == nil ? nil : try function(PlanModule.summaryName(of: name))
                }
            }
            self.code = code
        }
    }

    /// What `--emit` shows of the generated code.
    package enum Listing: Sendable { case llvm, assembly, object }

    /// The code of a plan as LLVM IR, assembly text or an object file.
    package static func listing(
        _ form: Listing, of plan: Plan, precision: Precision, weights: WeightFormat = .full
    ) throws -> [UInt8] {
        try weights.check(precision)
        let target = try HostTarget()
        let code = try PlanModule(plan, precision: precision, weights: weights, target: target)
        try code.module.optimize(for: target)
        switch form {
        case .llvm: return Array(code.module.text.utf8)
        case .assembly: return try code.module.emitted(.assembly, for: target)
        case .object: return try code.module.emitted(.object, for: target)
        }
    }
}
