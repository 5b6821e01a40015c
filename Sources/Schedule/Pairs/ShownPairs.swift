import RecStream

extension StreamGraph {
    /// Values of pairs whose NaN and infinities make every sum that follows from them NaN or infinite, and that nothing else follows from.
    var pairsShownBySums: Set<ValueID> {
        var users = [[ValueID]](repeating: [], count: values.count)
        for id in ids { for operand in self[id].operation.operands { users[operand.index].append(id) } }
        var shown: Set<ValueID> = []
        // Of pairs nothing is looked at before it is computed: users come later.
        for id in ids.reversed() where isPair(id) {
            if users[id.index].allSatisfy({ shows(id, $0, shown) }) { shown.insert(id) }
        }
        return shown
    }

    private func shows(_ id: ValueID, _ user: ValueID, _ shown: Set<ValueID>) -> Bool {
        switch self[user].operation {
        case .overTime(let kind, _, _): kind == .sum || kind == .mean
        case .unary(let function, _):
            switch function {
            case .negate, .abs, .exp, .sqrt, .log, .log1p, .sin, .cos, .tan, .stop: shown.contains(user)
            case .sign, .floor, .not, .log2, .expm1, .rsqrt, .erf, .tanh, .sigmoid, .logsigmoid, .relu, .gelu, .silu, .softplus, .step, .re, .im, .conj, .cis,
                .toReal, .toInt, .toComplex, .numbered:
                false
            }
        case .binary(let function, let a, _):
            switch function {
            case .add, .subtract, .multiply: shown.contains(user)
            case .divide: a == id && shown.contains(user)
            case .power, .min, .max, .logaddexp, .atan2, .mod, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or, .complex, .random,
                .uniform, .uniformNext:
                false
            }
        case .select(let condition, _, _): condition != id && shown.contains(user)
        case .contract, .broadcast, .rename, .reshape, .concat: shown.contains(user)
        case .reduce(let kind, _, _): kind == .sum && shown.contains(user)
        case .input, .parameter, .constant, .slice, .pad, .window, .gather, .scatter, .delay, .overBatch, .along, .distance, .chunks, .steps,
            .runningAffine, .solve:
            false
        }
    }
}
