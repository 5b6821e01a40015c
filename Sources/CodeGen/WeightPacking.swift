import RecScheduling

/// The form in which product kernels read weights: panels of a few vectors of columns, in a panel a row for each
/// summed element. Columns, those of each group by themselves, are filled up with zeros to whole vectors.
package struct WeightPacking: Equatable, Sendable {
    /// Reals of a vector.
    package let lanes: Int
    /// Vectors of a full panel.
    package let panelVectors: Int
    package let precision: Precision
    package let format: WeightFormat

    init(machine: HostMachine, precision: Precision, format: WeightFormat) {
        self.precision = precision
        self.format = format
        let shape = TileShape(machine: machine, precision: precision)
        lanes = shape.lanes
        panelVectors = shape.vectors
    }

    func vectorCount(columns: Int) -> Int { (columns + lanes - 1) / lanes }

    /// Elements of the packed weights of a product.
    package func elementCount(of product: Product) -> Int {
        product.batchCount * product.groups * product.sumCount * vectorCount(columns: product.columnCount / product.groups) * lanes
    }

    /// Bytes of the packed weights of a product.
    package func byteCount(of product: Product) -> Int { elementCount(of: product) * format.byteCount(precision) }

    /// Packs weights that lie at `weight`, reals of the precision, into `packed`.
    ///
    /// The types are chosen here, in the module of the loops: from another they would be looked up for every element.
    package func pack(_ product: Product, weight: UnsafeRawPointer, into packed: UnsafeMutableRawPointer) {
        switch precision {
        case .f32: pack(product, weight.assumingMemoryBound(to: Float.self), packed)
        case .f64: pack(product, weight.assumingMemoryBound(to: Double.self), packed)
        }
    }

    private func pack<Real: BinaryFloatingPoint>(_ product: Product, _ weight: UnsafePointer<Real>, _ packed: UnsafeMutableRawPointer) {
        switch format {
        case .full: pack(product, weight, into: packed.assumingMemoryBound(to: Real.self)) { $0 }
        case .bf16:
            pack(product, weight, into: packed.assumingMemoryBound(to: UInt16.self)) { WeightFormat.bf16(Float($0)) }
        }
    }

    private func pack<Real: BinaryFloatingPoint, Stored>(
        _ product: Product, _ weight: UnsafePointer<Real>, into packed: UnsafeMutablePointer<Stored>, _ stored: (Real) -> Stored
    ) {
        let columns = Self.offsets(of: product.columns, \.weightStride)
        let sums = Self.offsets(of: product.sums, \.weightStride)
        var out = packed
        for batch in Self.offsets(of: product.batches, \.weightStride) {
            let base = weight + product.weightOffset + batch
            let count = columns.count / product.groups
            let vectors = vectorCount(columns: count)
            for start in stride(from: 0, to: columns.count, by: max(count, 1)) {
                var vector = 0
                while vector < vectors {
                    let width = min(panelVectors, vectors - vector) * lanes
                    let first = vector * lanes
                    for sum in sums {
                        for column in first..<first + width {
                            out[column - first] = stored(column < count ? base[sum + columns[start + column]] : 0)
                        }
                        out += width
                    }
                    vector += width / lanes
                }
            }
        }
    }

    /// The offset of every element of the dimensions, the last one fastest.
    private static func offsets(of dimensions: [Product.Dimension], _ stride: KeyPath<Product.Dimension, Int>) -> [Int] {
        dimensions.reduce([0]) { offsets, dimension in
            offsets.flatMap { offset in (0..<dimension.extent).map { offset + $0 * dimension[keyPath: stride] } }
        }
    }
}
