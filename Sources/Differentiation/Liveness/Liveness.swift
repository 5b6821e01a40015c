import RecStream

/// Where values have a part in what is differentiated, as far as selects decide it.
///
/// What a select does not choose has exactly no part in a gradient. Its adjoint is 0 there, but a slope may be NaN or infinite, and
/// 0 · NaN is NaN: so slopes count as 0 wherever nothing that is chosen uses their value. Testing the adjoint for 0 would do the same,
/// but a recurrence of adjoints would no longer be affine; what follows from conditions of the program is known to it.
///
/// A value is live where one of its users is: the two sides of a select where the condition says so, the operand of a delay where what
/// reads it at another step is. In a recurrence liveness is a recurrence as well, over `or` and `and`, in the direction of the
/// adjoints. Programs without selects have formulas that hold always, and pay nothing.
struct Liveness {
    /// A condition, and of what kind its values are.
    struct Entry {
        var condition: LiveCondition
        var shape: Shape
        var variance: Variance
    }

    private(set) var entries: [Entry] = []
    private var numbers: [LiveCondition: Int] = [:]
    private let graph: StreamGraph
    private var lives: [Live]
    /// Delays whose operand is looked at before them, and along which of their axes liveness differs; nil where they are live always.
    private var open: [ValueID: [Int]?] = [:]
    private let overflows: Set<ValueID>
    /// The arguments of calls with gradients of their own, by value.
    private let own: [ValueID: [ValueID]]

    /// Formulas of more terms, or of a longer one, become a condition of their own.
    private static let mostTerms = 12

    /// `seeds` are live always.
    ///
    /// - Parameter isMasked: false where everything counts as live.
    init(_ graph: StreamGraph, _ activity: Activity, seeds: [ValueID], isMasked: Bool) {
        self.graph = graph
        overflows = graph.overflowingValues
        own = graph.furtherOperands
        lives = [Live](repeating: .always, count: graph.values.count)
        let active = graph.ids.filter(activity.isActive)
        guard isMasked, active.contains(where: decides) else { return }
        let seeds = Set(seeds)
        var users = [[ValueID]](repeating: [], count: graph.values.count)
        for id in active { for operand in Set(own[id] ?? graph[id].operation.operands) where activity.isActive(operand) { users[operand.index].append(id) } }
        for id in active {
            if case .delay(let operand, _, _) = graph[id].operation, operand >= id { open[id] = .some([]) }
        }
        // What is assumed of delays that are looked at later only grows: each round finds more that are live always, or more axes.
        while true {
            for id in active.reversed() {
                lives[id.index] = seeds.contains(id) ? .always : merged(users[id.index], of: id)
            }
            var isSettled = true
            for (delay, axes) in open.sorted(by: { $0.key < $1.key }) {
                guard let axes else { continue }
                let live = lives[delay.index]
                if live.isAlways {
                    open[delay] = .some(nil)
                } else if !Set(live.axes).isSubset(of: axes) {
                    open[delay] = Set(live.axes).union(axes).sorted()
                } else {
                    continue
                }
                isSettled = false
            }
            if isSettled { return }
        }
    }

    /// Where a value is live; the axes are its own.
    subscript(_ id: ValueID) -> Live { lives[id.index] }

    /// Whether an operation has a side that it does not choose.
    private func decides(_ id: ValueID) -> Bool {
        switch graph[id].operation {
        case .select: true
        case .unary(.relu, let a): overflows.contains(a)
        case .binary(.min, let a, let b), .binary(.max, let a, let b): overflows.contains(a) || overflows.contains(b)
        case .input, .parameter, .constant, .unary, .binary, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
            .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance,
            .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    // MARK: From users to operands

    private mutating func merged(_ users: [ValueID], of id: ValueID) -> Live {
        var live = Live.never
        var slices: [(user: ValueID, live: Live)] = []
        for user in users {
            if case .slice = graph[user].operation {
                slices.append((user, lives[user.index]))
            } else {
                for part in shares(of: user, in: id) { live = live.or(restricted(part, to: graph[id].variance)) }
                // Of very many users the shares of neighbours, such as both sides of a select, still meet before they become one.
                if live.terms.count > 2 * Self.mostTerms { live = condition(live) { .whole($0) } }
            }
            if live.isAlways { return live }
        }
        // Slices that are live alike, the gates of a cell say, leave the axis alone.
        let isAlike = slices.allSatisfy { slice in
            guard case .slice(_, let axis, _, _) = graph[slice.user].operation else { return false }
            return slice.live == slices[0].live && !slice.live.axes.contains(axis)
        }
        for (user, own) in slices {
            guard case .slice(_, let axis, let start, let stride) = graph[user].operation else { continue }
            let size = graph[id].shape[axis].size
            let part = isAlike ? own : spread(own, in: graph[user].shape, along: axis, size: size) {
                .unsliced($0, axis: $1, start: start, stride: stride, size: size)
            }
            live = live.or(restricted(part, to: graph[id].variance))
            if live.isAlways { return live }
        }
        let isLong = live.terms.count > Self.mostTerms || live.terms.contains { $0.count > Self.mostTerms }
        return isLong ? condition(live) { .whole($0) } : live
    }

    /// Where the shares of `user` in one of its operands are live; several where the operand stands in several places.
    private mutating func shares(of user: ValueID, in operand: ValueID) -> [Live] {
        let live = lives[user.index]
        let shape = graph[user].shape
        // An argument is used whole where any part of the value is.
        if own[user] != nil { return [any(live, over: Set(live.axes))] }
        switch graph[user].operation {
        case .input, .parameter, .constant, .distance: return []
        case .unary(.relu, let a) where overflows.contains(a):
            return [live.and(literal(.isPositive(a), shape, graph[a].variance))]
        case .unary, .rename, .overTime, .overBatch, .slice: return [live]
        case .binary(let function, let a, let b):
            guard function == .max || function == .min, decides(user) else { return [live] }
            let variance = graph[a].variance.union(graph[b].variance)
            let test = literal(.compares(function == .max ? .greaterOrEqual : .lessOrEqual, a, b), shape, variance)
            return (a == operand ? [live.and(test)] : []) + (b == operand ? [live.and(test.opposite)] : [])
        case .select(let test, let a, let b):
            let chosen = literal(holding: test)
            return (a == operand ? [live.and(chosen)] : []) + (b == operand ? [live.and(chosen.opposite)] : [])
        case .contract(let c):
            let sides = [(c.left, c.leftLabels), (c.right, c.rightLabels)].filter { $0.0 == operand }
            return sides.map { share(live, $0.1, of: c) }
        case .reduce(_, let a, let axes):
            let kept = graph[a].shape.indices.filter { !axes.contains($0) }
            return [live.onAxes { kept[$0] }]
        case .broadcast(_, let from):
            let left = any(live, over: Set(from.indices.filter { from[$0] == nil }))
            return [left.onAxes { from[$0] ?? 0 }]
        case .reshape(let a): return [reshaped(live, shape, to: graph[a].shape)]
        case .concat(let parts, let axis):
            var start = 0
            return parts.compactMap { part in
                let (begin, count) = (start, graph[part].shape[axis].size)
                start += count
                guard part == operand else { return nil }
                guard live.axes.contains(axis) else { return live }
                return spread(live, in: shape, along: axis, size: count) { .sliced($0, axis: $1, start: begin, count: count) }
            }
        case .pad(let a, let axis, let before, let after, let mode):
            guard live.axes.contains(axis) else { return [live] }
            let unpadded = spread(live, in: shape, along: axis, size: graph[a].shape[axis].size) {
                .unpadded($0, axis: $1, before: before, after: after, mode: mode)
            }
            return [unpadded]
        case .window(let a, let axis, let stride):
            return [unwindowed(live, shape, axis, stride, size: graph[a].shape[axis].size)]
        case .gather(let table, let index):
            return [scattered(live, shape, index, rows: graph[table].shape[0].size)]
        // A chunk counts as used whole, and so does what stands at other steps.
        case .along, .chunks, .steps, .runningAffine, .solve: return [.always]
        case .scatter(_, let index, _):
            return [gathered(live, shape, index)]
        case .delay(let delayed, let offsets, let initial):
            var parts: [Live] = []
            if delayed == operand { parts.append(mirrored(user, offsets)) }
            if initial == operand {
                let moved = Variance(batch: true, axes: offsets.indices.reduce(UInt8(0)) { offsets[$1] == 0 ? $0 : $0 | 1 << UInt8($1) })
                parts.append(live.isAlways ? live : live.and(literal(.outside(offsets: offsets), [], moved)))
            }
            return parts
        }
    }

    private mutating func mirrored(_ delay: ValueID, _ offsets: [Int]) -> Live {
        let variance = graph[delay].variance
        if let found = open[delay] {
            guard let axes = found else { return .always }
            let number = number(.through(delay, axes: axes), axes.map { graph[delay].shape[$0] }, variance)
            return Live(Live.Literal(condition: number, axes: axes))
        }
        let live = lives[delay.index]
        return live.isAlways ? live : condition(live, variance: variance) { .moved($0, offsets: offsets) }
    }

    // MARK: Formulas

    /// The share of the factor with these labels, by the axes of the factor.
    mutating func share(_ live: Live, _ labels: [Int], of c: Contraction) -> Live {
        let left = any(live, over: Set(c.resultLabels.indices.filter { !labels.contains(c.resultLabels[$0]) }))
        return left.onAxes { labels.firstIndex(of: c.resultLabels[$0]) ?? 0 }
    }

    /// Where the formula holds for some element along the lost axes; they no longer occur.
    mutating func any(_ live: Live, over lost: Set<Int>) -> Live {
        guard !lost.isDisjoint(with: live.axes) else { return live }
        var result = Live.never
        for term in live.terms {
            let dependent = term.filter { !lost.isDisjoint(with: $0.axes) }
            guard !dependent.isEmpty else {
                result = result.or(Live([term]))
                continue
            }
            // Some element of a whole is live where some element of the part is that was taken from it.
            if term.count == 1, !term[0].isNegated, case .unsliced(let part, let axis, _, _, _) = entries[term[0].condition].condition,
                lost.contains(term[0].axes[axis]) {
                result = result.or(any(part.live.onAxes { term[0].axes[$0] }, over: lost))
                continue
            }
            let (part, axes) = part(Live([dependent]))
            let gone = axes.indices.filter { lost.contains(axes[$0]) }
            let kept = axes.indices.filter { !lost.contains(axes[$0]) }
            let number = number(.any(part, axes: gone), kept.map { part.shape[$0] }, variance(of: part.live))
            let literal = Live.Literal(condition: number, axes: kept.map { axes[$0] })
            result = result.or(Live([term.filter { lost.isDisjoint(with: $0.axes) } + [literal]]))
        }
        return result
    }

    /// Where the formula holds at some place that `target` does not tell apart.
    private mutating func restricted(_ live: Live, to target: Variance) -> Live {
        guard !target.covers(variance(of: live)) else { return live }
        return live.terms.reduce(Live.never) { result, term in
            let dependent = term.filter { !target.covers(entries[$0.condition].variance) }
            guard !dependent.isEmpty else { return result.or(Live([term])) }
            let (part, axes) = part(Live([dependent]))
            let own = variance(of: part.live)
            let left = Variance(batch: own.batch && target.batch, axes: own.axes & target.axes)
            let number = number(.ever(part, leaving: left), part.shape, left)
            let rest = term.filter { target.covers(entries[$0.condition].variance) }
            return result.or(Live([rest + [Live.Literal(condition: number, axes: axes)]]))
        }
    }

    private mutating func reshaped(_ live: Live, _ shape: Shape, to target: Shape) -> Live {
        let axes = live.axes
        let front = zip(shape.sizes, target.sizes).prefix { $0 == $1 }.count
        let back = zip(shape.sizes.reversed(), target.sizes.reversed()).prefix { $0 == $1 }.count
        if axes.allSatisfy({ $0 < front }) { return live }
        if axes.allSatisfy({ $0 >= shape.count - back }) { return live.onAxes { $0 - shape.count + target.count } }
        let number = number(.reshaped(LiveCondition.Part(live: live, shape: shape), to: target), target, variance(of: live))
        return Live(Live.Literal(condition: number, axes: Array(target.indices)))
    }

    private mutating func unwindowed(_ live: Live, _ shape: Shape, _ axis: Int, _ stride: Int, size: Int) -> Live {
        guard live.axes.contains(axis) || live.axes.contains(axis + 1) else { return live.onAxes { $0 > axis ? $0 - 1 : $0 } }
        let (part, axes) = part(live, with: [axis, axis + 1], of: shape)
        let own = axes.firstIndex(of: axis) ?? 0
        var left = part.shape
        left.replaceSubrange(own...own + 1, with: [Dim("\(size)", size)])
        let number = number(.overlapped(part, axis: own, stride: stride, size: size), left, variance(of: live))
        return Live(Live.Literal(condition: number, axes: axes.filter { $0 != axis + 1 }.map { $0 > axis ? $0 - 1 : $0 }))
    }

    /// From the rows that were read to the table.
    private mutating func scattered(_ live: Live, _ shape: Shape, _ index: ValueID, rows: Int) -> Live {
        guard !live.isAlways else { return live }
        let places = graph[index].shape.count
        let (part, axes) = part(live, with: Array(0..<places), of: shape)
        let number = number(
            .scattered(part, index: index, count: rows), [Dim("\(rows)", rows)] + part.shape.dropFirst(places),
            variance(of: live).union(graph[index].variance))
        return Live(Live.Literal(condition: number, axes: [0] + axes.dropFirst(places).map { $0 - places + 1 }))
    }

    /// From a table to the rows that were added to it.
    private mutating func gathered(_ live: Live, _ shape: Shape, _ index: ValueID) -> Live {
        let places = graph[index].shape.count
        guard live.axes.contains(0) else { return live.onAxes { $0 - 1 + places } }
        let (part, axes) = part(live)
        let number = number(
            .gathered(part, index: index), graph[index].shape + part.shape.dropFirst(), variance(of: live).union(graph[index].variance))
        return Live(Live.Literal(condition: number, axes: Array(0..<places) + axes.dropFirst().map { $0 - 1 + places }))
    }

    /// A condition of a formula that differs along `axis`, along which the condition has `size` elements.
    private mutating func spread(
        _ live: Live, in shape: Shape, along axis: Int, size: Int, _ make: (LiveCondition.Part, Int) -> LiveCondition
    ) -> Live {
        guard !live.terms.isEmpty else { return live }
        let (part, axes) = part(live, with: [axis], of: shape)
        let own = axes.firstIndex(of: axis) ?? 0
        var left = part.shape
        left[own] = Dim("\(size)", size)
        return Live(Live.Literal(condition: number(make(part, own), left, variance(of: live)), axes: axes))
    }

    // MARK: Conditions

    private mutating func condition(_ live: Live, variance: Variance? = nil, _ make: (LiveCondition.Part) -> LiveCondition) -> Live {
        let (part, axes) = part(live)
        let number = number(make(part), part.shape, variance ?? self.variance(of: live))
        return Live(Live.Literal(condition: number, axes: axes))
    }

    /// A formula by itself, with the axes that it has, and `others` of a value of this shape.
    private func part(_ live: Live, with others: [Int] = [], of shape: Shape = []) -> (LiveCondition.Part, axes: [Int]) {
        let axes = Set(live.axes).union(others).sorted()
        let dims = axes.map { axis -> Dim in
            for literal in live.terms.joined() {
                if let place = literal.axes.firstIndex(of: axis) { return entries[literal.condition].shape[place] }
            }
            return shape[axis]
        }
        return (LiveCondition.Part(live: live.onAxes { axes.firstIndex(of: $0) ?? 0 }, shape: dims), axes)
    }

    func variance(of live: Live) -> Variance {
        live.terms.joined().reduce(Variance.none) { $0.union(entries[$1.condition].variance) }
    }

    private mutating func number(_ condition: LiveCondition, _ shape: Shape, _ variance: Variance) -> Int {
        if let known = numbers[condition] { return known }
        entries.append(Entry(condition: condition, shape: shape, variance: variance))
        numbers[condition] = entries.count - 1
        return entries.count - 1
    }

    private mutating func literal(_ condition: LiveCondition, _ shape: Shape, _ variance: Variance) -> Live.Literal {
        Live.Literal(condition: number(condition, shape, variance), axes: Array(shape.indices))
    }

    /// The condition of a select, without what only spreads or turns it.
    private mutating func literal(holding test: ValueID) -> Live.Literal {
        var (id, axes, isNegated) = (test, Array(graph[test].shape.indices), false)
        while true {
            switch graph[id].operation {
            case .unary(.not, let a):
                (id, isNegated) = (a, !isNegated)
                continue
            case .rename(let a):
                id = a
                continue
            case .broadcast(let a, let from):
                axes = graph[a].shape.indices.map { own in axes[from.firstIndex(of: own) ?? 0] }
                id = a
                continue
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .reshape, .slice, .concat, .pad,
                .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
            let number = number(.holds(id), graph[id].shape, graph[id].variance)
            return Live.Literal(condition: number, axes: axes, isNegated: isNegated)
        }
    }
}
