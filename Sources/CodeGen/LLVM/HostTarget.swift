import CLLVM

/// The machine that code is generated for, as LLVM knows it. Making one loads LLVM; every module needs one, so that nothing
/// of LLVM is called before.
final class HostTarget {
    let machine: HostMachine
    let triple: String
    let cpu: String
    let features: String
    /// Bytes of the widest vector registers.
    var vectorBytes: Int { machine.vectorBytes }
    let targetMachine: LLVMTargetMachineRef
    private let effort: CodeEffort
    let dataLayout: LLVMTargetDataRef

    /// - Throws: `Diagnostic` where LLVM is missing, `LLVMError` where it has no code generator for the machine.
    init(_ code: CodeTarget = .native, effort: CodeEffort = .full) throws {
        try LLVMLibrary.load()
        let status =
            switch code.machine.architecture {
            case _ where code.cpu == nil: recc_initialize_native_target()
            case .x86: recc_initialize_target("X86")
            case .arm: recc_initialize_target("AArch64")
            }
        guard status == 0 else { throw LLVMError("LLVM has no code generator for \(code.cpu == nil ? "this machine" : code.name)") }
        func take(_ text: UnsafeMutablePointer<CChar>?) -> String {
            guard let text else { return "" }
            defer { LLVMDisposeMessage(text) }
            return String(cString: text)
        }
        machine = code.machine
        self.effort = effort
        triple = code.triple ?? take(LLVMGetDefaultTargetTriple())
        cpu = code.cpu ?? take(LLVMGetHostCPUName())
        features = code.cpu == nil ? take(LLVMGetHostCPUFeatures()) : ""
        var target: LLVMTargetRef?
        var message: UnsafeMutablePointer<CChar>?
        guard LLVMGetTargetFromTriple(triple, &target, &message) == 0 else { throw LLVMError(take(message)) }
        let level = effort == .full ? LLVMCodeGenLevelDefault : LLVMCodeGenLevelNone
        // Addresses relative to the code, as its loader wants them.
        guard
            let targetMachine = LLVMCreateTargetMachine(
                target, triple, cpu, features, level, LLVMRelocPIC, LLVMCodeModelSmall)
        else { throw LLVMError("no target machine for \(triple)") }
        self.targetMachine = targetMachine
        dataLayout = LLVMCreateTargetDataLayout(targetMachine)
    }

    deinit {
        LLVMDisposeTargetData(dataLayout)
        LLVMDisposeTargetMachine(targetMachine)
        // What was compiled now runs, and needs the memory more; where one compilation follows another, LLVM does.
        if effort == .full { recc_give_back_llvm_code() }
    }
}
