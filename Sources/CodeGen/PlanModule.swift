import RecScheduling

/// The LLVM module of a plan: a function for each stage.
struct PlanModule {
    let module: LLVMModule

    static func stageName(_ segment: Int, _ stage: Int) -> String { "stage.\(segment).\(stage)" }
    static func summaryName(of stage: String) -> String { "\(stage).summary" }

    init(_ plan: Plan, precision: Precision, weights: WeightFormat, target: HostTarget) throws {
        module = try LLVMModule(name: plan.graph.name, target: target)
        let tiles = TileKernels(module: module, precision: precision, target: target)
        let products = ProductKernels(module: module, precision: precision, target: target, tiles: tiles, weights: weights)
        let totals = TotalKernels(module: module, precision: precision, target: target, tiles: tiles)
        var product = 0
        for (s, segment) in plan.segments.enumerated() {
            for (k, stage) in segment.stages.enumerated() {
                let name = Self.stageName(s, k)
                _ = StageEmitter(
                    stage, of: segment, named: name, in: module, plan: plan, precision: precision, target: target,
                    products: products, totals: totals, firstProduct: product)
                if let scan = stage.scan {
                    _ = StageEmitter(
                        scan.summary, of: segment, named: Self.summaryName(of: name), in: module, plan: plan,
                        precision: precision, target: target, products: products, totals: totals, firstProduct: product)
                }
                product += stage.items.count { if case .product = $0 { true } else { false } }
            }
        }
        try module.verify()
    }
}
