/// The form in which machine code is kept: a header, then an object file.
///
/// | bytes | |
/// |---|---|
/// | 8 | `recckern` |
/// | 4 | format |
/// | 4 | zero |
/// | 8 | length of the object file |
/// | 32 | key |
/// | 32 | SHA-256 of the object file |
///
/// Numbers are little-endian.
enum KernelFile {
    /// Changes whenever this layout does, or what makes up a key.
    static let format: UInt32 = 4
    static let headerBytes = 8 + 4 + 4 + 8 + 2 * SHA256.byteCount
    private static let magic = Array("recckern".utf8)

    static func bytes(of object: [UInt8], key: KernelKey) -> [UInt8] {
        header(of: object, key: key) + object
    }

    /// The object file in `bytes`; nil where they are not all that was written for this key.
    static func object(in bytes: [UInt8], key: KernelKey) -> [UInt8]? {
        guard bytes.count > headerBytes else { return nil }
        let object = Array(bytes[headerBytes...])
        return bytes[..<headerBytes].elementsEqual(header(of: object, key: key)) ? object : nil
    }

    private static func header(of object: [UInt8], key: KernelKey) -> [UInt8] {
        func little(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
        return magic + little(format) + little(UInt32(0)) + little(UInt64(object.count)) + key.bytes + SHA256.hash(object)
    }
}
