import RecStream

/// What each step of a chunk reads of what each earlier one has written: products of the readers' and the writers' left factors,
/// summed over the dims along which the state is read, with the gates between them.
struct MaskedProducts {
    let gates: GateProducts
    let other: Int
    let summed: Set<Int>

    /// Sub-blocks of so many steps are taken where gates differ along summed dims.
    private static let width = 16

    /// `[step, other, …]`, 0 where `other` is not before `step`.
    func product(_ reader: Labelled, _ writer: Labelled, _ b: inout LabelledBuilder) -> Labelled {
        let writer = writer.relabelled([gates.step: other])
        let gate = gates.gate
        guard let gate, gate.labels.contains(where: summed.contains) else {
            // The gates are the same along the summed dims: they stay outside the sum.
            let plain = sum(reader, writer, [gates.step, other], &b)
            let between = gates.between(other, &b)
            return b.binary(.multiply, plain, between)
        }
        let count = b.dim(gates.step).size
        if count > Self.width, count % Self.width == 0 { return inBlocks(reader, writer, gate, count / Self.width, &b) }
        let weighted = b.binary(.multiply, reader, gates.between(other, &b))
        return sum(weighted, writer, [gates.step, other], &b)
    }

    /// A product summed over the dims along which the state is read; a dim that no factor has counts as often as it has places.
    private func sum(_ x: Labelled, _ y: Labelled, _ first: [Int], _ b: inout LabelledBuilder) -> Labelled {
        var labels = first.filter { x.labels.contains($0) || y.labels.contains($0) }
        for label in x.labels + y.labels where !summed.contains(label) && !labels.contains(label) { labels.append(label) }
        let product = b.contract(x, y, to: labels)
        let missing = summed.subtracting(x.labels + y.labels).reduce(1) { $0 * b.dim($1).size }
        return missing == 1 ? product : b.binary(.multiply, product, b.number(Double(missing)))
    }

    /// Gates that differ along summed dims: in blocks of 16 steps the gates are folded into the factors of a product of matrices, but
    /// within a block, where they stand between reader and writer.
    private func inBlocks(_ reader: Labelled, _ writer: Labelled, _ gate: Labelled, _ blocks: Int, _ b: inout LabelledBuilder) -> Labelled {
        let block = b.newLabel(Dim("block", blocks))
        let otherBlock = b.newLabel(Dim("other block", blocks))
        let inner = b.newLabel(Dim("inner", Self.width))
        let otherInner = b.newLabel(Dim("other inner", Self.width))
        let cut = (
            reader: b.cut(reader, gates.step, into: [block, inner]), writer: b.cut(writer, other, into: [block, inner]),
            gate: b.cut(gate, gates.step, into: [block, inner])
        )
        let within = GateProducts(gate: cut.gate, step: inner)
        // Between blocks: from the reader's block begin, over whole blocks, to the end of the writer's block.
        let across = GateProducts(gate: within.whole(&b), step: block)
        let before = b.product(cut.reader, within.before(&b)) ?? cut.reader
        let behind = (b.product(cut.writer, within.behind(&b)) ?? cut.writer).relabelled([block: otherBlock, inner: otherInner])
        let far = sum(b.binary(.multiply, before, across.between(otherBlock, &b)), behind, [block, inner, otherBlock, otherInner], &b)
        // Within a block.
        let weighted = b.binary(.multiply, cut.reader, within.between(otherInner, &b))
        let near = sum(weighted, cut.writer.relabelled([inner: otherInner]), [block, inner, otherInner], &b)
        let (i, j, zero) = (b.places(block), b.places(otherBlock), b.number(0))
        let whole = b.binary(.add, far, b.select(b.binary(.equal, i, j), near, zero))
        let rows = b.joined(whole, [block, inner], into: gates.step)
        return b.joined(rows, [otherBlock, otherInner], into: other)
    }
}

extension LabelledBuilder {
    /// A label as several, outermost first.
    mutating func cut(_ a: Labelled, _ label: Int, into parts: [Int]) -> Labelled {
        guard let axis = a.labels.firstIndex(of: label) else { return a }
        let labels = Array(a.labels[..<axis]) + parts + a.labels[(axis + 1)...]
        var dims = builder[a.id].shape
        dims.replaceSubrange(axis...axis, with: shape(parts))
        return Labelled(id: builder.reshape(a.id, to: dims), labels: labels)
    }

    /// Several labels, of which the value has the first or all, as one that stands first.
    mutating func joined(_ a: Labelled, _ parts: [Int], into label: Int) -> Labelled {
        let rest = a.labels.filter { !parts.contains($0) }
        let lined = lined(a, to: parts + rest)
        return Labelled(id: builder.reshape(lined, to: shape([label] + rest)), labels: [label] + rest)
    }
}
