/// Where the sections of an object file, and the entries for symbols outside it, come to lie in one range of memory.
struct CodeLayout {
    /// By section of the file, from the start of the memory; nil for those that are not loaded.
    private(set) var sections: [Int?]
    /// Whole pages of each protection.
    private(set) var ranges: [(protection: CodeMemory.Protection, bytes: Range<Int>)] = []
    /// From the start of the memory, by symbol.
    private(set) var entries: [Int: Int] = [:]
    private(set) var byteCount = 0

    /// - Parameter symbols: those that need an entry (`OutsideEntry`).
    init(_ object: ObjectFile, entriesFor symbols: Set<Int>) throws(LoadingError) {
        sections = object.sections.map { _ in nil }
        for protection in CodeMemory.Protection.allCases {
            let start = byteCount
            for (index, section) in object.sections.enumerated() {
                guard let section, try Self.protection(of: section) == protection else { continue }
                sections[index] = try take(section.byteCount, alignment: section.alignment)
            }
            if protection == .executable {
                for symbol in symbols.sorted() { entries[symbol] = try take(OutsideEntry.byteCount, alignment: OutsideEntry.byteCount) }
            }
            _ = try take(0, alignment: CodeMemory.pageBytes)
            ranges.append((protection, start..<byteCount))
        }
    }

    private mutating func take(_ count: Int, alignment: Int) throws(LoadingError) -> Int {
        let start = (byteCount + alignment - 1) & -alignment
        byteCount = start + count
        guard byteCount <= ObjectFile.mostBytes else { throw LoadingError("it is too large") }
        return start
    }

    private static func protection(of section: ObjectFile.Section) throws(LoadingError) -> CodeMemory.Protection {
        switch (section.isExecutable, section.isWritable) {
        case (true, true): throw LoadingError("it has code that may be written")
        case (true, false): .executable
        case (false, true): .writable
        case (false, false): .readOnly
        }
    }
}
