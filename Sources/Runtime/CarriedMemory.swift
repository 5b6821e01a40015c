import RecScheduling

/// What a sweep carries from one chunk of steps to the next, as it was before each chunk.
final class CarriedMemory {
    private var kept: [Int: AlignedMemory] = [:]

    /// Remembers what is carried into a chunk.
    func keep(_ rings: [BufferID], _ memory: RunMemory, _ edges: BlockEdges, before chunk: Int) {
        let parts = rings.map(memory.bytes(ofRing:)) + edges.bytes
        let copy = AlignedMemory(byteCount: parts.reduce(0) { $0 + $1.count }, zeroed: false)
        var at = copy.start
        for part in parts {
            if let base = part.baseAddress { at.copyMemory(from: base, byteCount: part.count) }
            at += part.count
        }
        kept[chunk] = copy
    }

    /// Puts back what is carried into a chunk.
    func restore(_ rings: [BufferID], _ memory: RunMemory, _ edges: BlockEdges, before chunk: Int) {
        guard var at = kept[chunk]?.start else { return }
        for part in rings.map(memory.bytes(ofRing:)) + edges.bytes {
            part.baseAddress?.copyMemory(from: at, byteCount: part.count)
            at += part.count
        }
    }
}
