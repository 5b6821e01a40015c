import Testing

@testable import RecCodeGen

/// What the loader writes where code depends on addresses.
@Suite struct RelocationTests {
    private func word(_ kind: UInt32, _ architecture: HostMachine.Architecture, _ target: UInt64, at place: UInt64, over present: UInt32 = 0)
        throws -> UInt32
    {
        let bytes = try RelocationRule(kind, architecture).bytes(target: target, at: place, over: present)
        try #require(bytes.count == 4)
        return bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    @Test func distancesAreCheckedOnX86() throws {
        for kind in [2, 4, 9, 41, 42] as [UInt32] {
            #expect(try word(kind, .x86, 0x7000_0000_1234, at: 0x7000_0000_1000) == 0x234)
            #expect(try word(kind, .x86, 0x1000, at: 0x1004) == 0xFFFF_FFFC)
            #expect(try word(kind, .x86, 0x8000_0FFF, at: 0x1000) == 0x7FFF_FFFF)
            #expect(throws: LoadingError.self) { try word(kind, .x86, 0x8000_1000, at: 0x1000) }
            #expect(throws: LoadingError.self) { try word(kind, .x86, 0, at: 0x8000_0001) }
            #expect(throws: LoadingError.self) { try word(kind, .x86, 0, at: .max >> 1) }
        }
        #expect(try RelocationRule(1, .x86).bytes(target: 0x0102_0304_0506_0708, at: 3, over: 0) == [8, 7, 6, 5, 4, 3, 2, 1])
        #expect(try RelocationRule(24, .x86).bytes(target: 0, at: 1, over: 0) == [UInt8](repeating: 0xFF, count: 8))
    }

    /// Instructions on the right are as LLVM's assembler writes them.
    @Test func armInstructionsGetTheirBits() throws {
        let page = 0x7000_0000_3000 as UInt64
        // adrp x3, 0x12345000 and adrp x3, -0x1000
        #expect(try word(275, .arm, page + 0x1234_5678, at: page + 0x10, over: 0x9000_0003) == 0xB009_1A23)
        #expect(try word(311, .arm, page - 8, at: page + 0xFFC, over: 0x9000_0003) == 0xF0FF_FFE3)
        // bl 0x1234 and b -4
        #expect(try word(283, .arm, page + 0x1234, at: page, over: 0x9400_0000) == 0x9400_048D)
        #expect(try word(282, .arm, page, at: page + 4, over: 0x1400_0000) == 0x17FF_FFFF)
        // Offset 0x128 of add, ldrb, ldrh, ldr of a word, ldr of eight bytes twice, and 0x120 of ldr and str of sixteen.
        let offsets: [(kind: UInt32, present: UInt32, offset: UInt64, expected: UInt32)] = [
            (277, 0x9100_00C5, 0x128, 0x9104_A0C5), (278, 0x3940_00C5, 0x128, 0x3944_A0C5), (284, 0x7940_00C5, 0x128, 0x7942_50C5),
            (285, 0xB940_00C5, 0x128, 0xB941_28C5), (286, 0xF940_00C5, 0x128, 0xF940_94C5), (312, 0xF940_00C5, 0x128, 0xF940_94C5),
            (299, 0x3DC0_00C5, 0x120, 0x3DC0_48C5), (299, 0x3D80_00C5, 0x120, 0x3D80_48C5),
        ]
        for (kind, present, offset, expected) in offsets {
            #expect(try word(kind, .arm, page + offset, at: page - 64, over: present) == expected)
            // Whatever was there goes.
            #expect(try word(kind, .arm, page + offset, at: page - 64, over: present | 0x3F_FC00) == expected)
        }
        #expect(OutsideEntry.jump(.arm) == [0x50, 0, 0, 0x58, 0, 0x02, 0x1F, 0xD6], "ldr x16, 8; br x16")
    }

    @Test func armDistancesAreChecked() throws {
        let far = 1 << 40 as UInt64
        #expect(throws: LoadingError.self) { try word(275, .arm, far + 1 << 33, at: far) }
        #expect(try word(275, .arm, far + (1 << 32) - 1, at: far) == 0x607F_FFE0)
        #expect(throws: LoadingError.self) { try word(283, .arm, far + 1 << 27, at: far) }
        #expect(throws: LoadingError.self) { try word(283, .arm, far + 2, at: far) }
        #expect(try word(283, .arm, far + 1 << 27 - 4, at: far) == 0x1FF_FFFF)
        for (kind, offset) in [(284, 1), (285, 2), (286, 4), (312, 4), (299, 8)] as [(UInt32, UInt64)] {
            #expect(throws: LoadingError.self) { try word(kind, .arm, far + offset, at: far) }
        }
    }

    @Test func unknownKindsAreRefused() {
        for kind in [0, 3, 10, 11, 19, 283, .max] as [UInt32] { #expect(throws: LoadingError.self) { try RelocationRule(kind, .x86) } }
        for kind in [0, 1, 2, 263, 279, 313, .max] as [UInt32] { #expect(throws: LoadingError.self) { try RelocationRule(kind, .arm) } }
    }
}
