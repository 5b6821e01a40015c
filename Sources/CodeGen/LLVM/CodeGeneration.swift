import CLLVM

extension LLVMModule {
    /// Optimises what was emitted. Vectors are explicit already, so LLVM's own vectorisers stay off.
    func optimize(for target: HostTarget) throws {
        let options = LLVMCreatePassBuilderOptions()
        defer { LLVMDisposePassBuilderOptions(options) }
        let passes =
            "always-inline,function(sroa,early-cse<memssa>,instcombine<no-verify-fixpoint>,loop-simplify,lcssa,loop-mssa(licm),gvn,instcombine<no-verify-fixpoint>,simplifycfg,dce),globaldce"
        if let error = LLVMError(consuming: LLVMRunPasses(module, passes, target.targetMachine, options)) { throw error }
    }

    enum FileForm { case assembly, object }

    /// Assembly text or an object file of the module.
    func emitted(_ form: FileForm, for target: HostTarget) throws -> [UInt8] {
        var buffer: LLVMMemoryBufferRef?
        var message: UnsafeMutablePointer<CChar>?
        let type = form == .assembly ? LLVMAssemblyFile : LLVMObjectFile
        guard LLVMTargetMachineEmitToMemoryBuffer(target.targetMachine, module, type, &message, &buffer) == 0, let buffer else {
            defer { LLVMDisposeMessage(message) }
            throw LLVMError(message.map { String(cString: $0) } ?? "no output")
        }
        defer { LLVMDisposeMemoryBuffer(buffer) }
        let bytes = UnsafeRawBufferPointer(start: LLVMGetBufferStart(buffer), count: LLVMGetBufferSize(buffer))
        return Array(bytes)
    }
}
