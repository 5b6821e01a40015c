import RecStream

/// How large an int of pairs may be that follows from distances and numbers of the source: in double precision it must be exact, and so
/// must the sum of as many of them as a sequence has steps.
struct PairIntSize {
    /// Its magnitude is less than 2 to the power of these.
    let bits: Int

    /// Bits that a distance has: sequences are shorter than 2^24 steps.
    private static let distance = 24
    /// Bits that leave room for a sum.
    private static let most = 52 - distance

    /// Nil where it may be too large, or follows from something else.
    init?(_ id: ValueID, in graph: StreamGraph) {
        guard let bits = Self.bits(id, graph), bits <= Self.most || !Self.isAddedUp(id, graph) && bits <= 52 else { return nil }
        self.bits = bits
    }

    /// Whether a sum over steps has it as a term, or what is computed of it.
    private static func isAddedUp(_ id: ValueID, _ graph: StreamGraph) -> Bool {
        var reached: Set<ValueID> = [id]
        for user in graph.ids where user > id && graph[user].element == .int && graph[user].operation.operands.contains(where: reached.contains) {
            if case .overTime(.sum, _, _) = graph[user].operation { return true }
            reached.insert(user)
        }
        return false
    }

    private static func bits(_ id: ValueID, _ graph: StreamGraph) -> Int? {
        switch graph[id].operation {
        case .constant(.int(let number)): number == .min ? nil : Int.bitWidth - abs(number).leadingZeroBitCount
        case .distance: distance
        case .rename(let a), .broadcast(let a, _), .reshape(let a), .slice(let a, _, _, _), .unary(.negate, let a), .unary(.abs, let a): bits(a, graph)
        case .unary(.toInt, let a): graph[a].element == .bool ? 1 : nil
        case .binary(let function, let a, let b):
            if PairDistance(id, in: graph) != nil { distance + 1 } else if let x = bits(a, graph), let y = bits(b, graph) { joined(function, x, y) } else { nil }
        case .select(_, let a, let b): bits(a, graph).flatMap { x in bits(b, graph).map { max(x, $0) } }
        case .input, .parameter, .constant, .unary, .contract, .reduce, .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along,
            .chunks, .steps, .runningAffine, .solve:
            nil
        }
    }

    private static func joined(_ function: BinaryOperator, _ a: Int, _ b: Int) -> Int? {
        switch function {
        case .add, .subtract: max(a, b) + 1
        case .multiply: a + b
        case .min, .max: max(a, b)
        case .mod: b
        case .divide, .power, .logaddexp, .atan2, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or, .complex, .random,
            .uniform, .uniformNext:
            nil
        }
    }
}
