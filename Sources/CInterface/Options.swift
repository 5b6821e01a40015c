import Rec

/// What a model is loaded with, read from a list of `KEY=VALUE`; `recc.h` says what each key is.
struct Options {
    var dims: [String: Int] = [:]
    var model: String?
    var weightFiles: [String] = []
    var seed: UInt64?
    var outputs: [String] = []
    /// Nil where nothing is said.
    var statedPrecision: Precision?
    var precision: Precision { statedPrecision ?? .f32 }
    var isInterpreted = false
    /// Whether the model is taken as it is while it is trained.
    var isTraining = false
    var threads = 1
    var forms: [String: PlanForm] = [:]
    var weights = WeightFormat.full
    var memory: Int?
    var cache = KernelCache.user()

    private static let keys = [
        "dim.", "model", "params", "seed", "output", "precision", "engine", "threads", "plan.", "weights", "memory", "training", "cache",
    ]

    /// - Throws: where an option is unknown, is given twice that counts once, or has no such value.
    init(_ texts: [String]) throws(DiagnosticList) {
        var known: Set<String> = []
        for text in texts {
            guard let mark = text.firstIndex(of: "=") else { throw .badCall("'\(text)' is no option", help: "write KEY=VALUE") }
            let (key, value) = (String(text[..<mark]), String(text[text.index(after: mark)...]))
            guard known.insert(key).inserted || key == "params" || key == "output" else { throw .badCall("the option '\(key)' is given twice") }
            try set(key, value)
        }
    }

    private mutating func set(_ key: String, _ value: String) throws(DiagnosticList) {
        switch key {
        case "model": model = value
        case "params": weightFiles.append(value)
        case "output": outputs.append(value)
        case "seed": seed = try Self.number(key, value)
        case "precision": statedPrecision = try Self.choice(key, value, among: Precision.allCases)
        case "weights": weights = try Self.choice(key, value, among: WeightFormat.allCases)
        case "engine":
            guard value == "compiled" || value == "interpreter" else { throw Self.refused(key, value, "compiled or interpreter") }
            isInterpreted = value == "interpreter"
        case "training":
            guard value == "on" || value == "off" else { throw Self.refused(key, value, "on or off") }
            isTraining = value == "on"
        case "threads":
            threads = try Self.number(key, value)
            try CallCheck.threads(threads)
        case "memory":
            guard let bytes = ByteCount.parse(value) else { throw Self.refused(key, value, "a number of bytes, as in 512MB") }
            memory = bytes
        case "cache":
            switch value {
            case "off": cache = nil
            case "user": cache = .user()
            default: cache = KernelCache(folder: value)
            }
        default:
            if key.hasPrefix("dim.") {
                dims[String(key.dropFirst("dim.".count))] = try Self.number(key, value)
            } else if key.hasPrefix("plan.") {
                guard let form = PlanForm(value) else { throw Self.refused(key, value, "sequential, scan, chunkwise, chunkwise(64), shooting, shooting(32) or newton") }
                forms[String(key.dropFirst("plan.".count))] = form
            } else {
                let close = nearest(key, among: Self.keys)
                throw .badCall("there is no option '\(key)'", help: close.map { "did you mean '\($0)'?" } ?? "there are \(Self.keys.joined(separator: ", "))")
            }
        }
    }

    private static func number<Number: FixedWidthInteger>(_ key: String, _ value: String) throws(DiagnosticList) -> Number {
        guard let number = Number(value) else { throw refused(key, value, "a whole number") }
        return number
    }

    private static func choice<Choice: RawRepresentable<String>>(
        _ key: String, _ value: String, among all: [Choice]
    ) throws(DiagnosticList) -> Choice {
        guard let choice = Choice(rawValue: value) else { throw refused(key, value, all.map(\.rawValue).joined(separator: " or ")) }
        return choice
    }

    private static func refused(_ key: String, _ value: String, _ what: String) -> DiagnosticList {
        .badCall("'\(key)' cannot be '\(value)'", help: "it is \(what)")
    }

    var engine: Engine { isInterpreted ? .interpreter : .compiled(precision) }
    /// The precision of what the engine gives.
    var resultPrecision: Precision { isInterpreted ? .f64 : precision }
    var context: CompileContext { CompileContext(cache: cache) }
}
