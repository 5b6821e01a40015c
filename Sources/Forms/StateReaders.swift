import RecStream

/// What the analysis of each state needs to know of the whole graph, found once: what reads a value, and what comes of that.
package struct StateReaders {
    /// By value, those that have it as an operand, ascending.
    private let readers: [[ValueID]]
    private let isRecurrent: [Bool]
    /// Whether a sum over dims may read what is made of a value, dim by dim.
    private let isSummed: [Bool]

    package init(_ graph: StreamGraph) {
        var readers = [[ValueID]](repeating: [], count: graph.values.count)
        for id in graph.ids {
            for operand in graph[id].operation.operands where readers[operand.index].last != id { readers[operand.index].append(id) }
        }
        var isRecurrent = [Bool](repeating: false, count: graph.values.count)
        for component in components(of: graph) where component.isRecurrence { for member in component.members { isRecurrent[member.index] = true } }
        var isSummed = [Bool](repeating: false, count: graph.values.count)
        for id in graph.ids.reversed() {
            isSummed[id.index] = readers[id.index].contains { reader in
                let operation = graph[reader].operation
                return operation.sumsOverDims || operation.keepsDims && isSummed[reader.index]
            }
        }
        (self.readers, self.isRecurrent, self.isSummed) = (readers, isRecurrent, isSummed)
    }

    func readers(of id: ValueID) -> [ValueID] { readers[id.index] }
    func isRecurrent(_ id: ValueID) -> Bool { isRecurrent[id.index] }

    /// All that depends on one of these values at the same step, and they themselves, ascending.
    func dependents(of values: [ValueID], in graph: StreamGraph) -> [ValueID] { closure(of: values, in: graph) { _ in true } }

    /// Those of the dependents that sum over dims, and what lies between them and these values, ascending.
    func summing(_ values: [ValueID], in graph: StreamGraph) -> [ValueID] {
        closure(of: values, in: graph) { reader in
            let operation = graph[reader].operation
            return operation.sumsOverDims || operation.keepsDims && isSummed[reader.index]
        }
    }

    private func closure(of values: [ValueID], in graph: StreamGraph, where isFollowed: (ValueID) -> Bool) -> [ValueID] {
        var found = Set(values)
        var rest = values
        while let id = rest.popLast() {
            for reader in readers[id.index] where !found.contains(reader) {
                guard graph[reader].operation.instantOperands.contains(id), isFollowed(reader) else { continue }
                found.insert(reader)
                rest.append(reader)
            }
        }
        return found.sorted()
    }
}

extension Operation {
    /// Whether it sums over dims of an operand.
    fileprivate var sumsOverDims: Bool {
        switch self {
        case .reduce(.sum, _, _): true
        case .contract(let c): !Set(c.leftLabels + c.rightLabels).isSubset(of: c.resultLabels)
        case .input, .parameter, .constant, .unary, .binary, .select, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window,
            .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }

    /// Whether dims of an operand stay dims of the result.
    fileprivate var keepsDims: Bool {
        switch self {
        case .unary, .binary, .select, .broadcast, .rename, .contract: true
        case .input, .parameter, .constant, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance,
            .chunks, .steps, .runningAffine, .solve:
            false
        }
    }
}
