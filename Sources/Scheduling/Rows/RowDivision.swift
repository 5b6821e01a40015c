import RecAnalysis
import RecStream

/// Which of an item's turns touches an element of a row: the one at `(position / stride) % (period / stride)`.
struct RowOwnership: Equatable {
    var stride: Int
    var period: Int

    /// How the turns of `variable` divide what `position` runs through; nil where elements of one turn lie among those of another.
    ///
    /// - Parameter step: the position is moved by some multiple of it that nobody knows beforehand.
    init?(_ position: Affine, movedBy step: Int? = nil, variable: Int, extents: [Int]) {
        stride = position.coefficient(of: variable)
        guard stride > 0 else { return nil }
        period = stride * extents[variable]
        if let step, step % period != 0 { return nil }
        var reach = position.offset % period
        if reach < 0 { reach += period }
        for term in position.terms where term.variable != variable && term.coefficient % period != 0 {
            guard term.coefficient > 0 else { return nil }
            reach += term.coefficient * (extents[term.variable] - 1)
        }
        guard reach < stride else { return nil }
    }
}

/// The ways in which an item can be divided.
struct RowDivision {
    /// Loops with fewer elements are not worth dividing.
    static let leastElements = 32
    /// More groups of columns than these are no gates.
    private static let mostGroups = 16

    /// - Parameter wanted: periods by which others of the stage are divided.
    static func candidates(of item: Item, wanted: Set<Int> = []) -> [RowSharing.Part] {
        switch item {
        case .total: []
        case .nest(let nest): candidates(of: nest)
        case .product(let product): candidates(of: product, wanted)
        }
    }

    private static func candidates(of nest: Nest) -> [RowSharing.Part] {
        guard nest.domain.reduce(1, *) >= leastElements else { return [] }
        return nest.domain.indices.compactMap { variable in
            guard nest.domain[variable] > 1 else { return nil }
            let owners = nest.stores.map { RowOwnership($0.position, movedBy: $0.scatter?.stride, variable: variable, extents: nest.extents) }
            guard owners.allSatisfy({ $0 != nil }), let first = owners.first ?? nil else { return nil }
            return .loop(variable: variable, stride: first.stride, period: first.period)
        }
    }

    private static func candidates(of product: Product, _ wanted: Set<Int>) -> [RowSharing.Part] {
        var result: [RowSharing.Part] = []
        if let batch = product.batches.first, batch.extent > 1,
            let owner = RowOwnership(product.outputPosition, variable: 0, extents: product.extents)
        {
            result.append(.batches(stride: owner.stride, period: owner.period))
        }
        let columns = product.columnCount
        guard columns >= leastElements else { return result }
        let others = product.batches + product.rows
        for period in wanted.union([columns]).sorted()
        where columns % period == 0 && columns / period <= mostGroups && period >= leastElements
            && others.allSatisfy({ $0.outputStride % period == 0 })
        {
            result.append(.columns(period: period))
        }
        return result
    }
}

extension Product {
    /// Extents of batches, rows, sums, and all columns together.
    var extents: [Int] { (batches + rows + sums).map(\.extent) + [columnCount] }

    private func position(_ stride: (Dimension) -> Int, columns: Int) -> Affine {
        Affine.linear(
            extents.indices.map(Affine.variable), strides: (batches + rows + sums).map(stride) + [columns])
    }

    /// Where it writes, in the variables of `extents`.
    var outputPosition: Affine { position(\.outputStride, columns: 1) }
    /// Where it reads.
    var inputPosition: Affine { position(\.inputStride, columns: 0) + input.position.offset }
}
