import RecSource

/// What stands behind `from`: a text with `{}` for a name, and `{i}` or `{i+1}` for the number of a copy.
package struct TensorTemplate: Hashable, Sendable {
    package enum Part: Hashable, Sendable {
        case text(String)
        /// `{}`: the name of a parameter, or of a tensor within a layer.
        case name
        /// `{i}`: the number of the copy, from 0, and what is added to it.
        case copy(Int)
    }

    /// What is wrong with a text: the bytes at fault, and why.
    struct Fault: Error {
        var range: Range<Int>
        var message: String
    }

    package private(set) var parts: [Part]

    /// Reads a text.
    init(_ text: String) throws(Fault) {
        parts = []
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "}") } ?? bytes.count
            if end > start { parts.append(.text(String(decoding: bytes[start..<end], as: UTF8.self))) }
            guard end < bytes.count else { break }
            guard bytes[end] == UInt8(ascii: "{") else { throw Fault(range: end..<end + 1, message: "'}' closes nothing") }
            guard let close = bytes[end...].firstIndex(of: UInt8(ascii: "}")) else {
                throw Fault(range: end..<bytes.count, message: "'{' is not closed")
            }
            let inner = String(decoding: bytes[end + 1..<close], as: UTF8.self)
            guard let part = Self.part(inner.filter { $0 != " " }) else {
                throw Fault(range: end..<close + 1, message: "'{\(inner)}' stands for nothing in the name of a tensor")
            }
            parts.append(part)
            start = close + 1
        }
    }

    private static func part(_ text: String) -> Part? {
        if text.isEmpty { return .name }
        guard text.hasPrefix("i") else { return nil }
        if text == "i" { return .copy(0) }
        guard text.hasPrefix("i+"), let offset = Int(text.dropFirst(2)), (0..<1 << 20).contains(offset) else { return nil }
        return .copy(offset)
    }

    var nameCount: Int { parts.count { $0 == .name } }

    /// What is added to the number of the copy, wherever it stands.
    var copyOffsets: [Int] { parts.compactMap { if case .copy(let offset) = $0 { offset } else { nil } } }

    /// The texts in front of the name and behind it.
    func sides(copy: Int) -> (before: String, behind: String) {
        var sides = ("", "")
        var isBehind = false
        for part in parts {
            let text: String
            switch part {
            case .text(let literal): text = literal
            case .copy(let offset): text = "\(copy + offset)"
            case .name:
                isBehind = true
                continue
            }
            if isBehind { sides.1 += text } else { sides.0 += text }
        }
        return sides
    }

    /// The text with a name in its place.
    func name(_ name: String, copy: Int) -> String {
        let sides = sides(copy: copy)
        return nameCount == 0 ? sides.before : sides.before + name + sides.behind
    }
}

/// Where tensors of a layer are, seen from outside of all layers.
///
/// A name is put into the place that its own layer has for it, what comes out into that of the layer around it, and so on.
package struct TensorScope: Hashable, Sendable {
    private var before = ""
    private var behind = ""

    /// Outside of all layers.
    package init() {}

    /// The name outside of a tensor that is called so inside.
    package func name(_ inner: String) -> String { before + inner + behind }

    /// Inside one of the layers here; `copy` is the number of the copy where it is repeated.
    package func inside(_ layer: TypedLayer, copy: Int? = nil) -> TensorScope {
        var inner = self
        if let template = layer.tensors {
            let sides = template.sides(copy: copy ?? 0)
            inner.before += sides.before
            inner.behind = sides.behind + behind
        } else {
            inner.before += "\(layer.name)." + (copy.map { "\($0)." } ?? "")
        }
        return inner
    }
}
