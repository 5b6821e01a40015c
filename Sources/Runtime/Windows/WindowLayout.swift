/// How the steps of sequences are cut into windows that run side by side.
///
/// A sequence is `windows` windows of `length` steps and a rest of fewer steps than there are windows. Some neighbouring windows,
/// `lanes`, lie side by side along the last axis of every stream; the others are sequences of their own, `groups` for each.
package struct WindowLayout: Equatable, Sendable {
    package let batch: Int
    package let steps: Int
    package let windows: Int
    package let lanes: Int

    package init(batch: Int, steps: Int, windows: Int, lanes: Int) {
        self.batch = batch
        self.steps = steps
        self.windows = windows
        self.lanes = lanes
    }

    package var length: Int { steps / windows }
    package var rest: Int { steps - windows * length }
    package var groups: Int { windows / lanes }
    /// How many sequences there are to the code that runs windows.
    package var rows: Int { batch * groups }

    /// Whether the windows of a stream lie as far from each other as its sequences do, so that nothing need be copied.
    package var isInPlace: Bool { lanes == 1 && (batch == 1 || rest == 0) }

    /// Where the windows of a stream lie that is in place.
    package func inPlace(_ rows: StreamRows) -> StreamRows {
        var result = rows
        result.batchStride = length * rows.stepStride
        return result
    }
}

extension WindowLayout {
    /// Lays the windows of a stream out side by side: from `[batch, steps, width]` to `[batch · groups, length, width, lanes]`.
    package func spread(_ stream: StreamRows, width: Int, byteCount: Int, into target: UnsafeMutableRawPointer, pool: ThreadPool) {
        exchange(stream, width, byteCount, target, pool, isGathering: false)
    }

    /// The reverse of `spread`; the rest of each sequence is left as it is.
    package func gather(_ windows: UnsafeMutableRawPointer, width: Int, byteCount: Int, into stream: StreamRows, pool: ThreadPool) {
        exchange(stream, width, byteCount, windows, pool, isGathering: true)
    }

    private func exchange(
        _ stream: StreamRows, _ width: Int, _ byteCount: Int, _ windows: UnsafeMutableRawPointer, _ pool: ThreadPool, isGathering: Bool
    ) {
        struct Places: @unchecked Sendable {
            var stream: StreamRows
            var windows: UnsafeMutableRawPointer
        }
        let places = Places(stream: stream, windows: windows)
        // A thread takes blocks of columns, each of some steps.
        let columns = length * width
        let columnsAtOnce = 4096
        let blocks = (columns + columnsAtOnce - 1) / columnsAtOnce
        let turns = rows * blocks
        let workers = Double(turns) * Double(columnsAtOnce * lanes) < pool.leastWork ? 1 : min(pool.count, turns)
        @Sendable func run(_ worker: Int) {
            var turn = worker
            while turn < turns {
                let (row, block) = (turn / blocks, turn % blocks)
                let (sequence, group) = (row / groups, row % groups)
                let first = block * columnsAtOnce
                let count = min(columnsAtOnce, columns - first)
                let start = places.stream.start
                    + (sequence * places.stream.batchStride + group * lanes * length * places.stream.stepStride + first) * byteCount
                let target = places.windows + (row * columns + first) * lanes * byteCount
                let matrix = LaneMatrix(lanes: lanes, columns: count, laneStride: length * places.stream.stepStride)
                switch byteCount {
                case 4: matrix.exchange(start, target, as: UInt32.self, isGathering: isGathering)
                case 8: matrix.exchange(start, target, as: UInt64.self, isGathering: isGathering)
                default: matrix.exchange(start, target, as: UInt8.self, isGathering: isGathering)
                }
                turn += workers
            }
        }
        if workers <= 1 { run(0) } else { pool.run { worker, _ in if worker < workers { run(worker) } } }
    }
}

/// A matrix whose rows are windows, and whose columns are the numbers of their steps.
private struct LaneMatrix {
    let lanes: Int
    let columns: Int
    let laneStride: Int

    /// Turns the matrix: rows of `laneStride` elements apart on one side, columns of `lanes` elements behind each other on the other.
    func exchange<Element: SIMDScalar & FixedWidthInteger>(
        _ rows: UnsafeMutableRawPointer, _ turned: UnsafeMutableRawPointer, as _: Element.Type, isGathering: Bool
    ) {
        let rows = rows.assumingMemoryBound(to: Element.self)
        let turned = turned.assumingMemoryBound(to: Element.self)
        guard lanes > 1 else {
            if isGathering { rows.update(from: turned, count: columns) } else { turned.update(from: rows, count: columns) }
            return
        }
        if let narrow = turned as? UnsafeMutablePointer<UInt32>, let wide = rows as? UnsafeMutablePointer<UInt32>, lanes % 8 == 0 {
            return exchangeSquares(wide, narrow, isGathering: isGathering)
        }
        // Squares that stay in the first cache on both sides.
        let side = 16
        var column = 0
        while column < columns {
            let columnEnd = min(column + side, columns)
            var lane = 0
            while lane < lanes {
                let laneEnd = min(lane + side, lanes)
                if isGathering {
                    for own in lane..<laneEnd {
                        let row = rows + own * laneStride
                        for k in column..<columnEnd { row[k] = turned[k * lanes + own] }
                    }
                } else {
                    for own in lane..<laneEnd {
                        let row = rows + own * laneStride
                        for k in column..<columnEnd { turned[k * lanes + own] = row[k] }
                    }
                }
                lane = laneEnd
            }
            column = columnEnd
        }
    }

    /// The same in squares of eight numbers of four bytes, which are turned in registers.
    private func exchangeSquares(_ rows: UnsafeMutablePointer<UInt32>, _ turned: UnsafeMutablePointer<UInt32>, isGathering: Bool) {
        let whole = columns - columns % 8
        for lane in stride(from: 0, to: lanes, by: 8) {
            let row = rows + lane * laneStride
            for column in stride(from: 0, to: whole, by: 8) {
                let (there, here) = (row + column, turned + column * lanes + lane)
                if isGathering {
                    Square(here, stride: lanes).turned().store(there, stride: laneStride)
                } else {
                    Square(there, stride: laneStride).turned().store(here, stride: lanes)
                }
            }
            for column in whole..<columns {
                for own in 0..<8 {
                    if isGathering {
                        row[own * laneStride + column] = turned[column * lanes + lane + own]
                    } else {
                        turned[column * lanes + lane + own] = row[own * laneStride + column]
                    }
                }
            }
        }
    }
}

/// Eight rows of eight numbers.
private struct Square {
    private typealias Row = SIMD8<UInt32>
    private var a, b, c, d, e, f, g, h: Row

    @inline(__always)
    init(_ start: UnsafePointer<UInt32>, stride: Int) {
        func row(_ k: Int) -> Row { UnsafeRawPointer(start + k * stride).loadUnaligned(as: Row.self) }
        (a, b, c, d, e, f, g, h) = (row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7))
    }

    @inline(__always)
    func store(_ start: UnsafeMutablePointer<UInt32>, stride: Int) {
        func put(_ row: Row, _ k: Int) { UnsafeMutableRawPointer(start + k * stride).storeBytes(of: row, as: Row.self) }
        put(a, 0)
        put(b, 1)
        put(c, 2)
        put(d, 3)
        put(e, 4)
        put(f, 5)
        put(g, 6)
        put(h, 7)
    }

    /// All 64 numbers with those at even places in front of those at odd ones.
    @inline(__always)
    private func dealt() -> Square {
        func pair(_ low: Row, _ high: Row) -> (Row, Row) {
            let both = SIMD16(lowHalf: low, highHalf: high)
            return (both.evenHalf, both.oddHalf)
        }
        var result = self
        (result.a, result.e) = pair(a, b)
        (result.b, result.f) = pair(c, d)
        (result.c, result.g) = pair(e, f)
        (result.d, result.h) = pair(g, h)
        return result
    }

    /// The transpose: dealing turns the places' six binary digits by one, and a transpose by three.
    @inline(__always)
    func turned() -> Square { dealt().dealt().dealt() }
}
