import RecStream

/// What each step of a chunk reads of what each earlier one has written: products of the readers' and the writers' left factors,
/// summed over the dims along which the state is read, with the gates between them.
struct MaskedProducts {
    let gates: GateProducts
    let other: Int
    let summed: Set<Int>

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
        return inHalves(reader, writer, gate, &b)
    }

    /// A product summed over the dims along which the state is read; a dim that no factor has counts as often as it has places.
    private func sum(_ x: Labelled, _ y: Labelled, _ first: [Int], _ b: inout LabelledBuilder) -> Labelled {
        var labels = first.filter { x.labels.contains($0) || y.labels.contains($0) }
        for label in x.labels + y.labels where !summed.contains(label) && !labels.contains(label) { labels.append(label) }
        let product = b.contract(x, y, to: labels)
        let missing = summed.subtracting(x.labels + y.labels).reduce(1) { $0 * b.dim($1).size }
        return missing == 1 ? product : b.binary(.multiply, product, b.number(Double(missing)))
    }

    /// Gates that differ along summed dims. What the second half of a block of steps reads of the first is a product of matrices: the
    /// gates up to the middle belong to the writers, those behind it to the readers. The blocks are halves of larger ones in turn.
    private func inHalves(_ reader: Labelled, _ writer: Labelled, _ gate: Labelled, _ b: inout LabelledBuilder) -> Labelled {
        let count = b.dim(gates.step).size
        var width = count
        while width % 2 == 0 { width /= 2 }
        /// What the blocks of `width` steps read within themselves, `[block, inner, other inner, …]`.
        var blocks = Blocks(count: count / width, width: width, &b)
        var within = width == 1 ? nil : blocks.direct(reader, writer, gate, self, &b)
        while width < count {
            let halves = blocks
            width *= 2
            blocks = Blocks(count: count / width, width: width, &b)
            within = blocks.joined(within, halves, reader, writer, gate, self, &b)
        }
        guard let within else { return b.number(0) }
        return b.element(within, blocks.block, at: 0).relabelled([blocks.inner: gates.step, blocks.otherInner: other])
    }

    /// The steps of a chunk in blocks of equal width.
    private struct Blocks {
        let block: Int
        let inner: Int
        let otherInner: Int
        let width: Int

        init(count: Int, width: Int, _ b: inout LabelledBuilder) {
            block = b.newLabel(Dim("block", count))
            inner = b.newLabel(Dim("inner", width))
            otherInner = b.newLabel(Dim("other inner", width))
            self.width = width
        }

        /// With the gates between each reader and writer of a block.
        func direct(_ reader: Labelled, _ writer: Labelled, _ gate: Labelled, _ products: MaskedProducts, _ b: inout LabelledBuilder) -> Labelled {
            let (step, other) = (products.gates.step, products.other)
            let gates = GateProducts(gate: b.cut(gate, step, into: [block, inner]), step: inner)
            let weighted = b.binary(.multiply, b.cut(reader, step, into: [block, inner]), gates.between(otherInner, &b))
            return products.sum(weighted, b.cut(writer, other, into: [block, otherInner]), [block, inner, otherInner], &b)
        }

        /// Of two halves each, whose own products are `within`; nil where these are 0.
        func joined(
            _ within: Labelled?, _ halves: Blocks, _ reader: Labelled, _ writer: Labelled, _ gate: Labelled, _ products: MaskedProducts,
            _ b: inout LabelledBuilder
        ) -> Labelled {
            let (step, other) = (products.gates.step, products.other)
            let half = b.newLabel(Dim("half", 2))
            let otherHalf = b.newLabel(Dim("other half", 2))
            let parts = [block, half, halves.inner, otherHalf, halves.otherInner]
            func part(_ a: Labelled, _ label: Int, _ place: Int) -> Labelled {
                b.element(b.cut(a, label, into: [block, half, halves.inner]), half, at: place)
            }
            let later = part(reader, step, 1)
            let before = b.product(later, GateProducts(gate: part(gate, step, 1), step: halves.inner).before(&b)) ?? later
            let earlier = part(writer, other, 0)
            let behind = b.product(earlier, GateProducts(gate: part(gate, step, 0), step: halves.inner).behind(&b)) ?? earlier
            let between = products.sum(
                before, behind.relabelled([halves.inner: halves.otherInner]), [block, halves.inner, halves.otherInner], &b)
            // Padded, not chosen: the gradient then has slices alone.
            func placed(_ a: Labelled, _ place: Int, _ otherPlace: Int) -> Labelled {
                b.placed(b.placed(a, half, at: place), otherHalf, at: otherPlace)
            }
            var whole = placed(between, 1, 0)
            if let within {
                let cut = b.cut(within, halves.block, into: [block, half])
                for place in 0..<2 { whole = b.binary(.add, whole, placed(b.element(cut, half, at: place), place, place)) }
            }
            return b.regrouped(whole, parts, as: [block, inner, otherInner])
        }
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

    /// With a label more, the first one: the value at one place along it, and 0 at the others.
    mutating func placed(_ a: Labelled, _ label: Int, at place: Int) -> Labelled {
        let row = builder.reshape(a.id, to: [Dim("1", 1)] + shape(a.labels))
        let padded = builder.pad(row, axis: 0, before: place, after: dim(label).size - 1 - place)
        return Labelled(id: builder.rename(padded, to: shape([label] + a.labels)), labels: [label] + a.labels)
    }

    /// Labels, lined up in this order before all others, as fewer labels.
    mutating func regrouped(_ a: Labelled, _ parts: [Int], as labels: [Int]) -> Labelled {
        let rest = a.labels.filter { !parts.contains($0) }
        let lined = lined(a, to: parts + rest)
        return Labelled(id: builder.reshape(lined, to: shape(labels + rest)), labels: labels + rest)
    }
}
