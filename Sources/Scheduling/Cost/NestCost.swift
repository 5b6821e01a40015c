import RecStream

/// What one evaluation of a nest's expression costs, in vector instructions.
struct NestCost {
    /// Instructions, each on a whole vector.
    var operations = 0.0
    /// Instructions from a state carried in to the state carried on, one needing the other.
    var chain = 0.0

    init(_ nest: Nest, carried: [Nest.NodeID] = []) {
        var depth = [Double?](repeating: nil, count: nest.nodes.count)
        for (id, node) in nest.nodes.enumerated() {
            let weight = Self.weight(node.operation)
            var repeats = 1.0
            if case .reduce(_, _, let variables) = node.operation { repeats = Double(variables.reduce(1) { $0 * nest.extents[$1] }) }
            operations += weight * repeats
            if node.operation.isOfState { depth[id] = 0 }
            for operand in node.operation.operands {
                guard let before = depth[operand] else { continue }
                depth[id] = max(depth[id] ?? 0, before + weight * repeats)
            }
        }
        operations += Double(nest.stores.count)
        chain = carried.compactMap { depth[$0] }.max() ?? 0
    }

    /// Vector instructions of an operation.
    private static func weight(_ operation: NodeOperation) -> Double {
        switch operation {
        case .constant, .position, .carried, .scanned: 0
        case .load: 0.5
        case .gather: 12
        case .reduce, .select: 1
        case .unary(let function, _): weight(of: function)
        case .binary(let function, _, _): weight(of: function)
        }
    }

    static func weight(of function: UnaryOperator) -> Double {
        switch function {
        case .negate, .abs, .sign, .floor, .not, .relu, .step, .re, .im, .conj, .stop, .toReal, .toInt, .toComplex: 1
        case .sqrt, .rsqrt: 8
        case .exp, .log, .log2, .log1p, .expm1, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .gelu, .silu, .softplus, .cis: 30
        }
    }

    static func weight(of function: BinaryOperator) -> Double {
        switch function {
        case .add, .subtract, .multiply, .min, .max, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or,
            .complex: 1
        case .divide: 6
        case .logaddexp, .atan2: 60
        case .mod: 15
        case .power: 120
        }
    }
}
