import RecStream

/// Which elements of the states before reach an element after the step.
struct IndexRelation {
    /// A state after the step, at an index in variables of its own.
    struct Target {
        var state: ValueID
        var index: [Affine]
        var reads: [Read]
    }

    /// An element before the step; variables that are not the target's run over all their values.
    struct Read: Hashable {
        var slot: Scalars.Slot
        var index: [Affine]
    }

    let graph: StreamGraph
    let extents: [Int]
    let targets: [Target]

    /// True where every element follows from elements with its own index.
    var isElementwise: Bool {
        targets.allSatisfy { target in
            target.reads.allSatisfy { read in
                graph[read.slot.value].shape.sizes == graph[target.state].shape.sizes && read.index == target.index
            }
        }
    }

    /// Axes that every state has, by name, and along which no element meets another.
    var keptAxes: [String] {
        guard let first = targets.first else { return [] }
        return graph[first.state].shape.map(\.name).filter { name in
            targets.allSatisfy { target in
                guard let own = graph[target.state].shape.firstIndex(where: { $0.name == name }) else { return false }
                return target.reads.allSatisfy { read in
                    guard let other = graph[read.slot.value].shape.firstIndex(where: { $0.name == name }) else { return false }
                    return read.index[other] == target.index[own]
                }
            }
        }
    }

    /// How far away the elements lie that an element reads, where these are always the same few neighbours along axes.
    var bandWidth: Int? {
        var width = 0
        for target in targets {
            for read in target.reads {
                guard read.index.count == target.index.count else { return nil }
                for (other, own) in zip(read.index, target.index) {
                    guard other.terms == own.terms else { return nil }
                    width = max(width, abs(other.offset - own.offset))
                }
            }
        }
        return width
    }

    /// The size of the largest set of elements that reach each other, found element by element; nil where there are too
    /// many to look at.
    var largestBlock: (size: Int, count: Int)? {
        var starts: [ValueID: Int] = [:]
        var count = 0
        for target in targets where starts[target.state] == nil {
            starts[target.state] = count
            count += graph[target.state].shape.elementCount
        }
        guard count <= 4096 else { return nil }
        var parent = Array(0..<count)
        func root(_ k: Int) -> Int {
            var k = k
            while parent[k] != k {
                parent[k] = parent[parent[k]]
                k = parent[k]
            }
            return k
        }
        var work = 0
        for target in targets {
            for read in target.reads {
                guard let from = starts[target.state], let to = starts[read.slot.value] else { return nil }
                let position = Affine.linear(target.index, strides: graph[target.state].shape.strides)
                let other = Affine.linear(read.index, strides: graph[read.slot.value].shape.strides)
                let size = graph[read.slot.value].shape.elementCount
                let variables = Set((position.terms + other.terms).map(\.variable)).sorted()
                let total = variables.reduce(1) { $0.multipliedReportingOverflow(by: extents[$1]).partialValue }
                work += total
                guard total > 0, work <= 1_000_000 else { return nil }
                for k in 0..<total {
                    var rest = k
                    var (a, b) = (position.offset, other.offset)
                    for variable in variables {
                        let value = rest % extents[variable]
                        rest /= extents[variable]
                        a += value * position.coefficient(of: variable)
                        b += value * other.coefficient(of: variable)
                    }
                    // Beyond the edge a choice leaves the element out.
                    guard b >= 0, b < size, a >= 0, a < graph[target.state].shape.elementCount else { continue }
                    parent[root(from + a)] = root(to + b)
                }
            }
        }
        var sizes: [Int: Int] = [:]
        for k in 0..<count { sizes[root(k), default: 0] += 1 }
        return (sizes.values.max() ?? 0, count)
    }

    /// The structure as far as the relation alone decides it.
    var structure: Transition {
        if isElementwise {
            let states = Set(targets.map(\.state))
            return states.count == 1 ? .diagonal(.axes([])) : .blocks(size: states.count)
        }
        if let width = bandWidth, width > 0 {
            if let block = largestBlock, block.size < block.count { return .blocks(size: block.size) }
            return .banded(width: width)
        }
        let kept = keptAxes
        if !kept.isEmpty { return .blocksOver(kept) }
        if let block = largestBlock, block.size < block.count { return block.size == 1 ? .diagonal(.axes([])) : .blocks(size: block.size) }
        return .dense
    }
}
