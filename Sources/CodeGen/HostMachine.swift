import CHost

/// What code depends on of the machine that it is generated for: this one, or one that was described. Asking needs no LLVM.
package struct HostMachine: Equatable, Sendable {
    package enum Architecture: String, Sendable { case x86, arm }

    package let architecture: Architecture
    /// Differs between processors whose instructions differ, or for which LLVM would choose others.
    package let identity: [UInt32]
    /// Bytes of the widest vector registers that programs may use.
    package let vectorBytes: Int

    /// Asked once: where a hypervisor answers, that takes a tenth of a millisecond.
    package static let current = HostMachine()

    init() {
        #if arch(x86_64)
        architecture = .x86
        #elseif arch(arm64)
        architecture = .arm
        #else
        #error("recc generates code for x86-64 and aarch64")
        #endif
        identity = [UInt32](unsafeUninitializedCapacity: Int(RECC_PROCESSOR_WORDS)) { words, count in
            guard let base = words.baseAddress else { return }
            recc_processor_identity(base)
            count = Int(RECC_PROCESSOR_WORDS)
        }
        vectorBytes = Int(recc_vector_bytes())
    }

    /// A machine that is not at hand; it has no identity.
    init(_ architecture: Architecture, vectorBytes: Int) {
        self.architecture = architecture
        self.vectorBytes = vectorBytes
        identity = []
    }

    /// The identity in short, for the name of a file.
    package var name: String {
        let bytes = identity.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
        let digits = SHA256.hash(bytes).prefix(8).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        return "\(architecture.rawValue)-\(digits.joined())"
    }
}
