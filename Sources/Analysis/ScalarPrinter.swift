import RecStream

/// Writes scalars in the user's names: elements of values as the values, as `ExpressionWriter` writes them, with a slice where
/// the elements are not all of them.
struct ScalarPrinter {
    let graph: StreamGraph
    let scalars: Scalars
    let uniformity: Uniformity
    /// How the axes of bound variables are called.
    private(set) var axisNames: [Int: String] = [:]

    /// Whether values without a name leave out the tests that slopes carry.
    let writesSlopesAlone: Bool

    init(graph: StreamGraph, scalars: Scalars, uniformity: Uniformity, writesSlopesAlone: Bool = false) {
        self.writesSlopesAlone = writesSlopesAlone
        self.graph = graph
        self.scalars = scalars
        self.uniformity = uniformity
    }

    /// Longer expressions are shortened.
    static let longest = 100
    private static let mostDepth = 7
    /// Sums of more than so many terms that themselves are left out are left out whole.
    private static let mostShortTerms = 3

    /// The deepest text that is not too long, or else the shortest; `…` stands in it for what is left out.
    static func fitting(_ write: (_ depth: Int) -> ExpressionText) -> ExpressionText {
        for depth in (0...mostDepth).reversed() {
            let result = write(depth)
            if result.text.count <= longest { return result }
        }
        return write(-1)
    }

    func print(_ id: Scalars.ID) -> ExpressionText { Self.fitting { $0 < 0 ? .omitted : write(id, $0) } }

    /// The state at the other step.
    func state(_ slot: Scalars.Slot) -> ExpressionText {
        var (value, offsets) = (slot.value, slot.offsets)
        // Several initial values make a chain of single steps.
        while graph.stateName(of: value) == nil, case .delay(let operand, let further, .some) = graph[value].operation, operand != value {
            value = operand
            offsets = zip(offsets, further).map(+)
        }
        return name(value).delayed(by: offsets, along: graph.axes, of: graph[value].variance)
    }

    /// Elements of a state at the other step.
    func state(_ slot: Scalars.Slot, at index: [Affine]) -> ExpressionText {
        renamed(state(slot), zip(index, graph[slot.value].shape.map(\.name)).map { ($0, $1) })
    }

    /// A state as its declaration calls it, whatever else stands for the same value.
    func name(_ value: ValueID) -> ExpressionText {
        graph.stateName(of: value).map { ExpressionText($0) } ?? writer.expression(value, longest: Self.longest / 2)
    }

    var writer: ExpressionWriter { ExpressionWriter(graph, slopesAlone: writesSlopesAlone) }

    func write(_ id: Scalars.ID, _ depth: Int) -> ExpressionText {
        if case .number(let value) = scalars.nodes[id] { return .number(value) }
        if let element = scalars.facts[id].named, let name = graph[element.value].name {
            return placed(ExpressionText(name), element.value, element.index)
        }
        switch scalars.nodes[id] {
        case .number(let value): return .number(value)
        case .known(let value, let index), .opaque(let value, let index):
            return placed(writer.write(value, depth), value, index)
        case .state(let slot, let index): return state(slot, at: index)
        case .index(let affine):
            let index = ExpressionText("index")
            return affine.offset == 0 ? index : .infix(index, affine.offset < 0 ? "-" : "+", .number(Double(abs(affine.offset))), .sum)
        case .polynomial, .unary, .binary, .select, .reduce: break
        }
        guard depth > 0 else { return .omitted }
        switch scalars.nodes[id] {
        case .number, .known, .opaque, .state, .index: return .omitted
        case .polynomial(let monomials): return sum(monomials, depth - 1)
        case .unary(let function, let a): return .unary(function, write(a, depth - 1))
        case .binary(let function, let a, let b): return .binary(function, write(a, depth - 1), write(b, depth - 1))
        case .select(let test, let yes, let no): return .select(write(test, depth - 1), write(yes, depth - 1), write(no, depth - 1))
        case .reduce(let kind, let body, let variables):
            let (names, inner) = binding(variables, of: [body])
            return .reduction(kind, names, inner.write(body, depth - 1))
        }
    }

    // MARK: Sums of products

    func sum(_ monomials: [Scalars.Monomial], _ depth: Int) -> ExpressionText {
        if depth == 0, monomials.count > Self.mostShortTerms { return .omitted }
        let (common, rest) = Self.factored(monomials)
        if !common.isEmpty, rest.count > 1 {
            return product(Scalars.Monomial(coefficient: 1, factors: common), [sum(rest, depth)], depth)
        }
        var result = ""
        // What is added comes before what is taken away.
        for (k, monomial) in (monomials.filter { $0.coefficient > 0 } + monomials.filter { !($0.coefficient > 0) }).enumerated() {
            let isNegative = monomial.coefficient < 0
            var size = monomial
            size.coefficient = abs(monomial.coefficient)
            if monomials.count == 1 { return product(monomial, [], depth) }
            // This is too long already.
            if result.count > 4 * Self.longest { break }
            let text = product(size, [], depth).within(isNegative ? .product : .sum)
            if k > 0, !isNegative, text.hasPrefix("-") {
                result += " - \(text.dropFirst())"
            } else {
                result += (k == 0 ? (isNegative ? "-" : "") : (isNegative ? " - " : " + ")) + text
            }
        }
        return monomials.isEmpty ? .number(0) : ExpressionText(result, .sum)
    }

    /// Factors that all of a sum have, and the sum without them.
    static func factored(_ monomials: [Scalars.Monomial]) -> (common: [Scalars.Factor], rest: [Scalars.Monomial]) {
        guard let first = monomials.first else { return ([], []) }
        var common: [Scalars.Factor] = []
        for factor in first.factors {
            let powers = monomials.map { $0.factors.first { $0.scalar == factor.scalar }?.power ?? 0 }
            if let least = powers.min(), let most = powers.max(), least > 0 || most < 0 {
                common.append(Scalars.Factor(scalar: factor.scalar, power: least > 0 ? least : most))
            }
        }
        let inverse = Scalars.Monomial(coefficient: 1, factors: common.map { Scalars.Factor(scalar: $0.scalar, power: -$0.power) })
        return (common, monomials.map { Scalars.product($0, inverse) })
    }

    /// A product, with further factors behind it.
    func product(_ monomial: Scalars.Monomial, _ more: [ExpressionText], _ depth: Int) -> ExpressionText {
        var above: [ExpressionText] = []
        var below: [ExpressionText] = []
        for factor in monomial.factors {
            let base = write(factor.scalar, depth)
            let power = abs(factor.power)
            let text = power == 1 ? base : ExpressionText("\(base.within(.renaming))^\(power)", .power)
            if factor.power > 0 { above.append(text) } else { below.append(text) }
        }
        above += more
        let size = abs(monomial.coefficient)
        // A part, as that of a mean, is written as what divides.
        let divisor = (1 / size).rounded()
        if size < 1, divisor < 1e9, 1 / divisor == size, "\(size)".count > 6 {
            below.insert(.number(divisor), at: 0)
        } else if size != 1 {
            above.insert(.number(size), at: 0)
        }
        if above.isEmpty { above = [.number(1)] }
        let isNegative = monomial.coefficient < 0
        guard above.count + below.count > 1 else { return isNegative ? .unary(.negate, above[0]) : above[0] }
        var text = above.map { $0.within(.contraction) }.joined(separator: " * ")
        if let first = below.first {
            text += " / " + (below.count == 1 ? first.within(.contraction) : "(\(below.map { $0.within(.contraction) }.joined(separator: " * ")))")
        }
        return ExpressionText(isNegative ? "-\(text)" : text, .product)
    }

    // MARK: Elements

    /// A value as far as its elements at this index are meant.
    func placed(_ text: ExpressionText, _ value: ValueID, _ index: [Affine]) -> ExpressionText {
        let shape = graph[value].shape
        var ranges: [(start: Int, count: Int, stride: Int)?] = []
        var axes: [(index: Affine, name: String)] = []
        for (axis, dim) in shape.enumerated() {
            let place = index[axis]
            let isAll = dim.size == 1 || !uniformity.varies[value.index][axis] || scalars.covers(place, dim.size)
            if !isAll {
                if place.terms.isEmpty {
                    ranges.append((place.offset, 1, 1))
                    continue
                }
                guard place.terms.count == 1, let term = place.terms.first else { return ExpressionText("\(text.within(.whole))[…]") }
                let last = place.offset + term.coefficient * (scalars.extents[term.variable] - 1)
                // Of a part of a concatenation there are only the elements that are in it.
                ranges.append(place.offset < 0 || last >= dim.size ? nil : (place.offset, scalars.extents[term.variable], term.coefficient))
            } else {
                ranges.append(nil)
            }
            axes.append((place, dim.name))
        }
        let elements = text.sliced(ranges)
        // Of two axes with one name it is the order that tells them apart.
        if axes.count == 2, axes[0].name == axes[1].name, let a = axes[0].index.terms.first, let b = axes[1].index.terms.first {
            if a.variable == b.variable { return .call("diagonal", [elements]) }
            if a.variable > b.variable { return renamed(ExpressionText("\(elements.within(.whole)).T"), [axes[1], axes[0]]) }
        }
        return renamed(elements, axes)
    }

    /// Elements along bound variables, with the names that these have.
    private func renamed(_ text: ExpressionText, _ axes: [(index: Affine, name: String)]) -> ExpressionText {
        let names = axes.map { axis in axis.index.terms.lazy.compactMap { axisNames[$0.variable] }.first ?? axis.name }
        return names == axes.map(\.name) ? text : text.renamed(names)
    }

    /// What an element is taken from, where a scalar is one.
    func element(_ id: Scalars.ID) -> Scalars.Element? {
        if let named = scalars.facts[id].named { return named }
        if case .known(let value, let index) = scalars.nodes[id] { return Scalars.Element(value: value, index: index) }
        return nil
    }

    // MARK: Bound variables

    /// Names for bound variables, those of an axis along which they run: of one along which nothing of what is summed runs for
    /// another reason, or else with a prime. And a printer that knows them.
    func binding(
        _ variables: [Int], of ids: [Scalars.ID], and elements: [Scalars.Element] = []
    ) -> (names: [String], inner: ScalarPrinter) {
        var inner = self
        var names: [String] = []
        let all = axes(in: ids, and: elements)
        var taken = Set(
            all.compactMap { axis -> String? in
                guard let first = axis.index.terms.first, !axis.index.terms.contains(where: { variables.contains($0.variable) }) else { return nil }
                return axisNames[first.variable] ?? axis.name
            })
        for variable in variables where inner.axisNames[variable] == nil {
            let found = all.filter { axis in axis.index.terms.contains { $0.variable == variable } }
            var name = (found.first { !taken.contains($0.name) } ?? found.last)?.name ?? "index"
            while !taken.insert(name).inserted { name += "'" }
            names.append(name)
            // Two variables may be the digits of one index.
            let digits = found.first { $0.index.terms.count > 1 }?.index.terms.map(\.variable) ?? []
            for digit in [variable] + digits where variables.contains(digit) { inner.axisNames[digit] = name }
        }
        return (names, inner)
    }

    /// The axes of all that is met in these scalars and elements.
    private func axes(in ids: [Scalars.ID], and elements: [Scalars.Element]) -> [(index: Affine, name: String)] {
        var result: [(index: Affine, name: String)] = []
        func visit(_ value: ValueID, _ index: [Affine]) {
            result += zip(index, graph[value].shape).filter { !$0.0.terms.isEmpty }.map { ($0, $1.name) }
        }
        var seen: Set<Scalars.ID> = []
        var stack = Array(ids.reversed())
        while let id = stack.popLast() {
            guard seen.insert(id).inserted else { continue }
            if let element = scalars.facts[id].named {
                visit(element.value, element.index)
                continue
            }
            switch scalars.nodes[id] {
            case .number, .index: break
            case .known(let value, let index), .opaque(let value, let index): visit(value, index)
            case .state(let slot, let index): visit(slot.value, index)
            case .polynomial(let monomials): stack += monomials.flatMap { $0.factors.map(\.scalar) }
            case .unary(_, let a), .reduce(_, let a, _): stack.append(a)
            case .binary(_, let a, let b): stack += [b, a]
            case .select(let c, let a, let b): stack += [b, a, c]
            }
        }
        for element in elements { visit(element.value, element.index) }
        return result
    }
}
