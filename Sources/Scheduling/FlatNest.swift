import RecAnalysis
import RecStream

/// A nest that touches each element of whole streams once, in the order of memory: its loops over steps and over elements
/// are one long loop.
package struct FlatNest: Hashable, Encodable, Sendable {
    package var nest: Nest
    /// Elements of a step.
    package var rowCount: Int
    /// Loads of a row that is the same at every step: what they give repeats along the loop.
    package var repeated: [Nest.NodeID] = []

    /// - Parameter axes: those that the steps run over.
    /// - Parameter allowsRepeats: whether rows may be read that are the same at every step.
    package init?(_ nest: Nest, buffers: [Buffer], axes: [Int], allowsRepeats: Bool = false) {
        guard !axes.isEmpty, nest.domain.count <= 1, nest.extents.count == nest.domain.count else { return nil }
        let count = nest.domain.first ?? 1
        let variance = axes.reduce(UInt8(0)) { $0 | 1 << UInt8($1) }
        func isRow(_ position: Affine) -> Bool {
            position.offset == 0 && (nest.domain.isEmpty ? position.terms.isEmpty : position == .variable(0))
        }
        func isWhole(_ id: BufferID, _ position: Affine) -> Bool {
            let buffer = buffers[id.index]
            switch buffer.kind {
            case .ring, .step, .zero, .once, .static, .accumulator, .parameter: return false
            case .input, .output, .full, .block: break
            }
            return buffer.variance.axes == variance && buffer.rowCount == count && isRow(position)
        }
        for store in nest.stores {
            guard store.mode == .assign, isWhole(store.buffer, store.position) else { return nil }
        }
        for (id, node) in nest.nodes.enumerated() {
            switch node.operation {
            case .gather, .position, .unary(.numbered, _): return nil
            case .constant, .load, .unary, .binary, .select, .reduce, .carried, .scanned: break
            }
            for access in node.operation.accesses {
                guard access.offsets.allSatisfy({ $0 == 0 }), access.fallback == nil else { return nil }
                if isWhole(access.buffer, access.position) { continue }
                guard buffers[access.buffer.index].variance.axes == 0 else { return nil }
                if access.position.terms.isEmpty { continue }
                guard allowsRepeats, isRow(access.position) else { return nil }
                repeated.append(id)
            }
        }
        var flat = nest
        if nest.domain.isEmpty {
            // One element a step: the steps become the loop.
            flat.domain = [1]
            flat.extents = [1]
            for k in flat.stores.indices { flat.stores[k].position = .variable(0) }
            for k in flat.nodes.indices {
                guard case .load(var access) = flat.nodes[k].operation, buffers[access.buffer.index].variance.axes != 0 else { continue }
                access.position = .variable(0)
                flat.nodes[k].operation = .load(access)
            }
        }
        self.nest = flat
        rowCount = count
    }
}
