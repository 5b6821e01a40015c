import RecScheduling

/// What is known of a plan's kernels before they are generated.
public struct KernelFacts: Sendable {
    public let plan: Plan
    public let precision: Precision
    public let packing: WeightPacking
    /// By segment and stage; meaningless where a stage is no lane loop.
    public let grains: [[LaneGrain]]

    public init(_ plan: Plan, precision: Precision, weights: WeightFormat = .full, machine: HostMachine = .current) {
        self.plan = plan
        self.precision = precision
        packing = WeightPacking(machine: machine, precision: precision, format: weights)
        grains = plan.segments.map { segment in
            segment.stages.map { LaneGrain($0, machine: machine, precision: precision) }
        }
    }
}
