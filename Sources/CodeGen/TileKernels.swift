import CLLVM

/// The matrix kernels of a module: tiles of `rows × vectors`, kept in registers over a whole sum. Products and totals
/// are made of them. Every element is summed in the same order, whatever tile it falls into, so that results do not depend on
/// how rows and columns are shared out.
///
/// The right operand is packed: a panel as wide as the tile, a row for each summed element, read in one stream. Elements
/// of the left operand are spread over a vector as they are needed. A tile of few rows takes several panels at once, as its sums
/// would otherwise wait for each other. The shape of the tiles follows Goto and van de
/// Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008), §6.
final class TileKernels {
    private let module: LLVMModule
    private let precision: Precision
    private let target: HostTarget
    private var kernels: [Tile: LLVMValueRef] = [:]

    /// What is added to the sums of a tile.
    enum Start: Hashable {
        /// Nothing.
        case zero
        /// What the output holds, at the end: it is fetched while the sum goes on.
        case output
    }

    struct Tile: Hashable {
        var rows: Int
        var vectors: Int
        var start: Start
        /// How the panel is stored.
        var format = WeightFormat.full
        /// Panels that the tile spans, packed one behind the other and each as wide as `vectors`.
        var panels = 1
        /// Whether all lanes of the last vector are there, whatever `valid` says: masks cost more than a small tile.
        var isWhole = false
    }

    /// What a tile is computed from; distances in elements. The summed elements are `outerCount × innerCount`.
    struct Operands {
        var left: IRValue
        var rowStride: IRValue
        var outerCount: IRValue
        var outerStride: IRValue
        var innerCount: IRValue
        var innerStride: IRValue
        /// The first panel.
        var panel: IRValue
        var output: IRValue
        var outputStride: IRValue
        /// Lanes of the last vector that are there.
        var valid: IRValue
    }

    init(module: LLVMModule, precision: Precision, target: HostTarget) {
        self.module = module
        self.precision = precision
        self.target = target
    }

    var shape: TileShape { TileShape(machine: target.machine, precision: precision) }
    private var lanes: Int { shape.lanes }

    func emit(_ tile: Tile, _ operands: Operands, in builder: IRBuilder) {
        _ = builder.call(
            kernel(tile),
            [
                operands.left, operands.rowStride, operands.outerCount, operands.outerStride, operands.innerCount,
                operands.innerStride, operands.panel, operands.output, operands.outputStride, operands.valid,
            ])
    }

    /// Rows that tiles of one height cover: the first of them, and how many tiles there are.
    struct RowTiles {
        var height: Int
        var first: IRValue
        var count: IRValue
    }

    /// `count` rows as full tiles and, for the rest, tiles of 4, 2 and 1 rows: few heights, so that there is little to
    /// compile. Two tiles of 4 stand for a full one and one of 2, which would wait for its panel.
    func rowTiles(of count: IRValue, in builder: IRBuilder) -> [RowTiles] {
        let tallest = shape.rows
        var full = builder.quotient(count, builder.int(tallest))
        var rest = builder.subtract(count, builder.multiply(full, builder.int(tallest)))
        let isSplit = builder.and(
            builder.compare(LLVMIntEQ, rest, builder.int(8 - tallest)), builder.compare(LLVMIntSGT, full, builder.int(0)))
        full = builder.select(isSplit, builder.subtract(full, builder.int(1)), full)
        rest = builder.select(isSplit, builder.int(8), rest)
        var result = [RowTiles(height: tallest, first: builder.int(0), count: full)]
        for height in [4, 2, 1] {
            let number = builder.quotient(rest, builder.int(height))
            result.append(RowTiles(height: height, first: builder.subtract(count, rest), count: number))
            rest = builder.subtract(rest, builder.multiply(number, builder.int(height)))
        }
        return result
    }

    /// `body` gets the first row of each tile.
    func forEachTile(of rows: RowTiles, in builder: IRBuilder, _ body: (IRValue) -> Void) {
        builder.loop(from: builder.int(0), to: rows.count) { index, _ in
            body(builder.add(rows.first, builder.multiply(index, builder.int(rows.height))))
            return []
        }
    }

    // MARK: Kernels

    /// `void (left, rowStride, outerCount, outerStride, innerCount, innerStride, panel, output, outputStride, valid)`
    private func kernel(_ tile: Tile) -> LLVMValueRef {
        if let existing = kernels[tile] { return existing }
        let word = LLVMInt64TypeInContext(module.context)
        let address = LLVMPointerTypeInContext(module.context, 0)
        let kind =
            (tile.panels > 1 ? "x\(tile.panels)" : "") + (tile.isWhole ? ".whole" : "") + (tile.start == .output ? ".added" : "")
            + (tile.format == .full ? "" : ".\(tile.format.rawValue)")
        let builder = IRBuilder(
            module: module, function: "tile.\(tile.rows)x\(tile.vectors)\(kind)",
            parameters: [address, word, word, word, word, word, address, address, word, word].compactMap { $0 },
            result: nil, precision: precision, target: target, isInternal: true)
        let operands = Operands(
            left: builder.parameter(0), rowStride: builder.parameter(1), outerCount: builder.parameter(2),
            outerStride: builder.parameter(3), innerCount: builder.parameter(4), innerStride: builder.parameter(5),
            panel: builder.parameter(6), output: builder.parameter(7), outputStride: builder.parameter(8),
            valid: builder.parameter(9))
        emitBody(of: tile, operands, in: builder)
        builder.returnVoid()
        kernels[tile] = builder.function
        return builder.function
    }

    /// The type of a stored weight.
    func type(of format: WeightFormat, in builder: IRBuilder) -> LLVMTypeRef {
        switch format {
        case .full: builder.real
        case .bf16: builder.i16
        }
    }

    /// A vector of stored weights as reals.
    private func load(_ format: WeightFormat, _ address: IRValue, in builder: IRBuilder) -> IRValue {
        let stored = builder.load(
            builder.vector(type(of: format, in: builder), lanes), address, alignment: format.byteCount(precision))
        switch format {
        case .full: return stored
        case .bf16: return builder.upperHalves(stored)
        }
    }

    private func emitBody(of tile: Tile, _ operands: Operands, in builder: IRBuilder) {
        let vector = builder.vector(builder.real, lanes)
        let weight = type(of: tile.format, in: builder)
        let width = tile.vectors * lanes
        let across = tile.panels * tile.vectors
        let size = precision.byteCount
        let panelStride = builder.multiply(builder.multiply(operands.outerCount, operands.innerCount), builder.int(width))
        let numbers = builder.vectorConstant(Array(0..<lanes), of: builder.i64)
        let mask = builder.compare(LLVMIntULT, numbers, builder.splat(operands.valid, lanes))
        func place(_ row: Int, _ v: Int) -> IRValue {
            let start = builder.element(
                operands.output, builder.multiply(operands.outputStride, builder.int(row)), of: builder.real)
            return builder.element(start, builder.int(v * lanes), of: builder.real)
        }
        func isMasked(_ v: Int) -> Bool { v == across - 1 && !tile.isWhole }
        let panelStarts = (0..<tile.panels).map { builder.multiply(panelStride, builder.int($0)) }
        func panelRow(_ row: IRValue) -> [IRValue] {
            panelStarts.flatMap { start in
                let row = builder.element(row, start, of: weight)
                return (0..<tile.vectors).map { load(tile.format, builder.element(row, builder.int($0 * lanes), of: weight), in: builder) }
            }
        }
        let zero = builder.constant(0.0, like: vector)
        let sums = [IRValue](repeating: zero, count: tile.rows * across)
        if tile.start == .output {
            for r in 0..<tile.rows { for v in 0..<across { builder.prefetch(place(r, v), forWriting: true) } }
        }
        let rowStarts = (0..<tile.rows).map { builder.multiply(operands.rowStride, builder.int($0)) }

        /// Adds one summand, at an address of the left operand and of the panel.
        func accumulate(_ sums: [IRValue], left: IRValue, panel: IRValue) -> [IRValue] {
            var result = sums
            let right = panelRow(panel)
            for r in 0..<tile.rows {
                let scalar = builder.load(builder.real, builder.element(left, rowStarts[r], of: builder.real), alignment: size)
                let spread = builder.splat(scalar, lanes)
                for v in 0..<across {
                    let at = r * across + v
                    result[at] = builder.fma(spread, right[v], result[at])
                }
            }
            return result
        }

        let result = builder.loop(from: builder.int(0), to: operands.outerCount, carrying: sums) { outer, carried in
            let base = builder.element(operands.left, builder.multiply(outer, operands.outerStride), of: builder.real)
            let row = builder.multiply(builder.multiply(outer, operands.innerCount), builder.int(width))
            let panel = builder.element(operands.panel, row, of: weight)
            return builder.loop(from: builder.int(0), to: operands.innerCount, carrying: carried) { inner, carried in
                accumulate(
                    carried,
                    left: builder.element(base, builder.multiply(inner, operands.innerStride), of: builder.real),
                    panel: builder.element(panel, builder.multiply(inner, builder.int(width)), of: weight))
            }
        }
        for r in 0..<tile.rows {
            for v in 0..<across {
                var sum = result[r * across + v]
                if tile.start == .output {
                    let before =
                        isMasked(v)
                        ? builder.maskedLoad(vector, place(r, v), mask: mask, alignment: size)
                        : builder.load(vector, place(r, v), alignment: size)
                    sum = builder.fadd(before, sum)
                }
                if isMasked(v) {
                    builder.maskedStore(sum, place(r, v), mask: mask, alignment: size)
                } else {
                    builder.store(sum, place(r, v), alignment: size)
                }
            }
        }
    }
}
