import RecStream

/// A tensor that values of pairs are computed from, as real numbers.
struct PairTensor: Hashable, CustomStringConvertible {
    /// What of a value it holds.
    enum Form: String, CaseIterable {
        /// The value; a real.
        case plain
        /// A bool as 0 or 1.
        case truth
        /// An int as the sum of three reals that are exact in single precision.
        case low, middle, high
        /// An int, or the nearest one of magnitude 2^23.
        case clamped
    }
    var value: ValueID
    var form: Form

    /// `%12`, `%12 low`.
    var description: String { form == .plain ? value.description : "\(value) \(form.rawValue)" }

    private static let inputMark = "x ", parameterMark = "p "
    /// The names of tensors that are the caller's.
    static func input(_ name: String) -> String { inputMark + name }
    static func parameter(_ path: String) -> String { parameterMark + path }
    /// The number of each step of a sequence.
    static let places = "places"
    /// Whether a step of a block is one of the sequence, as 0 or 1.
    static let validity = "is step"
    /// In front of what is read at the steps of a block.
    static let block = "block "

    /// Bits of an int that are exact beside others.
    private static let bits = 22

    /// The tensor as a value of a graph that holds the value.
    static func add(_ form: Form, of id: ValueID, to builder: inout GraphBuilder) -> ValueID {
        let shape = builder[id].shape
        func power(_ bits: Int) -> ValueID { builder.constant(.int(1 << bits), shape) }
        func real(_ id: ValueID) -> ValueID { builder.unary(.toReal, id) }
        func rest(_ bits: Int) -> ValueID { builder.binary(.mod, id, power(bits)) }
        switch form {
        case .plain: return id
        case .truth: return real(id)
        case .low: return real(rest(bits))
        case .middle: return real(builder.binary(.subtract, rest(2 * bits), rest(bits)))
        case .high: return real(builder.binary(.subtract, id, rest(2 * bits)))
        case .clamped: return real(builder.binary(.max, power(23).negated(in: &builder), builder.binary(.min, id, power(23))))
        }
    }

    /// The same of a number of the source.
    static func number(_ number: Int, _ form: Form) -> Double {
        func rest(_ bits: Int) -> Int { number & ((1 << bits) - 1) }
        switch form {
        case .plain, .truth: return Double(number)
        case .low: return Double(rest(bits))
        case .middle: return Double(rest(2 * bits) - rest(bits))
        case .high: return Double(number - rest(2 * bits))
        case .clamped: return Double(max(-1 << 23, min(number, 1 << 23)))
        }
    }
}

extension ValueID {
    fileprivate func negated(in builder: inout GraphBuilder) -> ValueID { builder.unary(.negate, self) }
}

extension PairTraversal {
    /// Where the numbers of a buffer come from.
    package enum Source: Hashable, Sendable {
        case input(String)
        case parameter(String)
        /// The number of each step.
        case places
        /// What another part hands on.
        case part(String)
    }

    /// What lies in a buffer of the caller.
    package static func source(of buffer: Schedule.Buffer) -> Source { PairTensor.source(name: tensorName(of: buffer)) }

    static func tensorName(of buffer: Schedule.Buffer) -> String {
        var name = Substring(buffer.name)
        for prefix in ["input ", "parameter ", PairTensor.block] where name.hasPrefix(prefix) { name = name.dropFirst(prefix.count) }
        return String(name)
    }
}

extension PairTensor {
    fileprivate static func source(name: String) -> PairTraversal.Source {
        if name == places { return .places }
        if name.hasPrefix(inputMark) { return .input(String(name.dropFirst(inputMark.count))) }
        if name.hasPrefix(parameterMark) { return .parameter(String(name.dropFirst(parameterMark.count))) }
        return .part(name)
    }
}
