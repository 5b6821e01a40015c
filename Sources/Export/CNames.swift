import RecSource
import RecStream

/// The names of a library in C.
struct CNames {
    /// What all names begin with.
    let library: String
    /// The parameters of functions, by port; those of one function differ.
    private(set) var inputs: [String: String] = [:]
    private(set) var outputs: [String: String] = [:]
    /// The fields of what gradients are taken of, in the order of the layout.
    private(set) var gradientFields: [String] = []

    /// What constants begin with.
    var constants: String { library.uppercased() }

    /// - Throws: where the name of the library is none in C, or its file would be taken for one of the system's.
    init(_ library: String, _ layout: StreamLayout, _ gradient: GradientLayout? = nil) throws(Diagnostic) {
        guard Self.isName(library) else {
            throw Diagnostic(
                .libraryRefused, "'\(library)' is no name in C, with which the names of a library could begin", at: nil,
                help: "letters, digits and '_', the first no digit: --name gru")
        }
        for (names, file) in [(Self.libraries, "lib\(library).so"), (Self.headers, "\(library).h")] where names.contains(library.lowercased()) {
            throw Diagnostic(
                .libraryRefused, "'\(file)' would be taken for a file of the system's", at: nil, help: "give another name: --name \(library)_model")
        }
        self.library = library
        // What else the functions of steps take, and those that make streams.
        var ofSteps: Set = ["stream", "steps", "threads"]
        for port in layout.inputs { inputs[port.name] = Self.fresh(port.name, "_in", &ofSteps) }
        for port in layout.outputs { outputs[port.name] = Self.fresh(port.name, "_out", &ofSteps) }
        var ofStreams: Set = ["stream", "batch", "memory", "size", "weights", "weights_size"]
        for port in layout.onceInputs { inputs[port.name] = Self.fresh(port.name, "_in", &ofStreams) }
        for port in layout.onceOutputs { outputs[port.name] = Self.fresh(port.name, "_out", &ofStreams) }
        var ofGradients: Set<String> = []
        gradientFields = (gradient?.fields ?? []).map { field in
            switch field.role {
            case .input, .once: Self.fresh(field.name, "_in", &ofGradients)
            case .parameter: Self.fresh(field.name, "_parameter", &ofGradients)
            case .cotangent: Self.fresh("cotangent_\(field.name)", "_in", &ofGradients)
            case .output, .loss, .gradient: Self.fresh(field.name, "_out", &ofGradients)
            }
        }
    }

    /// A name in C that is near to another one and not taken yet.
    private static func fresh(_ name: String, _ suffix: String, _ taken: inout Set<String>) -> String {
        let plain = isName(name) ? name : String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
        var result = isName(plain) && !keywords.contains(plain) ? plain : "\(plain)_"
        if !isName(result) { result = "_\(result)" }
        while !taken.insert(result).inserted { result += suffix }
        return result
    }

    /// The same with parameters that end so.
    func parameters(ending: String) -> CNames {
        var names = self
        names.inputs = inputs.mapValues { $0 + ending }
        names.outputs = outputs.mapValues { $0 + ending }
        return names
    }

    /// The name of a parameter.
    func input(_ port: StreamLayout.Port) -> String { inputs[port.name] ?? port.name }
    func output(_ port: StreamLayout.Port) -> String { outputs[port.name] ?? port.name }

    private static func isName(_ text: String) -> Bool {
        guard let first = text.first, !first.isNumber else { return false }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    }

    /// Libraries that C programs are linked with: one's own of the same name would hide them.
    private static let libraries: Set<String> = ["c", "m", "dl", "rt", "gcc", "gcc_s", "pthread", "util", "stdc", "resolv", "nsl", "z"]

    /// Headers of C, POSIX and GNU, and recc's own: one of the same name in a folder of `-I` would be included in their place.
    private static let headers = Set(
        """
        aio alloca ar assert byteswap complex cpio cpuid crypt ctype dirent dlfcn elf endian err errno error execinfo fcntl features fenv float
        fmtmsg fnmatch ftw getopt glob grp iconv ifaddrs inttypes iso646 langinfo libgen limits link locale malloc math memory monetary mqueue
        ndbm netdb nl_types obstack paths poll pthread pty pwd recc regex resolv sched search semaphore setjmp shadow signal spawn stab stdalign
        stdarg stdatomic stdbool stdckdint stdbit stdc stddef stdint stdio stdlib stdnoreturn string strings stropts syslog tar termios tgmath
        threads time trace uchar ucontext ulimit unistd unwind utime utmp utmpx values wait wchar wctype wordexp
        """.split(whereSeparator: \.isWhitespace).map(String.init))

    /// Words of C and C++, and macros of the standard headers.
    private static let keywords = Set(
        """
        alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl concept const
        consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do double dynamic_cast else
        enum explicit export extern false float for friend goto if inline int int64_t long mutable namespace new noexcept not not_eq
        nullptr operator or or_eq private protected public register reinterpret_cast requires restrict return short signed size_t sizeof
        static static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename typeof uint8_t union
        unsigned using virtual void volatile wchar_t while xor xor_eq linux unix
        NULL I complex imaginary errno stdin stdout stderr EOF NAN INFINITY
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
