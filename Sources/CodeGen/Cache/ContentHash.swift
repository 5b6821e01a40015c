import CHost

/// A number that other bytes would hardly have, at several GB a second: XXH64, one piece seeding the next. It is no guard
/// against bytes that were chosen to collide.
package struct ContentHash {
    package private(set) var value: UInt64 = 0

    package init() {}

    package mutating func add(_ bytes: UnsafeRawBufferPointer) { value = recc_hash(bytes.baseAddress, UInt(bytes.count), value) }

    package mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
    }
}
