import RecScheduling

/// How the elements of a lane loop can be shared out: in multiples of the vectors that its code takes at a time.
package struct LaneGrain: Equatable, Sendable {
    /// Elements along the loop that runs in lanes.
    package var extent: Int
    /// Elements taken at a time.
    package var width: Int

    init(_ stage: Stage, machine: HostMachine, precision: Precision) {
        if case .totals = stage.form {
            self.extent = stage.totals.map(\.rows).max() ?? 1
            width = TileShape(machine: machine, precision: precision).rows
            return
        }
        guard case .lanes = stage.form, case .nest(let nest)? = stage.items.first, let extent = nest.domain.last else {
            self.extent = 1
            width = 1
            return
        }
        self.extent = extent
        width = NestEmitter.lanes(for: extent, native: machine.vectorBytes / precision.byteCount, vectors: NestEmitter.vectors(for: nest))
    }

    /// The share of `worker` of `workers`, in elements.
    package func share(_ worker: Int, of workers: Int) -> Range<Int> {
        let units = (extent + width - 1) / width
        let start = units * worker / workers * width
        let end = min(units * (worker + 1) / workers * width, extent)
        return start..<max(start, end)
    }
}
