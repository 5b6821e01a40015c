import CLLVM
import RecScheduling

/// The kernels of totals: tiles of the sum stay in registers over a run of steps, while a row of vectors and a few spread
/// elements are read for each.
final class TotalKernels {
    private let module: LLVMModule
    private let precision: Precision
    private let target: HostTarget
    private var kernels: [Tile: LLVMValueRef] = [:]

    private struct Tile: Hashable {
        var rows: Int
        var vectors: Int
    }

    /// Rows of a tile; with four vectors of columns they fill the registers as those of products do.
    static let tileRows = 6
    /// Steps after which the next tile is taken, so that what is read stays in the first-level cache.
    static let runSteps = 128

    /// What a run of steps reads and adds to; distances in elements.
    struct Run {
        var left: IRValue
        var leftStep: IRValue
        var right: IRValue
        var rightStep: IRValue
        var output: IRValue
        var count: IRValue
        var firstRow: IRValue
        var lastRow: IRValue
    }

    init(module: LLVMModule, precision: Precision, target: HostTarget) {
        self.module = module
        self.precision = precision
        self.target = target
    }

    private var lanes: Int { target.vectorBytes / precision.byteCount }
    private var panelVectors: Int { target.vectorBytes == 64 ? 4 : 2 }

    /// Adds a run of steps to the rows `firstRow ..< lastRow` of a total.
    func emit(_ total: Total, _ run: Run, in builder: IRBuilder) {
        builder.loop(from: builder.int(0), to: builder.int(total.shared.extent)) { shared, _ in
            let left = builder.element(run.left, builder.multiply(shared, builder.int(total.shared.left)), of: builder.real)
            let right = builder.element(run.right, builder.multiply(shared, builder.int(total.shared.right)), of: builder.real)
            let vectors = (total.columns + self.lanes - 1) / self.lanes
            var done = 0
            func panels(_ width: Int, _ count: Int) {
                guard count > 0 else { return }
                let first = done
                builder.loop(from: builder.int(0), to: builder.int(count)) { index, _ in
                    let column = builder.add(builder.int(first * self.lanes), builder.multiply(index, builder.int(width * self.lanes)))
                    let last = builder.add(column, builder.int((width - 1) * self.lanes))
                    let valid = builder.minimum(builder.subtract(builder.int(total.columns), last), builder.int(self.lanes))
                    self.emitTiles(total, run, left: left, right: right, column: column, width: width, valid: valid, in: builder)
                    return []
                }
                done += width * count
            }
            panels(self.panelVectors, vectors / self.panelVectors)
            panels(vectors % self.panelVectors, vectors % self.panelVectors == 0 ? 0 : 1)
            return []
        }
    }

    private func emitTiles(
        _ total: Total, _ run: Run, left: IRValue, right: IRValue, column: IRValue, width: Int, valid: IRValue,
        in builder: IRBuilder
    ) {
        func call(_ rows: Int, at row: IRValue) {
            let position = builder.add(builder.multiply(row, builder.int(total.columns)), column)
            _ = builder.call(
                kernel(Tile(rows: rows, vectors: width)),
                [
                    builder.element(left, builder.multiply(row, builder.int(total.leftStride)), of: builder.real), run.leftStep,
                    builder.int(total.leftStride), builder.element(right, column, of: builder.real), run.rightStep,
                    builder.element(run.output, position, of: builder.real), builder.int(total.columns), run.count, valid,
                ])
        }
        let count = builder.subtract(run.lastRow, run.firstRow)
        let tiles = builder.quotient(count, builder.int(Self.tileRows))
        builder.loop(from: builder.int(0), to: tiles) { index, _ in
            call(Self.tileRows, at: builder.add(run.firstRow, builder.multiply(index, builder.int(Self.tileRows))))
            return []
        }
        let whole = builder.add(run.firstRow, builder.multiply(tiles, builder.int(Self.tileRows)))
        builder.loop(from: whole, to: run.lastRow) { row, _ in
            call(1, at: row)
            return []
        }
    }

    /// `void (left, leftStep, leftStride, right, rightStep, output, outputRow, count, valid)`
    private func kernel(_ tile: Tile) -> LLVMValueRef {
        if let existing = kernels[tile] { return existing }
        let word = LLVMInt64TypeInContext(module.context)
        let address = LLVMPointerTypeInContext(module.context, 0)
        let builder = IRBuilder(
            module: module, function: "total.\(tile.rows)x\(tile.vectors)",
            parameters: [address, word, word, address, word, address, word, word, word].compactMap { $0 }, result: nil,
            precision: precision, target: target, isInternal: true)
        let vector = builder.vector(builder.real, lanes)
        let size = precision.byteCount
        let numbers = builder.vectorConstant(Array(0..<lanes), of: builder.i64)
        let mask = builder.compare(LLVMIntULT, numbers, builder.splat(builder.parameter(8), lanes))
        func load(_ base: IRValue, _ v: Int) -> IRValue {
            let place = builder.element(base, builder.int(v * lanes), of: builder.real)
            return v == tile.vectors - 1
                ? builder.maskedLoad(vector, place, mask: mask, alignment: size) : builder.load(vector, place, alignment: size)
        }
        let outputs = (0..<tile.rows).map { row in
            builder.element(builder.parameter(5), builder.multiply(builder.parameter(6), builder.int(row)), of: builder.real)
        }
        let start = outputs.flatMap { output in (0..<tile.vectors).map { load(output, $0) } }
        let strides = (0..<tile.rows).map { builder.multiply(builder.parameter(2), builder.int($0)) }
        let sums = builder.loop(from: builder.int(0), to: builder.parameter(7), carrying: start) { step, carried in
            let left = builder.element(builder.parameter(0), builder.multiply(step, builder.parameter(1)), of: builder.real)
            let right = builder.element(builder.parameter(3), builder.multiply(step, builder.parameter(4)), of: builder.real)
            let columns = (0..<tile.vectors).map { load(right, $0) }
            return (0..<tile.rows).flatMap { row -> [IRValue] in
                let scalar = builder.load(builder.real, builder.element(left, strides[row], of: builder.real), alignment: size)
                let spread = builder.splat(scalar, lanes)
                return (0..<tile.vectors).map { builder.fma(spread, columns[$0], carried[row * tile.vectors + $0]) }
            }
        }
        for (row, output) in outputs.enumerated() {
            for v in 0..<tile.vectors {
                let place = builder.element(output, builder.int(v * lanes), of: builder.real)
                if v == tile.vectors - 1 {
                    builder.maskedStore(sums[row * tile.vectors + v], place, mask: mask, alignment: size)
                } else {
                    builder.store(sums[row * tile.vectors + v], place, alignment: size)
                }
            }
        }
        builder.returnVoid()
        kernels[tile] = builder.function
        return builder.function
    }
}
