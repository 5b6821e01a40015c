import RecCodeGen

extension CompiledPlan.StageFunction {
    /// Does the work of a stage for sequences `b0 ..< b1`, steps `i0 ..< i1`, elements `l0 ..< l1`.
    @inline(__always)
    func callAsFunction(_ frame: UnsafeMutableRawPointer, _ b0: Int, _ b1: Int, _ i0: Int, _ i1: Int, _ l0: Int, _ l1: Int) {
        code(frame, table, b0, b1, i0, i1, l0, l1)
    }
}
