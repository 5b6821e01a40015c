import RecStream

/// The rows of writes that depend on what is read of the state, as the solution of `X - L X = B`, where `L[i, j]` is what the row
/// at `i` takes from the one at `j`. Several writes of a step stand one behind the other in the order of the step.
struct TriangularSystem {
    let step: Int
    let other: Int
    /// The dims of the state that are not summed.
    let kept: [Int]

    /// - Parameters:
    ///   - blocks: for each write and each write that it takes from, `[step, other, …]`; nil where it takes nothing.
    ///   - right: for each write `[step, …]`.
    /// - Returns: for each write its row, `[step, …]`.
    func solve(_ blocks: [[Labelled?]], _ right: [Labelled], _ b: inout LabelledBuilder) -> [Labelled] {
        let own = [step, other]
        var shared: [Int] = []
        for block in blocks.joined() {
            for label in block?.labels ?? [] where !own.contains(label) && !shared.contains(label) { shared.append(label) }
        }
        let rest = kept.filter { !shared.contains($0) }
        let (count, size) = (blocks.count, b.dim(step).size)
        let place = b.newLabel(Dim("write", count))
        let otherPlace = b.newLabel(Dim("other write", count))
        let one = Dim("1", 1)
        let lines = blocks.map { line -> ValueID in
            let parts = line.map { block -> ValueID in
                let whole = b.lined(block ?? b.number(0), to: shared + own)
                return b.builder.reshape(whole, to: b.shape(shared + [step]) + [one] + b.shape([other]) + [one])
            }
            return b.builder.concat(parts, axis: shared.count + 3, named: b.dim(otherPlace).name)
        }
        let matrix = b.builder.concat(lines, axis: shared.count + 1, named: b.dim(place).name)
        let system = Dim("row", size * count)
        let square = b.builder.reshape(matrix, to: b.shape(shared) + [system, Dim("other row", size * count)])
        let columns = right.map { column -> ValueID in
            let whole = b.lined(column, to: shared + [step] + rest)
            return b.builder.reshape(whole, to: b.shape(shared + [step]) + [one] + b.shape(rest))
        }
        let sides = b.builder.concat(columns, axis: shared.count + 1, named: b.dim(place).name)
        let solution = b.builder.solve(square, b.builder.reshape(sides, to: b.shape(shared) + [system] + b.shape(rest)))
        let all = Labelled(
            id: b.builder.reshape(solution, to: b.shape(shared + [step, place] + rest)), labels: shared + [step, place] + rest)
        return blocks.indices.map { b.element(all, place, at: $0) }
    }
}
