import RecStream

/// Which values may be infinite, or NaN, at some place: quotients, logarithms, roots and what is made of them.
///
/// A partial derivative that is not finite counts as 0, so that what a program does not choose (`if x > 0 then 1 / x else 0`)
/// leaves no NaN behind. Asking where that can happen keeps the backward pass of everything else free of such tests. An
/// overflow, of `exp` or of products, is not foreseen here.
struct Poles {
    private let isPole: [Bool]

    init(_ graph: StreamGraph) {
        var isPole = [Bool](repeating: false, count: graph.values.count)
        for id in graph.ids {
            switch graph[id].operation {
            // A delay may look at a later value; states that grow without bound are not foreseen.
            case .input, .parameter, .delay: continue
            case .constant(let scalar):
                if case .real(let number) = scalar { isPole[id.index] = !number.isFinite }
            case .unary(let function, let a):
                switch function {
                case .log, .log2, .log1p, .sqrt, .rsqrt: isPole[id.index] = true
                case .negate, .abs, .exp, .expm1, .relu, .gelu, .silu, .softplus, .logsigmoid, .floor, .stop, .re, .im,
                    .conj, .toComplex:
                    isPole[id.index] = isPole[a.index]
                case .sign, .not, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .step, .cis, .toReal, .toInt, .numbered: continue
                }
            case .binary(let function, let a, let b):
                switch function {
                case .divide, .mod: isPole[id.index] = isPole[a.index] || !graph.isNonzeroConstant(b)
                case .power: isPole[id.index] = true
                case .add, .subtract, .multiply, .min, .max, .logaddexp, .atan2, .complex:
                    isPole[id.index] = isPole[a.index] || isPole[b.index]
                case .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or, .random, .uniform, .uniformNext: continue
                }
            case .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather, .scatter,
                .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                isPole[id.index] = graph[id].operation.operands.contains { isPole[$0.index] }
            }
        }
        self.isPole = isPole
    }

    private init(_ isPole: [Bool]) { self.isPole = isPole }

    /// As if no value of a graph had one.
    static func none(in graph: StreamGraph) -> Poles { Poles([Bool](repeating: false, count: graph.values.count)) }

    subscript(_ id: ValueID) -> Bool { isPole[id.index] }
}

extension StreamGraph {
    /// The number that a value is in every element, where it is a finite constant in any shape.
    func finiteConstant(_ id: ValueID) -> Double? {
        switch self[id].operation {
        case .constant(.real(let number)): return number.isFinite ? number : nil
        case .broadcast(let a, _), .rename(let a), .reshape(let a): return finiteConstant(a)
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return nil
        }
    }

    func isNonzeroConstant(_ id: ValueID) -> Bool { finiteConstant(id).map { $0 != 0 } ?? false }
}
