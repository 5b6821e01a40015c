/// A row of an ELF file's table of sections.
struct SectionHeader {
    static let symbolTable: UInt32 = 2
    static let relocations: UInt32 = 4
    static let relocationsInPlace: UInt32 = 9
    private static let contents: UInt32 = 1
    private static let note: UInt32 = 7
    private static let zeros: UInt32 = 8
    private static let unwinding: UInt32 = 0x7000_0001
    private static let rowBytes: UInt64 = 64

    var type: UInt32
    var flags: UInt64
    var offset: UInt64
    var size: UInt64
    var link: UInt32
    var info: UInt32
    var alignment: UInt64

    /// The table of a relocatable file for this machine.
    static func all(in reader: ObjectReader, machine: UInt16) throws(LoadingError) -> [SectionHeader] {
        // 64 bits, little-endian, version 1.
        guard reader.bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1]), try reader.number(UInt16.self, at: 16) == 1 else {
            throw LoadingError("it is no relocatable ELF file")
        }
        guard try reader.number(UInt16.self, at: 18) == machine else { throw LoadingError("it is for another architecture") }
        guard try reader.number(UInt16.self, at: 58) == rowBytes else { throw LoadingError("its table of sections is unknown") }
        let table = try reader.number(UInt64.self, at: 40)
        let count = UInt64(try reader.number(UInt16.self, at: 60))
        let range = try reader.range(table, count * rowBytes)
        var headers: [SectionHeader] = []
        for row in stride(from: UInt64(range.lowerBound), to: UInt64(range.upperBound), by: Int(rowBytes)) {
            headers.append(
                SectionHeader(
                    type: try reader.number(UInt32.self, at: row + 4), flags: try reader.number(UInt64.self, at: row + 8),
                    offset: try reader.number(UInt64.self, at: row + 24), size: try reader.number(UInt64.self, at: row + 32),
                    link: try reader.number(UInt32.self, at: row + 40), info: try reader.number(UInt32.self, at: row + 44),
                    alignment: try reader.number(UInt64.self, at: row + 48)))
        }
        return headers
    }

    /// Where the rows of a table begin.
    func entries(_ reader: ObjectReader, of bytes: UInt64) throws(LoadingError) -> StrideTo<UInt64> {
        let range = try reader.range(offset, size)
        guard size % bytes == 0 else { throw LoadingError("a table ends within a row") }
        return stride(from: UInt64(range.lowerBound), to: UInt64(range.upperBound), by: Int(bytes))
    }

    /// The section as it is in memory; nil where it is not to be there.
    func section(_ reader: ObjectReader) throws(LoadingError) -> ObjectFile.Section? {
        let (writes, loads, executes, threads): (UInt64, UInt64, UInt64, UInt64) = (1, 2, 4, 0x400)
        guard flags & loads != 0 else { return nil }
        guard flags & threads == 0 else { throw LoadingError("it has memory for each thread") }
        // One is the least alignment, and may be written as zero.
        guard size <= UInt64(ObjectFile.mostBytes), alignment <= 4096, max(1, alignment).nonzeroBitCount == 1 else {
            throw LoadingError("the size or the alignment of a section is out of bounds")
        }
        let range: Range<Int>?
        switch type {
        case Self.contents, Self.note, Self.unwinding: range = try reader.range(offset, size)
        case Self.zeros: range = nil
        default: throw LoadingError("it has a section of the unknown type \(type)")
        }
        return ObjectFile.Section(
            contents: range, byteCount: Int(size), alignment: max(1, Int(alignment)), isWritable: flags & writes != 0,
            isExecutable: flags & executes != 0)
    }
}
