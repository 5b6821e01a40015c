import RecStream

/// One step of a recurrence, written out: every element of its values as a scalar expression in the states before.
///
/// Values are pulled: an element is asked for at an index made of variables, and its operands are asked for in turn, down
/// to delayed states and to values that the recurrence does not change. Views only rearrange the index.
struct SymbolicStep {
    let graph: StreamGraph
    let members: Set<ValueID>
    private(set) var scalars = Scalars()
    private let traits: GraphTraits
    private var found: [Scalars.Element: Scalars.ID] = [:]
    private var depth = 0

    /// Expressions nested deeper than this are not followed.
    private static let mostDepth = 600
    /// The expressions of a step may not grow beyond this; what is more is taken as it is.
    private static let mostScalars = 50_000

    /// Whether values that the recurrence does not change are taken as they are, rather than written out. Those of other recurrences
    /// always are.
    private let takesKnownAsTheyAre: Bool

    init(_ graph: StreamGraph, members: Set<ValueID>, traits: GraphTraits, takesKnownAsTheyAre: Bool = false) {
        self.takesKnownAsTheyAre = takesKnownAsTheyAre
        self.graph = graph
        self.members = members
        self.traits = traits
    }

    /// A state after the step: the index of its element, in variables of its own, and the element.
    struct Next {
        var index: [Affine]
        var scalar: Scalars.ID
    }

    mutating func next(_ state: ValueID) -> Next {
        var splits: [Int: Int] = [:]
        // Each retry splits one variable; sizes have few factors.
        for _ in 0..<64 {
            var refined: [Int: (axis: Int, bound: Int)] = [:]
            let index = graph[state].shape.enumerated().map { axis, dim in
                let (affine, parts) = digits(extent: dim.size, at: splits[axis])
                for part in parts { refined[part] = (axis, scalars.extents[part]) }
                return affine
            }
            do {
                let scalar = try evaluate(state, at: index, isOutermost: true)
                return Next(index: index, scalar: scalar)
            } catch {
                guard let (axis, _) = refined[error.variable], splits[axis] == nil else {
                    return Next(index: index, scalar: scalars.intern(.opaque(state, index)))
                }
                splits[axis] = error.factor
            }
        }
        let index = graph[state].shape.map { Affine.variable(scalars.variable(extent: $0.size)) }
        return Next(index: index, scalar: scalars.intern(.opaque(state, index)))
    }

    /// By scalar, the values that the recurrence does not change and that it is an element of, in the order of the graph.
    var standing: [Scalars.ID: [Scalars.Element]] {
        var result: [Scalars.ID: [Scalars.Element]] = [:]
        for (element, id) in found where !members.contains(element.value) { result[id, default: []].append(element) }
        return result.mapValues { elements in
            elements.sorted { ($0.value, $0.index.description) < ($1.value, $1.index.description) }
        }
    }

    /// A fresh index of this extent: one variable, or two.
    private mutating func digits(extent: Int, at factor: Int?) -> (Affine, [Int]) {
        guard let factor, factor > 1, extent % factor == 0 else {
            let variable = scalars.variable(extent: extent)
            return (.variable(variable), [variable])
        }
        let high = scalars.variable(extent: extent / factor)
        let low = scalars.variable(extent: factor)
        return (Affine.variable(high) * factor + .variable(low), [high, low])
    }

    private mutating func evaluate(
        _ value: ValueID, at index: [Affine], isOutermost: Bool = false
    ) throws(SplitRequest) -> Scalars.ID {
        let key = Scalars.Element(value: value, index: index)
        if let known = found[key] { return known }
        depth += 1
        defer { depth -= 1 }
        guard depth < Self.mostDepth, scalars.nodes.count < Self.mostScalars else { return unfollowed(value, index) }
        var result = try compute(value, at: index)
        // Scalars are reals. Beyond what they hold exactly, an int stays what the graph computes, which wraps.
        if graph[value].element == .int, !scalars.isExact(result) { result = unfollowed(value, index) }
        if graph[value].name != nil { scalars.note(result, isElementOf: value, at: index, sizes: graph[value].shape.sizes) }
        found[key] = result
        return result
    }

    private mutating func unfollowed(_ value: ValueID, _ index: [Affine]) -> Scalars.ID {
        members.contains(value) ? scalars.intern(.opaque(value, index)) : leaf(value, index)
    }

    /// An element of a value that the recurrence does not change.
    private mutating func leaf(_ value: ValueID, _ index: [Affine]) -> Scalars.ID {
        if takesKnownAsTheyAre { return scalars.intern(.known(value, index)) }
        let varies = traits.uniformity.varies[value.index]
        return scalars.intern(.known(value, zip(index, varies).map { $1 ? $0 : Affine() }))
    }

    private mutating func compute(_ value: ValueID, at index: [Affine]) throws(SplitRequest) -> Scalars.ID {
        let isMember = members.contains(value)
        if takesKnownAsTheyAre, !isMember, !graph[value].operation.isViewOrConstant { return leaf(value, index) }
        // Written out, each of a row of recurrences would hold all before it.
        if !isMember, traits.isRecurrent(value) { return leaf(value, index) }
        switch graph[value].operation {
        case .input, .parameter, .scatter, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            return unfollowed(value, index)
        case .delay(let operand, let offsets, _):
            return isMember ? scalars.intern(.state(Scalars.Slot(value: operand, offsets: offsets), index)) : leaf(value, index)
        case .constant(let scalar):
            switch scalar {
            case .real(let number): return scalars.number(number)
            case .int(let number): return scalars.number(Double(number))
            case .bool(let truth): return scalars.number(truth ? 1 : 0)
            case .complex: return leaf(value, index)
            }
        case .unary(.numbered, _):
            return unfollowed(value, index)
        case .unary(let function, let a):
            return unary(function, try evaluate(a, at: index))
        case .binary(.random, _, _), .binary(.uniform, _, _), .binary(.uniformNext, _, _):
            return unfollowed(value, index)
        case .binary(let function, let a, let b):
            let left = try evaluate(a, at: index)
            let right = try evaluate(b, at: index)
            return binary(function, left, right)
        case .select(let condition, let a, let b):
            let test = try evaluate(condition, at: index)
            let yes = try evaluate(a, at: index)
            let no = try evaluate(b, at: index)
            return select(test, yes, no)
        case .rename(let a), .broadcast(let a, _), .slice(let a, _, _, _), .window(let a, _, _):
            return try evaluate(a, at: graph.operandIndex(ofView: value, at: index))
        case .reshape(let a):
            let sizes = graph[a].shape.sizes
            guard let inner = try IndexDigits.reshaped(index, from: graph[value].shape.sizes, to: sizes, extents: scalars.extents)
            else { return unfollowed(value, index) }
            return try evaluate(a, at: inner)
        case .concat(let parts, let axis):
            return try concat(parts, axis: axis, at: index)
        case .pad(let a, let axis, let before, _, let mode):
            guard mode == .zero else { return unfollowed(value, index) }
            let size = graph[a].shape[axis].size
            var inner = index
            inner[axis] = index[axis] + -before
            let inside = inner[axis]
            return select(within(inside, 0..<size), try evaluate(a, at: inner), scalars.number(0))
        case .contract(let contraction):
            guard isMember else { return leaf(value, index) }
            return try contract(contraction, at: index)
        case .reduce(let kind, let a, let axes):
            guard isMember else { return leaf(value, index) }
            return try reduce(kind, a, axes: axes, at: index)
        case .gather(let table, let position):
            guard isMember else { return leaf(value, index) }
            return try gather(table, position, at: index)
        }
    }

    // MARK: Element-wise

    private mutating func unary(_ function: UnaryOperator, _ a: Scalars.ID) -> Scalars.ID {
        switch function {
        case .negate: return scalars.scale(a, by: -1)
        case .stop, .toReal, .toComplex, .re: return a
        case .abs, .sign, .floor, .not, .exp, .log, .log2, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tan, .erf, .tanh, .sigmoid,
            .logsigmoid, .relu, .gelu, .silu, .softplus, .step, .im, .conj, .cis, .toInt, .numbered:
            return scalars.intern(.unary(function, a))
        }
    }

    private mutating func binary(_ function: BinaryOperator, _ a: Scalars.ID, _ b: Scalars.ID) -> Scalars.ID {
        switch function {
        case .add: return scalars.add(a, b)
        case .subtract: return scalars.subtract(a, b)
        case .multiply: return scalars.multiply(a, b)
        case .divide: return scalars.multiply(a, scalars.inverse(b))
        case .power:
            if case .number(let exponent) = scalars.nodes[b], exponent == exponent.rounded(), abs(exponent) <= 8 {
                return scalars.power(a, Int(exponent))
            }
            return scalars.intern(.binary(.power, a, b))
        case .min, .max, .logaddexp, .and, .or, .equal, .notEqual:
            return a == b && (function == .min || function == .max || function == .and || function == .or)
                ? a : scalars.intern(.binary(function, min(a, b), max(a, b)))
        case .atan2, .mod, .less, .lessOrEqual, .greaterOrEqual, .greater, .complex, .random, .uniform, .uniformNext:
            return scalars.intern(.binary(function, a, b))
        }
    }

    private mutating func select(_ test: Scalars.ID, _ yes: Scalars.ID, _ no: Scalars.ID) -> Scalars.ID {
        if case .number(let truth) = scalars.nodes[test] { return truth != 0 ? yes : no }
        return yes == no ? yes : scalars.intern(.select(test, yes, no))
    }

    /// Whether an index lies in a range.
    private mutating func within(_ index: Affine, _ range: Range<Int>) -> Scalars.ID {
        let least = index.terms.reduce(index.offset) { $0 + min(0, $1.coefficient) * (scalars.extents[$1.variable] - 1) }
        let most = index.terms.reduce(index.offset) { $0 + max(0, $1.coefficient) * (scalars.extents[$1.variable] - 1) }
        if least >= range.lowerBound, most < range.upperBound { return scalars.number(1) }
        if most < range.lowerBound || least >= range.upperBound { return scalars.number(0) }
        let number = scalars.intern(.index(index))
        let high = scalars.intern(.binary(.less, number, scalars.number(Double(range.upperBound))))
        if least >= range.lowerBound { return high }
        let low = scalars.intern(.binary(.less, number, scalars.number(Double(range.lowerBound))))
        if most < range.upperBound { return scalars.intern(.unary(.not, low)) }
        let notLow = scalars.intern(.unary(.not, low))
        return scalars.intern(.binary(.and, min(notLow, high), max(notLow, high)))
    }

    // MARK: Across elements

    private mutating func concat(_ parts: [ValueID], axis: Int, at index: [Affine]) throws(SplitRequest) -> Scalars.ID {
        var end = 0
        var ranges: [Range<Int>] = []
        for part in parts {
            ranges.append(end..<end + graph[part].shape[axis].size)
            end = ranges[ranges.count - 1].upperBound
        }
        var result: Scalars.ID?
        for (part, range) in zip(parts, ranges).reversed() {
            let inside = within(index[axis], range)
            if scalars.isNumber(inside, 0) { continue }
            var inner = index
            inner[axis] = index[axis] + -range.lowerBound
            let element = try evaluate(part, at: inner)
            result = result.map { select(inside, element, $0) } ?? element
        }
        return result ?? scalars.number(0)
    }

    /// Runs `body` with fresh variables of these extents, splitting them where `body` asks for it.
    private mutating func binding(
        _ extents: [Int], _ body: (inout SymbolicStep, [Affine]) throws(SplitRequest) -> Scalars.ID
    ) throws(SplitRequest) -> (Scalars.ID, [Int]) {
        var splits: [Int: Int] = [:]
        while true {
            var owner: [Int: Int] = [:]
            var bound: [Int] = []
            var index: [Affine] = []
            for (k, extent) in extents.enumerated() {
                let (affine, parts) = digits(extent: extent, at: splits[k])
                for part in parts { owner[part] = k }
                bound += parts
                index.append(affine)
            }
            do {
                return (try body(&self, index), bound)
            } catch {
                guard let k = owner[error.variable], splits[k] == nil else { throw error }
                splits[k] = error.factor
            }
        }
    }

    private mutating func contract(_ contraction: Contraction, at index: [Affine]) throws(SplitRequest) -> Scalars.ID {
        var extentOf: [Int: Int] = [:]
        for (axis, label) in contraction.leftLabels.enumerated() { extentOf[label] = graph[contraction.left].shape[axis].size }
        for (axis, label) in contraction.rightLabels.enumerated() { extentOf[label] = graph[contraction.right].shape[axis].size }
        var given: [Int: Affine] = [:]
        for (axis, label) in contraction.resultLabels.enumerated() { given[label] = index[axis] }
        let summed = extentOf.keys.filter { given[$0] == nil }.sorted()
        let (body, bound) = try binding(summed.map { extentOf[$0] ?? 1 }) { (step, inner) throws(SplitRequest) in
            var place = given
            for (label, affine) in zip(summed, inner) { place[label] = affine }
            let left = try step.evaluate(contraction.left, at: contraction.leftLabels.map { place[$0] ?? Affine() })
            let right = try step.evaluate(contraction.right, at: contraction.rightLabels.map { place[$0] ?? Affine() })
            return step.scalars.multiply(left, right)
        }
        return reduced(.sum, body, bound)
    }

    private mutating func reduce(
        _ kind: ReduceKind, _ operand: ValueID, axes: [Int], at index: [Affine]
    ) throws(SplitRequest) -> Scalars.ID {
        let shape = graph[operand].shape
        let (body, bound) = try binding(axes.map { shape[$0].size }) { (step, inner) throws(SplitRequest) in
            var whole: [Affine] = []
            var outer = index[...]
            for axis in shape.indices {
                if let k = axes.firstIndex(of: axis) { whole.append(inner[k]) } else { whole.append(outer.removeFirst()) }
            }
            return try step.evaluate(operand, at: whole)
        }
        return reduced(kind, body, bound)
    }

    private mutating func reduced(_ kind: ReduceKind, _ body: Scalars.ID, _ bound: [Int]) -> Scalars.ID {
        if bound.isEmpty, kind != .argmax { return body }
        if kind == .sum, scalars.isKnown(body) { return scalars.sum(body, over: bound) }
        return scalars.intern(.reduce(kind, body, bound))
    }

    private mutating func gather(_ table: ValueID, _ position: ValueID, at index: [Affine]) throws(SplitRequest) -> Scalars.ID {
        let rank = graph[position].shape.count
        let place = try evaluate(position, at: Array(index.prefix(rank)))
        let rest = Array(index.dropFirst(rank))
        // The row is a sum over all rows of which one counts.
        let (body, bound) = try binding([graph[table].shape.first?.size ?? 1]) { (step, row) throws(SplitRequest) in
            let element = try step.evaluate(table, at: row + rest)
            let number = step.scalars.intern(.index(row[0]))
            let isIt = step.scalars.intern(.binary(.equal, min(place, number), max(place, number)))
            return step.select(isIt, element, step.scalars.number(0))
        }
        return reduced(.sum, body, bound)
    }
}

extension Operation {
    /// Whether the value is a constant or only rearranges its operand.
    fileprivate var isViewOrConstant: Bool {
        switch self {
        case .constant, .broadcast, .rename, .slice, .reshape: true
        case .input, .parameter, .unary, .binary, .select, .contract, .reduce, .concat, .pad, .window, .gather, .scatter, .delay, .overTime,
            .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }
}
