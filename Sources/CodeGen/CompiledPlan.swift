import RecScheduling
import RecSource

/// The machine code of a plan.
///
/// Sendable because nothing of it changes.
package final class CompiledPlan: @unchecked Sendable {
    /// The code of a stage, and a table of where its descriptors are in the frame.
    package struct StageFunction: @unchecked Sendable {
        /// Frame, table, sequences `b0 ..< b1`, steps `i0 ..< i1`, elements `l0 ..< l1`.
        package typealias Code = @convention(c) (UnsafeMutableRawPointer, UnsafePointer<Int>, Int, Int, Int, Int, Int, Int) -> Void
        package let code: Code
        package let table: UnsafePointer<Int>
    }

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
    private let tables: UnsafeMutablePointer<Int>

    /// - Parameters:
    ///   - weights: how the weights of products are stored; bf16 goes with f32 only.
    ///   - context: where code is kept, if anywhere, and who asks where time goes.
    package init(
        _ plan: Plan, precision: Precision, weights: WeightFormat = .full, context: CompileContext = CompileContext()
    ) throws {
        try weights.check(precision)
        let functions = PlanFunctions(plan, sharing: context.sharesStages)
        code = try context.code({ KernelKey(functions, precision: precision, weights: weights, effort: context.effort) }) { target in
            try PlanModule(functions, named: plan.graph.name, precision: precision, weights: weights, target: target).module
        } link: { bytes in
            let code = try LoadedCode(bytes)
            for function in functions.functions { _ = try code.function(function.name) }
            return code
        }
        facts = KernelFacts(plan, precision: precision, weights: weights)
        let words = functions.calls.flatMap(\.table)
        tables = .allocate(capacity: max(words.count, 1))
        tables.initialize(repeating: 0, count: max(words.count, 1))
        for (k, word) in words.enumerated() { tables[k] = word }
        var byName: [String: StageFunction] = [:]
        var start = 0
        for call in functions.calls {
            let address = try code.function(functions.functions[call.function].name)
            byName[call.name] = StageFunction(code: unsafeBitCast(address, to: StageFunction.Code.self), table: UnsafePointer(tables + start))
            start += call.table.count
        }
        func function(_ name: String) throws(LoadingError) -> StageFunction {
            guard let function = byName[name] else { throw LoadingError("it has no function '\(name)'") }
            return function
        }
        let names = plan.segments.enumerated().map { s, segment in segment.stages.indices.map { PlanFunctions.stageName(s, $0) } }
        stages = try names.map { try $0.map(function) }
        summaries = try zip(plan.segments, names).map { segment, names in
            try zip(segment.stages, names).map { stage, name in
                stage.scan == nil ? nil : try function(PlanFunctions.summaryName(of: name))
            }
        }
    }

    deinit { tables.deallocate() }

    /// What `--emit` shows of the generated code.
    package enum Listing: Sendable { case llvm, assembly, object }

    /// The code of a plan as LLVM IR, assembly text or an object file.
    package static func listing(
        _ form: Listing, of plan: Plan, precision: Precision, weights: WeightFormat = .full
    ) throws -> [UInt8] {
        try weights.check(precision)
        let target = try HostTarget()
        let code = try PlanModule(PlanFunctions(plan), named: plan.graph.name, precision: precision, weights: weights, target: target)
        try code.module.optimize(for: target)
        switch form {
        case .llvm: return Array(code.module.text.utf8)
        case .assembly: return try code.module.emitted(.assembly, for: target)
        case .object: return try code.module.emitted(.object, for: target)
        }
    }
}
