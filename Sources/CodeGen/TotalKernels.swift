import CLLVM
import RecScheduling

/// The kernels of totals: the outer products of a list of rows, added to what is there.
///
/// Rows of streams lie far apart, often by a power of two, where caches keep few of them. A kernel therefore copies
/// a few panels of the right rows and a block of the left ones before it multiplies them tile by tile.
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

    /// Rows are asked for this long before they are copied: each lies in a page of its own, where hardware does not look ahead.
    private static let rowsAhead = 6

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
        let memory = (
            left: builder.scratch(of: shape.depth * shape.blockRows),
            right: builder.scratch(of: shape.depth * shape.blockPanels * shape.vectors * shape.lanes)
        )
        for (firstVector, vectors, count) in shape.panels(columns: key.columns) {
            let (blocks, rest) = count.quotientAndRemainder(dividingBy: shape.blockPanels)
            let columns = vectors * shape.lanes
            let start = builder.int(firstVector * shape.lanes)
            let blockColumns = shape.blockPanels * columns
            builder.loop(from: builder.int(0), to: builder.int(blocks)) { index, _ in
                self.emitColumns(
                    key, from: builder.add(start, builder.multiply(index, builder.int(blockColumns))), vectors: vectors,
                    panels: shape.blockPanels, memory, in: builder)
                return []
            }
            guard rest > 0 else { continue }
            emitColumns(
                key, from: builder.add(start, builder.int(blocks * blockColumns)), vectors: vectors, panels: rest, memory, in: builder)
        }
        builder.returnVoid()
        kernels[key] = builder.function
        return builder.function
    }

    /// All rows of some panels of equal width, whose columns are packed first.
    private func emitColumns(
        _ key: Kernel, from firstColumn: IRValue, vectors: Int, panels: Int, _ memory: (left: IRValue, right: IRValue),
        in builder: IRBuilder
    ) {
        let shape = tiles.shape
        let (count, output, lastRow) = (builder.parameter(2), builder.parameter(3), builder.parameter(5))
        let width = vectors * shape.lanes
        copy(
            builder.parameter(1), count, from: builder.multiply(firstColumn, builder.int(key.rightStride)), stride: key.rightStride,
            width: builder.subtract(builder.int(key.columns), firstColumn), vectors: vectors, panels: panels, to: memory.right,
            in: builder)
        builder.loop(from: builder.parameter(4), to: lastRow, by: shape.blockRows) { firstRow, _ in
            let rows = builder.minimum(builder.subtract(lastRow, firstRow), builder.int(shape.blockRows))
            self.copy(
                builder.parameter(0), count, from: builder.multiply(firstRow, builder.int(key.leftStride)), stride: key.leftStride,
                width: rows, vectors: shape.blockRows / shape.lanes, panels: 1, to: memory.left, in: builder)
            builder.loop(from: builder.int(0), to: builder.int(panels)) { index, _ in
                let column = builder.add(firstColumn, builder.multiply(index, builder.int(width)))
                let last = builder.add(column, builder.int(width - shape.lanes))
                let valid = builder.minimum(builder.subtract(builder.int(key.columns), last), builder.int(shape.lanes))
                let panel = builder.element(
                    memory.right, builder.multiply(index, builder.int(shape.depth * width)), of: builder.real)
                for tiles in self.tiles.rowTiles(of: rows, in: builder) {
                    self.tiles.forEachTile(of: tiles, in: builder) { row in
                        let place = builder.add(builder.multiply(builder.add(firstRow, row), builder.int(key.rowStride)), column)
                        self.tiles.emit(
                            TileKernels.Tile(rows: tiles.height, vectors: vectors, start: .output),
                            TileKernels.Operands(
                                left: builder.element(memory.left, row, of: builder.real), rowStride: builder.int(1),
                                outerCount: builder.int(1), outerStride: builder.int(0), innerCount: count,
                                innerStride: builder.int(shape.blockRows), panel: panel,
                                output: builder.element(output, place, of: builder.real), outputStride: builder.int(key.rowStride),
                                valid: valid),
                            in: builder)
                    }
                }
                return []
            }
            return []
        }
    }

    /// Copies `width` elements of each row on a list, beginning at the offset `start`, into panels of so many vectors; what
    /// is behind `width` is filled with zeros.
    private func copy(
        _ list: IRValue, _ count: IRValue, from start: IRValue, stride: Int, width: IRValue, vectors: Int, panels: Int,
        to target: IRValue, in builder: IRBuilder
    ) {
        let shape = tiles.shape
        let lanes = shape.lanes
        let size = precision.byteCount
        let vector = builder.vector(builder.real, lanes)
        let numbers = builder.vectorConstant(Array(0..<lanes), of: builder.i64)
        let masks = (0..<vectors * panels).map { v in
            builder.compare(LLVMIntSLT, numbers, builder.splat(builder.subtract(width, builder.int(v * lanes)), lanes))
        }
        let last = builder.subtract(count, builder.int(1))
        builder.loop(from: builder.int(0), to: count) { k, _ in
            func row(_ k: IRValue) -> IRValue {
                let row: IRValue = builder.load(builder.pointer, builder.element(list, k, of: builder.pointer), alignment: 8)
                return builder.element(row, start, of: builder.real)
            }
            let source = row(k)
            let ahead = row(builder.minimum(builder.add(k, builder.int(Self.rowsAhead)), last))
            for (v, mask) in masks.enumerated() {
                let offset = builder.int(v * lanes * stride)
                builder.prefetch(builder.element(ahead, offset, of: builder.real))
                let from = builder.element(source, offset, of: builder.real)
                let copied =
                    stride == 1
                    ? builder.maskedLoad(vector, from, mask: mask, alignment: size)
                    : builder.maskedGather(vector, from, offsets: (0..<lanes).map { $0 * stride }, mask: mask, alignment: size)
                let panel = builder.int(v / vectors * shape.depth * vectors * lanes + v % vectors * lanes)
                let place = builder.add(builder.multiply(k, builder.int(vectors * lanes)), panel)
                builder.store(copied, builder.element(target, place, of: builder.real), alignment: size)
            }
            return []
        }
    }
}
