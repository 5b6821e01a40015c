import RecAnalysis
import RecScheduling
import RecStream

/// A nest of a map that touches each element of whole streams once, in the order of memory: its loops over steps and
/// over elements are one long loop.
struct FlatNest {
    var nest: Nest
    /// Elements of a step.
    var rowCount: Int

    init?(_ nest: Nest, plan: Plan, axes: [Int]) {
        guard !axes.isEmpty, nest.domain.count <= 1, nest.extents.count == nest.domain.count else { return nil }
        let count = nest.domain.first ?? 1
        let variance = axes.reduce(UInt8(0)) { $0 | 1 << UInt8($1) }
        func isWhole(_ id: BufferID, _ position: Affine) -> Bool {
            let buffer = plan[id]
            switch buffer.kind {
            case .ring, .step, .zero, .once, .static, .accumulator, .parameter: return false
            case .input, .output, .full, .block: break
            }
            guard buffer.variance.axes == variance, buffer.rowCount == count, position.offset == 0 else { return false }
            return nest.domain.isEmpty ? position.terms.isEmpty : position == .variable(0)
        }
        for store in nest.stores {
            guard store.mode == .assign, isWhole(store.buffer, store.position) else { return nil }
        }
        for node in nest.nodes {
            switch node.operation {
            case .gather, .position: return nil
            case .constant, .load, .unary, .binary, .select, .reduce, .length, .carried: break
            }
            for access in node.operation.accesses {
                guard access.offsets.allSatisfy({ $0 == 0 }), access.fallback == nil else { return nil }
                let isOfSequence = plan[access.buffer].variance.axes == 0 && access.position.terms.isEmpty
                guard isOfSequence || isWhole(access.buffer, access.position) else { return nil }
            }
        }
        var flat = nest
        if nest.domain.isEmpty {
            // One element a step: the steps become the loop.
            flat.domain = [1]
            flat.extents = [1]
            for k in flat.stores.indices { flat.stores[k].position = .variable(0) }
            for k in flat.nodes.indices {
                guard case .load(var access) = flat.nodes[k].operation, plan[access.buffer].variance.axes != 0 else { continue }
                access.position = .variable(0)
                flat.nodes[k].operation = .load(access)
            }
        }
        self.nest = flat
        rowCount = count
    }
}
