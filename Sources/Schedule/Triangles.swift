import RecStream

/// Where values of a chunk are 0 because of their places: what a step reads of later steps, for instance.
///
/// Facts are of two dims of a value: it is 0 unless the place along one is at least so far behind the place along the other. What is
/// 0 times something that is not finite counts as 0: no step depends on a later one.
struct Triangles {
    struct Fact: Hashable {
        /// Axes of the value.
        var larger: Int
        var smaller: Int
        /// 0 unless `larger - smaller` is at least this.
        var distance: Int
    }

    /// Where a value may differ from 0, or is needed; nil is nowhere.
    typealias Region = Set<Fact>?

    /// A place along an axis, and so much more; without an axis a number.
    private struct Place: Hashable {
        var axis: Int?
        var offset: Int
    }

    private let graph: StreamGraph
    private let forms: ChunkShapes
    private var places: [ValueID: Place] = [:]
    private(set) var nonzero: [ValueID: Region] = [:]
    /// Of bools: where they may be true, and where they may be false.
    private var isTrue: [ValueID: Region] = [:]
    private(set) var needed: [ValueID: Region] = [:]

    /// - Parameters:
    ///   - values: in order.
    ///   - roots: those that something else reads as a whole.
    init(_ values: [ValueID], roots: Set<ValueID>, _ forms: ChunkShapes) {
        graph = forms.graph
        self.forms = forms
        for id in values {
            places[id] = place(id)
            if graph[id].element == .bool { isTrue[id] = truth(id) } else { nonzero[id] = region(id) }
        }
        for id in values { needed[id] = .some(roots.contains(id) ? [] : nil) }
        for id in values.reversed() { spread(id) }
    }

    // MARK: Regions

    /// Where one of two may be: what both demand.
    private func union(_ a: Region, _ b: Region) -> Region {
        guard let a else { return b }
        guard let b else { return a }
        return Set(
            a.compactMap { fact in
                let others = b.filter { $0.larger == fact.larger && $0.smaller == fact.smaller }.map(\.distance)
                return others.max().map { Fact(larger: fact.larger, smaller: fact.smaller, distance: min(fact.distance, $0)) }
            })
    }

    /// Where both are.
    private func intersection(_ a: Region, _ b: Region) -> Region {
        guard let a, let b else { return nil }
        return a.union(b)
    }

    /// The region of a value with other axes; facts of axes that are gone are lost.
    private func moved(_ region: Region, _ axis: (Int) -> Int?) -> Region {
        guard let region else { return nil }
        return Set(
            region.compactMap { fact in
                guard let larger = axis(fact.larger), let smaller = axis(fact.smaller), larger != smaller else { return nil }
                return Fact(larger: larger, smaller: smaller, distance: fact.distance)
            })
    }

    private func region(of id: ValueID) -> Region {
        if forms.number(id) == 0 { return nil }
        if graph[id].element == .bool { return isTrue[id] ?? [] }
        return nonzero[id] ?? []
    }

    // MARK: Places

    private func place(_ id: ValueID) -> Place? {
        if let number = forms.number(id), let whole = Int(exactly: number) { return Place(axis: nil, offset: whole) }
        func of(_ id: ValueID) -> Place? { places[id] ?? forms.number(id).flatMap { Int(exactly: $0) }.map { Place(axis: nil, offset: $0) } }
        switch graph[id].operation {
        case .runningAffine(let factor, let term, let axis, isReversed: false):
            return forms.number(factor) == 1 && forms.number(term) == 1 ? Place(axis: axis, offset: 1) : nil
        case .rename(let a): return of(a)
        case .unary(.toReal, let a): return of(a)
        case .broadcast(let a, let from):
            guard let inner = of(a) else { return nil }
            guard let axis = inner.axis else { return inner }
            return from.firstIndex(of: axis).map { Place(axis: $0, offset: inner.offset) }
        case .binary(.add, let a, let b):
            guard let x = of(a), let y = of(b), x.axis == nil || y.axis == nil else { return nil }
            return Place(axis: x.axis ?? y.axis, offset: x.offset + y.offset)
        case .binary(.subtract, let a, let b):
            guard let x = of(a), let y = of(b), y.axis == nil else { return nil }
            return Place(axis: x.axis, offset: x.offset - y.offset)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return nil
        }
    }

    /// Where one place is behind another by some distance or more.
    private func behind(_ a: ValueID, _ b: ValueID, by distance: Int) -> Region {
        guard let x = places[a], let y = places[b], let larger = x.axis, let smaller = y.axis, larger != smaller else { return [] }
        return [Fact(larger: larger, smaller: smaller, distance: distance + y.offset - x.offset)]
    }

    private func truth(_ id: ValueID) -> Region {
        if forms.number(id) == 0 { return nil }
        switch graph[id].operation {
        case .binary(.greater, let a, let b): return behind(a, b, by: 1)
        case .binary(.greaterOrEqual, let a, let b): return behind(a, b, by: 0)
        case .binary(.less, let a, let b): return behind(b, a, by: 1)
        case .binary(.lessOrEqual, let a, let b): return behind(b, a, by: 0)
        case .binary(.equal, let a, let b) where graph[a].element != .bool: return intersection(behind(a, b, by: 0), behind(b, a, by: 0))
        case .binary(.and, let a, let b): return intersection(region(of: a), region(of: b))
        case .binary(.or, let a, let b): return union(region(of: a), region(of: b))
        case .rename(let a): return region(of: a)
        case .broadcast(let a, let from): return moved(region(of: a)) { from.firstIndex(of: $0) }
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return []
        }
    }

    private func region(_ id: ValueID) -> Region {
        if forms.number(id) == 0 { return nil }
        switch graph[id].operation {
        case .unary(let function, let a): return function.keepsZero ? region(of: a) : []
        case .binary(.add, let a, let b), .binary(.subtract, let a, let b): return union(region(of: a), region(of: b))
        case .binary(.multiply, let a, let b): return intersection(region(of: a), region(of: b))
        case .select(let condition, let a, let b): return union(intersection(region(of: condition), region(of: a)), region(of: b))
        case .rename(let a): return region(of: a)
        case .broadcast(let a, let from): return moved(region(of: a)) { from.firstIndex(of: $0) }
        case .contract(let c):
            func own(_ operand: ValueID, _ labels: [Int]) -> Region { moved(region(of: operand)) { c.resultLabels.firstIndex(of: labels[$0]) } }
            return intersection(own(c.left, c.leftLabels), own(c.right, c.rightLabels))
        case .runningAffine(_, let term, let axis, let isReversed):
            // What is 0 up to a place stays so up to it.
            guard let region = region(of: term) else { return nil }
            return region.filter { isReversed ? $0.larger != axis : $0.smaller != axis }
        case .input, .parameter, .constant, .binary, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime,
            .overBatch, .along, .distance, .chunks, .steps, .solve:
            return []
        }
    }

    // MARK: Needs

    /// What a value needs of its operands.
    private mutating func spread(_ id: ValueID) {
        let own = needed[id] ?? []
        func add(_ region: Region, to operand: ValueID) { needed[operand] = .some(union(needed[operand] ?? nil, region)) }
        func alike(_ operands: [ValueID]) { for operand in operands { add(own, to: operand) } }
        // What is not read needs nothing.
        guard own != nil else { return }
        switch graph[id].operation {
        case .unary(let function, let a) where function.keepsZero: alike([a])
        case .rename(let a): alike([a])
        case .binary(.add, let a, let b), .binary(.subtract, let a, let b): alike([a, b])
        case .binary(.multiply, let a, let b):
            add(intersection(own, region(of: b)), to: a)
            add(intersection(own, region(of: a)), to: b)
        case .select(let condition, let a, let b):
            add([], to: condition)
            add(intersection(own, region(of: condition)), to: a)
            add(own, to: b)
        case .broadcast(let a, let from):
            add(moved(own) { from[$0] }, to: a)
        case .contract(let c):
            for (operand, labels, other, others) in [(c.left, c.leftLabels, c.right, c.rightLabels), (c.right, c.rightLabels, c.left, c.leftLabels)] {
                let wanted = moved(own) { labels.firstIndex(of: c.resultLabels[$0]) }
                add(intersection(wanted, moved(region(of: other)) { labels.firstIndex(of: others[$0]) }), to: operand)
            }
        case .input, .parameter, .constant, .unary, .binary, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            for operand in graph[id].operation.operands { add([], to: operand) }
        }
    }
}

extension UnaryOperator {
    /// Whether it gives 0 for 0.
    fileprivate var keepsZero: Bool {
        switch self {
        case .negate, .abs, .sign, .floor, .sqrt, .sin, .tan, .erf, .expm1, .log1p, .tanh, .relu, .gelu, .silu, .stop, .toReal: true
        case .not, .exp, .log, .log2, .rsqrt, .cos, .sigmoid, .logsigmoid, .softplus, .step, .re, .im, .conj, .cis, .toInt, .toComplex,
            .numbered:
            false
        }
    }
}

extension ScheduleBuilder {
    /// The triangles of a product: of its factors, and of what is needed of its result.
    func triangles(_ c: Contraction, _ loops: ProductLoops, _ id: ValueID) -> [Schedule.Matmul.Triangle] {
        func side(_ label: Int) -> Schedule.Matmul.Side? {
            loops.rows == [label] ? .row : loops.columns == [label] ? .column : loops.sums == [label] ? .sum : nil
        }
        var result: [Schedule.Matmul.Triangle] = []
        let regions = [
            (triangular.nonzero[c.left] ?? [], c.leftLabels), (triangular.nonzero[c.right] ?? [], c.rightLabels),
            (triangular.needed[id] ?? [], c.resultLabels),
        ]
        for (region, labels) in regions {
            for fact in region ?? [] {
                guard let larger = side(labels[fact.larger]), let smaller = side(labels[fact.smaller]) else { continue }
                let triangle = Schedule.Matmul.Triangle(larger: larger, smaller: smaller, distance: fact.distance)
                // Of two triangles of the same sides the smaller one says it all.
                if let k = result.firstIndex(where: { $0.larger == larger && $0.smaller == smaller }) {
                    result[k].distance = max(result[k].distance, fact.distance)
                } else {
                    result.append(triangle)
                }
            }
        }
        return result.sorted { ($0.larger.rawValue, $0.smaller.rawValue, $0.distance) < ($1.larger.rawValue, $1.smaller.rawValue, $1.distance) }
    }
}
