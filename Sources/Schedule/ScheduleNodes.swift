import RecStream

/// The nodes of a nest while it is written.
struct NestNodes {
    var nodes: [Schedule.Node] = []
    var isBool: [Bool] = []
    private var known: [Schedule.Node: Int] = [:]

    mutating func add(_ node: Schedule.Node, isBool: Bool = false) -> Int {
        if let present = known[node], self.isBool[present] == isBool { return present }
        nodes.append(node)
        self.isBool.append(isBool)
        known[node] = nodes.count - 1
        return nodes.count - 1
    }

    func nest(
        _ extents: [Int], _ result: Int, _ target: Schedule.View, condition: Schedule.Condition = .always
    ) -> Schedule.Nest {
        Schedule.Nest(extents: extents, nodes: nodes, isBool: isBool, result: result, target: target, condition: condition)
    }
}

extension Schedule.Index {
    static func place(_ place: Int) -> Schedule.Index { Schedule.Index(variable: nil, offset: place) }

    /// `self · scale + offset`, for a scale of 1 or more.
    func scaled(_ scale: Int, _ offset: Int) -> Schedule.Index {
        Schedule.Index(
            variable: variable, scale: self.scale * scale, offset: self.offset * scale + offset,
            bounds: bounds.map { ($0.lowerBound * scale + offset)...($0.upperBound * scale + offset) })
    }

    /// Held between two places.
    func clamped(_ range: ClosedRange<Int>) -> Schedule.Index {
        guard variable != nil else { return .place(min(max(offset, range.lowerBound), range.upperBound)) }
        var result = self
        let low = max(bounds?.lowerBound ?? .min, range.lowerBound)
        let high = min(bounds?.upperBound ?? .max, range.upperBound)
        result.bounds = min(low, high)...max(low, high)
        if low > high { result = .place(low > range.upperBound ? range.upperBound : range.lowerBound) }
        return result
    }
}

extension ScheduleBuilder {
    /// The value at a place, as a node: what is in memory is loaded, everything else is computed.
    mutating func node(_ id: ValueID, _ index: [Schedule.Index], _ nest: inout NestNodes, isTarget: Bool = false) throws(ScheduleRefusal) -> Int {
        if let number = forms.number(id) { return constant(number, id, &nest) }
        if !isTarget, let place = try place(of: id) { return nest.add(.load(view(place, index))) }
        guard isComputed.contains(id) || parts.places.kind(id) == .constant else {
            throw refusal("what is read of another part is no tensor", id)
        }
        let isBool = graph[id].element == .bool
        let lead = forms.lead(id)
        /// Where an operand of the same dims stands.
        func same(_ operand: ValueID) -> [Schedule.Index] { forms.lead(operand) == lead ? index : lead == 1 ? Array(index.dropFirst()) : index }
        let own = Array(index.dropFirst(lead))
        func withSteps(_ operand: ValueID, _ own: [Schedule.Index]) -> [Schedule.Index] {
            forms.lead(operand) == 1 ? Array(index.prefix(1)) + own : own
        }
        switch graph[id].operation {
        case .unary(let function, let a):
            if function == .stop || function == .toReal && graph[a].element == .real { return try node(a, same(a), &nest) }
            return nest.add(.unary(function, try node(a, same(a), &nest)), isBool: isBool)
        case .binary(let function, let a, let b):
            let (x, y) = (try node(a, same(a), &nest), try node(b, same(b), &nest))
            return nest.add(.binary(function, x, y), isBool: isBool)
        case .select(let condition, let a, let b):
            let (c, x, y) = (try node(condition, same(condition), &nest), try node(a, same(a), &nest), try node(b, same(b), &nest))
            return nest.add(.select(c, x, y), isBool: isBool)
        case .rename(let a): return try node(a, same(a), &nest)
        case .broadcast(let a, let from):
            var inner = [Schedule.Index](repeating: .place(0), count: graph[a].shape.count)
            for (axis, source) in from.enumerated() { if let source { inner[source] = own[axis] } }
            return try node(a, withSteps(a, inner), &nest)
        case .slice(let a, let axis, let start, let stride):
            var inner = own
            inner[axis] = own[axis].scaled(stride, start)
            return try node(a, withSteps(a, inner), &nest)
        case .pad(let a, let axis, let before, _, _):
            let size = graph[a].shape[axis].size
            let moved = own[axis].scaled(1, -before)
            var inner = own
            inner[axis] = moved.clamped(0...size - 1)
            let value = try node(a, withSteps(a, inner), &nest)
            let zero = nest.add(.constant(0), isBool: isBool)
            if moved.variable == nil { return (0..<size).contains(moved.offset) ? value : zero }
            let isInside = nest.add(.isInside(moved, 0...size - 1), isBool: true)
            return nest.add(.select(isInside, value, zero), isBool: isBool)
        case .contract(let c):
            // A product without a sum, but perhaps over one place.
            func place(_ labels: [Int]) -> [Schedule.Index] { labels.map { label in c.resultLabels.firstIndex(of: label).map { own[$0] } ?? .place(0) } }
            let (x, y) = (try node(c.left, withSteps(c.left, place(c.leftLabels)), &nest), try node(c.right, withSteps(c.right, place(c.rightLabels)), &nest))
            return nest.add(.binary(.multiply, x, y))
        case .chunks(let a, _, let fill):
            let value = try node(a, forms.lead(a) == 1 ? index : Array(index.dropFirst()), &nest)
            let isStep = nest.add(.isStep(index[0]), isBool: true)
            let other = nest.add(.constant(fill), isBool: isBool)
            return nest.add(.select(isStep, value, other), isBool: isBool)
        case .steps(let a, _): return try node(a, index, &nest)
        case .reshape(let a):
            if let place = try placeOfSame(id) { return nest.add(.load(view(place, index))) }
            // Dims of one place come and go.
            let kept = graph[id].shape.indices.filter { graph[id].shape[$0].size > 1 }
            guard graph[a].shape.filter({ $0.size > 1 }).map(\.size) == kept.map({ graph[id].shape[$0].size }) else {
                throw refusal("a value is put together anew that is not in memory", id)
            }
            var rest = kept[...]
            let inner = graph[a].shape.map { dim in dim.size > 1 ? rest.popFirst().map { own[$0] } ?? .place(0) : .place(0) }
            return try node(a, withSteps(a, inner), &nest)
        case .delay(let a, let offsets, let initial):
            // What is the same in all chunks, and outside the sequence something else.
            guard case .rename(let source) = graph[a].operation else { throw refusal("a value of another chunk is read that is not carried", id) }
            let isBackwards = offsets[traversal.axis] < 0
            let outside = nest.add(isBackwards ? .isFirst : .isLast, isBool: true)
            let inside = try node(source, index, &nest)
            let other: Int
            if let initial { other = try node(initial, index, &nest) } else { other = nest.add(.constant(0), isBool: isBool) }
            return nest.add(.select(outside, other, inside), isBool: isBool)
        case .input, .parameter, .constant, .reduce, .concat, .window, .gather, .scatter, .overTime, .overBatch, .along, .distance, .runningAffine, .solve:
            throw refusal("an operation within the chunks has no code", id)
        }
    }

    private func constant(_ number: Double, _ id: ValueID, _ nest: inout NestNodes) -> Int {
        nest.add(.constant(number), isBool: graph[id].element == .bool)
    }

    func refusal(_ reason: String, _ id: ValueID) -> ScheduleRefusal { ScheduleRefusal(reason: reason, span: graph[id].span) }

    // MARK: Memory

    /// The steps of a chunk of a stream, one behind the other.
    private mutating func copied(_ id: ValueID, _ stream: Place) -> Place {
        let (place, leaf) = copy(of: id, stream)
        schedule.body.append(leaf)
        return place
    }

    /// Where a value stands that is another one under other names.
    private mutating func placeOfSame(_ id: ValueID) throws(ScheduleRefusal) -> Place? {
        switch graph[id].operation {
        case .rename(let a) where forms.lead(a) == forms.lead(id): return try place(of: a)
        case .steps(let a, _): return try place(of: a)
        case .reshape(let a) where !forms.isUniform(a) && forms.lead(id) == forms.lead(a):
            guard var place = try place(of: a) else { return nil }
            if place.isStream { place = copied(a, place) }
            switch schedule[place.buffer].role {
            case .scratch, .carried: place.strides = rowMajor(id).strides
            case .stream, .block, .sum, .once, .shared, .kept:
                // A tensor of the caller has its parallel dims between the others.
                place.strides = zip(graph[id].shape.strides, positions[id] ?? []).map { $1 == nil ? $0 : 0 }
            }
            return place
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .runningAffine, .solve:
            return nil
        }
    }

    /// Where a value stands, if it is in memory, or is a tensor of another part.
    mutating func place(of id: ValueID) throws(ScheduleRefusal) -> Place? {
        if let known = memory[id] { return known }
        // What an earlier or later traversal carries, read at every chunk.
        if parts.places.carriers[id] != nil {
            var known = carriedPlace(id, isKept: true)
            if case .delay(_, let offsets, _) = graph[id].operation { known.slot = offsets[traversal.axis] < 0 ? .before : .behind }
            memory[id] = known
            return known
        }
        guard !isComputed.contains(id), parts.places.kind(id) != .constant else { return try placeOfSame(id) }
        let source = parts.source(id)
        let variance = graph[id].variance
        if schedule.blocks != nil, case .input(let input, _) = graph[source].operation, input.hasPrefix(PairTensor.block) {
            return try source == id ? blockPlace(id, input) : place(of: source)
        }
        guard graph[id].element == .real else { throw refusal("the chunks hold \(graph[id].element.rawValue)s", id) }
        let name: String
        switch graph[source].operation {
        case .input(let input, _): name = "input \(input)"
        case .parameter(let info): name = "parameter \(info.path)"
        default: name = ChunkPartition.name(source)
        }
        let role: Schedule.Buffer.Role = variance.isStream ? .stream(isResult: false) : variance.batch ? .once(isResult: false) : .shared
        return caller(name, id, role, rows: variance.isStream)
    }
}
