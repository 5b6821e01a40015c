import RecStream

/// A graph taken apart into parts that run one after another, with tensors between them.
///
/// There are three cuts, and a part of one may be taken apart by the next: steps within which another axis is a dim may run chunk by chunk,
/// and steps between chunks may attend to others.
package struct Partition: Sendable {
    /// What parts the steps from each other.
    package enum Cut: Sendable {
        case axes(AxisPartition)
        case chunks(ChunkPartition)
        case pairs(PairPartition)
    }

    package enum Part: Sendable {
        case steps(StreamGraph)
        case traversal(Schedule)
        case pairs(PairTraversal)
        case parts(Partition)
    }

    package let cut: Cut
    package let parts: [Part]

    /// - Parameter size: of blocks of pairs of steps.
    /// - Throws: where a part has no schedule.
    package init(_ graph: StreamGraph, pairsBy size: PairPartition.Size = .usual) throws(ScheduleRefusal) {
        if graph.hasUnfoldedAxis {
            try self.init(AxisPartition(graph), pairsBy: size)
        } else if graph.axes.contains(where: { $0.chunks != nil }) || !graph.axes.contains(where: { $0.again != nil }) {
            try self.init(ChunkPartition(graph), pairsBy: size)
        } else {
            self.init(try PairPartition(graph, by: size))
        }
    }

    package init(_ partition: AxisPartition, pairsBy size: PairPartition.Size = .usual) throws(ScheduleRefusal) {
        cut = .axes(partition)
        var parts: [Part] = []
        for part in partition.parts { parts.append(try Self.part(part.graph, size)) }
        self.parts = parts
    }

    package init(_ partition: ChunkPartition, pairsBy size: PairPartition.Size = .usual) throws(ScheduleRefusal) {
        cut = .chunks(partition)
        var parts: [Part] = []
        for part in partition.parts {
            switch part {
            case .steps(let graph): parts.append(try Self.part(graph, size))
            case .traversal(let traversal): parts.append(.traversal(try Schedule(traversal, of: partition)))
            }
        }
        self.parts = parts
    }

    package init(_ partition: PairPartition) {
        cut = .pairs(partition)
        parts = partition.parts.map { part in
            switch part {
            case .steps(let graph): .steps(graph)
            case .pairs(let traversal): .pairs(traversal)
            }
        }
    }

    private static func part(_ graph: StreamGraph, _ size: PairPartition.Size) throws(ScheduleRefusal) -> Part {
        guard graph.axes.contains(where: { $0.chunks != nil || $0.again != nil }) else { return .steps(graph) }
        return .parts(try Partition(graph.namingGiven(nameWithin), pairsBy: size))
    }

    /// The graph that is taken apart.
    package var graph: StreamGraph {
        switch cut {
        case .axes(let partition): partition.graph
        case .chunks(let partition): partition.graph
        case .pairs(let partition): partition.graph
        }
    }

    /// The parts that are not taken apart any further, in the order in which they run.
    package var leaves: [Part] {
        parts.flatMap { part -> [Part] in
            switch part {
            case .steps, .traversal, .pairs: [part]
            case .parts(let partition): partition.leaves
            }
        }
    }

    /// The lengths of the axes that a part runs along, out of those that the whole runs along.
    package func extents(of part: StreamGraph, in extents: [Int]) -> [Int] {
        let names = graph.axes[graph.dataAxes].map(\.name)
        return part.axes[part.dataAxes].compactMap { axis in names.firstIndex(of: axis.name).map { extents[$0] } }
    }

    /// Without those of axes that are no data's.
    package func dataExtents(_ extents: [Int]) -> [Int] { Array(extents.prefix(graph.dataAxes.count)) }

    /// The name that a tensor of parts has within a part that is taken apart in turn, where other tensors go by the same numbers.
    package static func nameWithin(_ name: String) -> String { name.hasPrefix("%") ? name + "'" : name }
}

extension StreamGraph {
    /// The graph with other names for what it is given.
    fileprivate func namingGiven(_ renamed: (String) -> String) -> StreamGraph {
        var result = self
        for id in ids {
            switch self[id].operation {
            case .input(let name, let fallback): result[id].operation = .input(name: renamed(name), fallback: fallback)
            case .parameter(var info):
                info.path = renamed(info.path)
                result[id].operation = .parameter(info)
            case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather,
                .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        return result
    }
}
