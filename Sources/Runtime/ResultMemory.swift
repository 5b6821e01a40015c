import RecTensors
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Memory for results and whole streams, kept for the next run when nobody holds it any more: fresh pages cost more than a
/// recurrence takes to fill them.
package final class ResultMemory: Sendable {
    private struct Kept {
        var start: UnsafeMutableRawPointer
        var byteCount: Int
    }

    /// Pointers that nobody else holds.
    private struct Shelf: @unchecked Sendable {
        var kept: [Kept] = []
        var total = 0
    }

    private let shelf = Mutex(Shelf())

    package init() {}

    /// What is kept of all together.
    private static let mostKept = 512 << 20
    private static let hugePage = 2 << 20

    /// Memory of at least this size, and how large it is; nothing is known of what it holds.
    func take(byteCount: Int) -> (start: UnsafeMutableRawPointer, byteCount: Int) {
        let found = shelf.withLock { shelf -> Kept? in
            let fits = shelf.kept.indices.filter { k in
                shelf.kept[k].byteCount >= byteCount && shelf.kept[k].byteCount <= byteCount + byteCount / 2
            }
            guard let best = fits.min(by: { shelf.kept[$0].byteCount < shelf.kept[$1].byteCount }) else { return nil }
            shelf.total -= shelf.kept[best].byteCount
            return shelf.kept.remove(at: best)
        }
        if let found { return (found.start, found.byteCount) }
        let isLarge = byteCount >= 2 * Self.hugePage
        let size = isLarge ? (byteCount + Self.hugePage - 1) / Self.hugePage * Self.hugePage : max(byteCount, 64)
        let start = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: isLarge ? Self.hugePage : 64)
        #if os(Linux)
            if isLarge { _ = madvise(start, size, MADV_HUGEPAGE) }
        #endif
        return (start, size)
    }

    func giveBack(_ start: UnsafeMutableRawPointer, byteCount: Int) {
        let isKept = shelf.withLock { shelf in
            guard shelf.total + byteCount <= Self.mostKept else { return false }
            shelf.kept.append(Kept(start: start, byteCount: byteCount))
            shelf.total += byteCount
            return true
        }
        if !isKept { start.deallocate() }
    }

    deinit {
        shelf.withLock { shelf in for block in shelf.kept { block.start.deallocate() } }
    }
}

/// The memory of one result or stream; given back when nobody holds it any more, unless it is somebody else's.
final class ResultBytes: @unchecked Sendable {
    let start: UnsafeMutableRawPointer
    private let byteCount: Int
    private let origin: ResultMemory?

    init(from origin: ResultMemory, byteCount: Int) {
        self.origin = origin
        (start, self.byteCount) = origin.take(byteCount: byteCount)
    }

    /// Memory that a caller keeps.
    init(_ start: UnsafeMutableRawPointer) {
        self.start = start
        byteCount = 0
        origin = nil
    }

    deinit { origin?.giveBack(start, byteCount: byteCount) }
}

extension ResultMemory {
    /// A tensor in memory of this kind, and where it lies, to be written before anybody reads it.
    package func tensor(type: TensorType, shape: [Int]) -> (tensor: Tensor, start: UnsafeMutableRawPointer) {
        let bytes = ResultBytes(from: self, byteCount: max(64, shape.reduce(type.byteCount, *)))
        return (Tensor(type: type, shape: shape, adopting: bytes.start) { withExtendedLifetime(bytes) {} }, bytes.start)
    }
}
