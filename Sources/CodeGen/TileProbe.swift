import CLLVM

/// A product made of tiles of one shape, in memory that fits the second-level cache: how fast a shape is shows only by
/// measurement, and whether `TileShape` has chosen well.
package final class TileProbe {
    private typealias Function =
        @convention(c) (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void

    /// A shape of tiles.
    package struct Shape: Hashable, Sendable {
        package var rows: Int
        package var vectors: Int
        /// Panels that a tile spans.
        package var panels: Int

        package init(rows: Int, vectors: Int, panels: Int = 1) {
            self.rows = rows
            self.vectors = vectors
            self.panels = panels
        }
    }

    /// Rows and vectors across of the product: all of the shapes divide them.
    package static let rows = 24
    package static let vectors = 24
    /// Shapes that fill the registers more or less.
    package static let shapes = [1, 2, 3, 4, 6, 8, 12].flatMap { rows in [1, 2, 3, 4, 6].map { Shape(rows: rows, vectors: $0) } }
    /// Shapes of few rows with so many panels that sums do not wait for each other, or half as many.
    package static let shapesOfPanels = [
        Shape(rows: 1, vectors: 1, panels: 8), Shape(rows: 1, vectors: 2, panels: 2), Shape(rows: 1, vectors: 2, panels: 4),
        Shape(rows: 1, vectors: 4, panels: 2), Shape(rows: 2, vectors: 2, panels: 2), Shape(rows: 2, vectors: 4, panels: 2),
    ]

    package let shape: Shape
    /// Summed elements.
    package let depth: Int
    private let lanes: Int
    private let code: LoadedCode
    private let function: Function
    private var left: [Float]
    private var panels: [Float]
    private var output: [Float]

    /// The shape that products are made of on this machine.
    package static func chosen() -> Shape {
        let shape = TileShape(machine: .current, precision: .f32)
        return Shape(rows: shape.rows, vectors: shape.vectors)
    }

    package init(_ shape: Shape, depth: Int) throws {
        self.shape = shape
        self.depth = depth
        let target = try HostTarget()
        let module = try LLVMModule(name: "tiles", target: target)
        let kernels = TileKernels(module: module, precision: .f32, target: target)
        lanes = kernels.shape.lanes
        let word: LLVMTypeRef = LLVMInt64TypeInContext(module.context)
        let address: LLVMTypeRef = LLVMPointerTypeInContext(module.context, 0)
        let builder = IRBuilder(
            module: module, function: "product", parameters: [address, address, address, word], result: nil, precision: .f32,
            target: target)
        Self.emit(shape, depth: depth, kernels, in: builder)
        builder.returnVoid()
        try module.verify()
        try module.optimize(for: target)
        code = try LoadedCode(module.emitted(.object, for: target))
        function = unsafeBitCast(try code.function("product"), to: Function.self)
        left = [Float](repeating: 0.5, count: Self.rows * depth)
        panels = [Float](repeating: 0.25, count: depth * Self.vectors * lanes)
        output = [Float](repeating: 0, count: Self.rows * Self.vectors * lanes)
    }

    /// `turns` times: every panel, and in each all tiles of rows.
    private static func emit(_ shape: Shape, depth: Int, _ kernels: TileKernels, in b: IRBuilder) {
        let lanes = kernels.shape.lanes
        let width = shape.vectors * lanes
        let across = vectors * lanes
        b.loop(from: b.int(0), to: b.parameter(3)) { _, _ in
            b.loop(from: b.int(0), to: b.int(vectors / shape.vectors), by: shape.panels) { panel, _ in
                let packed = b.element(b.parameter(1), b.multiply(panel, b.int(depth * width)), of: b.real)
                let column = b.element(b.parameter(2), b.multiply(panel, b.int(width)), of: b.real)
                b.loop(from: b.int(0), to: b.int(rows), by: shape.rows) { row, _ in
                    kernels.emit(
                        TileKernels.Tile(rows: shape.rows, vectors: shape.vectors, start: .zero, panels: shape.panels),
                        TileKernels.Operands(
                            left: b.element(b.parameter(0), b.multiply(row, b.int(depth)), of: b.real), rowStride: b.int(depth),
                            outerCount: b.int(1), outerStride: b.int(0), innerCount: b.int(depth), innerStride: b.int(1),
                            panel: packed, output: b.element(column, b.multiply(row, b.int(across)), of: b.real),
                            outputStride: b.int(across), valid: b.int(lanes)),
                        in: b)
                    return []
                }
                return []
            }
            return []
        }
    }

    /// Floating-point operations of a run of so many turns.
    package func operations(turns: Int) -> Double {
        2 * Double(turns) * Double(Self.rows * Self.vectors * lanes) * Double(depth)
    }

    package func run(turns: Int) {
        left.withUnsafeBufferPointer { left in
            panels.withUnsafeBufferPointer { panels in
                output.withUnsafeMutableBufferPointer { output in
                    guard let left = left.baseAddress, let panels = panels.baseAddress, let output = output.baseAddress else { return }
                    function(left, panels, output, turns)
                }
            }
        }
    }

    /// What the last run has computed, `[rows, vectors · lanes]`: every element is `depth / 8`.
    package var result: [Float] { output }
}
