import CLLVM
import RecAnalysis
import RecScheduling
import RecStream

/// Composes the maps of the steps in a vector, so that each lane has the map from before the vector to itself.
struct StepComposition {
    private let map: RegisterScan.Map
    private let emitter: NestEmitter
    private let builder: IRBuilder
    private let lanes: Int
    private let width: Int
    private let isReversed: Bool

    /// An entry of a map; most are known to be nothing or one.
    private enum Entry {
        case zero, one
        case value(IRValue)
    }

    /// A square matrix over slots, and what is added.
    private struct Matrix {
        var entries: [[Entry]]
        var constants: [Entry]
    }

    init(
        _ map: RegisterScan.Map, _ emitter: NestEmitter, _ builder: IRBuilder, lanes: Int, width: Int, isReversed: Bool
    ) {
        self.map = map
        self.emitter = emitter
        self.builder = builder
        self.lanes = lanes
        self.width = width
        self.isReversed = isReversed
    }

    /// The states at every step of the vector.
    func states(before: [IRValue]) -> [IRValue] {
        var matrix = step()
        var distance = width
        while distance < lanes {
            matrix = composed(matrix, with: distance)
            distance *= 2
        }
        return map.form == .fraction ? [fraction(matrix, before[0])] : linear(matrix, before)
    }

    // MARK: Semirings

    private func join(_ a: Entry, _ b: Entry) -> Entry {
        switch (a, b) {
        case (.zero, let other), (let other, .zero): other
        case (.one, _), (_, .one), (.value, .value): .value(join(number(a), number(b)))
        }
    }

    private func join(_ a: IRValue, _ b: IRValue) -> IRValue {
        let function: BinaryOperator
        switch map.form {
        case .fraction, .linear(.plusTimes): function = .add
        case .linear(.maxPlus): function = .max
        case .linear(.minPlus): function = .min
        case .linear(.logSumExp): function = .logaddexp
        case .linear(.orAnd): function = .or
        }
        return emitter.stage.math.binary(function, a, b, of: .real)
    }

    /// `sum ⊕ a ⊗ b`; a product of numbers is fused with the sum.
    private func join(_ sum: Entry, weighing a: Entry, _ b: Entry) -> Entry {
        if isProduct, map.form != .linear(.orAnd), case .value(let x) = a, case .value(let y) = b {
            switch sum {
            case .zero: break
            case .one, .value: return .value(builder.fma(x, y, number(sum)))
            }
        }
        return join(sum, weigh(a, b))
    }

    private func weigh(_ a: Entry, _ b: Entry) -> Entry {
        switch (a, b) {
        case (.zero, _), (_, .zero): .zero
        case (.one, let other), (let other, .one): other
        case (.value(let x), .value(let y)):
            .value(emitter.stage.math.binary(isProduct ? .multiply : .add, x, y, of: .real))
        }
    }

    private var isProduct: Bool {
        switch map.form {
        case .fraction, .linear(.plusTimes), .linear(.orAnd): true
        case .linear(.maxPlus), .linear(.minPlus), .linear(.logSumExp): false
        }
    }

    private func number(_ entry: Entry) -> IRValue {
        let type = builder.vector(builder.real, lanes)
        switch entry {
        case .zero: return builder.constant(map.form.zero, like: type)
        case .one: return builder.constant(isProduct ? 1.0 : -0.0, like: type)
        case .value(let value): return value
        }
    }

    // MARK: Maps

    private func node(_ id: Nest.NodeID?) -> Entry { id.map { .value(emitter.vectorValue($0)) } ?? .zero }

    /// The map of each step by itself.
    private func step() -> Matrix {
        if map.form == .fraction {
            let entries = map.factors[0].map(node)
            return Matrix(entries: [Array(entries[0..<2]), Array(entries[2..<4])], constants: [.zero, .zero])
        }
        var result = Matrix(entries: [], constants: [])
        for slot in map.slots {
            if slot.lag == 1 {
                result.entries.append(map.factors[slot.state].map(node))
                result.constants.append(node(map.constants[slot.state]))
            } else {
                // What was one step nearer before.
                result.entries.append(map.slots.map { $0.state == slot.state && $0.lag == slot.lag - 1 ? .one : .zero })
                result.constants.append(.zero)
            }
        }
        return result
    }

    /// Each lane's map after the one `distance` lanes before it. Lanes before which there is none keep theirs: they are
    /// left out rather than composed with an identity, which infinities would not survive.
    private func composed(_ matrix: Matrix, with distance: Int) -> Matrix {
        let size = matrix.entries.count
        let earlier = Matrix(
            entries: matrix.entries.map { $0.map { shifted($0, distance) } }, constants: matrix.constants.map { shifted($0, distance) })
        var result = matrix
        for i in 0..<size {
            for j in 0..<size {
                var sum = Entry.zero
                for k in 0..<size { sum = join(sum, weighing: matrix.entries[i][k], earlier.entries[k][j]) }
                result.entries[i][j] = kept(sum, matrix.entries[i][j], distance)
            }
            var sum = matrix.constants[i]
            for k in 0..<size { sum = join(sum, weighing: matrix.entries[i][k], earlier.constants[k]) }
            result.constants[i] = kept(sum, matrix.constants[i], distance)
        }
        return map.form == .fraction ? scaled(result) : result
    }

    private func shifted(_ entry: Entry, _ distance: Int) -> Entry {
        guard case .value(let value) = entry else { return entry }
        return .value(builder.shifted(value, by: distance, after: value, isReversed: isReversed))
    }

    private func kept(_ new: Entry, _ old: Entry, _ distance: Int) -> Entry {
        switch (new, old) {
        case (.zero, .zero): return .zero
        case (.one, .one): return .one
        case (.zero, _), (.one, _), (.value, _):
            let hasEarlier = (0..<lanes).map { (isReversed ? $0 < lanes - distance : $0 >= distance) ? 1 : 0 }
            return .value(builder.select(builder.vectorConstant(hasEarlier, of: builder.i1), number(new), number(old)))
        }
    }

    /// Only the ratio of a fraction's entries counts: they are kept near 1.
    private func scaled(_ matrix: Matrix) -> Matrix {
        let math = emitter.stage.math
        var size: IRValue?
        for entry in matrix.entries.joined() {
            let magnitude = math.unary(.abs, number(entry), from: .real)
            size = size.map { math.binary(.max, $0, magnitude, of: .real) } ?? magnitude
        }
        guard let size else { return matrix }
        var result = matrix
        result.entries = matrix.entries.map { row in row.map { .value(math.binary(.divide, number($0), size, of: .real)) } }
        return result
    }

    // MARK: States

    /// What a slot is before the vector, at every step.
    private func slot(_ slot: BlockMap.Slot, _ before: [IRValue]) -> IRValue {
        let state = before[slot.state]
        let indices = (0..<lanes).map { lane in
            isReversed ? (slot.lag - 1) * width + lane % width : lanes - slot.lag * width + lane % width
        }
        return builder.shuffle(state, state, indices)
    }

    private func linear(_ matrix: Matrix, _ before: [IRValue]) -> [IRValue] {
        before.indices.map { state in
            guard let row = map.slots.firstIndex(where: { $0.state == state && $0.lag == 1 }) else {
                preconditionFailure("every state is read one step later or more, through its slots")
            }
            var sum = matrix.constants[row]
            for (column, slot) in map.slots.enumerated() {
                sum = join(sum, weighing: matrix.entries[row][column], .value(self.slot(slot, before)))
            }
            return number(sum)
        }
    }

    private func fraction(_ matrix: Matrix, _ before: IRValue) -> IRValue {
        let state = Entry.value(slot(map.slots[0], [before]))
        let above = join(matrix.entries[0][1], weighing: matrix.entries[0][0], state)
        let below = join(matrix.entries[1][1], weighing: matrix.entries[1][0], state)
        return emitter.stage.math.binary(.divide, number(above), number(below), of: .real)
    }
}

extension IRBuilder {
    /// Lanes of `vector` moved away from the steps that come first by `distance`; what moves in comes from the vector of
    /// the steps before.
    func shifted(_ vector: IRValue, by distance: Int, after before: IRValue, isReversed: Bool) -> IRValue {
        let count = lanes(of: vector)
        return isReversed
            ? shuffle(vector, before, (0..<count).map { $0 + distance })
            : shuffle(before, vector, (0..<count).map { count + $0 - distance })
    }
}
