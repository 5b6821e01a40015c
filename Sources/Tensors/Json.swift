import RecSource

/// A JSON value as headers of tensor files have them: numbers are kept where they are whole.
enum Json {
    case object([(key: String, value: Json)])
    case list([Json])
    case text(String)
    case whole(Int)
    /// Another number, a truth value, or null.
    case other

    subscript(_ key: String) -> Json? {
        if case .object(let fields) = self { fields.first { $0.key == key }?.value } else { nil }
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }

    /// The numbers of a list of whole ones.
    var wholes: [Int]? {
        guard case .list(let items) = self else { return nil }
        let numbers = items.compactMap { if case .whole(let number) = $0 { number } else { nil } }
        return numbers.count == items.count ? numbers : nil
    }
}

/// Reads JSON (RFC 8259) that may have been made to do harm: nesting is limited, a key may stand once in an object.
struct JsonReader {
    /// What is wrong with a text, and where.
    struct Malformed: Error {
        var reason: String
        var offset: Int
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var depth = 0

    private static let deepest = 32

    static func read(_ bytes: UnsafeRawBufferPointer) throws(Malformed) -> Json {
        var reader = JsonReader(bytes: bytes)
        let value = try reader.value()
        reader.skipSpace()
        guard reader.position == bytes.count else { throw reader.malformed("the end was expected") }
        return value
    }

    private init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private func malformed(_ reason: String) -> Malformed { Malformed(reason: reason, offset: position) }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func accept(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func value() throws(Malformed) -> Json {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepest else { throw malformed("values are nested more than \(Self.deepest) deep") }
        if accept("{") { return .object(try fields()) }
        if accept("[") { return .list(try items()) }
        guard let byte = next else { throw malformed("a value was expected") }
        if byte == UInt8(ascii: "\"") { return .text(try string()) }
        let start = position
        while let byte = next, Self.isPlain(byte) { position += 1 }
        let word = String(decoding: bytes[start..<position], as: UTF8.self)
        if let number = Int(word) { return .whole(number) }
        guard ["true", "false", "null"].contains(word) || Double(word) != nil else { throw malformed("a value was expected") }
        return .other
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "E"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private mutating func fields() throws(Malformed) -> [(key: String, value: Json)] {
        var fields: [(key: String, value: Json)] = []
        var seen: Set<String> = []
        if accept("}") { return fields }
        repeat {
            skipSpace()
            let key = try string()
            guard seen.insert(key).inserted else { throw malformed("\"\(key)\" stands twice") }
            guard accept(":") else { throw malformed("':' was expected") }
            fields.append((key, try value()))
        } while accept(",")
        guard accept("}") else { throw malformed("'}' was expected") }
        return fields
    }

    private mutating func items() throws(Malformed) -> [Json] {
        var items: [Json] = []
        if accept("]") { return items }
        repeat { items.append(try value()) } while accept(",")
        guard accept("]") else { throw malformed("']' was expected") }
        return items
    }

    private mutating func string() throws(Malformed) -> String {
        guard accept("\"") else { throw malformed("a text in quotes was expected") }
        var units: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: units, as: UTF8.self) else { throw malformed("a text is not UTF-8") }
                return text
            case UInt8(ascii: "\\"): units += Array(String(try escape()).utf8)
            default: units.append(byte)
            }
        }
        throw malformed("a text does not end")
    }

    private mutating func escape() throws(Malformed) -> Character {
        guard let byte = next else { throw malformed("a text does not end") }
        position += 1
        switch byte {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Character(Unicode.Scalar(byte))
        case UInt8(ascii: "u"):
            var code = try codeUnit()
            if code >> 10 == 0x36, bytes.count - position >= 2, bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u") {
                position += 2
                let low = try codeUnit()
                guard low >> 10 == 0x37 else { throw malformed("half a character") }
                code = 0x10000 + (code & 0x3FF) << 10 + (low & 0x3FF)
            }
            guard let scalar = Unicode.Scalar(code) else { throw malformed("half a character") }
            return Character(scalar)
        default: throw malformed("an unknown escape")
        }
    }

    private mutating func codeUnit() throws(Malformed) -> UInt32 {
        guard bytes.count - position >= 4, let code = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw malformed("four digits were expected") }
        position += 4
        return code
    }
}
