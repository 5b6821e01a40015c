import Foundation

/// Writes an object file into memory according to its layout.
struct CodeWriter {
    let object: ObjectFile
    let layout: CodeLayout
    let memory: CodeMemory
    let architecture: HostMachine.Architecture

    private func address(_ offset: Int) -> UInt64 { UInt64(UInt(bitPattern: memory.start)) &+ UInt64(offset) }

    private func write(_ bytes: some Collection<UInt8>, at offset: Int) throws(LoadingError) {
        guard offset >= 0, bytes.count <= memory.byteCount - offset else { throw LoadingError("a place lies outside its memory") }
        UnsafeMutableRawBufferPointer(start: memory.start + offset, count: bytes.count).copyBytes(from: bytes)
    }

    func copySections() throws(LoadingError) {
        for (section, offset) in zip(object.sections, layout.sections) {
            if let contents = section?.contents, let offset { try write(object.bytes[contents], at: offset) }
        }
    }

    /// Fills the entries with the addresses of their symbols.
    func writeEntries() throws(LoadingError) {
        for (symbol, entry) in layout.entries {
            try write(OutsideEntry.jump(architecture), at: entry)
            let target = try address(ofSymbol: symbol)
            try write(withUnsafeBytes(of: target.littleEndian) { Array($0) }, at: entry + OutsideEntry.wordOffset)
        }
    }

    private func address(ofSymbol index: Int) throws(LoadingError) -> UInt64 {
        let symbol = object.symbols[index]
        switch symbol.place {
        case .section(let section, let offset):
            guard let start = layout.sections[section] else { throw LoadingError("the symbol '\(symbol.name)' is not loaded") }
            return address(start + offset)
        case .outside:
            guard let found = dlsym(nil, symbol.name) else { throw LoadingError("'\(symbol.name)' is nowhere in this program") }
            return UInt64(UInt(bitPattern: found))
        case .none: throw LoadingError("the symbol '\(symbol.name)' has no address")
        }
    }

    /// Writes what a relocation says.
    func apply(_ relocation: ObjectFile.Relocation, _ rule: RelocationRule) throws(LoadingError) {
        guard let section = object.sections[relocation.section], let start = layout.sections[relocation.section],
            relocation.offset <= section.byteCount - rule.byteCount
        else { throw LoadingError("a relocation lies outside its section") }
        let place = start + relocation.offset
        let target: UInt64
        switch (rule.subject, layout.entries[relocation.symbol]) {
        case (.word, let entry?): target = address(entry + OutsideEntry.wordOffset)
        case (.callee, let entry?): target = address(entry)
        case (.symbol, _), (.word, nil), (.callee, nil): target = try address(ofSymbol: relocation.symbol)
        }
        let present = rule.byteCount == 4 ? (memory.start + place).loadUnaligned(as: UInt32.self) : 0
        let bytes = try rule.bytes(
            target: target &+ UInt64(bitPattern: relocation.addend), at: address(place), over: UInt32(littleEndian: present))
        try write(bytes, at: place)
    }

    /// The addresses of global symbols within code.
    func functions() -> [String: UnsafeRawPointer] {
        var result: [String: UnsafeRawPointer] = [:]
        for symbol in object.symbols where symbol.isGlobal {
            guard case .section(let index, let offset) = symbol.place, let section = object.sections[index], section.isExecutable,
                offset < section.byteCount, let start = layout.sections[index]
            else { continue }
            result[symbol.name] = UnsafeRawPointer(memory.start + start + offset)
        }
        return result
    }
}
