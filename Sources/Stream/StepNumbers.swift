extension StreamGraph {
    /// The graph in which the counter behind `t` does not count: `t = t[t-1] + 1` from `a` is `a` and the number of the step, which code has
    /// at hand, so that it costs no recurrence. Counters of a program stay the recurrences that they are.
    ///
    /// Only over one axis, and from its beginning: from where a sequence ends depends on the sequence.
    package func numberingSteps() -> StreamGraph {
        guard dataAxes.count == 1 else { return self }
        let time = axes[0].name
        let counters = Set(states.filter { $0.name == time || $0.name == CarriedState.prefix + time }.map(\.value))
        var result = self
        var zero: ValueID?
        var isChanged = false
        for id in ids {
            guard case .delay(let count, [-1], let initial) = self[id].operation, self[id].element == .int, self[id].shape.isEmpty,
                case .binary(.add, let a, let b) = self[count].operation, isOne(a == id ? b : a), a == id || b == id, initial.map({ self[$0].variance.isStream }) != true,
                self[id].name == time || counters.contains(count)
            else { continue }
            let start = initial ?? zero ?? result.add(Value(.constant(.int(0)), element: .int, shape: [], variance: .none))
            if initial == nil { zero = start }
            result[id].operation = .unary(.numbered, start)
            isChanged = true
        }
        return isChanged ? result.ordered() : self
    }

    private func isOne(_ id: ValueID) -> Bool {
        if case .constant(.int(1)) = self[id].operation { true } else { false }
    }
}
