import RecAnalysis
import RecStream

/// Where workers that share a stage must wait for each other: between two touches of an element of which one is a write,
/// wherever different workers may touch it.
struct RowHazards {
    /// Whose element is touched.
    private enum Owner: Equatable {
        /// The one who has it by a division of this period, its elements scaled by a fraction.
        case share(period: Int, numerator: Int, denominator: Int)
        case alone
        /// Whoever it may be.
        case anyone
    }

    private struct Touch {
        var item: Int
        var buffer: BufferID
        var owner: Owner
        var isWrite: Bool
        /// How many steps back.
        var distance: Int
        /// The part of the row that is touched; nil where that is not known beforehand.
        var reach: ClosedRange<Int>?
    }

    /// How long a row of a buffer is that of one step.
    private enum Lifetime {
        /// Every step writes it anew.
        case step
        /// It is written anew after so many steps.
        case steps(Int)
        /// Every step has a row of its own.
        case all
    }

    private let touches: [Touch]
    private let buffers: [Buffer]
    private let count: Int

    init(_ items: [Item], parts: [RowSharing.Part], own: [BufferID], buffers: [Buffer]) {
        let written = Set(items.flatMap(\.writtenBuffers)).subtracting(own)
        var touches: [Touch] = []
        for (k, item) in items.enumerated() {
            func touch(
                _ buffer: BufferID, _ position: Affine, movedBy step: Int? = nil, extents: [Int], isWrite: Bool, offsets: [Int] = []
            ) {
                guard written.contains(buffer) else { return }
                let distance = offsets.map(abs).max() ?? 0
                touches.append(
                    Touch(
                        item: k, buffer: buffer, owner: Self.owner(position, movedBy: step, parts[k], extents: extents),
                        isWrite: isWrite, distance: distance, reach: step == nil ? Self.reach(of: position, extents) : nil))
            }
            switch item {
            case .total: continue
            case .product(let product):
                touch(product.output, product.outputPosition, extents: product.extents, isWrite: true)
                touch(
                    product.input.buffer, product.inputPosition, extents: product.extents, isWrite: false,
                    offsets: product.input.offsets)
            case .nest(let nest):
                for store in nest.stores {
                    touch(store.buffer, store.position, movedBy: store.scatter?.stride, extents: nest.extents, isWrite: true)
                }
                for node in nest.nodes {
                    switch node.operation {
                    case .load(let access):
                        touch(access.buffer, access.position, extents: nest.extents, isWrite: false, offsets: access.offsets)
                    case .gather(let access, _, let stride, _):
                        touch(access.buffer, access.position, movedBy: stride, extents: nest.extents, isWrite: false, offsets: access.offsets)
                    case .constant, .unary, .binary, .select, .reduce, .position, .carried, .scanned: break
                    }
                }
            }
        }
        self.touches = touches
        self.buffers = buffers
        count = items.count
    }

    private static func reach(of position: Affine, _ extents: [Int]) -> ClosedRange<Int> {
        position.terms.reduce(position.offset...position.offset) { reach, term in
            let span = term.coefficient * max(0, extents[term.variable] - 1)
            return reach.lowerBound + min(0, span)...reach.upperBound + max(0, span)
        }
    }

    private static func owner(
        _ position: Affine, movedBy step: Int?, _ part: RowSharing.Part, extents: [Int]
    ) -> Owner {
        let variable: Int
        let reference: Int
        switch part {
        case .alone: return .alone
        case .repeated: return .anyone
        case .columns(let period):
            // The last variable is the columns; several periods of them lie one behind the other.
            guard position.coefficient(of: extents.count - 1) == 1 else { return .anyone }
            return .share(period: period, numerator: 1, denominator: 1)
        case .loop(let loop, let stride, _): (variable, reference) = (loop, stride)
        case .batches(let stride, _): (variable, reference) = (0, stride)
        }
        guard let period = part.period,
            let own = RowOwnership(position, movedBy: step, variable: variable, extents: extents)
        else { return .anyone }
        let divisor = RowSharing.Grain.greatestDivisor(own.stride, reference)
        return .share(period: period, numerator: own.stride / divisor, denominator: reference / divisor)
    }

    private func lifetime(_ id: BufferID) -> Lifetime {
        let buffer = buffers[id.index]
        switch buffer.kind {
        case .ring(let ring):
            let period = ring.period(innerExtent: 1)
            return period > 1 ? .steps(period) : .step
        case .input, .output, .full, .block: return buffer.variance.varies(over: 0) ? .all : .step
        case .parameter, .static, .once, .accumulator, .step, .zero: return .step
        }
    }

    /// Items that read within a step what the same item writes elsewhere: they cannot be divided.
    var undividable: Set<Int> {
        var result: Set<Int> = []
        forEachConflict { a, b in if a.item == b.item, a.distance == 0, b.distance == 0 { result.insert(a.item) } }
        return result
    }

    /// Calls `body` for every write and another touch of what it writes by someone else.
    private func forEachConflict(_ body: (_ write: Touch, _ other: Touch) -> Void) {
        for (k, write) in touches.enumerated() where write.isWrite {
            for (l, other) in touches.enumerated() where k != l && other.buffer == write.buffer {
                if write.owner == other.owner, write.owner != .anyone { continue }
                if let a = write.reach, let b = other.reach, !a.overlaps(b) { continue }
                body(write, other)
            }
        }
    }

    // MARK: Barriers

    /// The fewest items found before which all must wait.
    var barriers: [Int] {
        var needs: Set<UInt64> = []
        forEachConflict { write, other in needs.formUnion(gaps(write, other)) }
        var result: [Int] = []
        while !needs.isEmpty {
            let best = (0..<count).max { a, b in
                let (hitsA, hitsB) = (hits(a, needs), hits(b, needs))
                return hitsA < hitsB || (hitsA == hitsB && a > b)
            }
            guard let best, hits(best, needs) > 0 else { break }
            result.append(best)
            needs = needs.filter { $0 & (1 << UInt64(best)) == 0 }
        }
        return result.sorted()
    }

    private func hits(_ gap: Int, _ needs: Set<UInt64>) -> Int { needs.count { $0 & (1 << UInt64(gap)) != 0 } }

    /// Sets of items, before one of which there must be a barrier.
    private func gaps(_ write: Touch, _ other: Touch) -> [UInt64] {
        var result: [UInt64] = []
        // The write first, and so many steps later the other touch.
        result.append(between(write.item, other.item, steps: other.distance))
        // The other touch first, then the write that takes its row away.
        switch lifetime(write.buffer) {
        case .all: break
        case .step: result.append(between(other.item, write.item, steps: other.item < write.item ? 0 : 1))
        case .steps(let period): result.append(between(other.item, write.item, steps: max(1, period - other.distance)))
        }
        return result.filter { $0 != 0 }
    }

    /// The gaps on the way from an item to another one, some steps later. With none the other may come first: it then touches
    /// what was written a step before.
    private func between(_ first: Int, _ second: Int, steps: Int) -> UInt64 {
        var steps = steps
        if steps == 0 {
            if first == second { return 0 }
            if first > second { steps = 1 }
        }
        let all: UInt64 = count == 64 ? .max : (1 << UInt64(count)) - 1
        if steps > 1 { return all }
        func below(_ end: Int) -> UInt64 { end >= 64 ? .max : (1 << UInt64(end)) - 1 }
        // Gap k lies before item k.
        if steps == 0 { return below(second + 1) & ~below(first + 1) }
        return (all & ~below(first + 1)) | below(second + 1)
    }
}

extension Item {
    /// What it writes.
    var writtenBuffers: [BufferID] {
        switch self {
        case .product(let product): [product.output]
        case .total(let total): [total.output]
        case .nest(let nest): nest.stores.map(\.buffer)
        }
    }
}
