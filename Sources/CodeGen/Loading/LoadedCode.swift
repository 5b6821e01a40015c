import Foundation

/// The code of an object file in memory, ready to run; it lives as long as this.
///
/// recc loads its code itself, so that code which was kept runs without LLVM. Only what LLVM writes for its modules is known
/// (`ObjectFile`, `RelocationRule`); everything else is refused. The file's own numbers are all checked: damaged bytes are
/// refused or become damaged code, but loading them does no harm.
final class LoadedCode {
    private let memory: CodeMemory
    private let functions: [String: UnsafeRawPointer]

    /// - Throws: `LoadingError` where the file is damaged or has what is not known, or a symbol is nowhere in the process.
    init(_ bytes: [UInt8], for architecture: HostMachine.Architecture = HostMachine.current.architecture) throws(LoadingError) {
        let object = try ObjectFile(bytes, for: architecture)
        var rules: [RelocationRule] = []
        var needEntries: Set<Int> = []
        for relocation in object.relocations {
            let rule = try RelocationRule(relocation.kind, architecture)
            rules.append(rule)
            if rule.subject == .word || rule.subject == .callee && object.symbols[relocation.symbol].place == .outside {
                needEntries.insert(relocation.symbol)
            }
        }
        let layout = try CodeLayout(object, entriesFor: needEntries)
        // A model that has nothing to compute has no code.
        let memory = try CodeMemory(byteCount: max(layout.byteCount, 1))
        self.memory = memory
        let writer = CodeWriter(object: object, layout: layout, memory: memory, architecture: architecture)
        try writer.copySections()
        try writer.writeEntries()
        for (relocation, rule) in zip(object.relocations, rules) { try writer.apply(relocation, rule) }
        for (protection, range) in layout.ranges { try memory.protect(range, as: protection) }
        functions = writer.functions()
    }

    /// The code of a function by its name.
    func function(_ name: String) throws(LoadingError) -> UnsafeRawPointer {
        guard let function = functions[name] else { throw LoadingError("it has no function '\(name)'") }
        return function
    }
}
