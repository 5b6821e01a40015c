import RecAnalysis
import RecStream

/// What the loops of a nest cost at one step, in vector instructions.
///
/// Every node counts as often as the loops run that it varies over, with one of them in vector lanes: what does not vary over a
/// loop is computed before it.
struct NestCost {
    /// Instructions for one vector of elements, where nothing is reduced.
    private(set) var evaluation = 0.0
    /// Instructions for all elements.
    private(set) var operations = 0.0
    /// Instructions from a state carried in to the state carried on, one needing the other.
    private(set) var chain = 0.0
    /// Instructions from what is read to what is written, one needing the other.
    private(set) var longest = 0.0

    private let nest: Nest
    private let lanes: Double
    private let bytesPerReal: Int
    /// Variables of which as many values as fit a vector are taken at once.
    private let vectorVariables: Set<Int>

    /// Instructions in whose time the result of one can be used.
    static let latency = 8.0
    /// Instructions that bring the lanes of a vector together.
    private static let joining = 30.0
    /// Vectors that a reduction goes through side by side.
    private static let besides = 4.0

    /// - Parameter lanes: reals in a vector.
    /// - Parameter carried: the nodes that are carried on to the next step.
    init(_ nest: Nest, lanes: Double, bytesPerReal: Int, carried: [Nest.NodeID] = []) {
        self.nest = nest
        self.lanes = max(1, lanes)
        self.bytesPerReal = bytesPerReal
        let innermost = nest.nodes.compactMap { node -> Int? in
            if case .reduce(let kind, _, let variables) = node.operation, kind != .argmax { variables.last } else { nil }
        }
        if nest.reducesInLanes {
            vectorVariables = Set(innermost)
        } else {
            vectorVariables = nest.scattersAcrossLanes ? [] : Set(nest.domain.indices.suffix(1))
        }
        let dependencies = nest.dependencies
        var depth = [Double?](repeating: nil, count: nest.nodes.count)
        var height = [Double](repeating: 0, count: nest.nodes.count)
        for (id, node) in nest.nodes.enumerated() {
            let weight = weight(of: node.operation, dependencies)
            evaluation += weight
            let repeats: Double
            if case .reduce(let kind, let body, let variables) = node.operation {
                let bits = dependencies[id] | Self.bits(variables)
                repeats = count(bits)
                operations += weight * repeats + reductionWait(kind, variables, over: dependencies[id], body: dependencies[body])
            } else {
                repeats = count(dependencies[id])
                operations += weight * repeats
            }
            if node.operation.isOfState { depth[id] = 0 }
            let own = node.operation.accesses.isEmpty ? FunctionCost.depth(ofWeight: weight) : 1
            height[id] = own + (node.operation.operands.map { height[$0] }.max() ?? 0)
            for operand in node.operation.operands {
                guard let before = depth[operand] else { continue }
                depth[id] = max(depth[id] ?? 0, before + own)
            }
        }
        longest = height.max() ?? 0
        let whole = count(Self.bits(Array(nest.domain.indices)))
        operations += Double(nest.stores.count) * whole
        evaluation += Double(nest.stores.count)
        chain = carried.compactMap { depth[$0] }.max() ?? 0
    }

    private static func bits(_ variables: [Int]) -> UInt64 { variables.reduce(0) { $0 | 1 << UInt64($1) } }

    /// How often loops run over these variables.
    private func count(_ bits: UInt64) -> Double {
        nest.extents.indices.reduce(1) { total, variable in
            guard bits & (1 << UInt64(variable)) != 0 else { return total }
            let extent = Double(nest.extents[variable])
            return total * (vectorVariables.contains(variable) ? (extent / lanes).rounded(.up) : extent)
        }
    }

    /// What a reduction waits for: each turn for the one before, where few run side by side, and for the lanes in the end.
    private func reductionWait(_ kind: ReduceKind, _ variables: [Int], over bits: UInt64, body: UInt64) -> Double {
        let turns = count(Self.bits(variables))
        let results = count(bits)
        let inLanes = variables.contains { vectorVariables.contains($0) }
        // The largest is found by a comparison and a choice.
        let steps = kind == .sum || kind == .product ? 1.0 : 3.0
        let sideBySide = inLanes ? 1 : max(1, min(Self.besides, results))
        return results * (max(0, turns - 1) * max(0, steps * Self.latency / sideBySide - 1) / 2 + (inLanes ? Self.joining : 0))
    }

    /// Vector instructions of an operation.
    private func weight(of operation: NodeOperation, _ dependencies: [UInt64]) -> Double {
        switch operation {
        case .constant, .position, .carried, .scanned: return 0
        case .load(let access): return isScattered(access) ? 2 * lanes : 0.5
        case .gather(let access, let index, _, _):
            let isSpread = vectorVariables.contains { dependencies[index] & (1 << UInt64($0)) != 0 } || isScattered(access)
            return isSpread ? 2 * lanes : 1
        case .reduce(let kind, let body, _):
            // A sum across lanes is taken in f64.
            let isWide = kind == .sum && bytesPerReal == 4 && nest.reducesInLanes && nest.nodes[body].element == .real
            return isWide ? 5 : 1
        case .select: return 1
        case .unary(let function, _): return FunctionCost.weight(of: function, bytesPerReal: bytesPerReal)
        case .binary(let function, _, _): return FunctionCost.weight(of: function, bytesPerReal: bytesPerReal)
        }
    }

    /// Whether the lanes of a vector lie apart in memory.
    private func isScattered(_ access: Access) -> Bool {
        vectorVariables.contains { ![0, 1].contains(access.position.coefficient(of: $0)) }
    }
}
