import CLLVM
import RecSchedule

/// Products of matrices within a chunk, and systems with a unit triangle: a function for each shape. Sizes and distances are known when
/// code is generated; tiles of rows × vectors are kept in registers over a whole sum.
final class MatmulKernels {
    private let module: LLVMModule
    private let precision: Precision
    private let target: HostTarget
    private var known: [(key: Schedule.Leaf, function: LLVMValueRef)] = []

    init(module: LLVMModule, precision: Precision, target: HostTarget) {
        self.module = module
        self.precision = precision
        self.target = target
    }

    private var shape: TileShape { TileShape(machine: target.machine, precision: precision) }
    private var lanes: Int { shape.lanes }

    /// The function of a leaf, apart from its buffers: `void (left, right, result, added, factor)`; the last two where there are any.
    private func function(_ key: Schedule.Leaf, _ body: (IRBuilder) -> Void) -> LLVMValueRef {
        if let present = known.first(where: { $0.key == key }) { return present.function }
        let address = LLVMPointerTypeInContext(module.context, 0)
        let builder = IRBuilder(
            module: module, function: "product.\(known.count)", parameters: [LLVMTypeRef?](repeating: address, count: 5).compactMap { $0 }, result: nil,
            precision: precision, target: target, isInternal: true)
        // What is written is none of what is read.
        for index in 0..<5 { LLVMAddAttributeAtIndex(builder.function, UInt32(index + 1), noAlias) }
        body(builder)
        builder.returnVoid()
        known.append((key, builder.function))
        return builder.function
    }

    private var noAlias: LLVMAttributeRef? {
        LLVMCreateEnumAttribute(module.context, LLVMGetEnumAttributeKindForName("noalias", 7), 0)
    }

    func emit(
        _ product: Schedule.Matmul, left: IRValue, right: IRValue, result: IRValue, added: IRValue?, factor: IRValue?, in builder: IRBuilder
    ) {
        var key = product
        let none = Schedule.BufferID(0)
        key.added?.buffer = none
        key.added?.slot = .none
        key.added?.factor?.buffer = none
        key.added?.factor?.slot = .none
        (key.left, key.right, key.leftSlot, key.rightSlot, key.result) = (none, none, .none, .none, Schedule.View(buffer: none, terms: []))
        _ = builder.call(function(.matmul(key)) { emitBody(of: key, in: $0) }, [left, right, result, added ?? left, factor ?? left])
    }

    func emit(_ system: Schedule.Solve, matrix: IRValue, right: IRValue, result: IRValue, in builder: IRBuilder) {
        var key = system
        let none = Schedule.BufferID(0)
        (key.matrix, key.right, key.result) = (none, none, none)
        _ = builder.call(function(.solve(key)) { emitBody(of: key, in: $0) }, [matrix, right, result, matrix, matrix])
    }

    // MARK: Products

    private struct Places {
        var left: IRValue
        var right: IRValue
        var result: IRValue
        /// What is added at the place of the result, and the number of the row that it is multiplied by.
        var added: IRValue?
        var factor: IRValue?
        /// From the factor of a row to that of the next one.
        var factorStride = 0
    }

    /// - Parameter isRow: whether the loop is that of the rows, each of which has a factor of its own for what is added.
    private func moved(_ places: Places, _ loop: Schedule.Matmul.Loop, _ index: IRValue, _ b: IRBuilder, isRow: Bool = false) -> Places {
        func move(_ start: IRValue, _ stride: Int) -> IRValue {
            stride == 0 ? start : b.element(start, b.multiply(index, b.int(stride)), of: b.real)
        }
        return Places(
            left: move(places.left, loop.left), right: move(places.right, loop.right), result: move(places.result, loop.result),
            added: places.added.map { move($0, loop.result) }, factor: places.factor.map { isRow ? move($0, places.factorStride) : $0 },
            factorStride: places.factorStride)
    }

    private func emitBody(of product: Schedule.Matmul, in b: IRBuilder) {
        let rows = Self.flattened(product.rows)
        let columns = Self.flattened(product.columns)
        let sums = Self.flattened(product.sums)
        guard let row = rows.last, let column = columns.last else { return }
        var start = Places(left: b.parameter(0), right: b.parameter(1), result: b.parameter(2))
        if let added = product.added {
            start.added = b.parameter(3)
            if let factor = added.factor { (start.factor, start.factorStride) = (b.parameter(4), factor.stride) }
        }
        loops(product.blocks + rows.dropLast() + columns.dropLast(), start, b) { places in
            self.emitTiles(row, column, sums, product.triangles, places, b)
        }
    }

    private func loops(_ all: [Schedule.Matmul.Loop], _ places: Places, _ b: IRBuilder, _ body: (Places) -> Void) {
        guard let first = all.first else { return body(places) }
        b.loop(from: b.int(0), to: b.int(first.extent)) { index, _ in
            self.loops(Array(all.dropFirst()), self.moved(places, first, index, b), b, body)
            return []
        }
    }

    /// Loops that lie densely within each other, as one.
    private static func flattened(_ loops: [Schedule.Matmul.Loop]) -> [Schedule.Matmul.Loop] {
        var result: [Schedule.Matmul.Loop] = []
        for loop in loops {
            if let outer = result.last, outer.left == loop.left * loop.extent, outer.right == loop.right * loop.extent,
                outer.result == loop.result * loop.extent
            {
                result[result.count - 1] = Schedule.Matmul.Loop(
                    extent: outer.extent * loop.extent, left: loop.left, right: loop.right, result: loop.result)
            } else {
                result.append(loop)
            }
        }
        return result
    }

    /// Most rows of a tile by its vectors: sums, a row of the right factor and one element of the left one fill the registers.
    private func mostRows(_ vectors: Int) -> Int { min(12, shape.rows * shape.vectors / vectors) }

    /// Of the first cache what a factor may take that is to stay there.
    private static let nearBytes = 16 << 10
    /// Sums that a tile must have so that none waits for the last addition to itself, and what it takes beside them, in additions.
    private static let fewestSums = 8
    private static let tileCost = 3

    /// The rows of a tile with which all tiles of a column take the least time.
    private func tileRows(_ vectors: Int, of count: Int) -> Int {
        let most = mostRows(vectors)
        func cost(_ height: Int) -> Int {
            func tile(_ rows: Int) -> Int { rows == 0 ? 0 : max(rows * vectors, Self.fewestSums) + Self.tileCost }
            return count / height * tile(height) + tile(count % height)
        }
        // Of equal ones the larger.
        return (1...max(1, min(most, count))).reversed().min { cost($0) < cost($1) } ?? 1
    }

    private func emitTiles(
        _ row: Schedule.Matmul.Loop, _ column: Schedule.Matmul.Loop, _ sums: [Schedule.Matmul.Loop],
        _ triangles: [Schedule.Matmul.Triangle], _ places: Places, _ b: IRBuilder
    ) {
        var column0 = 0
        while column0 < column.extent {
            let rest = column.extent - column0
            let vectors = min(shape.vectors, (rest + lanes - 1) / lanes)
            let width = vectors * lanes
            // As many tiles of this width as there are.
            let tiles = rest >= width ? rest / width : 1
            let valid = rest >= width ? lanes : rest - (vectors - 1) * lanes
            let height = tileRows(vectors, of: row.extent)
            func tile(_ height: Int, at start: IRValue, _ index: IRValue) {
                let first = b.add(b.int(column0), b.multiply(index, b.int(width)))
                let here = moved(places, column, first, b)
                let sides = TileSides(row: (start, height), column: (first, min(width, rest)), count: sums.first?.extent ?? 1)
                let range = triangles.isEmpty ? nil : sides.sums(within: triangles, b)
                self.emitTile(height, vectors, valid, row, sums, range, self.moved(here, row, start, b, isRow: true), b)
            }
            func forEachColumn(_ body: (IRValue) -> Void) {
                if tiles == 1 { return body(b.int(0)) }
                b.loop(from: b.int(0), to: b.int(tiles)) { index, _ in
                    body(index)
                    return []
                }
            }
            let whole = row.extent / height
            let left = row.extent - whole * height
            func forEachRow(_ body: (Int, IRValue) -> Void) {
                b.loop(from: b.int(0), to: b.int(whole)) { index, _ in
                    body(height, b.multiply(index, b.int(height)))
                    return []
                }
                if left > 0 { body(left, b.int(whole * height)) }
            }
            let rightBytes = sums.reduce(column.extent * precision.byteCount) { $0 * $1.extent }
            if rightBytes <= Self.nearBytes {
                // What is multiplied from the right stays in the first cache, and rows pass once.
                forEachRow { height, start in forEachColumn { tile(height, at: start, $0) } }
            } else {
                forEachColumn { index in forEachRow { height, start in tile(height, at: start, index) } }
            }
            column0 += tiles * width
        }
    }

    private func vectorLoad(_ address: IRValue, _ v: Int, of vectors: Int, valid: Int, _ b: IRBuilder) -> IRValue {
        let type = b.vector(b.real, lanes)
        let place = b.element(address, b.int(v * lanes), of: b.real)
        guard v == vectors - 1, valid < lanes else { return b.load(type, place, alignment: precision.byteCount) }
        return b.maskedLoad(type, place, mask: mask(valid, b), alignment: precision.byteCount)
    }

    private func vectorStore(_ value: IRValue, _ address: IRValue, _ v: Int, of vectors: Int, valid: Int, _ b: IRBuilder) {
        let place = b.element(address, b.int(v * lanes), of: b.real)
        guard v == vectors - 1, valid < lanes else { return b.store(value, place, alignment: precision.byteCount) }
        b.maskedStore(value, place, mask: mask(valid, b), alignment: precision.byteCount)
    }

    private func mask(_ valid: Int, _ b: IRBuilder) -> IRValue { b.vectorConstant((0..<lanes).map { $0 < valid ? 1 : 0 }, of: b.i1) }

    private func emitTile(
        _ height: Int, _ vectors: Int, _ valid: Int, _ row: Schedule.Matmul.Loop, _ sums: [Schedule.Matmul.Loop],
        _ range: (from: IRValue, to: IRValue)?, _ places: Places, _ b: IRBuilder
    ) {
        let zero = b.constant(0.0, like: b.vector(b.real, lanes))
        let start = [IRValue](repeating: zero, count: height * vectors)
        let result = accumulate(sums, range, places, start, b) { places, carried in
            var next = carried
            let right = (0..<vectors).map { self.vectorLoad(places.right, $0, of: vectors, valid: valid, b) }
            for r in 0..<height {
                let scalar = b.load(b.real, b.element(places.left, b.int(r * row.left), of: b.real), alignment: self.precision.byteCount)
                let spread = b.splat(scalar, self.lanes)
                for v in 0..<vectors { next[r * vectors + v] = b.fma(spread, right[v], next[r * vectors + v]) }
            }
            return next
        }
        for r in 0..<height {
            let place = b.element(places.result, b.int(r * row.result), of: b.real)
            let factor = places.factor.map { first in
                b.splat(b.load(b.real, b.element(first, b.int(r * places.factorStride), of: b.real), alignment: precision.byteCount), lanes)
            }
            for v in 0..<vectors {
                var sum = result[r * vectors + v]
                if let added = places.added {
                    let before = vectorLoad(b.element(added, b.int(r * row.result), of: b.real), v, of: vectors, valid: valid, b)
                    sum = b.fadd(factor.map { b.fmul(before, $0) } ?? before, sum)
                }
                vectorStore(sum, place, v, of: vectors, valid: valid, b)
            }
        }
    }

    private func accumulate(
        _ sums: [Schedule.Matmul.Loop], _ range: (from: IRValue, to: IRValue)?, _ places: Places, _ start: [IRValue], _ b: IRBuilder,
        _ body: (Places, [IRValue]) -> [IRValue]
    ) -> [IRValue] {
        guard let first = sums.first else { return body(places, start) }
        func turn(_ index: IRValue, _ carried: [IRValue]) -> [IRValue] {
            accumulate(Array(sums.dropFirst()), nil, moved(places, first, index, b), carried, b, body)
        }
        guard let range else { return b.loop(from: b.int(0), to: b.int(first.extent), carrying: start) { turn($0, $1) } }
        // Bounds are not known: several turns at once, as LLVM does it otherwise.
        let step = TileSides.grain(of: first.extent)
        return b.loop(from: b.quotient(range.from, b.int(step)), to: b.quotient(range.to, b.int(step)), carrying: start) { index, carried in
            (0..<step).reduce(carried) { turn(b.add(b.multiply(index, b.int(step)), b.int($1)), $0) }
        }
    }

    // MARK: Systems

    /// Rows of a system that are solved together.
    private static let blockRows = 4

    private func emitBody(of system: Schedule.Solve, in b: IRBuilder) {
        let (size, width) = (system.size, system.width)
        b.loop(from: b.int(0), to: b.int(system.blocks)) { block, _ in
            let matrix = b.element(b.parameter(0), b.multiply(block, b.int(size * size)), of: b.real)
            let at = b.multiply(block, b.int(size * width))
            let (right, result) = (b.element(b.parameter(1), at, of: b.real), b.element(b.parameter(2), at, of: b.real))
            var column = 0
            while column < width {
                let rest = width - column
                let vectors = min(self.shape.vectors, (rest + self.lanes - 1) / self.lanes)
                let valid = min(self.lanes, rest - (vectors - 1) * self.lanes)
                let start = b.int(column)
                self.emitColumns(
                    system, vectors, valid, matrix, b.element(right, start, of: b.real), b.element(result, start, of: b.real), b)
                column += vectors * self.lanes
            }
            return []
        }
    }

    private func emitColumns(
        _ system: Schedule.Solve, _ vectors: Int, _ valid: Int, _ matrix: IRValue, _ right: IRValue, _ result: IRValue, _ b: IRBuilder
    ) {
        let size = system.size
        let whole = size / Self.blockRows
        let rest = size - whole * Self.blockRows
        /// Rows `first …`, in the order in which they are solved: the k-th of a transposed system stands at the end less k.
        func rows(_ first: IRValue, _ count: Int) {
            func place(_ k: IRValue) -> IRValue { system.isTransposed ? b.subtract(b.int(size - 1), k) : k }
            func rowAddress(_ base: IRValue, _ k: IRValue) -> IRValue { b.element(base, b.multiply(place(k), b.int(system.width)), of: b.real) }
            func factor(_ i: IRValue, _ j: IRValue) -> IRValue {
                let (row, column) = system.isTransposed ? (place(j), place(i)) : (place(i), place(j))
                let scalar = b.load(
                    b.real, b.element(matrix, b.add(b.multiply(row, b.int(size)), column), of: b.real), alignment: precision.byteCount)
                return b.splat(scalar, lanes)
            }
            let own = (0..<count).map { b.add(first, b.int($0)) }
            var sums = own.flatMap { k in (0..<vectors).map { vectorLoad(rowAddress(right, k), $0, of: vectors, valid: valid, b) } }
            sums = b.loop(from: b.int(0), to: first, carrying: sums) { j, carried in
                var next = carried
                let known = (0..<vectors).map { vectorLoad(rowAddress(result, j), $0, of: vectors, valid: valid, b) }
                for r in 0..<count {
                    let spread = factor(own[r], j)
                    for v in 0..<vectors { next[r * vectors + v] = b.fma(spread, known[v], next[r * vectors + v]) }
                }
                return next
            }
            for r in 0..<count {
                for s in 0..<r {
                    let spread = factor(own[r], own[s])
                    for v in 0..<vectors { sums[r * vectors + v] = b.fma(spread, sums[s * vectors + v], sums[r * vectors + v]) }
                }
                for v in 0..<vectors { vectorStore(sums[r * vectors + v], rowAddress(result, own[r]), v, of: vectors, valid: valid, b) }
            }
        }
        b.loop(from: b.int(0), to: b.int(whole)) { index, _ in
            rows(b.multiply(index, b.int(Self.blockRows)), Self.blockRows)
            return []
        }
        if rest > 0 { rows(b.int(whole * Self.blockRows), rest) }
    }
}
