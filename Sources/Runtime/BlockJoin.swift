import RecAnalysis
import RecCodeGen
import RecScheduling
import RecStream

/// Applies the maps of one time block to the states before it.
struct BlockJoin {
    let map: BlockMap
    let element: ElementType
    let precision: Precision

    /// Rows of one sequence: states before the block by slot, and for a state after it the constants and factors.
    struct Rows {
        var before: [UnsafeMutableRawPointer]
        var constant: UnsafeMutableRawPointer?
        var factors: [UnsafeMutableRawPointer]
        /// Whether elements of the slot reach those of the state, where choices of the steps decide it.
        var reached: [UnsafeMutableRawPointer?]
        /// By slot, as far as choices do not decide it; empty for a fraction.
        var reach: [Reach]
        var after: UnsafeMutableRawPointer
        var count: Int
    }

    /// The row of state number `state`.
    func apply(_ rows: Rows, state: Int) {
        switch (map.form, element, precision) {
        case (.fraction, _, .f32): fraction(rows, Float.self)
        case (.fraction, _, .f64): fraction(rows, Double.self)
        case (.linear(let semiring), .real, .f32): real(semiring, rows, state, Float.self)
        case (.linear(let semiring), .real, .f64): real(semiring, rows, state, Double.self)
        case (.linear(let semiring), .int, _):
            switch semiring {
            case .plusTimes: linear(PlusTimesOfInts.self, rows, state)
            case .maxPlus: linear(MaxPlusOfInts.self, rows, state)
            case .minPlus: linear(MinPlusOfInts.self, rows, state)
            case .logSumExp, .orAnd: preconditionFailure("ints have no such steps")
            }
        case (.linear, .bool, _): linear(OrAnd.self, rows, state)
        case (.linear, .complex, _): preconditionFailure("complex states are pairs")
        }
    }

    private func real<Number: BinaryFloatingPoint>(_ semiring: Semiring, _ rows: Rows, _ state: Int, _: Number.Type) {
        switch semiring {
        case .plusTimes: linear(PlusTimes<Number>.self, rows, state)
        case .maxPlus: linear(MaxPlus<Number>.self, rows, state)
        case .minPlus: linear(MinPlus<Number>.self, rows, state)
        case .logSumExp: linear(LogSumExp<Number>.self, rows, state)
        case .orAnd: preconditionFailure("reals have no such steps")
        }
    }

    private func linear<Arithmetic: JoinArithmetic>(_: Arithmetic.Type, _ rows: Rows, _ state: Int) {
        typealias Number = Arithmetic.Number
        let after = rows.after.assumingMemoryBound(to: Number.self)
        guard let constant = rows.constant?.assumingMemoryBound(to: Number.self) else { return }
        for k in 0..<rows.count { after[k] = constant[k] }
        for (slot, factor) in map.factors[state].enumerated() where rows.reach[slot] != .none {
            let weights = rows.factors[slot].assumingMemoryBound(to: Number.self)
            let before = rows.before[slot].assumingMemoryBound(to: Number.self)
            let reached = rows.reached[slot]?.assumingMemoryBound(to: UInt8.self)
            if factor.elements.isEmpty {
                for k in 0..<rows.count where reached.map({ $0[k] != 0 }) ?? true {
                    after[k] = Arithmetic.join(after[k], Arithmetic.weigh(weights[k], before[k]))
                }
            } else {
                let isOwn = rows.reach[slot] == .own
                for k in 0..<rows.count {
                    var sum = after[k]
                    for b in 0..<factor.basis {
                        let at = k * factor.basis + b
                        guard reached.map({ $0[at] != 0 }) ?? (!isOwn || factor.elements[at] == k) else { continue }
                        sum = Arithmetic.join(sum, Arithmetic.weigh(weights[at], before[factor.elements[at]]))
                    }
                    after[k] = sum
                }
            }
        }
    }

    private func fraction<Number: BinaryFloatingPoint>(_ rows: Rows, _: Number.Type) {
        let after = rows.after.assumingMemoryBound(to: Number.self)
        let before = rows.before[0].assumingMemoryBound(to: Number.self)
        let entries = rows.factors.map { $0.assumingMemoryBound(to: Number.self) }
        let reached = rows.reached[0]?.assumingMemoryBound(to: UInt8.self)
        for k in 0..<rows.count {
            guard reached.map({ $0[k] != 0 }) ?? true else {
                after[k] = entries[1][k] / entries[3][k]
                continue
            }
            after[k] = (entries[0][k] * before[k] + entries[1][k]) / (entries[2][k] * before[k] + entries[3][k])
        }
    }
}
