/// What a relocation writes, of the symbol's address S, the addend A and its own address P, or the address W of a word that
/// holds S.
struct RelocationRule: Equatable {
    enum Subject: Equatable {
        /// S + A. Where it is called, an entry may stand for a symbol that is far away.
        case symbol, callee
        /// W + A.
        case word
    }

    enum Form: Equatable {
        /// A number of so many bytes, all of it.
        case absolute(bytes: Int)
        /// A signed number of so many bytes: the distance from P.
        case relative(bytes: Int)
        /// An instruction of ARM's, some bits of which hold a number.
        case arm(ARMField)
    }

    var subject: Subject
    var form: Form

    /// Bytes that are written.
    var byteCount: Int {
        switch form {
        case .absolute(let bytes), .relative(let bytes): bytes
        case .arm: 4
        }
    }

    /// - Throws: where the kind is none that LLVM gives code of the small model with addresses relative to itself.
    init(_ kind: UInt32, _ architecture: HostMachine.Architecture) throws(LoadingError) {
        let known: (Subject, Form)? =
            switch architecture {
            case .x86: Self.x86(kind)
            case .arm: Self.arm(kind)
            }
        guard let known else { throw LoadingError("it has a relocation of the unknown kind \(kind)") }
        (subject, form) = known
    }

    /// System V ABI, AMD64 supplement, 4.4.1.
    private static func x86(_ kind: UInt32) -> (Subject, Form)? {
        switch kind {
        case 1: (.symbol, .absolute(bytes: 8))  // R_X86_64_64
        case 2: (.symbol, .relative(bytes: 4))  // R_X86_64_PC32
        case 4: (.callee, .relative(bytes: 4))  // R_X86_64_PLT32
        case 9, 41, 42: (.word, .relative(bytes: 4))  // R_X86_64_GOTPCREL, GOTPCRELX, REX_GOTPCRELX
        case 24: (.symbol, .relative(bytes: 8))  // R_X86_64_PC64
        default: nil
        }
    }

    /// ELF for the Arm 64-bit Architecture, 5.7.
    private static func arm(_ kind: UInt32) -> (Subject, Form)? {
        switch kind {
        case 257: (.symbol, .absolute(bytes: 8))  // R_AARCH64_ABS64
        case 260: (.symbol, .relative(bytes: 8))  // R_AARCH64_PREL64
        case 261: (.symbol, .relative(bytes: 4))  // R_AARCH64_PREL32
        case 275: (.symbol, .arm(.page))  // R_AARCH64_ADR_PREL_PG_HI21
        case 277: (.symbol, .arm(.offsetInPage(unit: 1)))  // R_AARCH64_ADD_ABS_LO12_NC
        case 278: (.symbol, .arm(.offsetInPage(unit: 1)))  // R_AARCH64_LDST8_ABS_LO12_NC
        case 284: (.symbol, .arm(.offsetInPage(unit: 2)))  // R_AARCH64_LDST16_ABS_LO12_NC
        case 285: (.symbol, .arm(.offsetInPage(unit: 4)))  // R_AARCH64_LDST32_ABS_LO12_NC
        case 286: (.symbol, .arm(.offsetInPage(unit: 8)))  // R_AARCH64_LDST64_ABS_LO12_NC
        case 299: (.symbol, .arm(.offsetInPage(unit: 16)))  // R_AARCH64_LDST128_ABS_LO12_NC
        case 282, 283: (.callee, .arm(.branch))  // R_AARCH64_JUMP26, CALL26
        case 311: (.word, .arm(.page))  // R_AARCH64_ADR_GOT_PAGE
        case 312: (.word, .arm(.offsetInPage(unit: 8)))  // R_AARCH64_LD64_GOT_LO12_NC
        default: nil
        }
    }

    /// The bytes at `place` for a target at `target`, both addresses; `present` are those that are there now.
    func bytes(target: UInt64, at place: UInt64, over present: UInt32) throws(LoadingError) -> [UInt8] {
        func little(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
        switch form {
        case .absolute: return little(target)
        case .relative(let bytes):
            let distance = Int64(bitPattern: target &- place)
            guard bytes == 4 else { return little(distance) }
            guard let short = Int32(exactly: distance) else { throw LoadingError("a distance does not fit in 32 bits") }
            return little(short)
        case .arm(let field): return little(try field.instruction(present, target: target, at: place))
        }
    }
}
