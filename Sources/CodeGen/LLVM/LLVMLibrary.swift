import CLLVM
import Foundation
import RecSource

/// LLVM's library, which is loaded when something is compiled for the first time: it takes some 15 ms and 60 MB, and a run of
/// code that was kept does not need it.
enum LLVMLibrary {
    /// Names the library, in the environment; no other is then looked for.
    static let variable = "RECC_LLVM"

    /// Where the library is looked for, in this order: names without a folder by the dynamic loader, along its path.
    static func candidates(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> [String] {
        if let path = environment[variable], !path.isEmpty { return [path] }
        return ["/usr/lib/llvm-19/lib/libLLVM.so.19.1", "libLLVM.so.19.1", "libLLVM-19.so.1", "libLLVM-19.so"]
    }

    /// What tells the library that would be loaded from others, without loading it: its file, or its name where only the
    /// dynamic loader knows the file.
    static func identity(_ candidates: [String] = candidates()) -> String {
        for path in candidates where path.hasPrefix("/") {
            var status = stat()
            if stat(path, &status) == 0 { return "\(path) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)" }
        }
        return candidates.joined(separator: " ")
    }

    private static let outcome = Result { () throws(Diagnostic) in try load(candidates()) }

    /// Loads the library, once for the process. No other function of LLVM may be called before.
    ///
    /// - Throws: `Diagnostic` where it is not there, or is of another version.
    static func load() throws(Diagnostic) { try outcome.get() }

    /// Loads the first of these libraries that is of the right version.
    static func load(_ candidates: [String]) throws(Diagnostic) {
        var problems: [String] = []
        for library in candidates {
            var detail = [CChar](repeating: 0, count: 1024)
            let outcome = recc_load_llvm(library, &detail, UInt(detail.count))
            if outcome == RECC_LLVM_READY { return }
            let text = String(decoding: detail.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            if outcome == RECC_LLVM_OTHER_VERSION {
                problems.append("\(library) is LLVM \(text)")
            } else if outcome == RECC_LLVM_LACKS_FUNCTION {
                problems.append("\(library) has no function \(text)")
            } else {
                // The dynamic loader begins with the name itself.
                problems.append(text.hasPrefix(library) ? text : "\(library): \(text)")
            }
        }
        throw Diagnostic(
            .llvmMissing, "LLVM \(LLVM_VERSION_MAJOR), which generates machine code, cannot be loaded: \(problems.joined(separator: "; "))", at: nil,
            help: "install it (apt install llvm-19-dev), or name its library in \(variable)")
    }
}
