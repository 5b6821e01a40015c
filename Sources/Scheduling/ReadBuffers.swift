extension Stage {
    /// Every buffer that the stage reads, those that stand for rows outside the sequence too.
    package var readBuffers: Set<BufferID> {
        Set(accesses.flatMap { [$0.buffer] + ($0.fallback.map { [$0] } ?? []) })
    }
}
