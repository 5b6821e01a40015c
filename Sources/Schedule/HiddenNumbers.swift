import RecStream

/// What chunks give to steps, where an infinity or NaN of it may leave no trace in any result: what reads it compares it, divides by it,
/// chooses something else or bounds it.
///
/// Chunks form products that steps do not: of gates far apart, and of 0 with numbers that overflow. What is finite at the end is right, if
/// all that such a product reaches is looked at. Results are; so are the values found here.
struct HiddenNumbers {
    private(set) var values: Set<ValueID>

    init(_ graph: StreamGraph) {
        var shown: Set<ValueID> = []
        var rest = (graph.outputs + graph.losses).map(\.value)
        while let id = rest.popLast() {
            guard shown.insert(id).inserted else { continue }
            rest += Self.operandsShown(graph[id].operation)
        }
        values = Set(graph.ids.filter { id in
            if case .steps = graph[id].operation { !shown.contains(id) } else { false }
        })
    }

    /// Operands whose infinities and NaN make an element of the result infinite or NaN.
    private static func operandsShown(_ operation: Operation) -> [ValueID] {
        switch operation {
        case .unary(let function, let a):
            switch function {
            case .negate, .abs, .floor, .sqrt, .log, .log2, .log1p, .sin, .cos, .tan, .stop, .re, .im, .conj, .toComplex: return [a]
            case .sign, .not, .exp, .expm1, .rsqrt, .erf, .tanh, .sigmoid, .logsigmoid, .relu, .gelu, .silu, .softplus, .step, .cis, .toReal,
                .toInt, .numbered:
                return []
            }
        case .binary(let function, let a, let b):
            switch function {
            case .add, .subtract, .multiply, .complex: return [a, b]
            case .divide, .mod: return [a]
            case .power, .min, .max, .logaddexp, .atan2, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or, .random, .uniform,
                .uniformNext:
                return []
            }
        case .contract(let c): return [c.left, c.right]
        case .reduce(let kind, let a, _): return kind == .sum || kind == .product ? [a] : []
        case .broadcast, .rename, .reshape, .concat, .pad, .chunks, .steps, .runningAffine, .solve: return operation.operands
        case .input, .parameter, .constant, .select, .slice, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance: return []
        }
    }
}
