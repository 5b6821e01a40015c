import RecStream

/// Which values of a traversal are put into memory: what is joined, what products and systems read, and what is dear and used again.
struct MemoryNeeds {
    private(set) var values: Set<ValueID> = []
    private let graph: StreamGraph
    private let forms: ChunkShapes
    private let positions: [ValueID: [Int?]]
    /// Operations of an element, as far as they are computed where the value is used.
    private var costs: [ValueID: Int] = [:]

    /// Work that is worth no memory.
    private static let leastCost = 3

    /// - Parameter gathersChunks: whether steps of a chunk that are read for each of others are put side by side first.
    init(
        _ own: [ValueID], _ traversal: ChunkPartition.Traversal, _ graph: StreamGraph, _ forms: ChunkShapes, _ positions: [ValueID: [Int?]],
        gathersChunks: Bool = false
    ) {
        self.graph = graph
        self.forms = forms
        self.positions = positions
        var uses: [ValueID: Int] = [:]
        var widened: Set<ValueID> = []
        for id in own {
            for operand in graph[id].operation.instantOperands {
                uses[operand, default: 0] += 1
                if elementCount(id) > elementCount(operand) { widened.insert(operand) }
            }
        }
        for carried in traversal.carried { uses[carried.value, default: 0] += 1 }
        for id in traversal.stored { uses[id, default: 0] += 1 }
        for id in own {
            force(id)
            if gathersChunks, case .chunks = graph[id].operation { values.insert(id) }
            if values.contains(id) || graph[id].element == .bool || forms.isUniform(id) { continue }
            let cost = cost(of: id)
            if cost > Self.leastCost, uses[id, default: 0] > 1 || widened.contains(id) && cost > 2 * Self.leastCost {
                values.insert(id)
            } else {
                costs[id] = cost
            }
        }
    }

    private func elementCount(_ id: ValueID) -> Int {
        zip(forms.shape(id), positions[id] ?? []).reduce(1) { $1.1 == nil ? $0 * $1.0.size : $0 }
    }

    private func cost(of id: ValueID) -> Int {
        let inner = Set(graph[id].operation.instantOperands).reduce(0) { $0 + (costs[$1] ?? 0) }
        switch graph[id].operation {
        case .unary(let function, _): return inner + (function.isSimple ? 1 : 12)
        case .binary(let function, _, _): return inner + (function.isSimple ? 1 : 12)
        case .select, .contract, .chunks, .pad: return inner + 1
        case .input, .parameter, .constant, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .window, .gather, .scatter, .delay,
            .overTime, .overBatch, .along, .distance, .steps, .runningAffine, .solve:
            return inner
        }
    }

    /// What an operation needs in memory, of itself and of its operands.
    private mutating func force(_ id: ValueID) {
        switch graph[id].operation {
        case .contract(let c):
            guard c.resultLabels.count < Set(c.leftLabels + c.rightLabels).count else { return }
            values.insert(id)
            if ProductLoops(c, id, forms, positions) != nil { values.formUnion([c.left, c.right].map(stored)) }
        case .reduce, .concat, .runningAffine: values.insert(id)
        case .solve(let matrix, let right, _): values.formUnion([id, stored(matrix), stored(right)])
        case .reshape(let a):
            // Dims of one place come and go.
            guard !forms.isUniform(a), graph[a].shape.filter({ $0.size > 1 }) != graph[id].shape.filter({ $0.size > 1 }) else { return }
            values.insert(stored(a))
        case .pad(_, let axis, _, _, _):
            // Along the last dim neighbours would be read one by one.
            if axis == graph[id].shape.count - 1 { values.insert(id) }
        case .input, .parameter, .constant, .unary, .binary, .select, .broadcast, .rename, .slice, .window, .gather, .scatter, .delay, .overTime,
            .overBatch, .along, .distance, .chunks, .steps:
            return
        }
    }

    /// The value under whose name an operand stands in memory.
    private func stored(_ id: ValueID) -> ValueID {
        var id = id
        while true {
            switch graph[id].operation {
            case .rename(let a) where forms.lead(a) == forms.lead(id): id = a
            case .steps(let a, _): id = a
            case .reshape(let a) where !forms.isUniform(a): id = a
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
                .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .runningAffine, .solve:
                return id
            }
        }
    }
}

extension UnaryOperator {
    /// Whether a processor has it, or nearly.
    var isSimple: Bool {
        switch self {
        case .negate, .abs, .sign, .floor, .not, .relu, .step, .re, .im, .conj, .stop, .toReal, .toInt, .toComplex, .numbered: true
        case .exp, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .gelu, .silu, .softplus,
            .cis:
            false
        }
    }
}

extension BinaryOperator {
    /// Whether a processor has it, or nearly.
    var isSimple: Bool {
        switch self {
        case .add, .subtract, .multiply, .min, .max, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and, .or, .complex: true
        case .divide, .power, .logaddexp, .atan2, .mod, .random, .uniform, .uniformNext: false
        }
    }
}

/// The loops of a sum of products as a product of matrices, without parallel dims and those of one place.
struct ProductLoops {
    var blocks: [Int] = []
    var rows: [Int] = []
    var columns: [Int] = []
    var sums: [Int] = []
    var sizes: [Int: Int] = [:]

    /// Nil where rows, columns or sums are missing.
    init?(_ c: Contraction, _ id: ValueID, _ forms: ChunkShapes, _ positions: [ValueID: [Int?]]) {
        var seen: Set<Int> = []
        for (operand, labels) in [(c.left, c.leftLabels), (c.right, c.rightLabels)] {
            for (axis, label) in labels.enumerated() where seen.insert(label).inserted {
                let size = forms.graph[operand].shape[axis].size
                let isParallel = c.resultLabels.firstIndex(of: label).map { positions[id]?[$0 + forms.lead(id)] != nil } ?? false
                guard size > 1, !isParallel else { continue }
                sizes[label] = size
            }
        }
        // The steps of a chunk, where both operands have them.
        guard forms.lead(id) == 0 else { return nil }
        let order = c.resultLabels + Set(c.leftLabels + c.rightLabels).subtracting(c.resultLabels).sorted()
        for label in order where sizes[label] != nil {
            switch (c.leftLabels.contains(label), c.rightLabels.contains(label), c.resultLabels.contains(label)) {
            case (true, true, true): blocks.append(label)
            case (true, false, true): rows.append(label)
            case (false, true, true): columns.append(label)
            case (_, _, false): sums.append(label)
            case (false, false, true): return nil
            }
        }
        guard !rows.isEmpty, !columns.isEmpty, !sums.isEmpty else { return nil }
    }
}
