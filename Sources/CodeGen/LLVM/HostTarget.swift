import CLLVM

/// The machine that code is generated for: this one.
public final class HostTarget {
    public let triple: String
    public let cpu: String
    public let features: String
    /// Bytes of the widest vector registers.
    public let vectorBytes: Int
    let machine: LLVMTargetMachineRef
    let dataLayout: LLVMTargetDataRef

    public init() throws {
        guard recc_initialize_native_target() == 0 else { throw LLVMError("LLVM has no code generator for this machine") }
        func take(_ text: UnsafeMutablePointer<CChar>?) -> String {
            guard let text else { return "" }
            defer { LLVMDisposeMessage(text) }
            return String(cString: text)
        }
        triple = take(LLVMGetDefaultTargetTriple())
        cpu = take(LLVMGetHostCPUName())
        features = take(LLVMGetHostCPUFeatures())
        let names = Set(features.split(separator: ",").map(String.init))
        vectorBytes = names.contains("+avx512f") && names.contains("+avx512vl") ? 64 : names.contains("+avx2") ? 32 : 16
        var target: LLVMTargetRef?
        var message: UnsafeMutablePointer<CChar>?
        guard LLVMGetTargetFromTriple(triple, &target, &message) == 0 else { throw LLVMError(take(message)) }
        // Addresses relative to the code, as the JIT's linker wants them.
        guard
            let machine = LLVMCreateTargetMachine(
                target, triple, cpu, features, LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelSmall)
        else { throw LLVMError("no target machine for \(triple)") }
        self.machine = machine
        dataLayout = LLVMCreateTargetDataLayout(machine)
    }

    deinit {
        LLVMDisposeTargetData(dataLayout)
        LLVMDisposeTargetMachine(machine)
    }
}
