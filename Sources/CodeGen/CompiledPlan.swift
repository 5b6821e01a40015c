import CLLVM
import RecScheduling

/// The machine code of a plan.
public final class CompiledPlan {
    /// The work of one stage: frame, sequences `b0 ..< b1`, steps `i0 ..< i1`, elements `l0 ..< l1`.
    public typealias StageFunction = @convention(c) (UnsafeMutableRawPointer, Int, Int, Int, Int, Int, Int) -> Void

    public let plan: Plan
    public let precision: Precision
    public let packing: WeightPacking
    /// By segment and stage.
    public let stages: [[StageFunction]]
    /// By segment and stage, what computes the maps of time blocks; nil where a stage is no scan.
    public let summaries: [[StageFunction?]]
    /// By segment and stage; meaningless where a stage is no lane loop.
    public let grains: [[LaneGrain]]
    private let session: JITSession

    public init(_ plan: Plan, precision: Precision) throws {
        let target = try HostTarget()
        let code = try PlanModule(plan, precision: precision, target: target)
        try code.module.optimize(for: target)
        self.plan = plan
        self.precision = precision
        packing = code.packing
        grains = plan.segments.map { segment in
            segment.stages.map { LaneGrain($0, target: target, precision: precision) }
        }
        session = try JITSession()
        try session.add(code.module)
        let session = session
        func function(_ name: String) throws -> StageFunction {
            let address = try session.address(of: name)
            guard let pointer = UnsafeRawPointer(bitPattern: UInt(address)) else { throw LLVMError("no code for \(name)") }
            return unsafeBitCast(pointer, to: StageFunction.self)
        }
        stages = try code.names.map { try $0.map(function) }
        summaries = try zip(plan.segments, code.names).map { segment, names in
            try zip(segment.stages, names).map { stage, name in
                stage.scan == nil ? nil : try function(PlanModule.summaryName(of: name))
            }
        }
    }

    /// What `--emit` shows of the generated code.
    public enum Listing: Sendable { case llvm, assembly, object }

    /// The code of a plan as LLVM IR, assembly text or an object file.
    public static func listing(_ form: Listing, of plan: Plan, precision: Precision) throws -> [UInt8] {
        let target = try HostTarget()
        let code = try PlanModule(plan, precision: precision, target: target)
        try code.module.optimize(for: target)
        switch form {
        case .llvm: return Array(code.module.text.utf8)
        case .assembly: return try code.module.emitted(.assembly, for: target)
        case .object: return try code.module.emitted(.object, for: target)
        }
    }
}

/// The LLVM module of a plan: a function for each stage.
struct PlanModule {
    let module: LLVMModule
    let names: [[String]]
    let packing: WeightPacking

    static func summaryName(of stage: String) -> String { "\(stage).summary" }

    init(_ plan: Plan, precision: Precision, target: HostTarget) throws {
        module = try LLVMModule(name: plan.graph.name, target: target)
        let products = ProductKernels(module: module, precision: precision, target: target)
        let totals = TotalKernels(module: module, precision: precision, target: target)
        packing = products.packing
        var names: [[String]] = []
        var product = 0
        for (s, segment) in plan.segments.enumerated() {
            var stageNames: [String] = []
            for (k, stage) in segment.stages.enumerated() {
                let name = "stage.\(s).\(k)"
                _ = StageEmitter(
                    stage, of: segment, named: name, in: module, plan: plan, precision: precision, target: target,
                    products: products, totals: totals, firstProduct: product)
                if let scan = stage.scan {
                    _ = StageEmitter(
                        scan.summary, of: segment, named: Self.summaryName(of: name), in: module, plan: plan,
                        precision: precision, target: target, products: products, totals: totals, firstProduct: product)
                }
                product += stage.items.count { if case .product = $0 { true } else { false } }
                stageNames.append(name)
            }
            names.append(stageNames)
        }
        self.names = names
        try module.verify()
    }
}
