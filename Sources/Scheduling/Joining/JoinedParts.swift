import RecStream

extension StreamGraph {
    /// The same graph in which values that a recurrence puts behind each other, for a product of them all, are read from there
    /// by what comes after: such as the adjoints of gates, which their biases and other weights ask for as well. They are then
    /// computed once in a step.
    func readingJoinedParts() -> StreamGraph {
        let components = components(of: self)
        let placement = Placement(self, components: components, totals: TotalShape.all(in: self))
        let kept = Set(kept)
        var result = self
        for component in components where component.isRecurrence {
            for whole in component.members {
                guard case .concat(let parts, let axis) = self[whole].operation, self[whole].element == .real else { continue }
                var before: Set<ValueID>?
                var start = 0
                for part in parts {
                    let slice = Operation.slice(whole, axis: axis, start: start, stride: 1)
                    start += self[part].shape[axis].size
                    guard self[part].operation.isComputed, !kept.contains(part) else { continue }
                    for user in result.users[part.index] where user != whole {
                        let earlier = before ?? result.instantAncestors(of: whole)
                        before = earlier
                        guard placement.segment[user.index] == placement.segment[whole.index], !earlier.contains(user),
                            result[user].operation.readsThroughSlices
                        else { continue }
                        var value = self[part]
                        value.operation = slice
                        value.name = nil
                        let view = result.add(value)
                        result[user].operation = result[user].operation.mapOperands { $0 == part ? view : $0 }
                    }
                }
            }
        }
        return result.values.count == values.count ? self : result.ordered()
    }

    /// Everything that a value needs at the same step.
    private func instantAncestors(of id: ValueID) -> Set<ValueID> {
        var waiting = [id]
        var found: Set<ValueID> = []
        while let next = waiting.popLast() {
            for operand in self[next].operation.instantOperands where found.insert(operand).inserted { waiting.append(operand) }
        }
        return found
    }
}

extension Operation {
    /// Whether it takes an instruction for each element.
    fileprivate var isComputed: Bool {
        switch self {
        case .unary, .binary, .select: true
        case .input, .parameter, .constant, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }
}
