/// Index of a value in its graph.
package struct ValueID: Hashable, Encodable, Sendable, Comparable, CustomStringConvertible {
    package var index: Int
    package init(_ index: Int) { self.index = index }
    package static func < (a: ValueID, b: ValueID) -> Bool { a.index < b.index }
    package var description: String { "%\(index)" }
}

package enum Scalar: Encodable, Sendable {
    case real(Double)
    case int(Int)
    case bool(Bool)
    case complex(Double, Double)
}

/// Numbers are the same where their bits are: 0 and −0 are two constants, and NaN is equal to itself.
extension Scalar: Hashable {
    private var bits: (UInt64, UInt64, UInt64) {
        switch self {
        case .real(let value): (0, value.bitPattern, 0)
        case .int(let value): (1, UInt64(bitPattern: Int64(value)), 0)
        case .bool(let value): (2, value ? 1 : 0, 0)
        case .complex(let re, let im): (3, re.bitPattern, im.bitPattern)
        }
    }

    package static func == (a: Scalar, b: Scalar) -> Bool { a.bits == b.bits }
    package func hash(into hasher: inout Hasher) {
        hasher.combine(bits.0)
        hasher.combine(bits.1)
        hasher.combine(bits.2)
    }
}

package enum UnaryOperator: String, Hashable, Encodable, Sendable, CaseIterable {
    case negate, abs, sign, floor, not
    case exp, log, log2, log1p, expm1, sqrt, rsqrt, sin, cos, tan, erf
    case tanh, sigmoid, logsigmoid, relu, gelu, silu, softplus, step
    case re, im, conj, cis
    /// The identity, through which no gradient passes.
    case stop
    /// Between element types: int or bool to real, real to complex, real to int (towards zero), bool to int.
    case toReal, toInt, toComplex
    /// An int that is the same at every step, with the number of the step along the first axis added: what a counter gives, without
    /// counting. The only function that varies over more than its operand.
    case numbered
}

/// Operands have one shape and one element type; so has the result, but for comparisons, which give `bool`.
package enum BinaryOperator: String, Hashable, Encodable, Sendable, CaseIterable {
    case add, subtract, multiply, divide, power, min, max, logaddexp
    /// The angle of the point (b, a), as C's `atan2`; the remainder of a floored division, which has the sign of the divisor.
    case atan2, mod
    case less, lessOrEqual, equal, notEqual, greaterOrEqual, greater
    case and, or
    /// Two reals to one complex number.
    case complex
    /// Functions of a key and a counter, both ints, whose results look like chance (`Philox`): an int of two words; a real between 0 and 1
    /// of the first word, and of the second.
    case random, uniform, uniformNext
}

package enum ReduceKind: String, Hashable, Encodable, Sendable, CaseIterable {
    case sum, product, min, max, logsumexp
    /// The index of the first NaN, else of the first largest element; an int. Over one axis only.
    case argmax
}

package enum TimeReduceKind: String, Hashable, Encodable, Sendable, CaseIterable {
    case sum, mean, max, min, last, first
}

package enum PadMode: String, Hashable, Sendable, CaseIterable {
    case zero, reflect, edge
}

/// A named-axis sum of products of two operands. Each operand axis has a label; equal labels are lined up; labels that
/// are missing from the result are summed over. Labels are small integers, unique within an operand.
package struct Contraction: Hashable, Sendable {
    package var left: ValueID
    package var right: ValueID
    package var leftLabels: [Int]
    package var rightLabels: [Int]
    package var resultLabels: [Int]

    package init(left: ValueID, right: ValueID, leftLabels: [Int], rightLabels: [Int], resultLabels: [Int]) {
        self.left = left
        self.right = right
        self.leftLabels = leftLabels
        self.rightLabels = rightLabels
        self.resultLabels = resultLabels
    }
}

/// How a parameter without a given tensor starts.
package enum Initializer: Hashable, Sendable {
    case zeros, ones, constant(Double), uniform(Double, Double), normal(Double), glorot, orthogonal
    case linspace(Double, Double), hippo

    /// Whether nothing is left to chance.
    package var isDeterministic: Bool {
        switch self {
        case .zeros, .ones, .constant, .linspace, .hippo: true
        case .uniform, .normal, .glorot, .orthogonal: false
        }
    }
}

package struct ParameterInfo: Hashable, Sendable {
    /// The path through layers: `blocks.3.Wz`.
    package var path: String
    package var isTrained: Bool
    package var initializer: Initializer
    /// The tensor's name in a weights file, where it is not the path.
    package var tensorName: String?
    /// Whether data may leave it out, and it is then what its initialiser says: a constant for which the source states one
    /// that leaves nothing to chance.
    package var fillsItself: Bool

    package init(
        path: String, isTrained: Bool, initializer: Initializer, tensorName: String? = nil, fillsItself: Bool = false
    ) {
        self.path = path
        self.isTrained = isTrained
        self.initializer = initializer
        self.tensorName = tensorName
        self.fillsItself = fillsItself
    }

    /// The names by which it is looked up, in this order: its path, and that of its tensor.
    package var names: [String] { [path] + (tensorName.map { [$0] } ?? []) }

    /// Its name in its own model: `Wz`.
    package var ownName: Substring { path.split(separator: ".").last ?? "" }
}

/// What a value is. Everything acts on one step of one sequence at a time, but for `delay`, `overTime`, `overBatch`,
/// `along`, `chunks` and `steps`.
///
/// Shapes are explicit: element-wise operands have the result's shape (a `broadcast` stands where the program lines
/// operands up by name). The result's shape, element type and variance stand in `Value`.
package enum Operation: Hashable, Sendable {
    /// A stream where the value varies over an axis, else given once per sequence. `fallback` fills an absent once input.
    case input(name: String, fallback: Double?)
    case parameter(ParameterInfo)
    /// A scalar (shape `[]`).
    case constant(Scalar)
    case unary(UnaryOperator, ValueID)
    case binary(BinaryOperator, ValueID, ValueID)
    case select(ValueID, then: ValueID, otherwise: ValueID)
    case contract(Contraction)
    /// Reduces over the operand axes in `axes` (ascending positions); the others stay in order.
    case reduce(ReduceKind, ValueID, axes: [Int])
    /// For each result axis the operand axis it comes from, or nil where it is new; operand axes keep no order, so this
    /// transposes too. Every operand axis occurs once.
    case broadcast(ValueID, from: [Int?])
    /// Same sizes, other names.
    case rename(ValueID)
    /// Same number of elements in row-major order.
    case reshape(ValueID)
    /// Along `axis`: elements `start`, `start + stride`, …; the count stands in the result's shape.
    case slice(ValueID, axis: Int, start: Int, stride: Int)
    case concat([ValueID], axis: Int)
    case pad(ValueID, axis: Int, before: Int, after: Int, mode: PadMode)
    /// Sliding windows: axis `axis` of size `L` becomes `[L', K]` with element `(l, k)` = operand `l * stride + k`.
    case window(ValueID, axis: Int, stride: Int)
    /// Rows of `table` (its first axis) at an int `index` of any shape: result shape = index shape + table shape without its first axis.
    /// Indices outside are clamped to the table.
    case gather(table: ValueID, index: ValueID)
    /// The transpose of `gather`: a table of `count` rows in which each row of `updates` is added to the row at its int
    /// `index`; indices outside are clamped. `updates` has the index's shape and then that of a row, the result `count`
    /// and then that of a row.
    case scatter(ValueID, index: ValueID, count: Int)
    /// The value `offsets[k]` steps away along axis `k` (−1: one step back). Where that lies outside the sequence:
    /// `initial`, a value without axes, or zero.
    case delay(ValueID, offsets: [Int], initial: ValueID?)
    /// Over a whole axis: the result no longer varies over it. With sequences of different length, over each one's own.
    case overTime(TimeReduceKind, ValueID, axis: Int)
    /// The sum over all sequences of a value given once per sequence; the result varies over nothing.
    case overBatch(ValueID)
    /// What varies over a data axis as it is along a second index over the same axis, or the reverse: `axis` is the one that the result
    /// varies over.
    case along(ValueID, axis: Int)
    /// How many steps the present one of a data axis is behind the present one of `axis`, a second index over it: an int.
    case distance(axis: Int)
    /// What varies over the steps that the axis of chunks at `axis` cuts up, with a first dim for the steps of a chunk instead.
    /// Behind the end of a sequence stands `fill`.
    case chunks(ValueID, axis: Int, fill: Double)
    /// The reverse of `chunks`: the first dim becomes steps again.
    case steps(ValueID, axis: Int)
    /// Along a dim, `y[i] = a[i] · y[i-1] + b[i]` from `y[-1] = 0`; from the last element to the first where `isReversed`.
    case runningAffine(ValueID, ValueID, axis: Int, isReversed: Bool)
    /// The `X` with `X - strictLower(L) · X = B`, or with the transpose of the strictly lower triangle. `L` is `[…, M, M]`, and
    /// `B` the same first dims, `M`, and any others.
    case solve(ValueID, ValueID, isTransposed: Bool)
}

extension Operation {
    /// Every operand, in order; a delay's initial value comes last.
    package var operands: [ValueID] {
        switch self {
        case .input, .parameter, .constant, .distance: []
        case .unary(_, let a), .reduce(_, let a, _), .broadcast(let a, _), .rename(let a), .reshape(let a),
            .slice(let a, _, _, _), .pad(let a, _, _, _, _), .window(let a, _, _), .overTime(_, let a, _), .overBatch(let a), .along(let a, _),
            .chunks(let a, _, _), .steps(let a, _): [a]
        case .binary(_, let a, let b), .runningAffine(let a, let b, _, _), .solve(let a, let b, _): [a, b]
        case .select(let c, let a, let b): [c, a, b]
        case .contract(let c): [c.left, c.right]
        case .concat(let parts, _): parts
        case .gather(let table, let index): [table, index]
        case .scatter(let updates, let index, _): [updates, index]
        case .delay(let a, _, let initial): initial.map { [a, $0] } ?? [a]
        }
    }

    /// Operands needed at the same step: all but the delayed one.
    package var instantOperands: [ValueID] {
        if case .delay(_, _, let initial) = self { return initial.map { [$0] } ?? [] }
        return operands
    }

    /// The same operation with its operands renamed.
    package func mapOperands(_ rename: (ValueID) -> ValueID) -> Operation {
        switch self {
        case .input, .parameter, .constant, .distance: self
        case .unary(let op, let a): .unary(op, rename(a))
        case .binary(let op, let a, let b): .binary(op, rename(a), rename(b))
        case .select(let c, let a, let b): .select(rename(c), then: rename(a), otherwise: rename(b))
        case .contract(var c):
            {
                c.left = rename(c.left)
                c.right = rename(c.right)
                return .contract(c)
            }()
        case .reduce(let kind, let a, let axes): .reduce(kind, rename(a), axes: axes)
        case .broadcast(let a, let from): .broadcast(rename(a), from: from)
        case .rename(let a): .rename(rename(a))
        case .reshape(let a): .reshape(rename(a))
        case .slice(let a, let axis, let start, let stride): .slice(rename(a), axis: axis, start: start, stride: stride)
        case .concat(let parts, let axis): .concat(parts.map(rename), axis: axis)
        case .pad(let a, let axis, let before, let after, let mode):
            .pad(rename(a), axis: axis, before: before, after: after, mode: mode)
        case .window(let a, let axis, let stride): .window(rename(a), axis: axis, stride: stride)
        case .gather(let table, let index): .gather(table: rename(table), index: rename(index))
        case .scatter(let updates, let index, let count): .scatter(rename(updates), index: rename(index), count: count)
        case .delay(let a, let offsets, let initial): .delay(rename(a), offsets: offsets, initial: initial.map(rename))
        case .overTime(let kind, let a, let axis): .overTime(kind, rename(a), axis: axis)
        case .overBatch(let a): .overBatch(rename(a))
        case .along(let a, let axis): .along(rename(a), axis: axis)
        case .chunks(let a, let axis, let fill): .chunks(rename(a), axis: axis, fill: fill)
        case .steps(let a, let axis): .steps(rename(a), axis: axis)
        case .runningAffine(let a, let b, let axis, let isReversed):
            .runningAffine(rename(a), rename(b), axis: axis, isReversed: isReversed)
        case .solve(let a, let b, let isTransposed): .solve(rename(a), rename(b), isTransposed: isTransposed)
        }
    }
}
