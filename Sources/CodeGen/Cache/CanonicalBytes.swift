/// Writes any value as bytes that are equal exactly where the values are: every stored property with its name, in the order
/// of its type. It goes through `Encodable`, which the compiler writes, so that no property can be forgotten.
struct CanonicalBytes {
    static func of(_ value: some Encodable) throws -> [UInt8] {
        let sink = Sink()
        try Writer(sink: sink).whole(value)
        return sink.bytes
    }

    /// What stands before each value says what follows.
    private enum Mark: UInt8 { case begin = 0x28, end = 0x29, key = 0x3A, none, no, yes, number, real, text }

    private final class Sink {
        var bytes: [UInt8] = []

        func mark(_ mark: Mark) { bytes.append(mark.rawValue) }

        /// Seven bits to a byte; the highest says that more follow. Most numbers are small.
        func word(_ word: UInt64) {
            var rest = word
            while rest >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(truncatingIfNeeded: rest))
        }

        func text(_ text: String) {
            word(UInt64(text.utf8.count))
            bytes.append(contentsOf: text.utf8)
        }
    }

    private struct Writer: Encoder, SingleValueEncodingContainer {
        let sink: Sink
        var codingPath: [any CodingKey] { [] }
        var userInfo: [CodingUserInfoKey: Any] { [:] }

        func whole(_ value: some Encodable) throws {
            sink.mark(.begin)
            try value.encode(to: self)
            sink.mark(.end)
        }

        func container<Key: CodingKey>(keyedBy: Key.Type) -> KeyedEncodingContainer<Key> {
            KeyedEncodingContainer(Keyed<Key>(sink: sink))
        }
        func unkeyedContainer() -> any UnkeyedEncodingContainer { List(sink: sink) }
        func singleValueContainer() -> any SingleValueEncodingContainer { self }

        func encodeNil() { sink.mark(.none) }
        func encode(_ value: Bool) { sink.mark(value ? .yes : .no) }
        func encode(_ value: String) {
            sink.mark(.text)
            sink.text(value)
        }
        func encode(_ value: Double) {
            sink.mark(.real)
            sink.word(value.bitPattern)
        }
        func encode(_ value: Float) { encode(Double(value)) }
        func encode(_ value: Int) { number(value) }
        func encode(_ value: Int8) { number(value) }
        func encode(_ value: Int16) { number(value) }
        func encode(_ value: Int32) { number(value) }
        func encode(_ value: Int64) { number(value) }
        func encode(_ value: UInt) { number(value) }
        func encode(_ value: UInt8) { number(value) }
        func encode(_ value: UInt16) { number(value) }
        func encode(_ value: UInt32) { number(value) }
        func encode(_ value: UInt64) { number(value) }
        func encode(_ value: some Encodable) throws { try whole(value) }

        private func number(_ value: some FixedWidthInteger) {
            sink.mark(.number)
            sink.word(UInt64(truncatingIfNeeded: value))
        }
    }

    private struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let sink: Sink
        var codingPath: [any CodingKey] { [] }

        private func writer(_ key: Key) -> Writer {
            sink.mark(.key)
            sink.text(key.stringValue)
            return Writer(sink: sink)
        }

        func encodeNil(forKey key: Key) { writer(key).encodeNil() }
        func encode(_ value: Bool, forKey key: Key) { writer(key).encode(value) }
        func encode(_ value: Int, forKey key: Key) { writer(key).encode(value) }
        func encode(_ value: String, forKey key: Key) { writer(key).encode(value) }
        func encode(_ value: Double, forKey key: Key) { writer(key).encode(value) }
        func encode(_ value: some Encodable, forKey key: Key) throws { try writer(key).whole(value) }

        func nestedContainer<Nested: CodingKey>(keyedBy: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
            writer(key).container(keyedBy: Nested.self)
        }
        func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { writer(key).unkeyedContainer() }
        func superEncoder() -> any Encoder { Writer(sink: sink) }
        func superEncoder(forKey key: Key) -> any Encoder { writer(key) }
    }

    private struct List: UnkeyedEncodingContainer {
        let sink: Sink
        var codingPath: [any CodingKey] { [] }
        var count = 0

        private var writer: Writer { Writer(sink: sink) }

        mutating func encodeNil() {
            count += 1
            writer.encodeNil()
        }
        mutating func encode(_ value: Int) {
            count += 1
            writer.encode(value)
        }
        mutating func encode(_ value: some Encodable) throws {
            count += 1
            try writer.whole(value)
        }

        func nestedContainer<Nested: CodingKey>(keyedBy: Nested.Type) -> KeyedEncodingContainer<Nested> {
            writer.container(keyedBy: Nested.self)
        }
        func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { writer.unkeyedContainer() }
        func superEncoder() -> any Encoder { writer }
    }
}
