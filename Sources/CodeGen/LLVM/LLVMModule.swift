import CLLVM

/// What LLVM reported.
public struct LLVMError: Error, CustomStringConvertible {
    public var description: String
    init(_ description: String) { self.description = description }

    /// Takes ownership of an error of LLVM's; nil where there is none.
    init?(consuming error: LLVMErrorRef?) {
        guard let error else { return nil }
        guard let message = LLVMGetErrorMessage(error) else { return nil }
        description = String(cString: message)
        LLVMDisposeErrorMessage(message)
    }
}

/// An LLVM module and its context while code is emitted into it. Ownership goes to the JIT with `release`.
final class LLVMModule {
    let context: LLVMContextRef
    let module: LLVMModuleRef
    private let threadSafe: LLVMOrcThreadSafeContextRef
    private var isReleased = false

    init(name: String, target: HostTarget) throws {
        guard let threadSafe = LLVMOrcCreateNewThreadSafeContext() else { throw LLVMError("no context") }
        guard let context = LLVMOrcThreadSafeContextGetContext(threadSafe),
            let module = LLVMModuleCreateWithNameInContext(name, context)
        else {
            LLVMOrcDisposeThreadSafeContext(threadSafe)
            throw LLVMError("no module")
        }
        self.threadSafe = threadSafe
        self.context = context
        self.module = module
        LLVMSetTarget(module, target.triple)
        LLVMSetModuleDataLayout(module, target.dataLayout)
    }

    deinit {
        if !isReleased { LLVMDisposeModule(module) }
        LLVMOrcDisposeThreadSafeContext(threadSafe)
    }

    /// The module as text.
    var text: String {
        guard let text = LLVMPrintModuleToString(module) else { return "" }
        defer { LLVMDisposeMessage(text) }
        return String(cString: text)
    }

    func verify() throws {
        var message: UnsafeMutablePointer<CChar>?
        let isBroken = LLVMVerifyModule(module, LLVMReturnStatusAction, &message) != 0
        defer { LLVMDisposeMessage(message) }
        if isBroken { throw LLVMError(message.map { String(cString: $0) } ?? "broken module") }
    }

    /// Hands the module over; it may not be used afterwards.
    func release() -> LLVMOrcThreadSafeModuleRef? {
        isReleased = true
        return LLVMOrcCreateNewThreadSafeModule(module, threadSafe)
    }
}
