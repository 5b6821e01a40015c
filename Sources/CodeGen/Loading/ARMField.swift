/// The bits of an ARM instruction that hold an address.
enum ARMField: Equatable {
    /// Of `adrp`: the distance in pages of 4 KB; bits 5 to 23 have its upper 19 bits, 29 and 30 the lower two.
    case page
    /// Of `add`, or of a load or store of so many bytes: where in its page an address lies, in bits 10 to 21.
    case offsetInPage(unit: UInt64)
    /// Of `b` and `bl`: the distance in words, in bits 0 to 25.
    case branch

    /// The instruction with its bits replaced, for a target and a place given by their addresses.
    func instruction(_ present: UInt32, target: UInt64, at place: UInt64) throws(LoadingError) -> UInt32 {
        func signed(_ number: Int64, bits: Int64) throws(LoadingError) -> UInt32 {
            guard (-(1 << (bits - 1))..<(1 << (bits - 1))).contains(number) else { throw LoadingError("a distance does not fit in \(bits) bits") }
            return UInt32(truncatingIfNeeded: number) & ((1 << UInt32(bits)) - 1)
        }
        switch self {
        case .page:
            let pages = try signed(Int64(bitPattern: (target & ~0xFFF) &- (place & ~0xFFF)) >> 12, bits: 21)
            return present & ~0x60FF_FFE0 | (pages & 3) << 29 | (pages >> 2) << 5
        case .offsetInPage(let unit):
            let offset = target & 0xFFF
            guard offset % unit == 0 else { throw LoadingError("an address is not aligned as its instruction wants") }
            return present & ~0x003F_FC00 | UInt32(offset / unit) << 10
        case .branch:
            let distance = Int64(bitPattern: target &- place)
            guard distance & 3 == 0 else { throw LoadingError("a call does not lead to an instruction") }
            return present & ~0x03FF_FFFF | (try signed(distance >> 2, bits: 26))
        }
    }
}
