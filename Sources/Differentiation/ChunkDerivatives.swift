import RecStream

/// Shares of what runs along the steps of a chunk. Both operations are closed: their transposes are of their own kind.
extension ReverseMode {
    /// With `z` the adjoint of `y[i] = a[i] · y[i-1] + b[i]`: `λ[i] = z[i] + a[i+1] · λ[i+1]`, which `b` gets, and `a[i]` gets
    /// `λ[i] · y[i-1]`.
    mutating func runningAffineShares(
        _ factor: ValueID, _ term: ValueID, _ axis: Int, _ isReversed: Bool, _ id: ValueID, _ adjoint: ValueID
    ) {
        let next = builder.shifted(factor, axis: axis, isReversed: !isReversed)
        let share = builder.runningAffine(next, adjoint, axis: axis, isReversed: !isReversed)
        give(share, to: term, from: id)
        guard activity.isActive(factor) else { return }
        give(builder.binary(.multiply, share, builder.shifted(id, axis: axis, isReversed: isReversed)), to: factor, from: id)
    }

    /// With `z` the adjoint of `X = (1 - L)⁻¹ B`: `B` gets `Y = (1 - Lᵀ)⁻¹ z`, and `L` the strictly lower triangle of `Y Xᵀ`, or of
    /// `X Yᵀ` where the system is transposed.
    mutating func solveShares(_ matrix: ValueID, _ right: ValueID, _ isTransposed: Bool, _ id: ValueID, _ adjoint: ValueID) {
        let share = builder.solve(matrix, adjoint, isTransposed: !isTransposed)
        give(share, to: right, from: id)
        guard activity.isActive(matrix) else { return }
        let (left, right) = isTransposed ? (id, share) : (share, id)
        give(builder.strictlyLowerOuter(left, right, like: primal[matrix].shape), to: matrix, from: id)
    }

    /// An adjoint in all that its value varies over.
    mutating func wide(_ adjoint: ValueID, like id: ValueID) -> ValueID {
        builder[adjoint].variance == primal[id].variance ? adjoint : builder.rename(adjoint, over: primal[id].variance)
    }

    /// What a user that is at the operand's own places gives.
    mutating func give(_ share: ValueID, over variance: Variance, to operand: ValueID) {
        guard activity.isActive(operand) else { return }
        add(share, to: operand, over: variance.union(builder[share].variance))
    }
}

extension GraphBuilder {
    /// A matrix without its diagonal and what stands above it.
    mutating func strictlyLower(_ matrix: ValueID) -> ValueID {
        let shape = self[matrix].shape
        let (row, column) = (shape.count - 2, shape.count - 1)
        func lined(_ axis: Int, _ builder: inout GraphBuilder) -> ValueID {
            let numbers = builder.counted(shape[axis])
            return builder.broadcast(numbers, to: shape, from: shape.indices.map { $0 == axis ? 0 : nil })
        }
        let (i, j) = (lined(row, &self), lined(column, &self))
        return select(binary(.less, j, i), matrix, zeros(shape))
    }

    /// `strictLower(matrix) · right`, or its transpose times `right`.
    mutating func strictlyLower(_ matrix: ValueID, times right: ValueID, isTransposed: Bool) -> ValueID {
        let lower = strictlyLower(matrix)
        let rank = self[matrix].shape.count
        let blocks = Array(0..<rank - 2)
        let rest = (0..<self[right].shape.count - rank + 1).map { 100 + $0 }
        let (row, column) = isTransposed ? (rank - 1, rank - 2) : (rank - 2, rank - 1)
        let product = contract(lower, Array(0..<rank), right, blocks + [column] + rest, to: blocks + [row] + rest)
        return rename(product, to: self[right].shape)
    }

    /// `Σ left[i, …] · right[j, …]` for j < i, 0 elsewhere.
    mutating func strictlyLowerOuter(_ left: ValueID, _ right: ValueID, like shape: Shape) -> ValueID {
        let blocks = Array(0..<shape.count - 2)
        let rest = (0..<self[left].shape.count - shape.count + 1).map { 100 + $0 }
        let product = contract(left, blocks + [50] + rest, right, blocks + [51] + rest, to: blocks + [50, 51])
        return strictlyLower(rename(product, to: shape))
    }
}
