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
    /// arithmetic (`4 * H` of size 512); what cannot be read stays open. Where tensors disagree, as one that is transposed does, most
    /// of them are believed, and among as many the first.
    package func solveDims(given: [String: Int], evidence: [DimEvidence], lookUp: (String) -> TypedModel?) -> [String: Int] {
        var known = given
        var facts: [(DimExpression, Int)] = []
        collect(Evidence(evidence), TensorPlace(), [:], lookUp, depth: 0, into: &facts)
        while true {
            var votes: [String: [Int: (count: Int, first: Int)]] = [:]
            for (place, (expression, size)) in facts.enumerated() {
                let open = expression.symbols.filter { known[$0] == nil }
                guard open.count == 1, let name = open.first,
                    let value = expression.solve(for: name, equalling: size, given: known), value >= 1
                else { continue }
                votes[name, default: [:]][value, default: (0, place)].count += 1
            }
            if votes.isEmpty { break }
            for (name, values) in votes {
                known[name] = values.max { ($0.value.count, $1.value.first) < ($1.value.count, $0.value.first) }?.key
            }
        }
        return known.filter { dims.contains($0.key) }
    }

    /// By what names tensors of the parameters may go: by path, and by the name that the source gives. Of repeated layers the
    /// first copy.
    package func tensorNames(lookUp: (String) -> TypedModel?) -> [(path: String, name: String)] {
        tensorNames(TensorPlace(), lookUp, depth: 0)
    }

    fileprivate func tensorNames(_ place: TensorPlace, _ lookUp: (String) -> TypedModel?, depth: Int) -> [(path: String, name: String)] {
        guard depth < Self.deepestLayer else { return [] }
        let own = values.compactMap { value -> (path: String, name: String)? in
            if case .parameter(let info) = value.operation { place.names(of: info) } else { nil }
        }
        return layers.reduce(into: own) { names, layer in
            let copy = layer.count == nil ? nil : 0
            names += lookUp(layer.model)?.tensorNames(place.inside(layer, copy: copy), lookUp, depth: depth + 1) ?? []
        }
    }
}

/// A place within layers: what stands in front of paths, and where tensors are.
private struct TensorPlace {
    var path = ""
    var tensors = TensorScope()

    func inside(_ layer: TypedLayer, copy: Int?) -> TensorPlace {
        TensorPlace(path: path + "\(layer.name)." + (copy.map { "\($0)." } ?? ""), tensors: tensors.inside(layer, copy: copy))
    }

    func names(of info: ParameterInfo) -> (path: String, name: String) {
        (path + info.path, tensors.name(info.tensorName ?? info.path))
    }
}

/// Tensors by name.
private struct Evidence {
    let inputs: [String: [Int]]
    let parameters: [String: [Int]]
    /// The numbers within the names of parameters, each of which may be that of a copy.
    let numbers: Set<Int>

    /// More copies than any network has.
    private static let mostCopies = 1 << 20

    init(_ all: [DimEvidence]) {
        func sizes(_ role: DimEvidence.Role) -> [String: [Int]] {
            Dictionary(all.filter { $0.role == role }.map { ($0.name, $0.sizes) }, uniquingKeysWith: { first, _ in first })
        }
        inputs = sizes(.input)
        parameters = sizes(.parameter)
        var numbers: Set<Int> = []
        for name in parameters.keys {
            for digits in name.utf8.split(whereSeparator: { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
                if let number = Int(String(decoding: digits, as: UTF8.self)), number < Self.mostCopies { numbers.insert(number) }
            }
        }
        self.numbers = numbers
    }
}

extension TypedModel {
    /// Deeper layers say no more of dims.
    fileprivate static var deepestLayer: Int { 16 }

    /// Sizes that tensors of this model, or of a layer at a place, give to expressions over the main model's dims.
    fileprivate func collect(
        _ evidence: Evidence, _ place: TensorPlace, _ substitution: [String: DimExpression], _ lookUp: (String) -> TypedModel?,
        depth: Int, into facts: inout [(DimExpression, Int)]
    ) {
        guard depth < Self.deepestLayer else { return }
        func note(_ shape: TypedShape, _ sizes: some Collection<Int>) {
            for (dim, size) in zip(shape, sizes) {
                if let expression = dim.size.substituting(substitution) { facts.append((expression, size)) }
            }
        }
        for value in values {
            switch value.operation {
            case .parameter(let info):
                let names = place.names(of: info)
                let found = evidence.parameters[names.path] ?? evidence.parameters[names.name]
                if let found, found.count == value.shape.count { note(value.shape, found) }
            case .primitive(.input(let name, _)) where depth == 0:
                guard let sizes = evidence.inputs[name] else { continue }
                let streamAxes = axes.indices.filter { value.variance.varies(over: $0) }
                let own = value.shape.count + (value.element == .complex ? 1 : 0)
                guard (own + streamAxes.count...own + streamAxes.count + 1).contains(sizes.count) else { continue }
                note(value.shape, sizes.dropFirst(sizes.count - own))
                // A second axis of fixed length is a dim, too.
                for (position, axis) in streamAxes.enumerated() {
                    guard let length = axes[axis].length, let expression = length.substituting(substitution) else { continue }
                    let offset = sizes.count - own - streamAxes.count
                    facts.append((expression, sizes[offset + position]))
                }
            case .primitive, .dim, .slice, .pad, .pick, .window, .callOutput, .derivative, .own, .adjoint, .step, .along, .distance, .draw, .training:
                break
            }
        }
        for layer in layers {
            guard let inner = lookUp(layer.model) else { continue }
            let dims = layer.dims.compactMapValues { $0.substituting(substitution) }
            inner.collect(evidence, place.inside(layer, copy: layer.count == nil ? nil : 0), dims, lookUp, depth: depth + 1, into: &facts)
            guard let count = layer.count?.substituting(substitution) else { continue }
            // As many copies as there are tensors of.
            let offsets = Set((layer.tensors?.copyOffsets ?? []) + [0])
            let candidates = Set(evidence.numbers.flatMap { number in offsets.map { number - $0 } }).filter { $0 >= 0 }
            let last = candidates.sorted(by: >).first { copy in
                inner.tensorNames(place.inside(layer, copy: copy), lookUp, depth: depth + 1)
                    .contains { evidence.parameters[$0.path] != nil || evidence.parameters[$0.name] != nil }
            }
            if let last { facts.append((count, last + 1)) }
        }
    }
}
