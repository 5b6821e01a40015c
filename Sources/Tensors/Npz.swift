import RecSource

/// NumPy's archives: zip files of `.npy` entries, stored or deflated.
enum Npz {
    private static let most = 100_000
    /// More bytes than these are not decompressed for one archive.
    private static let largest = 8 << 30

    static func read(_ storage: TensorStorage, path: String) throws(Diagnostic) -> TensorArchive {
        let bytes = storage.bytes
        guard let end = endOfDirectory(bytes) else { throw fileProblem(path, "this is no zip archive") }
        var (count, offset) = (Int(bytes.integer(at: end + 10, as: UInt16.self) ?? 0), Int(bytes.integer(at: end + 16, as: UInt32.self) ?? 0))
        if offset == 0xFFFF_FFFF || count == 0xFFFF, end >= 20, let record = bytes.integer(at: end - 12, as: UInt64.self),
            record < UInt64(bytes.count), let many = bytes.integer(at: Int(record) + 32, as: UInt64.self),
            let start = bytes.integer(at: Int(record) + 48, as: UInt64.self), many < most, start < UInt64(bytes.count)
        {
            (count, offset) = (Int(many), Int(start))
        }
        var archive = TensorArchive()
        var seen: Set<String> = []
        var (packed, unpacked) = (0, 0)
        for _ in 0..<count {
            guard let entry = Entry(bytes, at: offset) else { throw fileProblem(path, "the directory of the archive is broken") }
            offset = entry.next
            let name = entry.name.hasSuffix(".npy") ? String(entry.name.dropLast(4)) : entry.name
            guard seen.insert(name).inserted else { throw fileProblem(path, "'\(name)' stands twice in the archive") }
            packed += min(entry.packed, bytes.count + 1)
            guard packed <= bytes.count else { throw fileProblem(path, "the entries of the archive overlap") }
            if entry.method == 8 { unpacked += min(entry.size, largest + 1) }
            guard unpacked <= largest else { throw fileProblem(path, "the archive holds more than \(largest >> 30) GiB once it is decompressed") }
            archive.tensors.append(NamedTensor(name: name, tensor: try Npy.read(try content(entry, storage, path), path: "\(path) (\(name))")))
        }
        return archive
    }

    private static func endOfDirectory(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 22 else { return nil }
        var at = bytes.count - 22
        while at >= max(0, bytes.count - 22 - 0xFFFF) {
            if bytes.integer(at: at, as: UInt32.self) == 0x0605_4B50 { return at }
            at -= 1
        }
        return nil
    }

    /// An entry of the directory.
    private struct Entry {
        var name: String
        var method: Int
        var checksum: UInt32
        var packed: Int
        var size: Int
        var header: Int
        var next: Int

        init?(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
            guard bytes.integer(at: offset, as: UInt32.self) == 0x0201_4B50,
                let method = bytes.integer(at: offset + 10, as: UInt16.self),
                let checksum = bytes.integer(at: offset + 16, as: UInt32.self),
                let packed = bytes.integer(at: offset + 20, as: UInt32.self),
                let size = bytes.integer(at: offset + 24, as: UInt32.self),
                let nameLength = bytes.integer(at: offset + 28, as: UInt16.self),
                let extraLength = bytes.integer(at: offset + 30, as: UInt16.self),
                let commentLength = bytes.integer(at: offset + 32, as: UInt16.self),
                let header = bytes.integer(at: offset + 42, as: UInt32.self)
            else { return nil }
            let extra = offset + 46 + Int(nameLength)
            next = extra + Int(extraLength) + Int(commentLength)
            guard next <= bytes.count else { return nil }
            name = String(decoding: bytes[offset + 46..<extra], as: UTF8.self)
            (self.method, self.checksum) = (Int(method), checksum)
            (self.packed, self.size, self.header) = (Int(packed), Int(size), Int(header))
            // Sizes beyond 4 GiB stand in an extra field, in this order, where the short ones are all ones.
            var at = extra
            while at + 4 <= extra + Int(extraLength), let id = bytes.integer(at: at, as: UInt16.self),
                let length = bytes.integer(at: at + 2, as: UInt16.self)
            {
                if id == 1 {
                    var field = at + 4
                    for keyPath in [\Entry.size, \Entry.packed, \Entry.header] where self[keyPath: keyPath] == 0xFFFF_FFFF {
                        guard let value = bytes.integer(at: field, as: UInt64.self), value < 1 << 48 else { return nil }
                        self[keyPath: keyPath] = Int(value)
                        field += 8
                    }
                }
                at += 4 + Int(length)
            }
        }
    }

    private static func content(_ entry: Entry, _ storage: TensorStorage, _ path: String) throws(Diagnostic) -> TensorStorage {
        let bytes = storage.bytes
        guard bytes.integer(at: entry.header, as: UInt32.self) == 0x0403_4B50,
            let nameLength = bytes.integer(at: entry.header + 26, as: UInt16.self),
            let extraLength = bytes.integer(at: entry.header + 28, as: UInt16.self)
        else { throw fileProblem(path, "the entry '\(entry.name)' is broken") }
        let start = entry.header + 30 + Int(nameLength) + Int(extraLength)
        guard entry.packed >= 0, start <= bytes.count, entry.packed <= bytes.count - start else {
            throw fileProblem(path, "the entry '\(entry.name)' does not lie within the file")
        }
        let packed = UnsafeRawBufferPointer(rebasing: bytes[start..<start + entry.packed])
        switch entry.method {
        case 0:
            return TensorStorage(bytes: packed) { withExtendedLifetime(storage) {} }
        case 8:
            // A deflated byte stands for at most 1032; a larger claim is a bomb.
            guard entry.size <= entry.packed * 1032 + 64, let inflated = Inflate.inflate(packed, expecting: entry.size) else {
                throw fileProblem(path, "the entry '\(entry.name)' cannot be decompressed")
            }
            guard CRC32.of(inflated) == entry.checksum else { throw fileProblem(path, "the entry '\(entry.name)' is damaged: its checksum differs") }
            return .allocate(byteCount: inflated.count) { $0.copyBytes(from: inflated) }
        default:
            throw fileProblem(path, "the entry '\(entry.name)' is compressed by method \(entry.method), which is not supported")
        }
    }

    // MARK: Writing

    static func encoded(_ archive: TensorArchive) -> [FilePart] {
        var parts: [FilePart] = []
        var written = 0
        func add(_ some: [FilePart]) {
            parts += some
            written += some.reduce(0) { $0 + $1.count }
        }
        var directory: [UInt8] = []
        func put<T: FixedWidthInteger>(_ value: T, into target: inout [UInt8]) {
            withUnsafeBytes(of: value.littleEndian) { target += $0 }
        }
        for item in archive.tensors {
            let name = Array("\(item.name).npy".utf8)
            let content = Npy.encoded(item.tensor)
            let byteCount = UInt64(content.reduce(0) { $0 + $1.count })
            let checksum = CRC32.of(content)
            let offset = UInt64(written)
            var bytes: [UInt8] = []
            // Version 4.5: sizes stand in a zip64 field, whatever they are.
            func common(_ target: inout [UInt8]) {
                put(UInt16(45), into: &target)
                put(UInt16(0), into: &target)
                put(UInt16(0), into: &target)
                put(UInt32(0x0021_0000), into: &target)
                put(checksum, into: &target)
                put(UInt32.max, into: &target)
                put(UInt32.max, into: &target)
                put(UInt16(name.count), into: &target)
            }
            put(UInt32(0x0403_4B50), into: &bytes)
            common(&bytes)
            put(UInt16(20), into: &bytes)
            bytes += name
            put(UInt16(1), into: &bytes)
            put(UInt16(16), into: &bytes)
            put(byteCount, into: &bytes)
            put(byteCount, into: &bytes)
            add([.bytes(bytes)] + content)

            put(UInt32(0x0201_4B50), into: &directory)
            put(UInt16(45), into: &directory)
            common(&directory)
            put(UInt16(28), into: &directory)
            put(UInt16(0), into: &directory)
            put(UInt16(0), into: &directory)
            put(UInt16(0), into: &directory)
            put(UInt32(0), into: &directory)
            put(UInt32.max, into: &directory)
            directory += name
            put(UInt16(1), into: &directory)
            put(UInt16(24), into: &directory)
            put(byteCount, into: &directory)
            put(byteCount, into: &directory)
            put(offset, into: &directory)
        }
        let start = UInt64(written)
        let record = start + UInt64(directory.count)
        var bytes = directory
        let count = UInt64(archive.tensors.count)
        // The zip64 end stands only where something is: readers take an archive of nothing for one by its first bytes.
        if count > 0 {
            put(UInt32(0x0606_4B50), into: &bytes)
            put(UInt64(44), into: &bytes)
            put(UInt16(45), into: &bytes)
            put(UInt16(45), into: &bytes)
            put(UInt32(0), into: &bytes)
            put(UInt32(0), into: &bytes)
            put(count, into: &bytes)
            put(count, into: &bytes)
            put(UInt64(directory.count), into: &bytes)
            put(start, into: &bytes)
            put(UInt32(0x0706_4B50), into: &bytes)
            put(UInt32(0), into: &bytes)
            put(record, into: &bytes)
            put(UInt32(1), into: &bytes)
        }
        put(UInt32(0x0605_4B50), into: &bytes)
        put(UInt16(0), into: &bytes)
        put(UInt16(0), into: &bytes)
        put(UInt16(truncatingIfNeeded: min(count, 0xFFFF)), into: &bytes)
        put(UInt16(truncatingIfNeeded: min(count, 0xFFFF)), into: &bytes)
        put(UInt32(truncatingIfNeeded: min(UInt64(directory.count), 0xFFFF_FFFF)), into: &bytes)
        put(UInt32(truncatingIfNeeded: min(start, 0xFFFF_FFFF)), into: &bytes)
        put(UInt16(0), into: &bytes)
        add([.bytes(bytes)])
        return parts
    }
}

/// The checksum of zip files (ISO 3309).
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
    }

    static func of(_ bytes: [UInt8]) -> UInt32 { of([.bytes(bytes)]) }

    static func of(_ parts: [FilePart]) -> UInt32 {
        let table = table
        return ~parts.reduce(~UInt32(0)) { sum, part in
            part.withUnsafeBytes { bytes in bytes.reduce(sum) { table[Int(($0 ^ UInt32($1)) & 0xFF)] ^ ($0 >> 8) } }
        }
    }
}
