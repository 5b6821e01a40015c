/// What of a relocatable ELF file is needed to run its code: sections with their bytes, symbols and relocations.
///
/// ELF for 64 bits, little-endian, as in the System V ABI. Whatever of it LLVM does not write for modules of recc is refused.
struct ObjectFile {
    struct Section {
        /// Of its bytes in the file; nil where memory is to be zero.
        var contents: Range<Int>?
        var byteCount: Int
        var alignment: Int
        var isWritable: Bool
        var isExecutable: Bool
    }

    struct Symbol {
        enum Place: Equatable {
            /// By index, with an offset of at most the section's size.
            case section(Int, offset: Int)
            /// Something of the process that the code is loaded into.
            case outside
            /// Of no address that code can use: the name of a file, a number.
            case none
        }
        var name: String
        var place: Place
        var isGlobal: Bool
    }

    /// A place in a section that depends on where a symbol lies.
    struct Relocation {
        var section: Int
        var offset: Int
        var kind: UInt32
        var symbol: Int
        var addend: Int64
    }

    let bytes: [UInt8]
    /// By index in the file; nil for those that are no part of the running code.
    private(set) var sections: [Section?] = []
    private(set) var symbols: [Symbol] = []
    private(set) var relocations: [Relocation] = []

    /// No code is as large; all displacements between its parts fit in 32 bits.
    static let mostBytes = 1 << 28

    /// - Throws: where the file is damaged, is for another architecture, or has parts that are not known.
    init(_ bytes: [UInt8], for architecture: HostMachine.Architecture) throws(LoadingError) {
        self.bytes = bytes
        let reader = ObjectReader(bytes: bytes)
        let headers = try SectionHeader.all(in: reader, machine: Self.machine(of: architecture))
        for header in headers { sections.append(try header.section(reader)) }
        for header in headers where header.type == SectionHeader.symbolTable {
            guard symbols.isEmpty else { throw LoadingError("it has two tables of symbols") }
            guard let texts = headers[checked: Int(header.link)] else { throw LoadingError("its symbols have no names") }
            try readSymbols(reader, header, names: texts)
        }
        for header in headers {
            switch header.type {
            case SectionHeader.relocations: try readRelocations(reader, header)
            case SectionHeader.relocationsInPlace: throw LoadingError("its relocations are of the short form")
            default: continue
            }
        }
    }

    private static func machine(of architecture: HostMachine.Architecture) -> UInt16 {
        switch architecture {
        case .x86: 62
        case .arm: 183
        }
    }

    private mutating func readSymbols(_ reader: ObjectReader, _ table: SectionHeader, names: SectionHeader) throws(LoadingError) {
        let texts = try reader.range(names.offset, names.size)
        for place in try table.entries(reader, of: 24) {
            let info = try reader.number(UInt8.self, at: place + 4)
            let value = try reader.number(UInt64.self, at: place + 8)
            let index = Int(try reader.number(UInt16.self, at: place + 6))
            // Global or weak.
            let isGlobal = info >> 4 == 1 || info >> 4 == 2
            let name = try reader.text(in: texts, at: reader.number(UInt32.self, at: place))
            let kind: Symbol.Place
            if index == 0 {
                kind = isGlobal ? .outside : .none
            } else if let section = sections[checked: index] ?? nil {
                guard value <= UInt64(section.byteCount) else { throw LoadingError("the symbol '\(name)' lies outside its section") }
                kind = .section(index, offset: Int(value))
            } else {
                kind = .none
            }
            symbols.append(Symbol(name: name, place: kind, isGlobal: isGlobal))
        }
    }

    private mutating func readRelocations(_ reader: ObjectReader, _ table: SectionHeader) throws(LoadingError) {
        // Those of sections that are not loaded, as of notes for debuggers, do not matter.
        guard let section = sections[checked: Int(table.info)] ?? nil else { return }
        guard section.contents != nil else { throw LoadingError("zeros are relocated") }
        for place in try table.entries(reader, of: 24) {
            let offset = try reader.number(UInt64.self, at: place)
            let info = try reader.number(UInt64.self, at: place + 8)
            guard offset < UInt64(section.byteCount) else { throw LoadingError("a relocation lies outside its section") }
            guard symbols.indices.contains(Int(info >> 32)) else { throw LoadingError("a relocation is of no symbol") }
            relocations.append(
                Relocation(
                    section: Int(table.info), offset: Int(offset), kind: UInt32(truncatingIfNeeded: info), symbol: Int(info >> 32),
                    addend: try reader.number(Int64.self, at: place + 16)))
        }
    }
}

extension Array {
    /// Nil outside the array.
    fileprivate subscript(checked index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
