import RecSource
import RecStream

/// The names of a library in C.
struct CNames {
    /// What all names begin with.
    let library: String
    /// The parameters of functions, by port; those of inputs and outputs differ.
    private(set) var inputs: [String: String] = [:]
    private(set) var outputs: [String: String] = [:]

    /// What constants begin with.
    var constants: String { library.uppercased() }

    /// - Throws: where the name of the library is none in C, or its file would be taken for one of the system's.
    init(_ library: String, _ layout: StreamLayout) throws(Diagnostic) {
        guard Self.isName(library) else {
            throw Diagnostic(
                .libraryRefused, "'\(library)' is no name in C, with which the names of a library could begin", at: nil,
                help: "letters, digits and '_', the first no digit: --name gru")
        }
        guard !Self.ofSystem.contains(library.lowercased()) else {
            throw Diagnostic(
                .libraryRefused, "a library 'lib\(library).so' would be taken for one of the system's", at: nil,
                help: "give it another name: --name \(library)_model")
        }
        self.library = library
        var taken: Set<String> = ["stream", "steps"]
        func fresh(_ name: String, _ suffix: String) -> String {
            let plain = Self.isName(name) ? name : String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
            var result = Self.isName(plain) && !Self.keywords.contains(plain) ? plain : "\(plain)_"
            if !Self.isName(result) { result = "_\(result)" }
            while !taken.insert(result).inserted { result += suffix }
            return result
        }
        for port in layout.inputs + layout.onceInputs { inputs[port.name] = fresh(port.name, "_in") }
        for port in layout.outputs + layout.onceOutputs { outputs[port.name] = fresh(port.name, "_out") }
    }

    /// The name of a parameter.
    func input(_ port: StreamLayout.Port) -> String { inputs[port.name] ?? port.name }
    func output(_ port: StreamLayout.Port) -> String { outputs[port.name] ?? port.name }

    private static func isName(_ text: String) -> Bool {
        guard let first = text.first, !first.isNumber else { return false }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    }

    /// Libraries that C programs are linked with: one's own of the same name would hide them.
    private static let ofSystem: Set<String> = ["c", "m", "dl", "rt", "gcc", "gcc_s", "pthread", "util", "stdc", "resolv", "nsl", "z"]

    /// Words of C and C++, and macros of the standard headers that are included.
    private static let keywords = Set(
        """
        alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl concept const
        consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do double dynamic_cast else
        enum explicit export extern false float for friend goto if inline int int64_t long mutable namespace new noexcept not not_eq
        nullptr operator or or_eq private protected public register reinterpret_cast requires restrict return short signed size_t sizeof
        static static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename typeof uint8_t union
        unsigned using virtual void volatile wchar_t while xor xor_eq linux unix NULL
        """.split(whereSeparator: \.isWhitespace).map(String.init))
}

extension ElementType {
    /// What a number of an input or output is in C; complex ones are pairs.
    func cType(_ precision: String) -> String {
        switch self {
        case .real, .complex: precision == "f32" ? "float" : "double"
        case .int: "int64_t"
        case .bool: "uint8_t"
        }
    }
}
