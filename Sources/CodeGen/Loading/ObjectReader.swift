/// Reads little-endian numbers and names out of the bytes of an object file. Places come from the file itself, so that each
/// is checked.
struct ObjectReader {
    let bytes: [UInt8]

    /// The bytes `start ..< start + count`.
    func range(_ start: UInt64, _ count: UInt64) throws(LoadingError) -> Range<Int> {
        let (end, isTooLarge) = start.addingReportingOverflow(count)
        guard !isTooLarge, end <= UInt64(bytes.count) else { throw LoadingError("it ends within a part of it") }
        return Int(start)..<Int(end)
    }

    func number<Number: FixedWidthInteger>(_: Number.Type, at place: UInt64) throws(LoadingError) -> Number {
        let range = try range(place, UInt64(MemoryLayout<Number>.size))
        return bytes.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: range.lowerBound, as: Number.self)) }
    }

    /// The text that begins at `offset` in a table of texts, each of which ends with a zero.
    func text(in table: Range<Int>, at offset: UInt32) throws(LoadingError) -> String {
        guard let start = Int(exactly: offset), start < table.count else { throw LoadingError("a name lies outside its table") }
        let rest = bytes[table][(table.lowerBound + start)...]
        guard let end = rest.firstIndex(of: 0) else { throw LoadingError("a name has no end") }
        return String(decoding: rest[..<end], as: UTF8.self)
    }
}
