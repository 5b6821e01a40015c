import RecStream

/// What each recurrence of a plan takes: the seconds of the stages that compute it. What a stage takes is divided between the
/// recurrences that it computes, by what each takes in a step.
package struct RecurrenceSeconds {
    private let seconds: [Double]
    /// By name, the recurrences that delay a value of that name.
    private var numbers: [String: Set<Int>] = [:]

    package init(_ plan: Plan, _ work: Workload, on machine: MachineProfile) {
        let recurrences = components(of: plan.graph).filter(\.isRecurrence)
        var owner: [ValueID: Int] = [:]
        for (k, component) in recurrences.enumerated() { for member in component.members { owner[member] = k } }
        var taken = [Double](repeating: 0, count: recurrences.count)
        for segment in plan.segments {
            for stage in segment.stages {
                let cost = StageCost(plan, segment, stage, work, machine)
                let parts = cost.parts(by: owner)
                let all = parts.values.reduce(0, +)
                guard all > 0 else { continue }
                let seconds = cost.seconds
                for (k, part) in parts { taken[k] += part / all * seconds }
            }
        }
        seconds = taken
        for (k, component) in recurrences.enumerated() {
            for id in component.members {
                guard case .delay(let operand, _, _) = plan.graph[id].operation, let name = plan.graph[operand].name else { continue }
                numbers[name, default: []].insert(k)
            }
        }
    }

    /// Seconds of the recurrences that delay values of these names; nil where the plan has none.
    package func total(of names: Set<String>) -> Double? {
        let sum = names.reduce(into: Set<Int>()) { $0.formUnion(numbers[$1] ?? []) }.reduce(0) { $0 + seconds[$1] }
        return sum > 0 ? sum : nil
    }
}
