import RecSource
import RecStream

extension Lowering {
    /// The element of each row at its index. There is no gather by row, so the rows become one table, and each index
    /// moves to where its row starts.
    mutating func picked(_ rows: ValueID, _ index: ValueID, _ span: SourceSpan) -> ValueID? {
        let shape = graph[rows].shape
        let outer = Array(shape.dropLast())
        let (count, width) = (outer.elementCount, shape[shape.count - 1].size)
        guard count <= Self.mostPickedRows else {
            fail(.tooLarge, "at one step at most \(Self.mostPickedRows) rows can be chosen from, not \(count)", span)
            return nil
        }
        let flat = [Dim("\(count)", count)]
        func emit(_ operation: Operation, _ element: ElementType, _ shape: Shape) -> ValueID {
            let variance = operation.operands.reduce(Variance.none) { $0.union(graph[$1].variance) }
            return graph.add(Value(operation, element: element, shape: shape, variance: variance, span: span))
        }
        func constant(_ number: Int, _ shape: Shape) -> ValueID {
            emit(.broadcast(emit(.constant(.int(number)), .int, []), from: [nil]), .int, shape)
        }
        let starts = emit(.concat((0..<count).map { constant($0 * width, [Dim("1", 1)]) }, axis: 0), .int, flat)
        // An index outside must not reach into another row.
        let indices = emit(.reshape(index), .int, flat)
        let within = emit(.binary(.min, emit(.binary(.max, indices, constant(0, flat)), .int, flat), constant(width - 1, flat)), .int, flat)
        let table = emit(.reshape(rows), .real, [Dim("\(count * width)", count * width)])
        let places = emit(.binary(.add, starts, within), .int, flat)
        return emit(.reshape(emit(.gather(table: table, index: places), .real, flat)), .real, outer)
    }

    private static let mostPickedRows = 4096
}
