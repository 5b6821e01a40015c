import RecAnalysis
import RecStream

/// In which segment each value is computed.
///
/// A segment is a pass: over nothing (`static`), over the sequences (`once`), or over the steps in some order
/// (`sweep`). A value that needs a whole stream, such as a mean over time or a recurrence in the other direction, makes
/// the next segment begin.
struct Placement {
    var kinds: [Segment.Kind] = [.static, .once]
    /// Nil for inputs, parameters and constants, which are there from the start.
    var segment: [Int?]

    private let graph: StreamGraph
    private let totals: [ValueID: TotalShape]
    /// Values that vary over nothing, and yet are not known before a run.
    private let isOfRun: [Bool]

    /// What a value asks of the segment it is placed in, because of one operand.
    private struct Need {
        var segment: Int
        /// The operand is complete only when its segment has ended.
        var isStrict: Bool
        /// The offsets of the delay through which the operand is read.
        var delay: [Int]?
    }

    /// - Parameters:
    ///   - later: values that are computed in the first segment that uses them.
    ///   - scans: recurrences whose maps are computed in the segment of the recurrence itself.
    init(
        _ graph: StreamGraph, components: [Component], totals: [ValueID: TotalShape], later: Set<ValueID> = [],
        scans: [BlockMapValues] = []
    ) {
        self.graph = graph
        self.totals = totals
        isOfRun = graph.isOfRun
        segment = [Int?](repeating: nil, count: graph.values.count)
        for component in Self.together(components, scans) { place(component) }
        var later = later
        for scan in scans { later.formUnion(scan.added.map { ValueID($0) }) }
        sinkInputMaps(components, later)
    }

    /// The components in an order for placing, in which a recurrence and those of its maps are one, behind all that either
    /// needs.
    private static func together(_ components: [Component], _ scans: [BlockMapValues]) -> [Component] {
        guard !scans.isEmpty else { return components }
        // The scan that a value was added for, and that a state belongs to.
        var source: [Int: Int] = [:]
        var owner: [ValueID: Int] = [:]
        for (k, scan) in scans.enumerated() {
            for value in scan.added { source[value] = k }
            for state in scan.states { owner[state] = owner[state] ?? k }
        }
        var added = scans.map { _ in [Component]() }
        var result: [Component] = []
        for component in components {
            if let k = source[component.members[0].index] { added[k].append(component) }
        }
        for component in components where source[component.members[0].index] == nil {
            guard let k = component.members.lazy.compactMap({ owner[$0] }).min() else {
                result.append(component)
                continue
            }
            result += added[k].filter { !$0.isRecurrence }
            let maps = added[k].filter(\.isRecurrence).flatMap(\.members)
            result.append(Component(members: (component.members + maps).sorted(), isRecurrence: true))
        }
        return result
    }

    /// The axes of the loops in which a value is computed.
    static func loopAxes(_ value: ValueID, in graph: StreamGraph) -> [Int] {
        var bits = graph[value].variance.axes
        if case .overTime(_, let operand, _) = graph[value].operation { bits = graph[operand].variance.axes }
        return graph.axes.indices.filter { bits & (1 << UInt8($0)) != 0 }
    }

    private mutating func place(_ component: Component) {
        let first = component.members[0]
        switch graph[first].operation {
        case .input, .parameter, .constant: return
        case .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve: break
        }
        if case .overBatch(let sum) = graph[first].operation, totals[first] != nil {
            // A total is taken by the pass that computes what it sums, over all sequences at once.
            segment[first.index] = segment[sum.index]
            return
        }
        let needs = needs(of: component)
        let axes = Self.loopAxes(first, in: graph)
        let wanted: Segment.Kind
        var delays: [[Int]] = []
        if axes.isEmpty {
            if case .overBatch = graph[first].operation {
                wanted = .once
            } else {
                wanted = !graph[first].variance.isStatic ? .once : isOfRun[first.index] ? .joined : .static
            }
        } else {
            delays = recurrentDelays(component)
            wanted = .sweep(axes: axes, order: LoopOrder.admitting(delays, axes: axes) ?? .forward(axes: axes))
        }
        let chosen = kinds.indices.first { admits($0, wanted: wanted, delays: delays, needs: needs) }
        if chosen == nil { kinds.append(wanted) }
        for member in component.members { segment[member.index] = chosen ?? kinds.count - 1 }
    }

    private func needs(of component: Component) -> [Need] {
        let members = Set(component.members)
        return component.members.flatMap { member -> [Need] in
            let operation = graph[member].operation
            return operation.operands.enumerated().compactMap { position, operand in
                guard !members.contains(operand), let at = segment[operand.index] else { return nil }
                var delay: [Int]?
                if case .delay(_, let offsets, _) = operation, position == 0 { delay = offsets }
                let isStrict: Bool
                switch graph[operand].operation {
                case .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve: isStrict = true
                case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename,
                    .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay:
                    isStrict = false
                }
                return Need(segment: at, isStrict: isStrict, delay: delay)
            }
        }
    }

    private func recurrentDelays(_ component: Component) -> [[Int]] {
        let members = Set(component.members)
        return component.members.compactMap { member in
            guard case .delay(let operand, let offsets, _) = graph[member].operation, members.contains(operand)
            else { return nil }
            return offsets
        }
    }

    private func admits(_ index: Int, wanted: Segment.Kind, delays: [[Int]], needs: [Need]) -> Bool {
        switch (kinds[index], wanted) {
        case (.static, .static), (.once, .once), (.joined, .joined): break
        case (.sweep(let axes, let order), .sweep(let wantedAxes, _)):
            guard axes == wantedAxes, delays.allSatisfy(order.reachesBack) else { return false }
        case (.static, _), (.once, _), (.joined, _), (.sweep, _): return false
        }
        return needs.allSatisfy { need in
            if need.segment != index { return need.segment < index }
            guard !need.isStrict else { return false }
            guard let delay = need.delay, case .sweep(_, let order) = kinds[index] else { return true }
            return order.reachesBack(delay)
        }
    }

    /// Moves values that follow from inputs alone, and those that are to be computed later, into the sweep that uses them
    /// first, so that they need not be kept for the whole length of the stream.
    private mutating func sinkInputMaps(_ components: [Component], _ later: Set<ValueID>) {
        var fromInputs = [Bool](repeating: true, count: graph.values.count)
        var users = [[ValueID]](repeating: [], count: graph.values.count)
        for component in components {
            let isMap = !component.isRecurrence && component.members.allSatisfy { member in
                if case .overTime = graph[member].operation { return false }
                return graph[member].operation.operands.allSatisfy { fromInputs[$0.index] }
            }
            for member in component.members {
                fromInputs[member.index] = isMap
                for operand in graph[member].operation.operands { users[operand.index].append(member) }
            }
        }
        let kept = Set((graph.outputs + graph.losses).map(\.value) + graph.states.map(\.value))
        for component in components.reversed() {
            guard let value = component.members.first, fromInputs[value.index] || later.contains(value), let at = segment[value.index],
                !kept.contains(value), case .sweep(let axes, _) = kinds[at],
                let target = users[value.index].compactMap({ segment[$0.index] }).min(), target > at,
                case .sweep(let targetAxes, _) = kinds[target], targetAxes == axes
            else { continue }
            if case .delay(let operand, _, _) = graph[value].operation, segment[operand.index] != nil, !later.contains(value) { continue }
            let isDelayed = users[value.index].contains { user in
                if case .delay(let operand, _, _) = graph[user].operation { return operand == value }
                return false
            }
            if !isDelayed { segment[value.index] = target }
        }
    }
}

extension StreamGraph {
    /// For each value whether it varies over nothing, and yet follows from a sum over the batch or is a result of a run.
    fileprivate var isOfRun: [Bool] {
        let results = Set(outputs.map(\.value))
        var isOfRun = [Bool](repeating: false, count: values.count)
        for id in ids where self[id].variance.isStatic {
            var isSum = false
            if case .overBatch = self[id].operation { isSum = true }
            isOfRun[id.index] = isSum || results.contains(id) || self[id].operation.operands.contains { isOfRun[$0.index] }
        }
        return isOfRun
    }
}
