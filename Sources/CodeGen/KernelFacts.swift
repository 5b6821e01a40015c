import RecScheduling

/// What is known of a plan's kernels before they are generated.
package struct KernelFacts: Sendable {
    package let plan: Plan
    package let precision: Precision
    package let packing: WeightPacking
    /// By segment and stage; meaningless where a stage is no lane loop.
    package let grains: [[LaneGrain]]
    /// By segment, where blocks lie beside each other.
    package let blocks: [BlockPlaces]

    package init(_ plan: Plan, precision: Precision, weights: WeightFormat = .full, machine: HostMachine = .current) {
        self.plan = plan
        self.precision = precision
        packing = WeightPacking(machine: machine, precision: precision, format: weights)
        blocks = plan.segments.map { segment in
            BlockPlaces(segment, in: plan) { $0.rowCount * $0.element.byteCount(precision) }
        }
        grains = plan.segments.map { segment in
            segment.stages.map { LaneGrain($0, machine: machine, precision: precision) }
        }
    }
}
