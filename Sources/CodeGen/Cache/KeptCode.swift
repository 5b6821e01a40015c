extension CompileContext {
    /// What `link` makes of the object code that was kept under a key, or else of fresh code, which is then kept.
    ///
    /// - Parameters:
    ///   - key: names the code; it is asked for only where code is kept. Nil where it cannot be named.
    ///   - module: the code itself, not optimised yet.
    func code<Linked>(
        _ key: () -> KernelKey?, module: (HostTarget) throws -> LLVMModule, link: ([UInt8]) throws -> Linked
    ) throws -> Linked {
        var name: KernelKey?
        if let cache {
            name = times.measure("key of the code", key)
            if let name, let object = times.measure("read kept code", { cache.object(for: name) }),
                let kept = try? times.measure("link", { () throws in try link(object) })
            {
                times?.note("kernel cache: hit, \(object.count) bytes, \(cache.folder)")
                return kept
            }
        }
        let target = try times.measure("load LLVM") { () throws in try HostTarget(effort: effort) }
        let module = try times.measure("emit") { () throws in try module(target) }
        try times.measure("optimise") { () throws in try module.optimize(for: target) }
        let object = try times.measure("generate code") { () throws in try module.emitted(.object, for: target) }
        // Kept once it is known to be good.
        let linked = try times.measure("link") { () throws in try link(object) }
        guard let cache, let name else {
            times?.note("kernel cache: off")
            return linked
        }
        times.measure("keep code") { cache.store(object, for: name) }
        times?.note("kernel cache: miss, \(object.count) bytes, \(cache.folder)")
        return linked
    }
}
