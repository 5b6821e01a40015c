import RecCodeGen

/// What `cpuid` must say for code to run, in words: leaf 1 ecx, leaf 7 ebx, ecx and edx, leaf 7.1 eax, leaf 0x80000001 ecx, and the
/// registers that the operating system saves (`xgetbv`). From Intel's and AMD's manuals.
struct ProcessorNeeds {
    static let wordCount = 7
    private(set) var words = [UInt32](repeating: 0, count: wordCount)

    /// - Parameter instructions: names of LLVM's features; those that no code of a library uses have no bit.
    init(_ instructions: [String]) {
        for name in instructions {
            for (word, names) in Self.bits.enumerated() { if let bit = names[name] { words[word] |= 1 << bit } }
        }
        if words[0] & 1 << 28 != 0 { words[6] |= 0x6 }
        if words[1] & 1 << 16 != 0 { words[6] |= 0xE6 }
    }

    private static let bits: [[String: UInt32]] = [
        ["sse3": 0, "pclmul": 1, "ssse3": 9, "fma": 12, "cx16": 13, "sse4.1": 19, "sse4.2": 20, "movbe": 22, "popcnt": 23, "aes": 25, "avx": 28, "f16c": 29],
        ["bmi": 3, "avx2": 5, "bmi2": 8, "avx512f": 16, "avx512dq": 17, "avx512ifma": 21, "avx512cd": 28, "sha": 29, "avx512bw": 30, "avx512vl": 31],
        ["avx512vbmi": 1, "avx512vbmi2": 6, "gfni": 8, "vaes": 9, "vpclmulqdq": 10, "avx512vnni": 11, "avx512bitalg": 12, "avx512vpopcntdq": 14],
        ["avx512vp2intersect": 8, "avx512fp16": 23],
        ["avxvnni": 4, "avx512bf16": 5, "avxifma": 23],
        ["lzcnt": 5, "sse4a": 6, "xop": 11, "fma4": 16, "tbm": 21],
    ]
}
