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
        /// Nothing in lanes where the condition does not hold, whatever the number; nil always holds.
        case value(IRValue, where: IRValue?)
    }

    /// A square matrix over slots, and what is added.
    private struct Matrix {
        var entries: [[Entry]]
        var constants: [Entry]
        /// Of a fraction, whether it reads the state at all; nil always holds.
        var condition: IRValue?
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
        case (.one, _), (_, .one), (.value, .value): .value(join(number(a), number(b)), where: either(condition(a), condition(b)))
        }
    }

    private func condition(_ entry: Entry) -> IRValue? {
        switch entry {
        case .zero, .one: nil
        case .value(_, let condition): condition
        }
    }

    private func either(_ a: IRValue?, _ b: IRValue?) -> IRValue? {
        guard let a, let b else { return nil }
        return builder.or(a, b)
    }

    private func both(_ a: IRValue?, _ b: IRValue?) -> IRValue? {
        guard let a, let b else { return a ?? b }
        return builder.and(a, b)
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
        if isProduct, map.form != .linear(.orAnd), case .value(let x, _) = a, case .value(let y, _) = b {
            switch sum {
            case .zero: break
            case .one, .value:
                let (old, new) = (number(sum), both(condition(a), condition(b)))
                let fused = builder.fma(x, y, old)
                return .value(new.map { builder.select($0, fused, old) } ?? fused, where: either(condition(sum), new))
            }
        }
        return join(sum, weigh(a, b))
    }

    private func weigh(_ a: Entry, _ b: Entry) -> Entry {
        switch (a, b) {
        case (.zero, _), (_, .zero): .zero
        case (.one, let other), (let other, .one): other
        case (.value(let x, let first), .value(let y, let second)):
            .value(emitter.stage.math.binary(isProduct ? .multiply : .add, x, y, of: .real), where: both(first, second))
        }
    }

    private var isProduct: Bool {
        switch map.form {
        case .fraction, .linear(.plusTimes), .linear(.orAnd): true
        case .linear(.maxPlus), .linear(.minPlus), .linear(.logSumExp): false
        }
    }

    private func number(_ entry: Entry) -> IRValue {
        guard case .value(let value, let condition?) = entry else { return plainNumber(entry) }
        return builder.select(condition, value, plainNumber(.zero))
    }

    /// The number whatever the condition.
    private func plainNumber(_ entry: Entry) -> IRValue {
        let type = builder.vector(builder.real, lanes)
        switch entry {
        case .zero: return builder.constant(map.form.zero, like: type)
        case .one: return builder.constant(isProduct ? 1.0 : -0.0, like: type)
        case .value(let value, _): return value
        }
    }

    // MARK: Maps

    private func node(_ id: Nest.NodeID?, where condition: Nest.NodeID? = nil) -> Entry {
        id.map { .value(emitter.vectorValue($0), where: condition.map(emitter.vectorValue)) } ?? .zero
    }

    /// The map of each step by itself.
    private func step() -> Matrix {
        if map.form == .fraction {
            let entries = map.factors[0].map { node($0) }
            return Matrix(
                entries: [Array(entries[0..<2]), Array(entries[2..<4])], constants: [.zero, .zero],
                condition: map.conditions[0][0].map(emitter.vectorValue))
        }
        var result = Matrix(entries: [], constants: [])
        for slot in map.slots {
            if slot.lag == 1 {
                result.entries.append(zip(map.factors[slot.state], map.conditions[slot.state]).map { node($0, where: $1) })
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
        guard map.form == .fraction else { return result }
        if let condition = matrix.condition {
            // Where a step does not read the state, the map is what it was, whatever came before.
            for i in 0..<size {
                for j in 0..<size {
                    result.entries[i][j] = .value(builder.select(condition, number(result.entries[i][j]), number(matrix.entries[i][j])), where: nil)
                }
            }
            let earlier = builder.and(condition, shifted(condition, distance))
            result.condition = builder.select(hasEarlier(distance), earlier, condition)
        }
        return scaled(result)
    }

    private func shifted(_ entry: Entry, _ distance: Int) -> Entry {
        guard case .value(let value, let condition) = entry else { return entry }
        return .value(shifted(value, distance), where: condition.map { shifted($0, distance) })
    }

    private func shifted(_ value: IRValue, _ distance: Int) -> IRValue {
        builder.shifted(value, by: distance, after: value, isReversed: isReversed)
    }

    /// The lanes before which there is one at this distance.
    private func hasEarlier(_ distance: Int) -> IRValue {
        builder.vectorConstant((0..<lanes).map { (isReversed ? $0 < lanes - distance : $0 >= distance) ? 1 : 0 }, of: builder.i1)
    }

    private func kept(_ new: Entry, _ old: Entry, _ distance: Int) -> Entry {
        switch (new, old) {
        case (.zero, .zero): return .zero
        case (.one, .one): return .one
        case (.zero, _), (.one, _), (.value, _):
            let mask = hasEarlier(distance)
            var condition: IRValue?
            if let (first, second) = conditions(new, old) { condition = builder.select(mask, first, second) }
            return .value(builder.select(mask, plainNumber(new), plainNumber(old)), where: condition)
        }
    }

    /// The conditions of two entries; nil where both always hold.
    private func conditions(_ a: Entry, _ b: Entry) -> (IRValue, IRValue)? {
        func lanesOf(_ entry: Entry) -> IRValue? {
            if case .zero = entry { return constant(false) }
            return condition(entry)
        }
        let (first, second) = (lanesOf(a), lanesOf(b))
        if first == nil, second == nil { return nil }
        return (first ?? constant(true), second ?? constant(true))
    }

    private func constant(_ truth: Bool) -> IRValue { builder.vectorConstant([Int](repeating: truth ? 1 : 0, count: lanes), of: builder.i1) }

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
        result.entries = matrix.entries.map { row in row.map { .value(math.binary(.divide, number($0), size, of: .real), where: nil) } }
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
                sum = join(sum, weighing: matrix.entries[row][column], .value(self.slot(slot, before), where: nil))
            }
            return number(sum)
        }
    }

    private func fraction(_ matrix: Matrix, _ before: IRValue) -> IRValue {
        let state = Entry.value(slot(map.slots[0], [before]), where: nil)
        func line(_ row: [Entry]) -> IRValue {
            let whole = number(join(row[1], weighing: row[0], state))
            return matrix.condition.map { builder.select($0, whole, number(row[1])) } ?? whole
        }
        let (above, below) = (line(matrix.entries[0]), line(matrix.entries[1]))
        return emitter.stage.math.binary(.divide, above, below, of: .real)
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
