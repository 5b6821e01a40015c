import CLLVM
import RecScheduling

/// The kernels of totals: the outer products of a list of rows, added to what is there.
///
/// Rows of streams lie far apart, often by a power of two, where caches keep few of them. A kernel therefore copies a
/// block of the left rows and a panel of the right ones before it multiplies them tile by tile.
final class TotalKernels {
    private let module: LLVMModule
    private let precision: Precision
    private let target: HostTarget
    private let tiles: TileKernels
    private var kernels: [Kernel: LLVMValueRef] = [:]

    /// What a kernel is made for: the distances between the elements of a row, the columns of the total, and the distance
    /// between its rows.
    struct Kernel: Hashable {
        var leftStride: Int
        var rightStride: Int
        var columns: Int
        var rowStride: Int
    }

    init(module: LLVMModule, precision: Precision, target: HostTarget, tiles: TileKernels) {
        self.module = module
        self.precision = precision
        self.target = target
        self.tiles = tiles
    }

    /// So many rows are on a list at most.
    var depth: Int { tiles.shape.depth }

    /// `void (leftRows, rightRows, count, output, firstRow, lastRow)`: adds the outer products of `count` pairs of rows, given by
    /// their addresses, to the rows `firstRow ..< lastRow` of a total.
    func kernel(_ key: Kernel) -> LLVMValueRef {
        if let existing = kernels[key] { return existing }
        let word = LLVMInt64TypeInContext(module.context)
        let address = LLVMPointerTypeInContext(module.context, 0)
        let builder = IRBuilder(
            module: module, function: "total.\(kernels.count)",
            parameters: [address, address, word, address, word, word].compactMap { $0 }, result: nil,
            precision: precision, target: target, isInternal: true)
        let shape = tiles.shape
        let count = builder.parameter(2)
        let lastRow = builder.parameter(5)
        let block = builder.scratch(of: shape.depth * shape.blockRows)
        let panel = builder.scratch(of: shape.depth * shape.vectors * shape.lanes)
        builder.loop(from: builder.parameter(4), to: lastRow, by: shape.blockRows) { firstRow, _ in
            let rows = builder.minimum(builder.subtract(lastRow, firstRow), builder.int(shape.blockRows))
            self.copy(
                builder.parameter(0), count, from: builder.multiply(firstRow, builder.int(key.leftStride)),
                stride: key.leftStride, width: rows, most: shape.blockRows, to: block, in: builder)
            for (firstVector, width, panels) in shape.panels(columns: key.columns) {
                builder.loop(from: builder.int(0), to: builder.int(panels)) { index, _ in
                    let most = width * shape.lanes
                    let column = builder.add(builder.int(firstVector * shape.lanes), builder.multiply(index, builder.int(most)))
                    let columns = builder.minimum(builder.subtract(builder.int(key.columns), column), builder.int(most))
                    self.copy(
                        builder.parameter(1), count, from: builder.multiply(column, builder.int(key.rightStride)),
                        stride: key.rightStride, width: columns, most: most, to: panel, in: builder)
                    let valid = builder.subtract(columns, builder.int(most - shape.lanes))
                    self.tiles.forEachTile(of: rows, in: builder) { height, row in
                        let place = builder.add(
                            builder.multiply(builder.add(firstRow, row), builder.int(key.rowStride)), column)
                        self.tiles.emit(
                            TileKernels.Tile(rows: height, vectors: width, start: .output),
                            TileKernels.Operands(
                                left: builder.element(block, row, of: builder.real), rowStride: builder.int(1),
                                outerCount: builder.int(1), outerStride: builder.int(0), innerCount: count,
                                innerStride: builder.int(shape.blockRows), panel: panel,
                                output: builder.element(builder.parameter(3), place, of: builder.real),
                                outputStride: builder.int(key.rowStride), valid: valid),
                            in: builder)
                    }
                    return []
                }
            }
            return []
        }
        builder.returnVoid()
        kernels[key] = builder.function
        return builder.function
    }

    /// Copies `width` elements of each row on a list, beginning at the offset `start`, to rows of `most` elements that lie
    /// densely; what is behind `width` is filled with zeros.
    private func copy(
        _ list: IRValue, _ count: IRValue, from start: IRValue, stride: Int, width: IRValue, most: Int, to target: IRValue,
        in builder: IRBuilder
    ) {
        let lanes = tiles.shape.lanes
        let size = precision.byteCount
        let vector = builder.vector(builder.real, lanes)
        let numbers = builder.vectorConstant(Array(0..<lanes), of: builder.i64)
        let masks = (0..<most / lanes).map { v in
            builder.compare(LLVMIntSLT, numbers, builder.splat(builder.subtract(width, builder.int(v * lanes)), lanes))
        }
        builder.loop(from: builder.int(0), to: count) { k, _ in
            let row: IRValue = builder.load(builder.pointer, builder.element(list, k, of: builder.pointer), alignment: 8)
            let source = builder.element(row, start, of: builder.real)
            let place = builder.element(target, builder.multiply(k, builder.int(most)), of: builder.real)
            for (v, mask) in masks.enumerated() {
                let from = builder.element(source, builder.int(v * lanes * stride), of: builder.real)
                let copied =
                    stride == 1
                    ? builder.maskedLoad(vector, from, mask: mask, alignment: size)
                    : builder.maskedGather(vector, from, offsets: (0..<lanes).map { $0 * stride }, mask: mask, alignment: size)
                builder.store(copied, builder.element(place, builder.int(v * lanes), of: builder.real), alignment: size)
            }
            return []
        }
    }
}
