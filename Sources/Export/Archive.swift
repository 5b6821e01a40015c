/// A static library: an archive of object files with an index of their symbols, in the form of System V, as GNU and LLVM's linkers
/// read it.
struct Archive {
    struct Member {
        var name: String
        var bytes: [UInt8]
        /// What it defines that others may name.
        var symbols: [String]
    }

    let members: [Member]

    var bytes: [UInt8] {
        let symbols = members.flatMap(\.symbols)
        var index = 4 + 4 * symbols.count + symbols.reduce(0) { $0 + $1.utf8.count + 1 }
        index += index & 1
        // Names with more than fifteen bytes stand in a table.
        var names: [UInt8] = []
        let shortNames = members.map { member in
            if member.name.utf8.count <= 15 { return "\(member.name)/" }
            defer { names += Array("\(member.name)/\n".utf8) }
            return "/\(names.count)"
        }
        if names.count & 1 == 1 { names.append(10) }
        var at = 8 + 60 + index + (names.isEmpty ? 0 : 60 + names.count)
        var offsets: [Int] = []
        for member in members {
            offsets += member.symbols.map { _ in at }
            at += 60 + member.bytes.count + (member.bytes.count & 1)
        }
        var table = bigEndian(symbols.count)
        for offset in offsets { table += bigEndian(offset) }
        for symbol in symbols { table += Array(symbol.utf8) + [0] }
        if table.count & 1 == 1 { table.append(0) }
        var result = Array("!<arch>\n".utf8) + header("/", table.count) + table
        if !names.isEmpty { result += header("//", names.count) + names }
        for (member, name) in zip(members, shortNames) {
            result += header(name, member.bytes.count) + member.bytes
            if member.bytes.count & 1 == 1 { result.append(10) }
        }
        return result
    }

    private func bigEndian(_ number: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(truncatingIfNeeded: number).bigEndian) { Array($0) } }

    /// Owner and time are left at 0, so that the same model gives the same bytes.
    private func header(_ name: String, _ size: Int) -> [UInt8] {
        func field(_ text: String, _ width: Int) -> [UInt8] { Array(text.utf8) + [UInt8](repeating: 32, count: max(0, width - text.utf8.count)) }
        return field(name, 16) + field("0", 12) + field("0", 6) + field("0", 6) + field("644", 8) + field("\(size)", 10) + [0x60, 10]
    }
}
