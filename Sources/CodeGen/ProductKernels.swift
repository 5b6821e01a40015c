import CLLVM
import RecScheduling

/// The matrix kernels of a module: `rows × vectors` tiles of a product, kept in registers over the whole sum.
///
/// Weights are packed in panels of a few vectors, each a bias row followed by a row for each summed element, so that a
/// kernel reads them in one stream; elements of the input are spread over a vector as they are needed. The shape of the
/// tiles follows Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008), §6.
final class ProductKernels {
    private let module: LLVMModule
    private let precision: Precision
    private let target: HostTarget
    private var kernels: [Tile: LLVMValueRef] = [:]
    private var drivers: [Driver: LLVMValueRef] = [:]

    private struct Tile: Hashable {
        var rows: Int
        var vectors: Int
        var isOfStep: Bool
    }

    /// Everything about a product that its driver is made for.
    private struct Driver: Hashable {
        var columns: Int
        var sums: [Product.Dimension]
        var isOfStep: Bool
    }

    /// A dimension of the rows: how many there are, and how far apart in elements they lie.
    struct RowDimension {
        var count: IRValue
        var inputStride: IRValue
        var outputStride: IRValue
    }

    init(module: LLVMModule, precision: Precision, target: HostTarget) {
        self.module = module
        self.precision = precision
        self.target = target
    }

    /// How weights are packed for this machine.
    var packing: WeightPacking { WeightPacking(target: target, precision: precision) }

    /// Emits a product over all its rows.
    ///
    /// - Parameter isOfStep: within one step there are few rows, and a row alone may sum in several chains; over a block
    ///   all rows sum alike, so that results do not depend on how the block is shared out.
    func emit(
        _ product: Product, input: IRValue, output: IRValue, weights: IRValue, rows: [RowDimension], isOfStep: Bool,
        in builder: IRBuilder
    ) {
        let driver = driver(for: product, isOfStep: isOfStep)
        let panelElements = packing.elementCount(of: product) / max(product.batchCount, 1)
        func overBatches(_ dimensions: ArraySlice<Product.Dimension>, _ input: IRValue, _ output: IRValue, _ number: IRValue) {
            guard let dimension = dimensions.first else {
                let packed = builder.element(
                    weights, builder.multiply(number, builder.int(panelElements)), of: builder.real)
                emitRows(rows, input, output, packed, driver, in: builder)
                return
            }
            builder.loop(from: builder.int(0), to: builder.int(dimension.extent)) { index, _ in
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

    /// Runs the driver over the longest dimension and loops over the others around it.
    private func emitRows(
        _ rows: [RowDimension], _ input: IRValue, _ output: IRValue, _ packed: IRValue, _ driver: LLVMValueRef,
        in builder: IRBuilder
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
        func around(_ k: Int, _ input: IRValue, _ output: IRValue) {
            guard k < rows.count else {
                _ = builder.call(
                    driver, [input, output, packed, longest.count, longest.inputStride, longest.outputStride])
                return
            }
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
            _ = builder.call(driver, [input, output, packed, longest.count, longest.inputStride, longest.outputStride])
        } else {
            around(0, input, output)
        }
    }

    // MARK: Drivers

    /// `void (input, output, packed, rows, inputStride, outputStride)`: all panels, and in each all tiles of rows.
    private func driver(for product: Product, isOfStep: Bool) -> LLVMValueRef {
        let key = Driver(columns: product.columnCount, sums: product.sums, isOfStep: isOfStep)
        if let existing = drivers[key] { return existing }
        let word = LLVMInt64TypeInContext(module.context)
        let address = LLVMPointerTypeInContext(module.context, 0)
        let builder = IRBuilder(
            module: module, function: "product.\(drivers.count)",
            parameters: [address, address, address, word, word, word].compactMap { $0 }, result: nil, precision: precision,
            target: target, isInternal: true)
        let lanes = packing.lanes
        let vectors = packing.vectorCount(columns: key.columns)
        let depth = product.sumCount
        var vector = 0
        func panel(_ width: Int, count: Int) {
            // `count` panels of the same width, the last of which may end in an incomplete vector.
            let first = vector
            let panelElements = (depth + 1) * width * lanes
            let start = builder.element(builder.parameter(2), builder.int(first * lanes * (depth + 1)), of: builder.real)
            builder.loop(from: builder.int(0), to: builder.int(count)) { index, _ in
                let packed = builder.element(start, builder.multiply(index, builder.int(panelElements)), of: builder.real)
                let column = builder.add(builder.int(first * lanes), builder.multiply(index, builder.int(width * lanes)))
                let output = builder.element(builder.parameter(1), column, of: builder.real)
                let lastVector = builder.add(column, builder.int((width - 1) * lanes))
                let valid = builder.minimum(builder.subtract(builder.int(key.columns), lastVector), builder.int(lanes))
                self.emitTiles(width, packed, output, valid, product, isOfStep: isOfStep, in: builder)
                return []
            }
            vector += width * count
        }
        let wide = packing.panelVectors
        if vectors / wide > 0 { panel(wide, count: vectors / wide) }
        if vectors % wide > 0 { panel(vectors % wide, count: 1) }
        builder.returnVoid()
        drivers[key] = builder.function
        return builder.function
    }

    private func emitTiles(
        _ width: Int, _ packed: IRValue, _ output: IRValue, _ valid: IRValue, _ product: Product, isOfStep: Bool,
        in builder: IRBuilder
    ) {
        let rows = builder.parameter(3)
        func call(_ tile: Int, at row: IRValue) {
            let sums = [Product.Dimension](repeating: .single, count: 2 - product.sums.count) + product.sums
            _ = builder.call(
                kernel(Tile(rows: tile, vectors: width, isOfStep: isOfStep)),
                [
                    builder.element(builder.parameter(0), builder.multiply(row, builder.parameter(4)), of: builder.real),
                    builder.parameter(4), builder.int(sums[0].extent), builder.int(sums[0].inputStride),
                    builder.int(sums[1].extent), builder.int(sums[1].inputStride), packed,
                    builder.element(output, builder.multiply(row, builder.parameter(5)), of: builder.real),
                    builder.parameter(5), valid,
                ])
        }
        let tallest = packing.tileRows
        let tiles = builder.quotient(rows, builder.int(tallest))
        builder.loop(from: builder.int(0), to: tiles) { index, _ in
            call(tallest, at: builder.multiply(index, builder.int(tallest)))
            return []
        }
        var done = builder.multiply(tiles, builder.int(tallest))
        for tile in [3, 2, 1] where tile < tallest {
            let fits = builder.compare(LLVMIntSGE, builder.subtract(rows, done), builder.int(tile))
            builder.ifThen(fits) { call(tile, at: done) }
            done = builder.select(fits, builder.add(done, builder.int(tile)), done)
        }
    }

    // MARK: Kernels

    /// `void (input, rowStride, outerCount, outerStride, innerCount, innerStride, packed, output, outputStride, valid)`
    private func kernel(_ tile: Tile) -> LLVMValueRef {
        if let existing = kernels[tile] { return existing }
        let word = LLVMInt64TypeInContext(module.context)
        let address = LLVMPointerTypeInContext(module.context, 0)
        let builder = IRBuilder(
            module: module, function: "kernel.\(tile.rows)x\(tile.vectors)\(tile.isOfStep ? ".step" : "")",
            parameters: [address, word, word, word, word, word, address, address, word, word].compactMap { $0 },
            result: nil, precision: precision, target: target, isInternal: true)
        let lanes = packing.lanes
        let vector = builder.vector(builder.real, lanes)
        let width = tile.vectors * lanes
        let input = builder.parameter(0)
        let packed = builder.parameter(6)
        let output = builder.parameter(7)
        // One row alone has too few chains to keep the units busy: it takes several summands at a time.
        let unrolled = max(1, 8 / (tile.rows * tile.vectors))
        let chains = unrolled > 1 && tile.isOfStep ? 4 : 1

        let bias = (0..<tile.vectors).map { v in
            builder.load(vector, builder.element(packed, builder.int(v * lanes), of: builder.real), alignment: 4)
        }
        let zero = builder.constant(0.0, like: vector)
        var sums: [IRValue] = []
        for chain in 0..<chains {
            for _ in 0..<tile.rows { sums += chain == 0 ? bias : [IRValue](repeating: zero, count: tile.vectors) }
        }
        let rowStarts = (0..<tile.rows).map { builder.multiply(builder.parameter(1), builder.int($0)) }

        /// Adds summand `k` (an address of the input and of the packed row) into a chain.
        func accumulate(_ sums: [IRValue], chain: Int, input: IRValue, packed: IRValue) -> [IRValue] {
            var result = sums
            let weights = (0..<tile.vectors).map { v in
                builder.load(vector, builder.element(packed, builder.int(v * lanes), of: builder.real), alignment: 4)
            }
            for r in 0..<tile.rows {
                let scalar = builder.load(
                    builder.real, builder.element(input, rowStarts[r], of: builder.real), alignment: precision.byteCount)
                let spread = builder.splat(scalar, lanes)
                for v in 0..<tile.vectors {
                    let at = (chain * tile.rows + r) * tile.vectors + v
                    result[at] = builder.fma(spread, weights[v], result[at])
                }
            }
            return result
        }

        let first = builder.element(packed, builder.int(width), of: builder.real)
        let innerCount = builder.parameter(4)
        let result = builder.loop(from: builder.int(0), to: builder.parameter(2), carrying: sums) { outer, carried in
            let base = builder.element(input, builder.multiply(outer, builder.parameter(3)), of: builder.real)
            let row = builder.multiply(builder.multiply(outer, innerCount), builder.int(width))
            let panel = builder.element(first, row, of: builder.real)
            func at(_ inner: IRValue) -> (IRValue, IRValue) {
                (
                    builder.element(base, builder.multiply(inner, builder.parameter(5)), of: builder.real),
                    builder.element(panel, builder.multiply(inner, builder.int(width)), of: builder.real)
                )
            }
            guard chains > 1 else {
                return builder.loop(from: builder.int(0), to: innerCount, carrying: carried) { inner, carried in
                    let (input, packed) = at(inner)
                    return accumulate(carried, chain: 0, input: input, packed: packed)
                }
            }
            let whole = builder.and(innerCount, builder.int(-chains))
            let most = builder.loop(from: builder.int(0), to: whole, by: chains, carrying: carried) { inner, carried in
                var next = carried
                for chain in 0..<chains {
                    let (input, packed) = at(builder.add(inner, builder.int(chain)))
                    next = accumulate(next, chain: chain, input: input, packed: packed)
                }
                return next
            }
            return builder.loop(from: whole, to: innerCount, carrying: most) { inner, carried in
                let (input, packed) = at(inner)
                return accumulate(carried, chain: 0, input: input, packed: packed)
            }
        }
        let numbers = builder.vectorConstant(Array(0..<lanes), of: builder.i64)
        let mask = builder.compare(LLVMIntULT, numbers, builder.splat(builder.parameter(9), lanes))
        for r in 0..<tile.rows {
            let target = builder.element(output, builder.multiply(builder.parameter(8), builder.int(r)), of: builder.real)
            for v in 0..<tile.vectors {
                var sum = result[r * tile.vectors + v]
                for chain in 1..<max(chains, 2) where chains > 1 {
                    sum = builder.fadd(sum, result[(chain * tile.rows + r) * tile.vectors + v])
                }
                let address = builder.element(target, builder.int(v * lanes), of: builder.real)
                if v == tile.vectors - 1 {
                    builder.maskedStore(sum, address, mask: mask, alignment: precision.byteCount)
                } else {
                    builder.store(sum, address, alignment: precision.byteCount)
                }
            }
        }
        builder.returnVoid()
        kernels[tile] = builder.function
        return builder.function
    }
}
