import RecStream

/// Values that are computed into memory.
extension ScheduleBuilder {
    mutating func compute(_ id: ValueID) throws(ScheduleRefusal) {
        guard graph[id].element == .real else { throw refusal("bools of a chunk would stand in memory", id) }
        let carried = traversal.carried.filter { $0.value == id }
        var target: Place
        if let first = carried.first, let own = memory[first.delay] {
            target = own
            target.slot = .end
        } else {
            target = scratch(id)
        }
        switch graph[id].operation {
        case .contract(let c) where c.resultLabels.count < Set(c.leftLabels + c.rightLabels).count:
            if let loops = ProductLoops(c, id, forms, positions) {
                try product(c, loops, id, target)
            } else {
                try sum(c, id, target)
            }
        case .reduce(let kind, let a, let axes): try reduction(kind, a, axes, id, target)
        case .runningAffine(let a, let b, let axis, let isReversed): try running(a, b, axis, isReversed, id, target)
        case .solve(let matrix, let right, let isTransposed): try solve(matrix, right, isTransposed, id, target)
        case .concat(let parts, let axis): try concat(parts, axis, id, target)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .broadcast, .rename, .reshape, .slice, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps:
            var nest = NestNodes()
            let node = try self.node(id, index(of: id), &nest, isTarget: true)
            add(.nest(nest.nest(loops(of: id), node, view(target, id))), of: id)
        }
        memory[id] = target
        for other in carried.dropFirst() {
            guard var place = memory[other.delay] else { continue }
            place.slot = .end
            var nest = NestNodes()
            let node = nest.add(.load(view(target, id)))
            add(.nest(nest.nest(loops(of: id), node, view(place, id))), of: id)
        }
    }

    /// What follows from numbers of the source is computed once, before the first chunk.
    private mutating func add(_ leaf: Schedule.Leaf, of id: ValueID) {
        if parts.places.kind(id) == .constant { schedule.before.append(leaf) } else { schedule.body.append(leaf) }
    }

    private mutating func concat(_ parts: [ValueID], _ axis: Int, _ id: ValueID, _ target: Place) throws(ScheduleRefusal) {
        var start = 0
        let lead = forms.lead(id)
        for part in parts {
            var nest = NestNodes()
            let own = index(of: id)
            let node = try self.node(part, forms.lead(part) == lead ? own : Array(own.dropFirst(lead)), &nest)
            var extents = loops(of: id)
            let size = graph[part].shape[axis].size
            var moved = own
            if let variable = own[axis + lead].variable, variable >= 0 {
                extents[variable] = size
                moved[axis + lead] = own[axis + lead].scaled(1, start)
            }
            add(.nest(nest.nest(extents, node, view(target, moved))), of: id)
            start += size
        }
    }

    // MARK: Sums

    private mutating func reduction(_ kind: ReduceKind, _ a: ValueID, _ axes: [Int], _ id: ValueID, _ target: Place) throws(ScheduleRefusal) {
        var extents = loops(of: id)
        let kept = Array(index(of: id).dropFirst(forms.lead(id)))
        var rest = kept[...]
        var inner: [Schedule.Index] = []
        for axis in graph[a].shape.indices {
            if axes.contains(axis) {
                inner.append(Schedule.Index(variable: extents.count))
                extents.append(graph[a].shape[axis].size)
            } else {
                inner.append(rest.removeFirst())
            }
        }
        var nest = NestNodes()
        let node = try self.node(a, (forms.lead(a) == 1 ? Array(index(of: id).prefix(1)) : []) + inner, &nest)
        var made = nest.nest(extents, node, view(target, id))
        made.reduction = Schedule.Nest.Reduction(kind: kind, loops: axes.count)
        add(.nest(made), of: id)
    }

    /// A sum of products that is no product of matrices.
    private mutating func sum(_ c: Contraction, _ id: ValueID, _ target: Place) throws(ScheduleRefusal) {
        var extents = loops(of: id)
        let lead = forms.lead(id)
        let own = index(of: id)
        var places: [Int: Schedule.Index] = [:]
        for (axis, label) in c.resultLabels.enumerated() { places[label] = own[axis + lead] }
        var count = 0
        for (operand, labels) in [(c.left, c.leftLabels), (c.right, c.rightLabels)] {
            for (axis, label) in labels.enumerated() where places[label] == nil {
                places[label] = Schedule.Index(variable: extents.count)
                extents.append(graph[operand].shape[axis].size)
                count += 1
            }
        }
        func place(_ operand: ValueID, _ labels: [Int]) -> [Schedule.Index] {
            (forms.lead(operand) == 1 ? Array(own.prefix(1)) : []) + labels.compactMap { places[$0] }
        }
        var nest = NestNodes()
        let (x, y) = (try node(c.left, place(c.left, c.leftLabels), &nest), try node(c.right, place(c.right, c.rightLabels), &nest))
        let node = nest.add(.binary(.multiply, x, y))
        var made = nest.nest(extents, node, view(target, id))
        made.reduction = Schedule.Nest.Reduction(kind: .sum, loops: count)
        add(.nest(made), of: id)
    }

    private mutating func product(_ c: Contraction, _ loops: ProductLoops, _ id: ValueID, _ target: Place) throws(ScheduleRefusal) {
        guard let left = try place(of: c.left), let right = try place(of: c.right) else {
            throw refusal("a factor of a product is not in memory", id)
        }
        func stride(_ label: Int, _ place: Place, _ labels: [Int]) -> Int { labels.firstIndex(of: label).map { place.strides[$0] } ?? 0 }
        func loop(_ label: Int) -> Schedule.Matmul.Loop {
            Schedule.Matmul.Loop(
                extent: loops.sizes[label] ?? 1, left: stride(label, left, c.leftLabels), right: stride(label, right, c.rightLabels),
                result: stride(label, target, c.resultLabels))
        }
        var made = Schedule.Matmul(
            left: left.buffer, right: right.buffer, result: Schedule.View(buffer: target.buffer, terms: [], slot: target.slot),
            leftSlot: left.slot, rightSlot: right.slot, blocks: loops.blocks.map(loop), rows: loops.rows.map(loop),
            columns: loops.columns.map(loop), sums: loops.sums.map(loop), triangles: triangles(c, loops, id))
        // Columns are what lies side by side in the result.
        if made.columns.last?.result != 1, made.rows.last?.result == 1 { made.swapSides() }
        guard made.columns.last?.result == 1 else {
            // Neither side does: by way of memory in which one does.
            return try permutedProduct(made, id, target)
        }
        packRight(&made, id)
        add(.matmul(made), of: id)
    }

    /// A copy of the right factor in which columns lie side by side, where they do not.
    private mutating func packRight(_ product: inout Schedule.Matmul, _ id: ValueID) {
        guard product.columns.last?.right != 1 else { return }
        let all = product.blocks.indices.map { (0, $0) } + product.sums.indices.map { (1, $0) } + product.columns.indices.map { (2, $0) }
        func loop(_ at: (Int, Int)) -> Schedule.Matmul.Loop {
            at.0 == 0 ? product.blocks[at.1] : at.0 == 1 ? product.sums[at.1] : product.columns[at.1]
        }
        let extents = all.map { loop($0).extent }
        let buffer = addBuffer("\(id) right", .scratch, extents.reduce(1, *), schedule.parallel.map { _ in 0 })
        var source = Schedule.View(buffer: product.right, terms: [], slot: product.rightSlot)
        var target = Schedule.View(buffer: buffer, terms: [])
        var stride = 1
        for (k, at) in all.enumerated().reversed() {
            let index = Schedule.Index(variable: k)
            if loop(at).right != 0 { source.terms.append(Schedule.Term(index: index, stride: loop(at).right)) }
            target.terms.append(Schedule.Term(index: index, stride: stride))
            switch at.0 {
            case 0: product.blocks[at.1].right = stride
            case 1: product.sums[at.1].right = stride
            default: product.columns[at.1].right = stride
            }
            stride *= loop(at).extent
        }
        var nest = NestNodes()
        let node = nest.add(.load(source))
        let leaf = Schedule.Leaf.nest(nest.nest(extents, node, target))
        // What is there before the chunks is turned once for all of them.
        let isLasting = schedule[product.right].role == .scratch && schedule.before.contains { $0.written == product.right }
            && !schedule.body.contains { $0.written == product.right }
        if isLasting { schedule.before.append(leaf) } else { add(leaf, of: id) }
        product.right = buffer
        product.rightSlot = .none
    }

    private mutating func permutedProduct(_ product: Schedule.Matmul, _ id: ValueID, _ target: Place) throws(ScheduleRefusal) {
        var made = product
        let counts = product.blocks + product.rows + product.columns
        let buffer = addBuffer("\(id) product", .scratch, counts.reduce(1) { $0 * $1.extent }, schedule.parallel.map { _ in 0 })
        var stride = 1
        var source = Schedule.View(buffer: buffer, terms: [])
        var result = Schedule.View(buffer: target.buffer, terms: [], slot: target.slot)
        func next(_ loop: inout Schedule.Matmul.Loop, _ variable: Int) {
            source.terms.append(Schedule.Term(index: Schedule.Index(variable: variable), stride: stride))
            result.terms.append(Schedule.Term(index: Schedule.Index(variable: variable), stride: loop.result))
            loop.result = stride
            stride *= loop.extent
        }
        let (blocks, rows) = (made.blocks.count, made.rows.count)
        for k in made.columns.indices.reversed() { next(&made.columns[k], blocks + rows + k) }
        for k in made.rows.indices.reversed() { next(&made.rows[k], blocks + k) }
        for k in made.blocks.indices.reversed() { next(&made.blocks[k], k) }
        made.result = Schedule.View(buffer: buffer, terms: [])
        packRight(&made, id)
        add(.matmul(made), of: id)
        var nest = NestNodes()
        let node = nest.add(.load(source))
        add(.nest(nest.nest(counts.map(\.extent), node, result)), of: id)
    }

    // MARK: Along a dim

    private mutating func running(
        _ a: ValueID, _ b: ValueID, _ axis: Int, _ isReversed: Bool, _ id: ValueID, _ target: Place
    ) throws(ScheduleRefusal) {
        let own = index(of: id)
        guard forms.lead(id) == 0, let loop = own[axis].variable, loop >= 0 else { throw refusal("a running map is not along a dim of a chunk", id) }
        var nest = NestNodes()
        let (factor, term) = (try node(a, own, &nest), try node(b, own, &nest))
        add(
            .running(
                Schedule.Running(
                    extents: loops(of: id), nodes: nest.nodes, isBool: nest.isBool, factor: factor, term: term, loop: loop, isReversed: isReversed,
                    target: view(target, id))), of: id)
    }

    private mutating func solve(
        _ matrix: ValueID, _ right: ValueID, _ isTransposed: Bool, _ id: ValueID, _ target: Place
    ) throws(ScheduleRefusal) {
        guard let l = try place(of: matrix), let b = try place(of: right), l.slot == .none, b.slot == .none, target.slot == .none else {
            throw refusal("a system is not in memory", id)
        }
        let rank = graph[matrix].shape.count
        let blocks = loops(of: matrix).dropLast(2).reduce(1, *)
        let size = graph[matrix].shape[rank - 1].size
        let width = loops(of: id).reduce(1, *) / (blocks * size)
        add(
            .solve(
                Schedule.Solve(
                    matrix: l.buffer, right: b.buffer, result: target.buffer, blocks: blocks, size: size, width: width, isTransposed: isTransposed)),
            of: id)
    }
}

extension Schedule.Matmul {
    /// The same product with its factors the other way round.
    mutating func swapSides() {
        func swapped(_ loops: [Loop]) -> [Loop] { loops.map { Loop(extent: $0.extent, left: $0.right, right: $0.left, result: $0.result) } }
        (left, right, leftSlot, rightSlot) = (right, left, rightSlot, leftSlot)
        (rows, columns) = (swapped(columns), swapped(rows))
        (blocks, sums) = (swapped(blocks), swapped(sums))
        func swapped(_ side: Side) -> Side { side == .row ? .column : side == .column ? .row : .sum }
        triangles = triangles.map { Triangle(larger: swapped($0.larger), smaller: swapped($0.smaller), distance: $0.distance) }
    }
}
