/// Whether the text of a comment reads like an operand: a number, a word of the program or something in brackets, and what operators
/// join to it. Prose does not: its words follow each other.
struct CommentedOperand {
    private(set) var isOperand = false

    /// - Parameter names: the words of the program.
    init(_ text: ArraySlice<UInt8>, names: Set<String>) {
        var awaitsOperand = true
        var depth = 0
        var words = 0
        for word in Self.words(text) {
            words += 1
            guard let first = word.utf8.first else { return }
            if Self.isName(first) || Self.isDigit(first) {
                // A word that follows another, or that the program does not know, is prose.
                guard awaitsOperand, Self.isDigit(first) ? Double(word) != nil : names.contains(word) else { return }
                awaitsOperand = false
            } else if word == "(" || word == "[" {
                depth += 1
                awaitsOperand = true
            } else if word == ")" || word == "]" {
                // It may close what was opened before the comment.
                depth -= 1
                awaitsOperand = false
            } else {
                guard Self.operators.contains(word), !awaitsOperand || word == "-" else { return }
                awaitsOperand = true
            }
        }
        isOperand = words > 0 && !awaitsOperand && depth <= 0
    }

    private static let operators: Set<String> = ["+", "-", "*", "/", "^", "@", ",", "<", ">"]

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    private static func isName(_ byte: UInt8) -> Bool {
        (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z") || byte == UInt8(ascii: "_")
    }

    /// Runs of letters, digits and points, and all other characters one by one.
    private static func words(_ text: ArraySlice<UInt8>) -> [String] {
        var result: [String] = []
        var run: [UInt8] = []
        for byte in text {
            if isName(byte) || isDigit(byte) || byte == UInt8(ascii: ".") && !run.isEmpty {
                run.append(byte)
                continue
            }
            if !run.isEmpty { result.append(String(decoding: run, as: UTF8.self)) }
            run = []
            if byte != UInt8(ascii: " "), byte != UInt8(ascii: "\t"), byte != UInt8(ascii: "\r") {
                result.append(String(decoding: [byte], as: UTF8.self))
            }
        }
        if !run.isEmpty { result.append(String(decoding: run, as: UTF8.self)) }
        return result
    }
}
