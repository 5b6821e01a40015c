import CLLVM
import RecSchedule

/// The places of a tile along the sides of a product, and what is summed for it where only triangles count.
struct TileSides {
    let row: (first: IRValue, count: Int)
    let column: (first: IRValue, count: Int)
    /// Turns of the first loop of the sums.
    let count: Int

    /// Turns that are taken at once: as many of 4, 2 or 1 as divide their number.
    static func grain(of count: Int) -> Int { count % 4 == 0 ? 4 : count % 2 == 0 ? 2 : 1 }

    /// The turns of the first loop of the sums that any place of the tile has a part in, rounded outwards to whole grains; none where the
    /// tile is not needed.
    func sums(within triangles: [Schedule.Matmul.Triangle], _ b: IRBuilder) -> (from: IRValue, to: IRValue) {
        let grain = Self.grain(of: count)
        var (from, to) = (b.int(0), b.int(count))
        /// The first place of a side in the tile, and the one behind its last.
        func ends(_ side: Schedule.Matmul.Side) -> (first: IRValue, end: IRValue)? {
            switch side {
            case .row: (row.first, b.add(row.first, b.int(row.count)))
            case .column: (column.first, b.add(column.first, b.int(column.count)))
            case .sum: nil
            }
        }
        for triangle in triangles {
            switch (ends(triangle.larger), ends(triangle.smaller)) {
            case (let larger?, let smaller?):
                // The last place of one against the first of the other.
                let distance = b.subtract(b.subtract(larger.end, b.int(1)), smaller.first)
                let isNeeded = b.compare(LLVMIntSGE, distance, b.int(triangle.distance))
                to = b.select(isNeeded, to, b.int(0))
            case (let larger?, nil):
                to = b.minimum(to, b.maximum(b.int(0), b.subtract(larger.end, b.int(triangle.distance))))
            case (nil, let smaller?):
                from = b.maximum(from, b.add(smaller.first, b.int(triangle.distance)))
            case (nil, nil): break
            }
        }
        let end = b.multiply(b.quotient(b.add(to, b.int(grain - 1)), b.int(grain)), b.int(grain))
        let start = b.multiply(b.quotient(from, b.int(grain)), b.int(grain))
        return (b.minimum(start, end), end)
    }
}
