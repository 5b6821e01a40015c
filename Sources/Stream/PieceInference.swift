/// Types of the operations that cut and join.
extension StreamGraph {
    func pieceElement(of operation: Operation) throws(TypeFault) -> ElementType {
        if case .scatter(let updates, let index, _) = operation {
            guard self[index].element == .int else { throw TypeFault("the index \(index) is no int") }
            guard self[updates].element != .bool else { throw TypeFault("bools are not added up") }
            return self[updates].element
        }
        if case .gather(let table, let index) = operation {
            guard self[index].element == .int else { throw TypeFault("the index \(index) is no int") }
            return self[table].element
        }
        guard let first = operation.operands.first else { throw TypeFault("there is nothing to join") }
        guard operation.operands.allSatisfy({ self[$0].element == self[first].element }) else {
            throw TypeFault("the parts differ in element type")
        }
        return self[first].element
    }

    /// The shape that follows; names of the axes that an operation makes, and sizes that it leaves open, are taken from
    /// `proposed`.
    func pieceShape(of operation: Operation, _ proposed: Shape) throws(TypeFault) -> Shape {
        switch operation {
        case .slice(let a, let axis, let start, let stride):
            var shape = try shape(of: a, with: axis, rank: proposed.count)
            let size = shape[axis].size
            shape[axis] = proposed[axis]
            guard start >= 0, start < size, stride >= 1, shape[axis].size - 1 <= (size - 1 - start) / stride else {
                throw TypeFault("\(shape[axis].size) elements from \(start) by \(stride) do not lie within \(self[a].type)")
            }
            return shape
        case .concat(let parts, let axis):
            guard let first = parts.first else { throw TypeFault("there is nothing to join") }
            var shape = try shape(of: first, with: axis, rank: proposed.count)
            shape[axis] = Dim(proposed[axis].name, 0)
            for part in parts {
                var other = try self.shape(of: part, with: axis, rank: proposed.count)
                // No overflow: sizes are at most 2^40, and a part takes several bytes to write down.
                shape[axis].size += other[axis].size
                other[axis] = shape[axis]
                guard other.sizes == shape.sizes else {
                    throw TypeFault("\(part) is \(self[part].type), \(first) is \(self[first].type)")
                }
            }
            return shape
        case .pad(let a, let axis, let before, let after, let mode):
            var shape = try shape(of: a, with: axis, rank: proposed.count)
            let size = shape[axis].size
            let most = mode == .reflect ? size - 1 : Shape.mostElements
            guard 0...most ~= before, 0...most ~= after else {
                throw TypeFault("\(mode.rawValue) padding of \(self[a].type) by \(before) and \(after)")
            }
            shape[axis] = Dim(proposed[axis].name, before + size + after)
            return shape
        case .window(let a, let axis, let stride):
            var shape = try shape(of: a, with: axis, rank: proposed.count - 1)
            let size = shape[axis].size
            let (count, width) = (proposed[axis], proposed[axis + 1])
            guard stride >= 1, width.size <= size, count.size - 1 <= (size - width.size) / stride else {
                throw TypeFault("\(count.size) windows of \(width.size) by \(stride) do not lie within \(self[a].type)")
            }
            shape.replaceSubrange(axis...axis, with: [count, width])
            return shape
        case .gather(let table, let index):
            guard !self[table].shape.isEmpty else { throw TypeFault("the table \(table) has no axis") }
            let shape = self[index].shape + self[table].shape.dropFirst()
            guard shape.sizes == proposed.sizes else { throw TypeFault("rows of \(self[table].type) are not \(proposed.sizes)") }
            return proposed
        case .scatter(let updates, let index, let count):
            let (shape, places) = (self[updates].shape, self[index].shape)
            guard count >= 1, shape.sizes.prefix(places.count).elementsEqual(places.sizes) else {
                throw TypeFault("\(updates) is \(self[updates].type), \(index) is \(self[index].type), and there are \(count) rows")
            }
            guard proposed.sizes == [count] + shape.sizes.dropFirst(places.count) else {
                throw TypeFault("\(count) rows of \(self[updates].type) are not \(proposed.sizes)")
            }
            return proposed
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape,
            .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return proposed
        }
    }

    /// The shape of an operand of this rank, which has the axis.
    private func shape(of a: ValueID, with axis: Int, rank: Int) throws(TypeFault) -> Shape {
        let shape = self[a].shape
        guard shape.count == rank, shape.indices.contains(axis) else {
            throw TypeFault("\(self[a].type) has not \(rank) axes with axis \(axis) among them")
        }
        return shape
    }
}
