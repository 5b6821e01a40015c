/// What the cost model knows of a machine.
package struct MachineProfile: Codable, Equatable, Sendable {
    /// Seconds of a vector instruction among many.
    package var operation: Double
    /// Seconds until the result of a vector instruction can be used.
    package var latency: Double
    /// How many threads' worth of vector instructions the machine gives: less than its threads where two share a core.
    package var units: Double
    /// Bytes a second that memory gives.
    package var bandwidth: Double
    /// Seconds for all threads to wait for each other.
    package var barrier: Double
    /// f32 numbers in a vector.
    package var lanes: Int

    package init(operation: Double, latency: Double, units: Double, bandwidth: Double, barrier: Double, lanes: Int) {
        self.operation = operation
        self.latency = latency
        self.units = units
        self.bandwidth = bandwidth
        self.barrier = barrier
        self.lanes = lanes
    }

    /// A machine of some years ago, for estimates where none was measured.
    package static let typical = MachineProfile(operation: 2e-10, latency: 1.2e-9, units: 4, bandwidth: 2e10, barrier: 1e-6, lanes: 8)
}
