/// The shape of the tiles that matrix kernels keep in registers, and of the blocks that they keep in caches.
struct TileShape: Equatable {
    /// Reals of a vector.
    let lanes: Int
    /// Vectors across a full tile, and across a full panel.
    let vectors: Int
    /// Rows of a full tile.
    let rows: Int
    /// Summed elements of a packed block.
    let depth = 256
    /// Rows and panels of packed blocks: together they take a third of a second-level cache of a megabyte.
    let blockRows = 96
    let blockPanels = 4

    init(machine: HostMachine, precision: Precision) {
        lanes = machine.vectorBytes / precision.byteCount
        // Accumulators, one row of the panel and a spread element fill the registers: 6·4 + 4 + 1 of 32, 6·2 + 2 + 1 of 16.
        vectors = machine.vectorBytes == 64 ? 4 : 2
        rows = 6
    }

    /// Sums that must be under way for none to wait for another: four cycles until one can be added to again, and two additions a cycle.
    private static let chains = 8

    /// Panels that a tile of so many rows and vectors takes at once, a power of two: several where one alone has too few sums.
    func panelsTogether(rows: Int, vectors: Int) -> Int {
        var result = 1
        while 2 * result * rows * vectors <= Self.chains { result *= 2 }
        return result
    }

    /// Vectors that hold so many columns.
    func vectorCount(columns: Int) -> Int { (columns + lanes - 1) / lanes }

    /// The panels that so many columns are cut into: full ones, and then perhaps one of fewer vectors.
    func panels(columns: Int) -> [(firstVector: Int, vectors: Int, count: Int)] {
        let all = vectorCount(columns: columns)
        let full = all / vectors
        var result: [(firstVector: Int, vectors: Int, count: Int)] = []
        if full > 0 { result.append((0, vectors, full)) }
        if all % vectors > 0 { result.append((full * vectors, all % vectors, 1)) }
        return result
    }
}
