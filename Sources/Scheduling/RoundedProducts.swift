import RecStream

extension StreamGraph {
    /// For each value whether it is a product that is used in more than one way, and so is a number of its own: rounded, rather
    /// than fused with what it is added to.
    ///
    /// A product fused in one place and rounded in another would be two different numbers: in `exp(z - max(z))` with
    /// `z = x * w`, the largest element would not be `exp(0)`.
    var roundedProducts: [Bool] {
        // What is computed again is the same value.
        var first: [Value: ValueID] = [:]
        var same = ids.map { $0 }
        for id in ids {
            var value = self[id]
            value.operation = value.operation.mapOperands { same[$0.index] }
            // The order of factors and of terms makes no difference.
            if case .binary(let function, let a, let b) = value.operation, function == .multiply || function == .add {
                value.operation = .binary(function, min(a, b), max(a, b))
            }
            value.name = nil
            value.span = nil
            if let earlier = first[value] { same[id.index] = earlier } else { first[value] = id }
        }
        var users = [Set<ValueID>](repeating: [], count: values.count)
        var isShared = [Bool](repeating: false, count: values.count)
        for id in ids {
            let operands = self[id].operation.operands.map { same[$0.index] }
            for (k, operand) in operands.enumerated() {
                users[operand.index].insert(same[id.index])
                // One user may use it in more than one way, as `z - z` does.
                if operands[..<k].contains(operand) { isShared[operand.index] = true }
            }
        }
        for result in (outputs + losses).map(\.value) + states.map(\.value) where !users[same[result.index].index].isEmpty {
            isShared[same[result.index].index] = true
        }
        for id in ids.reversed() where same[id.index] == id {
            if users[id.index].count > 1 { isShared[id.index] = true }
            // What is used more than once through a view is, too.
            if let user = users[id.index].first, users[id.index].count == 1, self[user].operation.isView, isShared[user.index] {
                isShared[id.index] = true
            }
        }
        return ids.map { id in
            guard case .binary(.multiply, _, _) = self[id].operation else { return false }
            return isShared[same[id.index].index]
        }
    }
}

extension Operation {
    /// Whether the elements of the result are elements of the operand.
    fileprivate var isView: Bool {
        switch self {
        case .broadcast, .rename, .reshape, .slice, .window, .unary(.stop, _): true
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .concat, .pad, .gather, .scatter, .delay,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }
}
