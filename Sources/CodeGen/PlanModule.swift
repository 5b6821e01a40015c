import CLLVM
import RecScheduling

/// The LLVM module of a plan: a function for each stage.
struct PlanModule {
    let module: LLVMModule

    static func stageName(_ segment: Int, _ stage: Int) -> String { "stage.\(segment).\(stage)" }
    static func summaryName(of stage: String) -> String { "\(stage).summary" }

    /// - Parameter library: what is wanted of it where it becomes part of a library; all of it where it runs here.
    init(_ plan: Plan, precision: Precision, weights: WeightFormat, target: HostTarget, library: LibraryFunctions? = nil) throws {
        module = try LLVMModule(name: plan.graph.name, target: target)
        let tiles = TileKernels(module: module, precision: precision, target: target)
        let products = ProductKernels(module: module, precision: precision, target: target, tiles: tiles, weights: weights)
        let totals = TotalKernels(module: module, precision: precision, target: target, tiles: tiles)
        var product = 0
        for (s, segment) in plan.segments.enumerated() {
            for (k, stage) in segment.stages.enumerated() {
                defer { product += stage.items.count { if case .product = $0 { true } else { false } } }
                if let library, !library.segments.contains(s) { continue }
                let name = library?.stageName(s, k) ?? Self.stageName(s, k)
                let emitter = StageEmitter(
                    stage, of: segment, named: name, in: module, plan: plan, precision: precision, target: target,
                    products: products, totals: totals, firstProduct: product)
                if library != nil {
                    LLVMSetVisibility(emitter.builder.function, LLVMHiddenVisibility)
                } else if let scan = stage.scan {
                    _ = StageEmitter(
                        scan.summary, of: segment, named: Self.summaryName(of: name), in: module, plan: plan,
                        precision: precision, target: target, products: products, totals: totals, firstProduct: product)
                }
            }
        }
        try module.verify()
    }
}
