import RecStream

extension StreamGraph {
    /// Values that may become infinite for moderate data: exponentials, quotients, powers, logarithms, and what is made of them.
    ///
    /// `max`, `min` and `relu` of such values choose as a select does: `min(exp(x), 10)` has slope 0 where `exp(x)` overflows.
    var overflowingValues: Set<ValueID> {
        var users = [[ValueID]](repeating: [], count: values.count)
        for id in ids where passesOverflow(id) { for operand in self[id].operation.operands { users[operand.index].append(id) } }
        var found: Set<ValueID> = []
        var waiting = ids.filter(beginsOverflow)
        while let id = waiting.popLast() {
            if found.insert(id).inserted { waiting += users[id.index] }
        }
        return found
    }

    private func beginsOverflow(_ id: ValueID) -> Bool {
        switch self[id].operation {
        case .unary(.exp, _), .unary(.expm1, _), .unary(.log, _), .unary(.log2, _), .unary(.log1p, _), .unary(.tan, _), .unary(.rsqrt, _), .binary(.power, _, _): true
        case .binary(.divide, _, let b): !isNonzeroConstant(b)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice,
            .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance,
            .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    private func passesOverflow(_ id: ValueID) -> Bool {
        guard self[id].element == .real else { return false }
        switch self[id].operation {
        case .unary(let function, _):
            switch function {
            case .sin, .cos, .tanh, .sigmoid, .erf, .step, .sign, .not, .toReal, .toInt, .re, .im, .conj, .cis, .toComplex, .numbered:
                return false
            case .negate, .abs, .floor, .exp, .log, .log2, .tan, .log1p, .expm1, .sqrt, .rsqrt, .logsigmoid, .relu, .gelu, .silu, .softplus, .stop:
                return true
            }
        case .input, .parameter, .constant: return false
        case .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter,
            .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return true
        }
    }
}
