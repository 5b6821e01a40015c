import CLLVM

extension IRBuilder {
    /// Looks at a count before the processor is given away: there may be fewer of them than workers.
    private static let mostLooks = 400

    /// Waits until a word that another worker writes has come to a count; what that worker wrote before is there then.
    func wait(for count: IRValue, at address: IRValue, target: HostTarget) {
        let before = currentBlock
        let look = block("look")
        let pause = block("wait")
        let rest = block("rest")
        let again = block("again")
        let arrived = block("arrived")
        branch(look)
        position(at: look)
        let looks = phi(i64)
        let seen = load(i64, address, alignment: 8, ordering: LLVMAtomicOrderingAcquire)
        branch(compare(LLVMIntSGE, seen, count), arrived, pause)
        position(at: pause)
        if target.triple.hasPrefix("x86_64") { _ = intrinsic("llvm.x86.sse2.pause", overloads: [], []) }
        let next = add(looks, int(1))
        branch(compare(LLVMIntSGT, next, int(Self.mostLooks)), rest, again)
        position(at: rest)
        _ = callExternal("sched_yield", result: i32)
        branch(again)
        position(at: again)
        addIncoming(looks, int(0), from: before)
        addIncoming(looks, next, from: again)
        branch(look)
        position(at: arrived)
    }
}
