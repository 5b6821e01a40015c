import CLLVM
import RecScheduling

/// The products of a module with static weights, made of tiles.
///
/// Weights are packed in panels of a few vectors, with a row for each summed element.
final class ProductKernels {
    private let module: LLVMModule
    private let precision: Precision
    private let target: HostTarget
    private let tiles: TileKernels
    private let format: WeightFormat
    private var drivers: [Driver: LLVMValueRef] = [:]

    /// Everything about a product that its driver is made for.
    private struct Driver: Hashable {
        var columns: Int
        var sums: [Product.Dimension]
        /// Whether it may be given some of the panels alone.
        var isShared: Bool
    }

    /// A dimension of the rows: how many there are, and how far apart in elements they lie.
    struct RowDimension {
        var count: IRValue
        var inputStride: IRValue
        var outputStride: IRValue
    }

    /// A worker's part of a product.
    struct Share {
        /// Columns of each group, or matrices of the first shared label.
        var range: RowShares.Range
        var isOfColumns: Bool
    }

    init(module: LLVMModule, precision: Precision, target: HostTarget, tiles: TileKernels, weights format: WeightFormat) {
        self.format = format
        self.module = module
        self.precision = precision
        self.target = target
        self.tiles = tiles
    }

    /// How weights are packed for this machine.
    var packing: WeightPacking { WeightPacking(machine: target.machine, precision: precision, format: format) }

    /// Emits a product, or a worker's share of it, over all its rows.
    func emit(
        _ product: Product, input: IRValue, output: IRValue, weights: IRValue, rows: [RowDimension], share: Share? = nil,
        in builder: IRBuilder
    ) {
        let driver = driver(for: product, isShared: share?.isOfColumns ?? false)
        let panelElements = packing.elementCount(of: product) / max(product.batchCount, 1)
        func overBatches(_ dimensions: ArraySlice<Product.Dimension>, _ input: IRValue, _ output: IRValue, _ number: IRValue) {
            guard let dimension = dimensions.first else {
                let packed = builder.element(
                    weights, builder.multiply(number, builder.int(panelElements)), of: tiles.type(of: format, in: builder))
                emitGroups(product, rows, input, output, packed, driver, share, in: builder)
                return
            }
            var turns = RowShares.Range(start: builder.int(0), end: builder.int(dimension.extent))
            if let share, !share.isOfColumns, dimensions.count == product.batches.count { turns = share.range }
            builder.loop(from: turns.start, to: turns.end) { index, _ in
                overBatches(
                    dimensions.dropFirst(),
                    builder.element(input, builder.multiply(index, builder.int(dimension.inputStride)), of: builder.real),
                    builder.element(output, builder.multiply(index, builder.int(dimension.outputStride)), of: builder.real),
                    builder.add(builder.multiply(number, builder.int(dimension.extent)), index))
                return []
            }
        }
        overBatches(product.batches[...], input, output, builder.int(0))
    }

    /// The groups of columns one after another, or a share of each; shares begin at whole panels.
    private func emitGroups(
        _ product: Product, _ rows: [RowDimension], _ input: IRValue, _ output: IRValue, _ packed: IRValue,
        _ driver: LLVMValueRef, _ share: Share?, in builder: IRBuilder
    ) {
        let columns = product.columnCount / product.groups
        let panel = packing.panelVectors * packing.lanes
        let elements = packing.elementCount(of: product) / max(product.batchCount * product.groups, 1)
        func count(_ columns: IRValue) -> IRValue {
            builder.quotient(builder.add(columns, builder.int(panel - 1)), builder.int(panel))
        }
        var panels = RowShares.Range(start: builder.int(0), end: count(builder.int(columns)))
        if let share, share.isOfColumns {
            panels = RowShares.Range(start: count(share.range.start), end: count(share.range.end))
        }
        for group in 0..<product.groups {
            emitRows(
                rows, input, builder.element(output, builder.int(group * columns), of: builder.real),
                builder.element(packed, builder.int(group * elements), of: tiles.type(of: format, in: builder)), driver, panels, in: builder)
        }
    }

    /// Runs the driver over the longest dimension and loops over the others around it.
    private func emitRows(
        _ rows: [RowDimension], _ input: IRValue, _ output: IRValue, _ packed: IRValue, _ driver: LLVMValueRef,
        _ panels: RowShares.Range, in builder: IRBuilder
    ) {
        var longest = rows[0]
        var chosen = builder.int(0)
        for (k, row) in rows.enumerated().dropFirst() {
            let isLonger = builder.compare(LLVMIntSGT, row.count, longest.count)
            longest.count = builder.select(isLonger, row.count, longest.count)
            longest.inputStride = builder.select(isLonger, row.inputStride, longest.inputStride)
            longest.outputStride = builder.select(isLonger, row.outputStride, longest.outputStride)
            chosen = builder.select(isLonger, builder.int(k), chosen)
        }
        func call(_ input: IRValue, _ output: IRValue) {
            _ = builder.call(
                driver,
                [input, output, packed, longest.count, longest.inputStride, longest.outputStride, panels.start, panels.end])
        }
        func around(_ k: Int, _ input: IRValue, _ output: IRValue) {
            guard k < rows.count else { return call(input, output) }
            let isChosen = builder.compare(LLVMIntEQ, chosen, builder.int(k))
            let count = builder.select(isChosen, builder.minimum(rows[k].count, builder.int(1)), rows[k].count)
            builder.loop(from: builder.int(0), to: count) { index, _ in
                around(
                    k + 1, builder.element(input, builder.multiply(index, rows[k].inputStride), of: builder.real),
                    builder.element(output, builder.multiply(index, rows[k].outputStride), of: builder.real))
                return []
            }
        }
        if rows.count == 1 {
            call(input, output)
        } else {
            around(0, input, output)
        }
    }

    // MARK: Drivers

    /// `void (input, output, packed, rows, inputStride, outputStride, firstPanel, lastPanel)`: some panels of a group of
    /// columns, a few at a time, and in each all tiles of rows.
    private func driver(for product: Product, isShared: Bool) -> LLVMValueRef {
        let key = Driver(columns: product.columnCount / product.groups, sums: product.sums, isShared: isShared)
        if let existing = drivers[key] { return existing }
        let word = LLVMInt64TypeInContext(module.context)
        let address = LLVMPointerTypeInContext(module.context, 0)
        let builder = IRBuilder(
            module: module, function: "product.\(drivers.count)",
            parameters: [address, address, address, word, word, word, word, word].compactMap { $0 }, result: nil, precision: precision,
            target: target, isInternal: true)
        // A step of one sequence has one row.
        let (single, several) = (builder.block("single"), builder.block("several"))
        let count = builder.parameter(3)
        builder.branch(builder.compare(LLVMIntEQ, count, builder.int(1)), single, several)
        builder.position(at: single)
        emitPanels(key, [TileKernels.RowTiles(height: 1, first: builder.int(0), count: builder.int(1))], in: builder)
        builder.returnVoid()
        builder.position(at: several)
        emitPanels(key, tiles.rowTiles(of: count, in: builder), in: builder)
        builder.returnVoid()
        drivers[key] = builder.function
        return builder.function
    }

    /// Panels of one width, of a product with so many columns.
    private struct Panels {
        var firstVector: Int
        var vectors: Int
        var columns: Int
        var sums: [Product.Dimension]
        var depth: Int { sums.reduce(1) { $0 * $1.extent } }
    }

    /// All panels, or those of a worker's share, in groups that tiles of a single row take at once: tiles of all heights find them in
    /// the cache.
    private func emitPanels(_ key: Driver, _ rows: [TileKernels.RowTiles], in builder: IRBuilder) {
        let shape = tiles.shape
        for (first, width, count) in shape.panels(columns: key.columns) {
            let panels = Panels(firstVector: first, vectors: width, columns: key.columns, sums: key.sums)
            let most = shape.panelsTogether(rows: 1, vectors: width)
            // Panels are numbered through; all but a last one are equally wide.
            let number = builder.int(first / shape.vectors)
            var start = builder.int(0)
            var end = builder.int(count)
            var sizes = [most, count % most]
            if key.isShared {
                start = builder.maximum(builder.subtract(builder.parameter(6), number), start)
                end = builder.minimum(builder.subtract(builder.parameter(7), number), end)
                sizes = Array(sequence(first: most) { $0 > 1 ? $0 / 2 : nil })
            }
            for size in sizes where size > 0 && size <= count {
                let turns = builder.quotient(builder.maximum(builder.subtract(end, start), builder.int(0)), builder.int(size))
                start = builder.loop(from: builder.int(0), to: turns, carrying: [start]) { _, carried in
                    for tiles in rows { self.emitTiles(tiles, panels, from: carried[0], count: size, in: builder) }
                    return [builder.add(carried[0], builder.int(size))]
                }[0]
            }
        }
    }

    /// The tiles of one height in some panels, which few rows take at once.
    private func emitTiles(_ rows: TileKernels.RowTiles, _ panels: Panels, from first: IRValue, count: Int, in builder: IRBuilder) {
        let most = tiles.shape.panelsTogether(rows: rows.height, vectors: panels.vectors)
        let hasRows = builder.compare(LLVMIntSGT, rows.count, builder.int(0))
        builder.ifThen(hasRows) {
            if count >= most {
                builder.loop(from: builder.int(0), to: builder.int(count / most)) { index, _ in
                    let panel = builder.add(first, builder.multiply(index, builder.int(most)))
                    self.emitTiles(rows, panels, at: panel, together: most, in: builder)
                    return []
                }
            }
            if count % most > 0 {
                emitTiles(rows, panels, at: builder.add(first, builder.int(count / most * most)), together: count % most, in: builder)
            }
        }
    }

    private func emitTiles(_ rows: TileKernels.RowTiles, _ panels: Panels, at panel: IRValue, together: Int, in builder: IRBuilder) {
        let lanes = tiles.shape.lanes
        let width = panels.vectors * lanes
        let weight = tiles.type(of: format, in: builder)
        let sums = [Product.Dimension](repeating: .single, count: 2 - panels.sums.count) + panels.sums
        let start = builder.add(builder.int(panels.firstVector * lanes), builder.multiply(panel, builder.int(width)))
        let packed = builder.element(builder.parameter(2), builder.multiply(start, builder.int(panels.depth)), of: weight)
        let output = builder.element(builder.parameter(1), start, of: builder.real)
        let last = builder.add(start, builder.int((together * panels.vectors - 1) * lanes))
        let tile = TileKernels.Tile(
            rows: rows.height, vectors: panels.vectors, start: .zero, format: format, panels: together, isWhole: panels.columns % lanes == 0)
        tiles.forEachTile(of: rows, in: builder) { row in
            self.tiles.emit(
                tile,
                TileKernels.Operands(
                    left: builder.element(builder.parameter(0), builder.multiply(row, builder.parameter(4)), of: builder.real),
                    rowStride: builder.parameter(4), outerCount: builder.int(sums[0].extent),
                    outerStride: builder.int(sums[0].inputStride), innerCount: builder.int(sums[1].extent),
                    innerStride: builder.int(sums[1].inputStride), panel: packed,
                    output: builder.element(output, builder.multiply(row, builder.parameter(5)), of: builder.real),
                    outputStride: builder.parameter(5),
                    valid: builder.minimum(builder.subtract(builder.int(panels.columns), last), builder.int(lanes))),
                in: builder)
        }
    }
}
