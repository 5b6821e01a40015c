import RecAnalysis
import RecStream

/// A recurrence whose elements do not meet within a step: each vector of elements runs through all steps of a block by
/// itself, with its state in registers.
enum LaneLoop {
    /// More values than these do not stay in registers: a delay of so many steps reads its ring instead.
    private static let mostCarried = 32
    /// Loops over more values than these take too long to generate.
    private static let mostRoots = 128

    /// The stage as lanes; nil where some element depends on another one, where the roots differ in size, and where it would
    /// carry too many values.
    static func stage(_ roots: [ValueID], graph: StreamGraph, homes: Homes, staging: Staging) -> Stage? {
        guard graph.axes.count == 1, roots.count <= mostRoots, let first = roots.first(where: { parts(of: $0, graph) == nil }) else { return nil }
        let domain = graph[first].shape.sizes
        // Values of the recurrence's size that are put behind each other are written where they belong.
        let wholes = roots.filter { root in parts(of: root, graph)?.allSatisfy { graph[$0].shape.sizes == domain } ?? false }
        let roots = roots.filter { !wholes.contains($0) }
        for root in roots {
            guard graph[root].shape.sizes == domain, staging.products[root] == nil, staging.scattered[root] == nil, isElementwise(graph[root].operation)
            else { return nil }
        }
        var builder = NestBuilder(graph: graph, homes: homes, own: Set(roots), domain: domain)
        var rings: [(root: ValueID, depth: Int, ring: BufferID)] = []
        for root in roots {
            for home in homes.written[root] ?? [] {
                guard case .ring(let ring) = homes.buffers[home.buffer.index].kind else { continue }
                builder.carries[root] = rings.count
                let depth = ring.delays.map { ring.distance($0, innerExtent: 1) }.max() ?? 1
                rings.append((root, max(depth, 1), home.buffer))
            }
        }
        guard rings.reduce(0, { $0 + $1.depth }) <= max(mostCarried, 2 * rings.count) else { return nil }
        let index = domain.indices.map(Affine.variable)
        let carries: [Stage.Carry]
        do throws(PlanRefusal) {
            for root in roots { try StageBuilder.emit(root, into: &builder) { $0.kind.isCarried } }
            for whole in wholes { guard try place(whole, into: &builder) else { return nil } }
            carries = try rings.map { ring throws(PlanRefusal) in
                Stage.Carry(node: try builder.evaluate(ring.root, at: index), depth: ring.depth, ring: ring.ring)
            }
        } catch { return nil }
        guard builder.isLaneWise, builder.nest.extents.count == domain.count, !builder.reads.contains(where: { wholes.contains($0.value) })
        else { return nil }
        return Stage(form: .lanes(carries), items: [.nest(builder.nest.collapsed(carries: carries.count))])
    }

    private static func parts(of root: ValueID, _ graph: StreamGraph) -> [ValueID]? {
        if case .concat(let parts, _) = graph[root].operation { parts } else { nil }
    }

    /// Stores what is put behind each other, each part at its start; false where a later step reads it.
    private static func place(_ whole: ValueID, into builder: inout NestBuilder) throws(PlanRefusal) -> Bool {
        let (graph, homes) = (builder.graph, builder.homes.written[whole] ?? [])
        guard case .concat(let parts, let axis) = graph[whole].operation else { return false }
        for home in homes { if case .ring = builder.homes.buffers[home.buffer.index].kind { return false } }
        var start = 0
        builder.note(whole)
        for part in parts {
            let index = graph[part].shape.indices.map(Affine.variable)
            let node = try builder.evaluate(part, at: index)
            var target = index
            target[axis] = index[axis] + start
            for home in homes { builder.store(node, to: home.buffer, at: .linear(target, strides: home.strides)) }
            start += graph[part].shape[axis].size
        }
        return true
    }

    static func isElementwise(_ operation: Operation) -> Bool {
        if case .overTime = operation { return true }
        return operation.isPointwise
    }
}

extension Buffer.Kind {
    /// Whether a loop that carries values from step to step in registers need not write here.
    var isCarried: Bool {
        switch self {
        case .ring, .step: true
        case .input, .parameter, .output, .static, .once, .accumulator, .full, .block, .zero: false
        }
    }
}
