/// Why an operation cannot stand in a graph.
package struct TypeFault: Error, CustomStringConvertible {
    package var description: String
    init(_ description: String) { self.description = description }
}

extension StreamGraph {
    /// The type that follows from an operation and its operands, which are in the graph.
    ///
    /// `proposed` gives what does not follow: the whole type of an input, element type and shape of a parameter, the names
    /// of axes where an operation may change them, sizes where it leaves a choice (`reshape`, `slice`, `window`), and the
    /// variance where a value may vary over more than its operands (`delay`, `rename`).
    ///
    /// - Throws: what is wrong with the operation, or with the part of `proposed` that it uses.
    package func inferredType(of operation: Operation, proposing proposed: ValueType) throws(TypeFault) -> ValueType {
        guard operation.operands.allSatisfy({ values.indices.contains($0.index) }) else {
            throw TypeFault("an operand is not in the graph")
        }
        guard operation.operands.allSatisfy({ self[$0].shape.isCountable }), proposed.shape.isCountable else {
            throw TypeFault("sizes are 1 or more, and at most 2^40 elements together")
        }
        var type = proposed
        type.variance = operation.operands.reduce(Variance.none) { $0.union(self[$1].variance) }
        switch operation {
        case .input:
            type.variance = proposed.variance
            if proposed.variance.isStream, !proposed.variance.batch { throw TypeFault("a stream varies over the batch") }
            if !proposed.variance.batch, !axes.isEmpty { throw TypeFault("an input varies over the batch") }
        case .parameter:
            break
        case .constant(let scalar):
            type.element = scalar.element
            type.shape = []
        case .unary(.numbered, let a):
            guard dataAxes.count == 1, !self[a].variance.isStream else { throw TypeFault("'numbered' takes what is the same at every step of one axis") }
            type.element = try element(UnaryOperator.numbered.result(of: self[a].element), UnaryOperator.numbered.rawValue, a)
            type.shape = self[a].shape
            type.variance = type.variance.union(Variance(batch: true, axes: 1))
        case .unary(let function, let a):
            type.element = try element(function.result(of: self[a].element), function.rawValue, a)
            type.shape = self[a].shape
        case .binary(let function, let a, let b):
            try expectSame(a, b)
            type.element = try element(function.result(of: self[a].element), function.rawValue, a)
            type.shape = self[a].shape
        case .select(let condition, let a, let b):
            try expectSame(a, b)
            guard self[condition].element == .bool else { throw TypeFault("\(condition) is no bool") }
            guard self[condition].shape == self[a].shape else {
                throw TypeFault("\(condition) is \(self[condition].type), \(a) is \(self[a].type)")
            }
            type.element = self[a].element
            type.shape = self[a].shape
        case .contract(let contraction):
            type.element = try element(of: contraction)
            type.shape = try shape(of: contraction, proposed.shape)
        case .reduce(let kind, let a, let reduced):
            type.element = try element(kind.result(of: self[a].element), kind.rawValue, a)
            type.shape = try shape(reducing: a, kind, over: reduced)
        case .broadcast(let a, let from):
            type.element = self[a].element
            try expect(broadcast: a, from, gives: proposed.shape)
        case .rename(let a):
            type.element = self[a].element
            guard self[a].shape.sizes == proposed.shape.sizes else {
                throw TypeFault("\(a) has the sizes \(self[a].shape.sizes), not \(proposed.shape.sizes)")
            }
            type.variance = proposed.variance.union(type.variance)
        case .reshape(let a):
            type.element = self[a].element
            guard self[a].shape.elementCount == proposed.shape.elementCount else {
                throw TypeFault("\(a) has \(self[a].shape.elementCount) elements, not \(proposed.shape.elementCount)")
            }
        case .slice, .concat, .pad, .window, .gather, .scatter:
            type.element = try pieceElement(of: operation)
            type.shape = try pieceShape(of: operation, proposed.shape)
        case .delay(let a, let offsets, let initial):
            type = try delayed(a, offsets, initial, proposed.variance)
        case .overTime(let kind, let a, let axis):
            guard axes.indices.contains(axis), self[a].variance.varies(over: axis) else {
                throw TypeFault("\(a) does not vary over axis \(axis)")
            }
            type.element = try element(kind.result(of: self[a].element), kind.rawValue, a)
            type.shape = self[a].shape
            type.variance = type.variance.removing(axis: axis)
        case .overBatch(let a):
            guard self[a].variance == .once else { throw TypeFault("\(a) is not given once per sequence") }
            guard self[a].element != .bool else { throw TypeFault("bools are not added up") }
            type = ValueType(self[a].element, self[a].shape, .none)
        case .along(let a, let axis):
            guard let source = counterpart(of: axis) else { throw TypeFault("axis \(axis) is not one of two indices over the same axis") }
            guard self[a].variance.varies(over: source), !self[a].variance.varies(over: axis) else {
                throw TypeFault("\(a) does not vary over \(axes[source].name) alone")
            }
            type.element = self[a].element
            type.shape = self[a].shape
            type.variance = moved(type.variance, from: source, to: axis)
        case .distance(let axis):
            guard axes.indices.contains(axis), let first = axes[axis].again else { throw TypeFault("axis \(axis) is no second index") }
            type = ValueType(.int, [], Variance(batch: true, axes: 1 << UInt8(axis) | 1 << UInt8(first)))
        case .chunks(let a, let axis, _):
            let chunks = try chunks(axis)
            guard self[a].variance.varies(over: chunks.axis), !self[a].variance.varies(over: axis) else {
                throw TypeFault("\(a) does not vary over \(axes[chunks.axis].name) alone")
            }
            type.element = self[a].element
            type.shape = [Dim(proposed.shape.first?.name ?? "\(chunks.count)", chunks.count)] + self[a].shape
            type.variance = moved(type.variance, from: chunks.axis, to: axis)
        case .steps(let a, let axis):
            let chunks = try chunks(axis)
            guard self[a].variance.varies(over: axis), !self[a].variance.varies(over: chunks.axis) else {
                throw TypeFault("\(a) does not vary over \(axes[axis].name) alone")
            }
            guard self[a].shape.first?.size == chunks.count else { throw TypeFault("\(a) is not \(chunks.count) steps") }
            type.element = self[a].element
            type.shape = Array(self[a].shape.dropFirst())
            type.variance = moved(type.variance, from: axis, to: chunks.axis)
        case .runningAffine(let a, let b, let axis, _):
            try expectSame(a, b)
            guard self[a].element == .real, self[a].shape.indices.contains(axis) else {
                throw TypeFault("\(self[a].type) has no axis \(axis) of reals")
            }
            type.element = .real
            type.shape = self[a].shape
        case .solve(let matrix, let right, _):
            let (sizes, rows) = (self[matrix].shape.sizes, self[right].shape.sizes)
            guard self[matrix].element == .real, self[right].element == .real, sizes.count >= 2,
                sizes.suffix(2).first == sizes.last, rows.starts(with: sizes.dropLast())
            else { throw TypeFault("\(self[matrix].type) is no matrix for \(self[right].type)") }
            type.element = .real
            type.shape = self[right].shape
        }
        return type
    }

    private func chunks(_ axis: Int) throws(TypeFault) -> StreamAxis.Chunks {
        guard axes.indices.contains(axis), let chunks = axes[axis].chunks else { throw TypeFault("axis \(axis) counts no chunks") }
        return chunks
    }

    /// How many chunks there are depends on the sequence.
    private func moved(_ variance: Variance, from old: Int, to new: Int) -> Variance {
        variance.removing(axis: old).union(Variance(batch: true, axes: 1 << UInt8(new)))
    }

    private func element(_ result: ElementType?, _ function: String, _ a: ValueID) throws(TypeFault) -> ElementType {
        guard let result else { throw TypeFault("'\(function)' is not defined on \(self[a].element.rawValue) values") }
        return result
    }

    private func expectSame(_ a: ValueID, _ b: ValueID) throws(TypeFault) {
        guard self[a].element == self[b].element, self[a].shape == self[b].shape else {
            throw TypeFault("\(a) is \(self[a].type), \(b) is \(self[b].type)")
        }
    }

    private func element(of contraction: Contraction) throws(TypeFault) -> ElementType {
        let (left, right) = (self[contraction.left].element, self[contraction.right].element)
        guard left == right, left != .bool else {
            throw TypeFault("a contraction of \(left.rawValue) with \(right.rawValue) values")
        }
        return left
    }

    /// Names of the result's axes are free: the two operands may call an axis differently.
    private func shape(of contraction: Contraction, _ proposed: Shape) throws(TypeFault) -> Shape {
        let sides = [
            (contraction.leftLabels, self[contraction.left].shape), (contraction.rightLabels, self[contraction.right].shape),
            (contraction.resultLabels, proposed),
        ]
        var sizes: [Int: Int] = [:]
        for (position, (labels, shape)) in sides.enumerated() {
            guard labels.count == shape.count else { throw TypeFault("\(labels.count) labels for \(shape.count) axes") }
            guard Set(labels).count == labels.count else { throw TypeFault("the labels \(labels) repeat one") }
            for (label, dim) in zip(labels, shape) {
                if position == 2, sizes[label] == nil { throw TypeFault("no operand has the label \(label)") }
                guard sizes[label] ?? dim.size == dim.size else { throw TypeFault("axes of the label \(label) differ in size") }
                sizes[label] = dim.size
            }
        }
        guard Shape(sizes.map { Dim("\($0.key)", $0.value) }).isCountable else {
            throw TypeFault("the contraction has more than 2^40 products")
        }
        return proposed
    }

    private func shape(reducing a: ValueID, _ kind: ReduceKind, over reduced: [Int]) throws(TypeFault) -> Shape {
        let shape = self[a].shape
        guard !reduced.isEmpty, reduced.allSatisfy(shape.indices.contains), zip(reduced, reduced.dropFirst()).allSatisfy(<) else {
            throw TypeFault("the axes \(reduced) are no ascending axes of \(self[a].type)")
        }
        if kind == .argmax, reduced.count != 1 { throw TypeFault("argmax runs over one axis") }
        return shape.indices.filter { !reduced.contains($0) }.map { shape[$0] }
    }

    private func expect(broadcast a: ValueID, _ from: [Int?], gives proposed: Shape) throws(TypeFault) {
        let shape = self[a].shape
        guard from.count == proposed.count, from.compactMap({ $0 }).sorted() == Array(shape.indices) else {
            throw TypeFault("every axis of \(self[a].type) occurs once among \(from.count) axes")
        }
        for (dim, source) in zip(proposed, from) {
            guard let source, shape[source].size != dim.size else { continue }
            throw TypeFault("axis \(source) of \(self[a].type) does not become \(dim.name)=\(dim.size)")
        }
    }

    private func delayed(
        _ a: ValueID, _ offsets: [Int], _ initial: ValueID?, _ proposed: Variance
    ) throws(TypeFault) -> ValueType {
        guard offsets.count == axes.count, offsets.contains(where: { $0 != 0 }) else {
            throw TypeFault("the offsets \(offsets) are not one for each axis, one of them other than 0")
        }
        // Steps outside have another value, and where a sequence ends depends on the sequence.
        var least = self[a].variance.union(.once)
        for (axis, offset) in offsets.enumerated() {
            guard abs(offset.clamped) <= 1 << 31 else { throw TypeFault("the offset \(offset) is too large") }
            if offset != 0 { least.axes |= 1 << UInt8(axis) }
        }
        if let initial {
            let start = self[initial]
            guard !start.variance.isStream else { throw TypeFault("the initial value \(initial) varies over time") }
            guard start.element == self[a].element, start.shape.sizes == self[a].shape.sizes else {
                throw TypeFault("the initial value \(initial) is \(start.type), \(a) is \(self[a].type)")
            }
        }
        return ValueType(self[a].element, self[a].shape, proposed.union(least))
    }
}

extension Int {
    /// The number, away from the one whose magnitude is no `Int`.
    fileprivate var clamped: Int { Swift.max(self, -Int.max) }
}
