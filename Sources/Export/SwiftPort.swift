import RecSource
import RecStream

/// An input, output or loss as a wrapper in Swift has it.
struct SwiftPort {
    var name: String
    var element: ElementType
    /// Of a step, with the two of complex numbers.
    var sizes: [Int]
    /// `H`, `t, H`, for people.
    var axes: String
    /// Whether it has a value at every step.
    var isStream: Bool
    /// Steps of an axis whose length the source states.
    var length: Int?
    /// Whether it may be left out.
    var isOptional: Bool
    /// `Float` or `Double`.
    let real: String

    init(_ name: String, _ value: Value, of graph: StreamGraph, real: String, isOptional: Bool) {
        self.name = name
        self.real = real
        self.isOptional = isOptional
        element = value.element
        sizes = value.shape.sizes + (element == .complex ? [2] : [])
        isStream = value.variance.isStream
        length = isStream ? graph.axes.first?.length : nil
        axes = ((isStream ? graph.axes.prefix(1).map(\.name) : []) + value.shape.map(\.name) + (element == .complex ? ["2"] : [])).joined(separator: ", ")
    }

    var count: Int { sizes.reduce(1, *) }
    /// The name where Swift takes one.
    var word: String { SwiftNames.member(name) }

    private var number: String {
        switch element {
        case .real, .complex: real
        case .int: "Int"
        case .bool: "Bool"
        }
    }

    /// Of a whole sequence.
    var type: String { sizes.isEmpty && !isStream ? number : "[\(number)]" }
    /// Of a step.
    var stepType: String { sizes.isEmpty ? number : "[\(number)]" }

    /// A tensor of a whole sequence, with the batch that is 1.
    var tensor: String {
        let steps = isStream ? [length.map { "\($0)" } ?? (count == 1 ? "\(word).count" : "\(word).count / \(count)")] : []
        return tensor(isOne: type == number, ["1"] + steps + sizes.map { "\($0)" })
    }

    /// A tensor of a step.
    var stepTensor: String { tensor(isOne: sizes.isEmpty, sizes.map { "\($0)" }) }

    private func tensor(isOne: Bool, _ sizes: [String]) -> String {
        let (numbers, shape) = (isOne ? "[\(word)]" : word, "shape: [\(sizes.joined(separator: ", "))]")
        return "try Tensor(\(element == .bool ? "\(numbers).map { $0 ? 1 : 0 } as [Int]" : numbers), \(shape))"
    }

    /// What writes a tensor of a step into the `memory` of a stream.
    func stepWrite(_ tensor: String) -> String {
        element == .bool
            ? "for (k, bit) in \(tensor).doubles().enumerated() { memory[k] = bit == 0 ? 0 : 1 }"
            : "\(tensor).withUnsafeBytes { memory.copyMemory(from: $0) }"
    }

    /// The numbers of a result.
    var read: String {
        let whole =
            switch element {
            case .real, .complex: "\(real == "Float" ? "floats" : "doubles")()"
            case .int: "withUnsafeBytes { $0.bindMemory(to: Int64.self).map { Int($0) } }"
            case .bool: "withUnsafeBytes { $0.map { $0 != 0 } }"
            }
        return "try results[\"\(name)\"].\(whole)\(type == number ? "[0]" : "")"
    }

    /// The numbers of a step of a stream, within its memory.
    var stepRead: String {
        let memory =
            switch element {
            case .real, .complex: "$0.bindMemory(to: \(real).self)"
            case .int: "$0.bindMemory(to: Int64.self)"
            case .bool: "$0"
            }
        let convert =
            switch element {
            case .real, .complex: ""
            case .int: ".map { Int($0) }"
            case .bool: ".map { $0 != 0 }"
            }
        guard sizes.isEmpty else { return convert.isEmpty ? "Array(\(memory).prefix(\(count)))" : "\(memory).prefix(\(count))\(convert)" }
        switch element {
        case .real, .complex: return "\(memory)[0]"
        case .int: return "Int(\(memory)[0])"
        case .bool: return "$0[0] != 0"
        }
    }
}

/// Names in Swift.
enum SwiftNames {
    private static let words = Set(
        """
        Any Self as associatedtype break case catch class continue default defer deinit do else enum extension fallthrough false fileprivate for
        func guard if import in init inout internal is let nil operator precedencegroup private protocol public repeat rethrows return self
        static struct subscript super switch throw throws true try typealias var where while
        """.split(whereSeparator: \.isWhitespace).map(String.init))

    static func escaped(_ name: String) -> String { words.contains(name) ? "`\(name)`" : name }

    /// The name of an input or output as a property and a parameter: with a `_` behind it where the file itself has the name beside it.
    static func member(_ name: String) -> String {
        if name == DrawSeed.name { return "noiseSeed" }
        let isTensor = name.hasPrefix("tensor") && name.dropFirst("tensor".count).allSatisfy(\.isNumber)
        return taken.contains(name) || isTensor ? name + "_" : escaped(name)
    }

    private static let taken: Set = [
        "self", "Self", "init", "Type", "Protocol", "tensors", "once", "session", "Tensor", "ModelState", "Stream", "Step",
    ]

    /// Whether a type may be called so: not as one of those that the wrapper itself needs.
    static func isType(_ name: String) -> Bool {
        let taken: Set = [
            "Model", "Tensor", "Runner", "Program", "ModelData", "ModelState", "ModelResults", "CaseFile", "StreamSession", "DiagnosticList", "Rec",
            "Array", "Bool", "Double", "Float", "Int", "Int64", "Sendable", "String", "UInt64",
        ]
        guard let first = name.first, first.isLetter || first == "_" else { return false }
        return name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") } && !words.contains(name) && !taken.contains(name)
    }
}
