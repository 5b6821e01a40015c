import RecSource

/// What code is generated for: this machine, or any of a kind of machines.
package struct CodeTarget: Equatable, Sendable {
    /// As users name it: `native`, `x86-64-v3`, `aarch64`.
    package let name: String
    package let machine: HostMachine
    /// The processor as LLVM names it; nil for the one that is running.
    let cpu: String?
    /// For `cpu`, the system that code runs on.
    let triple: String?

    package static let native = CodeTarget(name: "native", machine: .current, cpu: nil, triple: nil)

    /// Levels of the System V ABI, AMD64 supplement, 3.1.1: each has the instructions of those before it.
    package static let x86Levels = [("x86-64-v2", 16), ("x86-64-v3", 32), ("x86-64-v4", 64)].map { name, bytes in
        CodeTarget(name: name, machine: HostMachine(.x86, vectorBytes: bytes), cpu: name, triple: "x86_64-unknown-linux-gnu")
    }

    /// What every 64-bit ARM processor has, with NEON.
    package static let arm = CodeTarget(
        name: "aarch64", machine: HostMachine(.arm, vectorBytes: 16), cpu: "generic", triple: "aarch64-unknown-linux-gnu")

    /// The target of a name.
    ///
    /// - Throws: where there is none.
    package init(named name: String, for architecture: HostMachine.Architecture = HostMachine.current.architecture) throws(DiagnosticList) {
        let isHere = architecture == HostMachine.current.architecture
        let known: [CodeTarget] =
            switch architecture {
            case .x86: (isHere ? [.native] : []) + Self.x86Levels
            case .arm: (isHere ? [.native] : []) + [.arm]
            }
        guard let target = known.first(where: { $0.name == name }) else {
            let names = known.map(\.name)
            throw DiagnosticList(
                .badCall, "there is no processor '\(name)' to generate code for",
                help: nearest(name, among: names).map { "did you mean '\($0)'?" } ?? "there are \(names.joined(separator: ", "))")
        }
        self = target
    }

    /// The sets of instructions that code may use, as LLVM names them; what every processor of the architecture has is not among them.
    ///
    /// - Throws: where LLVM is missing.
    package func instructions() throws -> [String] {
        if cpu == nil {
            return try HostTarget(self).features.split(separator: ",").filter { $0.hasPrefix("+") }.map { String($0.dropFirst()) }
        }
        let level = Self.x86Levels.firstIndex(of: self) ?? -1
        let levels = [
            ["cx16", "popcnt", "sse3", "ssse3", "sse4.1", "sse4.2"], ["avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"],
            ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"],
        ]
        return levels.prefix(level + 1).flatMap { $0 }
    }

    private init(name: String, machine: HostMachine, cpu: String?, triple: String?) {
        self.name = name
        self.machine = machine
        self.cpu = cpu
        self.triple = triple
    }
}
