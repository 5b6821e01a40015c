import CLLVM

/// Compiled code in memory; it lives as long as the session.
final class JITSession {
    private let jit: LLVMOrcLLJITRef

    init() throws {
        guard recc_initialize_native_target() == 0 else { throw LLVMError("LLVM has no code generator for this machine") }
        let builder = LLVMOrcCreateLLJITBuilder()
        var machineBuilder: LLVMOrcJITTargetMachineBuilderRef?
        if let error = LLVMError(consuming: LLVMOrcJITTargetMachineBuilderDetectHost(&machineBuilder)) {
            LLVMOrcDisposeLLJITBuilder(builder)
            throw error
        }
        LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(builder, machineBuilder)
        var jit: LLVMOrcLLJITRef?
        if let error = LLVMError(consuming: LLVMOrcCreateLLJIT(&jit, builder)) { throw error }
        guard let jit else { throw LLVMError("no JIT") }
        self.jit = jit
        // Functions of the C library, for what is too rare to be worth vector code.
        var generator: LLVMOrcDefinitionGeneratorRef?
        let prefix = LLVMOrcLLJITGetGlobalPrefix(jit)
        if LLVMError(consuming: LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&generator, prefix, nil, nil)) == nil,
            let generator
        {
            LLVMOrcJITDylibAddGenerator(LLVMOrcLLJITGetMainJITDylib(jit), generator)
        }
    }

    deinit { _ = LLVMError(consuming: LLVMOrcDisposeLLJIT(jit)) }

    func add(_ module: LLVMModule) throws {
        let released = module.release()
        if let error = LLVMError(consuming: LLVMOrcLLJITAddLLVMIRModule(jit, LLVMOrcLLJITGetMainJITDylib(jit), released)) {
            throw error
        }
    }

    func address(of name: String) throws -> UInt64 {
        var address: LLVMOrcExecutorAddress = 0
        if let error = LLVMError(consuming: LLVMOrcLLJITLookup(jit, &address, name)) { throw error }
        return address
    }
}

extension LLVMModule {
    /// Optimises what was emitted. Vectors are explicit already, so LLVM's own vectorisers stay off.
    func optimize(for target: HostTarget) throws {
        let options = LLVMCreatePassBuilderOptions()
        defer { LLVMDisposePassBuilderOptions(options) }
        let passes =
            "always-inline,function(sroa,early-cse<memssa>,instcombine<no-verify-fixpoint>,loop-simplify,lcssa,loop-mssa(licm),gvn,instcombine<no-verify-fixpoint>,simplifycfg,dce),globaldce"
        if let error = LLVMError(consuming: LLVMRunPasses(module, passes, target.machine, options)) { throw error }
    }

    enum FileForm { case assembly, object }

    /// Assembly text or an object file of the module.
    func emitted(_ form: FileForm, for target: HostTarget) throws -> [UInt8] {
        var buffer: LLVMMemoryBufferRef?
        var message: UnsafeMutablePointer<CChar>?
        let type = form == .assembly ? LLVMAssemblyFile : LLVMObjectFile
        guard LLVMTargetMachineEmitToMemoryBuffer(target.machine, module, type, &message, &buffer) == 0, let buffer else {
            defer { LLVMDisposeMessage(message) }
            throw LLVMError(message.map { String(cString: $0) } ?? "no output")
        }
        defer { LLVMDisposeMemoryBuffer(buffer) }
        let bytes = UnsafeRawBufferPointer(start: LLVMGetBufferStart(buffer), count: LLVMGetBufferSize(buffer))
        return Array(bytes)
    }
}
