/// A word with the address of a symbol, and before it code that jumps there: what is outside may be too far away for a call.
enum OutsideEntry {
    static let byteCount = 16
    /// From the start of an entry to its word.
    static let wordOffset = 8

    /// The eight bytes of the jump.
    static func jump(_ architecture: HostMachine.Architecture) -> [UInt8] {
        switch architecture {
        // jmp *2(%rip), and two bytes that are never reached.
        case .x86: [0xFF, 0x25, 2, 0, 0, 0, 0xCC, 0xCC]
        // ldr x16, .+8; br x16
        case .arm: [0x50, 0, 0, 0x58, 0, 0x02, 0x1F, 0xD6]
        }
    }
}
