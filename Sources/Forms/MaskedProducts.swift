import RecStream

/// What each step of a chunk reads of what each earlier one has written: products of the readers' and the writers' left factors,
/// summed over the dims along which the state is read, with the gates between them.
struct MaskedProducts {
    let gates: GateProducts
    let other: Int
    let summed: Set<Int>

    /// `[step, other, …]`, 0 where `other` is not before `step`; nil where it is 0 everywhere.
    ///
    /// - Parameters:
    ///   - reader: by state, what it is multiplied by.
    ///   - writer: likewise.
    func product(_ reader: [Int: Labelled], _ writer: [Int: Labelled], _ b: inout LabelledBuilder) -> Labelled? {
        let writer = writer.mapValues { $0.relabelled([gates.step: other]) }
        let labels = gates.gates.entries.joined().compactMap { $0?.factor }.flatMap(\.labels)
        guard !labels.contains(where: summed.contains) else {
            guard let whole = inHalves(reader, writer, &b) else { return nil }
            // It is 0 elsewhere as it stands; said so that products with it leave that out.
            let isBefore = b.binary(.greater, b.places(gates.step), b.places(other))
            return b.binary(.multiply, whole, b.unary(.toReal, isBefore))
        }
        // The gates are the same along the summed dims: they stay outside the sum.
        let between = gates.between(other, &b)
        var result: Labelled?
        for (row, reader) in reader.sorted(by: { $0.key < $1.key }) {
            for (column, writer) in writer.sorted(by: { $0.key < $1.key }) {
                guard let gate = between.entries[row][column] else { continue }
                let plain = sum(reader, writer, [gates.step, other], &b)
                let part = b.product(plain, gate.factor)
                result = b.sum(result, part)
            }
        }
        return result
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
    private func inHalves(_ reader: [Int: Labelled], _ writer: [Int: Labelled], _ b: inout LabelledBuilder) -> Labelled? {
        let count = b.dim(gates.step).size
        var width = count
        while width % 2 == 0 { width /= 2 }
        /// What the blocks of `width` steps read within themselves, `[block, inner, other inner, …]`.
        var blocks = Blocks(count: count / width, width: width, &b)
        var within = width == 1 ? nil : blocks.direct(reader, writer, self, &b)
        while width < count {
            let halves = blocks
            width *= 2
            blocks = Blocks(count: count / width, width: width, &b)
            within = blocks.joined(within, halves, reader, writer, self, &b)
        }
        guard let within else { return nil }
        return b.element(within, blocks.block, at: 0).relabelled([blocks.inner: gates.step, blocks.otherInner: other])
    }

    /// The sum of the products of what belongs to the same state; nil where nothing does.
    private func sum(_ reader: [Int: Gate], _ writer: [Int: Gate], _ first: [Int], _ b: inout LabelledBuilder) -> Labelled? {
        var result: Labelled?
        for (state, reader) in reader.sorted(by: { $0.key < $1.key }) {
            guard let writer = writer[state] else { continue }
            let part = sum(reader.factor ?? b.number(1), writer.factor ?? b.number(1), first, &b)
            result = b.sum(result, part)
        }
        return result
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
        func direct(
            _ reader: [Int: Labelled], _ writer: [Int: Labelled], _ products: MaskedProducts, _ b: inout LabelledBuilder
        ) -> Labelled? {
            let (step, other) = (products.gates.step, products.other)
            let gates = GateProducts(gates: products.gates.gates.map { b.cut($0, step, into: [block, inner]) }, step: inner)
            let own = reader.sortedMap { Gate(factor: b.cut($0, step, into: [block, inner])) }
            let weighted = b.weighted(own, by: gates.between(otherInner, &b))
            let others = writer.sortedMap { Gate(factor: b.cut($0, other, into: [block, otherInner])) }
            return products.sum(weighted, others, [block, inner, otherInner], &b)
        }

        /// Of two halves each, whose own products are `within`; nil where these are 0.
        func joined(
            _ within: Labelled?, _ halves: Blocks, _ reader: [Int: Labelled], _ writer: [Int: Labelled], _ products: MaskedProducts,
            _ b: inout LabelledBuilder
        ) -> Labelled? {
            let (step, other) = (products.gates.step, products.other)
            let half = b.newLabel(Dim("half", 2))
            let otherHalf = b.newLabel(Dim("other half", 2))
            let parts = [block, half, halves.inner, otherHalf, halves.otherInner]
            func part(_ a: Labelled, _ label: Int, _ place: Int) -> Labelled {
                b.element(b.cut(a, label, into: [block, half, halves.inner]), half, at: place)
            }
            func gates(_ place: Int) -> GateProducts {
                GateProducts(gates: products.gates.gates.map { part($0, step, place) }, step: halves.inner)
            }
            let later = reader.sortedMap { Gate(factor: part($0, step, 1)) }
            let before = b.weighted(later, by: gates(1).before(&b))
            let earlier = writer.sortedMap { Gate(factor: part($0, other, 0)) }
            let behind = b.weighted(earlier, by: gates(0).behind(&b).transposed)
                .mapValues { Gate(factor: $0.factor?.relabelled([halves.inner: halves.otherInner])) }
            let between = products.sum(before, behind, [block, halves.inner, halves.otherInner], &b)
            // Padded, not chosen: the gradient then has slices alone.
            func placed(_ a: Labelled, _ place: Int, _ otherPlace: Int) -> Labelled {
                b.placed(b.placed(a, half, at: place), otherHalf, at: otherPlace)
            }
            var whole = between.map { placed($0, 1, 0) }
            if let within {
                let cut = b.cut(within, halves.block, into: [block, half])
                for place in 0..<2 { whole = b.sum(whole, placed(b.element(cut, half, at: place), place, place)) }
            }
            return whole.map { b.regrouped($0, parts, as: [block, inner, otherInner]) }
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
