import CLLVM

/// Machine code in memory; it lives as long as the session.
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

    /// Compiles a module.
    func add(_ module: LLVMModule, for target: HostTarget) throws { try add(object: module.emitted(.object, for: target)) }

    /// Takes an object file.
    func add(object: [UInt8]) throws {
        let buffer = object.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                LLVMCreateMemoryBufferWithMemoryRangeCopy($0.baseAddress, $0.count, "kernel")
            }
        }
        guard let buffer else { throw LLVMError("no memory for code") }
        if let error = LLVMError(consuming: LLVMOrcLLJITAddObjectFile(jit, LLVMOrcLLJITGetMainJITDylib(jit), buffer)) { throw error }
    }

    func address(of name: String) throws -> UInt64 {
        var address: LLVMOrcExecutorAddress = 0
        if let error = LLVMError(consuming: LLVMOrcLLJITLookup(jit, &address, name)) { throw error }
        return address
    }
}
