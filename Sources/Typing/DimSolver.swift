import RecSource
import RecStream

/// A tensor from which dims can be read.
package struct DimEvidence: Sendable {
    package enum Role: Sendable { case input, parameter }
    package var name: String
    package var role: Role
    package var sizes: [Int]
    package init(name: String, role: Role, sizes: [Int]) {
        self.name = name
        self.role = role
        self.sizes = sizes
    }
}

extension TypedModel {
    /// Dims as far as the data tell them, those given included. Axes of a single unknown dim are solved, also through
    /// arithmetic (`4 * H` of size 512); what cannot be read stays open.
    package func solveDims(given: [String: Int], evidence: [DimEvidence], lookUp: (String) -> TypedModel?) -> [String: Int] {
        var known = given
        var facts: [(DimExpression, Int)] = []
        collect(evidence, path: "", substitution: [:], lookUp: lookUp, depth: 0, into: &facts)
        var progressed = true
        while progressed {
            progressed = false
            for (expression, size) in facts {
                let open = expression.symbols.filter { known[$0] == nil }
                guard open.count == 1, let name = open.first,
                    let value = expression.solve(for: name, equalling: size, given: known), value >= 1
                else { continue }
                known[name] = value
                progressed = true
            }
        }
        return known.filter { dims.contains($0.key) }
    }

    /// Sizes that tensors of this model, or of a layer at `path`, give to expressions over the main model's dims.
    private func collect(
        _ evidence: [DimEvidence], path: String, substitution: [String: DimExpression], lookUp: (String) -> TypedModel?,
        depth: Int, into facts: inout [(DimExpression, Int)]
    ) {
        guard depth < 16 else { return }
        func note(_ shape: TypedShape, _ sizes: some Collection<Int>) {
            for (dim, size) in zip(shape, sizes) {
                if let expression = dim.size.substituting(substitution) { facts.append((expression, size)) }
            }
        }
        for value in values {
            switch value.operation {
            case .parameter(let info):
                let found = evidence.first { $0.role == .parameter && ($0.name == path + info.path || $0.name == info.tensorName.map { path + $0 }) }
                if let found, found.sizes.count == value.shape.count { note(value.shape, found.sizes) }
            case .primitive(.input(let name, _)) where path.isEmpty:
                guard let found = evidence.first(where: { $0.role == .input && $0.name == name }) else { continue }
                let streamAxes = axes.indices.filter { value.variance.varies(over: $0) }
                let own = value.shape.count + (value.element == .complex ? 1 : 0)
                guard (own + streamAxes.count...own + streamAxes.count + 1).contains(found.sizes.count) else { continue }
                note(value.shape, found.sizes.dropFirst(found.sizes.count - own))
                // A second axis of fixed length is a dim, too.
                for (position, axis) in streamAxes.enumerated() {
                    guard let length = axes[axis].length, let expression = length.substituting(substitution) else { continue }
                    let offset = found.sizes.count - own - streamAxes.count
                    facts.append((expression, found.sizes[offset + position]))
                }
            case .primitive, .dim, .slice, .pad, .pick, .callOutput:
                break
            }
        }
        for layer in layers {
            guard let inner = lookUp(layer.model) else { continue }
            let dims = layer.dims.compactMapValues { $0.substituting(substitution) }
            let name = path + layer.name + "."
            let isRepeated = layer.count != nil
            inner.collect(
                evidence, path: isRepeated ? name + "0." : name, substitution: dims, lookUp: lookUp, depth: depth + 1,
                into: &facts)
            guard let count = layer.count?.substituting(substitution) else { continue }
            // As many copies as there are numbers behind the layer's name.
            let copies = evidence.filter { $0.role == .parameter && $0.name.hasPrefix(name) }.compactMap {
                Int($0.name.dropFirst(name.count).prefix { $0 != "." })
            }
            if let last = copies.max(), last < 1 << 20 { facts.append((count, last + 1)) }
        }
    }
}
