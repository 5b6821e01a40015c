import RecStream

/// A step in which no element reaches itself again, through however many steps: after a few steps nothing is left of the states
/// before. So it is with a shift register, `concat(new, keys[t-1][0:W-1])`.
struct FiniteMemory {
    /// After so many steps nothing is left.
    let steps: Int
    /// The weight of each element in each other that it reaches, and whether some element follows from several.
    private let weights: Set<Double?>
    private let meets: Bool

    /// Finer steps than these are not looked at element by element.
    private static let mostElements = 4096
    private static let mostReads = 1_000_000

    /// Nil where some element reaches itself, and where there are too many to look at.
    init?(graph: StreamGraph, scalars: Scalars, rows: [TransitionStructure.Row], zero: Double) {
        // Along axes that keep their index all is the same.
        let relation = IndexRelation(
            graph: graph, extents: scalars.extents,
            targets: rows.map { row in
                IndexRelation.Target(
                    state: row.state, index: row.index, reads: row.form.terms.map { IndexRelation.Read(slot: $0.slot, index: $0.index) })
            })
        let kept = Set(relation.keptAxes)
        func mixing(_ state: ValueID) -> Shape { graph[state].shape.filter { !kept.contains($0.name) } }
        func position(_ state: ValueID, _ index: [Affine]) -> (index: Affine, parts: [Affine]) {
            let axes = graph[state].shape.indices.filter { !kept.contains(graph[state].shape[$0].name) }
            let parts = axes.map { index[$0] }
            return (.linear(parts, strides: mixing(state).strides), parts)
        }
        var starts: [ValueID: Int] = [:]
        var count = 0
        for row in rows where starts[row.state] == nil {
            starts[row.state] = count
            count += mixing(row.state).elementCount
            guard count <= Self.mostElements else { return nil }
        }
        var reads = [[(element: Int, lag: Int)]](repeating: [], count: count)
        var weights: Set<Double?> = []
        var work = 0
        for row in rows {
            for term in row.form.terms {
                guard let from = starts[term.slot.value], let to = starts[row.state], term.slot.offsets.count == 1 else { return nil }
                let (target, targetParts) = position(row.state, row.index)
                let (source, sourceParts) = position(term.slot.value, term.index)
                let variables = Set((target.terms + source.terms).map(\.variable)).sorted()
                let total = variables.reduce(1) { $0.multipliedReportingOverflow(by: scalars.extents[$1]).partialValue }
                work += total
                guard total > 0, work <= Self.mostReads else { return nil }
                for k in 0..<total {
                    var rest = k
                    var values: [Int: Int] = [:]
                    for variable in variables {
                        values[variable] = rest % scalars.extents[variable]
                        rest /= scalars.extents[variable]
                    }
                    func isInside(_ parts: [Affine], _ shape: Shape) -> Bool {
                        zip(parts, shape).allSatisfy { 0..<$1.size ~= $0.value(at: values) }
                    }
                    guard isInside(targetParts, mixing(row.state)), isInside(sourceParts, mixing(term.slot.value)) else { continue }
                    var constants = Constants(scalars: scalars, values: values)
                    let weight = constants.constant(term.weight)
                    if weight == zero { continue }
                    weights.insert(weight)
                    reads[to + target.value(at: values)].append((from + source.value(at: values), abs(term.slot.offsets[0])))
                }
            }
        }
        // The longest way to each element; nil while it is being found, so that coming back to it shows a cycle.
        var longest = [Int?](repeating: nil, count: count)
        var isOpen = [Bool](repeating: false, count: count)
        for start in 0..<count where longest[start] == nil {
            var stack = [start]
            while let element = stack.last {
                if longest[element] != nil {
                    stack.removeLast()
                } else if isOpen[element] {
                    longest[element] = reads[element].map { (longest[$0.element] ?? 0) + $0.lag }.max() ?? 0
                    stack.removeLast()
                } else {
                    isOpen[element] = true
                    for read in reads[element] where longest[read.element] == nil {
                        guard !isOpen[read.element] else { return nil }
                        stack.append(read.element)
                    }
                }
            }
        }
        steps = longest.reduce(0) { max($0, $1 ?? 0) }
        self.weights = weights
        meets = reads.contains { $0.count > 1 }
        guard steps > 0 else { return nil }
    }

    /// Whether each element is another one as it was.
    func isCopy(_ one: Double) -> Bool { !meets && weights == [one] }
}

extension Affine {
    /// The number it stands for where the variables have these values; variables without one are 0.
    fileprivate func value(at values: [Int: Int]) -> Int {
        terms.reduce(offset) { $0 + (values[$1.variable] ?? 0) * $1.coefficient }
    }
}

/// What scalars are where variables have values.
private struct Constants {
    let scalars: Scalars
    let values: [Int: Int]
    private var found: [Scalars.ID: Double?] = [:]

    init(scalars: Scalars, values: [Int: Int]) {
        self.scalars = scalars
        self.values = values
    }

    /// What a scalar is, where the variables decide it; nil where it depends on data, or on further variables.
    mutating func constant(_ id: Scalars.ID) -> Double? {
        if let known = found[id] { return known }
        let fresh = newConstant(id)
        found[id] = .some(fresh)
        return fresh
    }

    private mutating func newConstant(_ id: Scalars.ID) -> Double? {
        switch scalars.nodes[id] {
        case .number(let number): return number
        case .index(let index):
            guard index.terms.allSatisfy({ values[$0.variable] != nil }) else { return nil }
            return Double(index.value(at: values))
        case .select(let test, let yes, let no):
            guard let chosen = constant(test) else { return nil }
            return constant(chosen != 0 ? yes : no)
        case .unary(.not, let a): return constant(a).map { $0 == 0 ? 1 : 0 }
        case .binary(let function, let a, let b):
            guard let x = constant(a), let y = constant(b) else { return nil }
            switch function {
            case .and: return x != 0 && y != 0 ? 1 : 0
            case .or: return x != 0 || y != 0 ? 1 : 0
            case .less: return x < y ? 1 : 0
            case .equal: return x == y ? 1 : 0
            case .add, .subtract, .multiply, .divide, .power, .min, .max, .logaddexp, .atan2, .mod, .lessOrEqual, .notEqual, .greaterOrEqual,
                .greater, .complex, .random, .uniform, .uniformNext:
                return nil
            }
        case .polynomial(let monomials):
            var total = 0.0
            for monomial in monomials {
                var product = monomial.coefficient
                for factor in monomial.factors {
                    guard factor.power > 0, let base = constant(factor.scalar) else {
                        product = .nan
                        break
                    }
                    for _ in 0..<factor.power { product *= base }
                }
                total += product
            }
            return total.isNaN ? nil : total
        case .known, .state, .unary, .reduce, .opaque: return nil
        }
    }
}
