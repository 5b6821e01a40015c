extension Schedule {
    /// The schedule with products that are only added to what is carried adding to it themselves, while their sums are in registers.
    func addingProducts() -> Schedule {
        var result = self
        result.body = addingProducts(body)
        result.inner?.body = addingProducts(inner?.body ?? [])
        return result
    }

    private func addingProducts(_ leaves: [Leaf]) -> [Leaf] {
        var readers: [BufferID: Int] = [:]
        for leaf in leaves + before + behind { for buffer in Set(leaf.read) { readers[buffer, default: 0] += 1 } }
        var result: [Leaf?] = leaves
        for (k, leaf) in leaves.enumerated() {
            guard case .matmul(let product) = leaf, product.added == nil, self[product.result.buffer].role == .scratch, readers[product.result.buffer] == 1,
                let user = leaves[(k + 1)...].firstIndex(where: { $0.read.contains(product.result.buffer) }), case .nest(let nest) = leaves[user],
                // What the product reads is the same there.
                !leaves[k..<user].contains(where: { product.reads($0.written) }), let fused = product.adding(as: nest), self[nest.target.buffer].role == .carried
            else { continue }
            result[k] = nil
            result[user] = .matmul(fused)
        }
        return result.compactMap { $0 }
    }
}

extension Schedule.Matmul {
    fileprivate func reads(_ buffer: Schedule.BufferID) -> Bool { left == buffer || right == buffer }

    /// The product, written where a nest puts it: `target = before + product`, or `before · factor + product` with a factor for each row. Nil
    /// where the nest does something else.
    fileprivate func adding(as nest: Schedule.Nest) -> Schedule.Matmul? {
        guard blocks.isEmpty, rows.count == 1, columns.count == 1, result.terms.isEmpty, nest.reduction == nil, nest.stepLoop == nil, !nest.isChecked,
            nest.condition == .always, case .binary(.add, let a, let b) = nest.nodes[nest.result], case .load(let own) = nest.nodes[b], own.buffer == result.buffer,
            let places = places(own, nest.extents), self.places(nest.target, nest.extents) == places, places == [rows[0].result, columns[0].result]
        else { return nil }
        var before = a
        var factor: Added.Factor?
        if case .binary(.multiply, let x, let y) = nest.nodes[a] {
            guard case .load(let view) = nest.nodes[y], view.step == nil, let strides = self.places(view, nest.extents), strides[1] == 0 else { return nil }
            before = x
            factor = Added.Factor(buffer: view.buffer, slot: view.slot, stride: strides[0])
        }
        guard case .load(let view) = nest.nodes[before], view.buffer != nest.target.buffer || view.slot != nest.target.slot,
            self.places(view, nest.extents) == places
        else { return nil }
        var fused = self
        fused.result = Schedule.View(buffer: nest.target.buffer, terms: [], slot: nest.target.slot)
        fused.added = Added(buffer: view.buffer, slot: view.slot, factor: factor)
        return fused
    }

    /// The strides of a view along rows and columns, in a nest with loops over these, and perhaps others of one turn.
    private func places(_ view: Schedule.View, _ extents: [Int]) -> [Int]? {
        let loops = extents.indices.filter { extents[$0] > 1 }
        guard view.step == nil, loops.map({ extents[$0] }) == [rows[0].extent, columns[0].extent] else { return nil }
        var strides = [0, 0]
        for term in view.terms {
            guard let variable = term.index.variable, variable >= 0, term.index.offset == 0, term.index.bounds == nil else {
                // The first place along a dim.
                guard term.index.variable == nil, term.index.offset == 0 else { return nil }
                continue
            }
            if let loop = loops.firstIndex(of: variable) { strides[loop] += term.stride * term.index.scale }
        }
        return strides
    }
}
