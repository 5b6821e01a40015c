import RecAnalysis
import RecStream

/// In which stage of its segment each value is computed.
///
/// Even stages are maps: every step of a block at once. Odd stages are sequential: one step after another. A product
/// with static weights belongs into a map wherever it can, where it is one matrix product for a block of steps; what is
/// light stays with its producer or moves to the recurrence that uses it.
struct Staging {
    var stage: [Int]
    /// Values that must be computed one step after another.
    let isSequential: [Bool]
    let products: [ValueID: ProductShape]
    let totals: [ValueID: TotalShape]
    /// Sums over time of scattered values: each step adds to the places it has, rather than to all. The scattered values
    /// themselves are never written.
    let scattered: [ValueID: ValueID]
    /// Values that compute the maps of time blocks.
    let isOfMap: [Bool]
    /// For what a map carries, the state that it is a part of the map of.
    let mapped: [ValueID: ValueID]

    init(
        _ graph: StreamGraph, components: [Component], placement: Placement, totals: [ValueID: TotalShape],
        scans: [BlockMapValues] = []
    ) {
        let scanned = Set(scans.flatMap(\.states))
        var mapped: [ValueID: ValueID] = [:]
        for scan in scans {
            for (k, constant) in scan.constants.enumerated() { mapped[constant] = scan.states[k] }
            for (k, factors) in scan.factors.enumerated() {
                for factor in factors {
                    mapped[factor.place] = scan.states[k]
                    if let reached = factor.reached { mapped[reached] = scan.states[k] }
                }
            }
        }
        var isOfMap = [Bool](repeating: false, count: graph.values.count)
        for component in components where component.members.contains(where: { mapped[$0] != nil }) {
            for member in component.members { isOfMap[member.index] = true }
        }
        var stage = [Int](repeating: 0, count: graph.values.count)
        var isSequential = [Bool](repeating: false, count: graph.values.count)
        var isDelayed = [Bool](repeating: false, count: graph.values.count)
        for id in graph.ids {
            if case .delay(let operand, _, _) = graph[id].operation { isDelayed[operand.index] = true }
        }
        let states = Set(graph.states.map(\.value))
        var products: [ValueID: ProductShape] = [:]
        var scattered: [ValueID: ValueID] = [:]
        let users = graph.users
        let kept = Set((graph.outputs + graph.losses).map(\.value)).union(states)
        let unwritten = Set(totals.values.flatMap(\.unwritten))
        for component in components {
            for member in component.members {
                var sequential = component.isRecurrence
                if case .overTime(let kind, let operand, _) = graph[member].operation {
                    sequential = totals[member] == nil && !unwritten.contains(member)
                    if kind == .sum, case .scatter = graph[operand].operation, users[operand.index] == [member], !kept.contains(operand) {
                        scattered[member] = operand
                    }
                }
                if states.contains(member), graph[member].variance.isStream { sequential = true }
                isSequential[member.index] = sequential
                products[member] = ProductShape(member, in: graph)
            }
        }
        var filling = StageFilling()
        for component in components {
            var level = 0
            let own = component.members.count > 8 ? Set(component.members) : []
            for member in component.members {
                let operation = graph[member].operation
                for operand in operation.operands where !(own.isEmpty ? component.members.contains(operand) : own.contains(operand)) {
                    guard let at = placement.segment[operand.index], at == placement.segment[member.index] else { continue }
                    level = max(level, stage[operand.index])
                }
                if !component.isRecurrence, case .delay(let operand, _, _) = operation,
                    placement.segment[operand.index] != nil,
                    placement.segment[operand.index] == placement.segment[member.index], stage[operand.index] % 2 == 0
                {
                    // Another thread may compute the step before: a barrier must lie between.
                    level = max(level, stage[operand.index] + 2)
                }
                if !component.isRecurrence, case .delay(let operand, _, _) = operation, !scanned.contains(operand),
                    stage[operand.index] % 4 == 3, !scans.isEmpty,
                    placement.segment[operand.index] == placement.segment[member.index]
                {
                    // Only states are known where a time block begins.
                    level = max(level, stage[operand.index] + 1)
                }
            }
            let needsSequence = component.members.contains { isSequential[$0.index] }
            let isHeavy = component.members.contains { products[$0] != nil || totals[$0] != nil }
            if needsSequence, !scans.isEmpty {
                // Each scan has a stage of its own, between which and others stand all values that they exchange.
                let isScan = component.members.contains { scanned.contains($0) || isOfMap[$0.index] }
                let remainder = isScan ? 3 : 1
                if isScan, level % 2 == 1 { level += 1 }
                level += (remainder - level % 4 + 4) % 4
            } else if needsSequence {
                level += 1 - level % 2
            } else if isHeavy {
                level += level % 2
            }
            if let first = component.members.first, let segment = placement.segment[first.index], !isOfMap[first.index] {
                let weight = component.members.reduce(0) { $0 + graph[$1].operation.instructionCount }
                level = filling.level(from: level, in: segment, by: needsSequence ? (scans.isEmpty ? 2 : 4) : nil, adding: weight)
            }
            for member in component.members {
                stage[member.index] = level
                // What is summed up is never written: it belongs to the sum.
                for part in totals[member]?.unwritten ?? [] { stage[part.index] = level }
                if let scatter = scattered[member] { stage[scatter.index] = level }
            }
        }
        // A number of steps that only its last value is asked of stands behind all else, so that it does not keep a recurrence from running
        // with its state in registers.
        let results = Set((graph.outputs + graph.losses).map(\.value))
        for member in graph.ids where states.contains(member) && users[member.index].isEmpty && !results.contains(member) {
            guard case .binary(.add, let a, let b) = graph[member].operation, graph[a].operation.isNumber || graph[b].operation.isNumber,
                let segment = placement.segment[member.index]
            else { continue }
            var level = 1 + (graph.ids.lazy.filter { placement.segment[$0.index] == segment }.map { stage[$0.index] }.max() ?? 0)
            level += scans.isEmpty ? 1 - level % 2 : (5 - level % 4) % 4
            stage[member.index] = level
        }
        self.totals = totals
        self.scattered = scattered
        var levels: [ValueID: Int] = [:]
        for scan in scans {
            guard let level = scan.states.first.map({ stage[$0.index] }) else { continue }
            for value in scan.carried { levels[value] = level }
        }
        for component in components {
            guard let level = component.members.lazy.compactMap({ levels[$0] }).first else { continue }
            for member in component.members { stage[member.index] = level }
        }
        self.isOfMap = isOfMap
        self.mapped = mapped
        self.isSequential = isSequential
        self.products = products
        self.stage = stage
        sinkLightValues(graph, components: components, placement: placement)
        computeLate(graph, components: components, placement: placement)
    }

    /// Moves light values of maps into the recurrence that alone uses them: there they need no memory.
    private mutating func sinkLightValues(_ graph: StreamGraph, components: [Component], placement: Placement) {
        let users = graph.users
        let kept = Set((graph.outputs + graph.losses).map(\.value))
        let costs = InlineCost(graph, placement)
        let sequential = Dictionary(grouping: graph.ids.filter { isSequential[$0.index] }) { stage[$0.index] }
        for component in components.reversed() where !component.isRecurrence {
            let value = component.members[0]
            guard stage[value.index] % 2 == 0, !isSequential[value.index], products[value] == nil,
                !kept.contains(value), graph[value].variance.isStream,
                graph[value].operation.isPointwise || graph.isRegrouping(value),
                let target = users[value.index].map({ stage[$0.index] }).min(), target % 2 == 1,
                users[value.index].allSatisfy({ user in
                    placement.segment[user.index] == placement.segment[value.index] && stage[user.index] == target
                })
            else { continue }
            if case .delay(let operand, _, _) = graph[value].operation,
                placement.segment[operand.index] == placement.segment[value.index]
            { continue }
            let isWidening = users[value.index].contains { user in
                if case .broadcast = graph[user].operation {
                    return graph[user].shape.elementCount > graph[value].shape.elementCount
                }
                return false
            }
            // What is dear and used for many elements is better computed once, in the map.
            guard !(isWidening && costs.isDear[value.index]) else { continue }
            // A scan computes its maps from what lies in memory, before the steps of its stage.
            if !mapped.isEmpty, target % 4 == 3, users[value.index].contains(where: { graph.needsMemory(value, for: $0, costs) }) { continue }
            if costs.isDear[value.index], !isLaneRecurrence(sequential[target] ?? [], like: value, graph, placement) { continue }
            stage[value.index] = target
        }
    }

    /// Whether every sequential value of a stage is element-wise on the shape of `value`: then the whole stage runs in
    /// vector lanes, and dear functions cost no more in it than before it.
    private func isLaneRecurrence(_ sequential: [ValueID], like value: ValueID, _ graph: StreamGraph, _ placement: Placement) -> Bool {
        sequential.allSatisfy { id in
            guard placement.segment[id.index] == placement.segment[value.index] else { return true }
            if case .overTime = graph[id].operation { return graph[id].shape.sizes == graph[value].shape.sizes }
            return graph[id].operation.isPointwise
                && (graph[id].shape.sizes == graph[value].shape.sizes || graph[id].shape.isEmpty)
        }
    }
}

/// How much work each stage has so far. Code of a stage takes more than twice as long to generate for twice as much, so that what is
/// beyond goes to another one.
struct StageFilling {
    struct Place: Hashable {
        var segment: Int
        var level: Int
    }
    private var filled: [Place: Double] = [:]
    /// Instructions of one vector of elements.
    private static let most = 4096.0

    /// The first stage at this level or beyond that has room, in steps of `step`; nil for the next one of maps.
    mutating func level(from least: Int, in segment: Int, by step: Int?, adding weight: Double) -> Int {
        var level = least
        while let before = filled[Place(segment: segment, level: level)], before + weight > Self.most { level += step ?? 2 - level % 2 }
        filled[Place(segment: segment, level: level), default: 0] += weight
        return level
    }

    /// The stages to which more is moved than they have room for.
    static func overfull(_ graph: StreamGraph, _ placement: Placement, movable: [ValueID], from old: [Int], to new: [Int]) -> Set<Place> {
        var filled: [Place: Double] = [:]
        for id in graph.ids { if let place = Place(id, placement, new) { filled[place, default: 0] += graph[id].operation.instructionCount } }
        return Set(movable.compactMap { id in
            old[id.index] == new[id.index] ? nil : Place(id, placement, new).flatMap { filled[$0, default: 0] > most ? $0 : nil }
        })
    }
}

extension StageFilling.Place {
    /// The stage of a value; nil where it has none.
    init?(_ id: ValueID, _ placement: Placement, _ stage: [Int]) {
        guard let segment = placement.segment[id.index] else { return nil }
        self.init(segment: segment, level: stage[id.index])
    }
}

extension Operation {
    /// Instructions for a vector of elements.
    fileprivate var instructionCount: Double {
        switch self {
        case .unary(let function, _): FunctionCost.weight(of: function)
        case .binary(let function, _, _): FunctionCost.weight(of: function)
        case .input, .parameter, .constant, .broadcast, .rename, .reshape, .slice: 0
        case .select, .contract, .reduce, .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps,
            .runningAffine, .solve:
            1
        }
    }

    /// Whether an element of the result needs at most one element of each operand, at an index that is affine in its own.
    var isPointwise: Bool {
        switch self {
        case .input, .parameter, .constant, .unary, .binary, .select, .broadcast, .rename, .slice, .window, .gather,
            .scatter, .delay:
            true
        case .contract(let contraction):
            Set(contraction.leftLabels).union(contraction.rightLabels) == Set(contraction.resultLabels)
        case .reduce, .reshape, .concat, .pad, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve: false
        }
    }
}

/// Which values cost much to compute again wherever they are used.
struct InlineCost {
    /// True where the value, with what would be computed along with it, calls a function or divides.
    let isDear: [Bool]

    init(_ graph: StreamGraph, _ placement: Placement) {
        var isDear = [Bool](repeating: false, count: graph.values.count)
        for id in graph.ids {
            let operation = graph[id].operation
            var dear = operation.isDear
            // What is dear and spread over more elements lies in memory, so that to spread it costs nothing.
            if case .broadcast(let operand, _) = operation, graph[id].shape.elementCount > graph[operand].shape.elementCount { continue }
            if operation.isPointwise || graph.isRegrouping(id) {
                // What another segment has computed lies in memory.
                dear = dear || operation.instantOperands.contains { operand in
                    isDear[operand.index] && placement.segment[operand.index] == placement.segment[id.index]
                }
            }
            isDear[id.index] = dear
        }
        self.isDear = isDear
    }
}

extension Operation {
    /// Whether it calls a function or divides.
    var isDear: Bool {
        switch self {
        case .unary(let function, _): FunctionCost.weight(of: function) > 1
        case .binary(let function, _, _): FunctionCost.weight(of: function) > 1
        case .input, .parameter, .constant, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
            .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }
}

extension StreamGraph {
    /// Whether a user reads elements of a value that lie elsewhere than its own, so that the value must be written.
    fileprivate func needsMemory(_ value: ValueID, for user: ValueID, _ costs: InlineCost) -> Bool {
        switch self[user].operation {
        case .gather(let table, _): table == value
        case .reshape: !isRegrouping(user)
        case .window: costs.isDear[value.index]
        case .delay: true
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .slice, .concat, .pad,
            .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    /// The values that use each value, delayed uses included.
    var users: [[ValueID]] {
        var result = [[ValueID]](repeating: [], count: values.count)
        for id in ids { for operand in self[id].operation.operands { result[operand.index].append(id) } }
        return result
    }
}

extension Operation {
    /// Whether it gives the number of the step.
    fileprivate var isNumber: Bool { if case .unary(.numbered, _) = self { true } else { false } }
}
