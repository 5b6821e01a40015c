import RecScheduling

/// What is known of a plan's kernels before they are generated.
public struct KernelFacts: Sendable {
    public let plan: Plan
    public let precision: Precision
    public let packing: WeightPacking
    /// By segment and stage; meaningless where a stage is no lane loop.
    public let grains: [[LaneGrain]]

    /// For this machine.
    ///
    /// - Throws: where LLVM cannot generate code for it.
    public init(_ plan: Plan, precision: Precision, weights: WeightFormat = .full) throws {
        self.init(plan, precision: precision, weights: weights, target: try HostTarget())
    }

    init(_ plan: Plan, precision: Precision, weights: WeightFormat, target: HostTarget) {
        self.plan = plan
        self.precision = precision
        packing = WeightPacking(target: target, precision: precision, format: weights)
        grains = plan.segments.map { segment in
            segment.stages.map { LaneGrain($0, target: target, precision: precision) }
        }
    }
}
