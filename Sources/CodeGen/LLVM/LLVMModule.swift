import CLLVM

/// What LLVM reported.
package struct LLVMError: Error, CustomStringConvertible {
    package var description: String
    init(_ description: String) { self.description = description }

    /// Takes ownership of an error of LLVM's; nil where there is none.
    init?(consuming error: LLVMErrorRef?) {
        guard let error else { return nil }
        guard let message = LLVMGetErrorMessage(error) else { return nil }
        description = String(cString: message)
        LLVMDisposeErrorMessage(message)
    }
}

/// An LLVM module and its context while code is emitted into it.
final class LLVMModule {
    let context: LLVMContextRef
    let module: LLVMModuleRef

    init(name: String, target: HostTarget) throws {
        guard let context = LLVMContextCreate() else { throw LLVMError("no context") }
        guard let module = LLVMModuleCreateWithNameInContext(name, context) else {
            LLVMContextDispose(context)
            throw LLVMError("no module")
        }
        self.context = context
        self.module = module
        LLVMSetTarget(module, target.triple)
        LLVMSetModuleDataLayout(module, target.dataLayout)
    }

    deinit {
        LLVMDisposeModule(module)
        LLVMContextDispose(context)
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
}
