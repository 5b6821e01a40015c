import ArgumentParser
import Rec
import RecExport

/// What `recc compile` writes.
enum Emission: ExpressibleByArgument {
    case stage(EmittedStage)
    case library
    case swift

    init?(argument: String) {
        if argument == "library" {
            self = .library
        } else if argument == "swift" {
            self = .swift
        } else if let stage = EmittedStage(rawValue: argument) {
            self = .stage(stage)
        } else {
            return nil
        }
    }

    static var allValueStrings: [String] { EmittedStage.allCases.map(\.rawValue) + ["library", "swift"] }

    var defaultValueDescription: String {
        switch self {
        case .stage(let stage): stage.rawValue
        case .library: "library"
        case .swift: "swift"
        }
    }
}

/// What belongs to `recc compile --emit library`.
struct LibraryOptions: ParsableArguments {
    @Option(help: "Of a library: parameters by path.", completion: .file(extensions: ["safetensors", "npz"]))
    var params: [String] = []

    @Option(help: "Of a library: fills parameters that are not given from their initialisers.")
    var seed: UInt64?

    @Option(help: "Of a library: an output that it computes, in place of all; may be given several times.")
    var outputName: [String] = []

    @Option(help: "Of a library: what its names in C begin with; by default the model's name in small letters. Of a file in Swift: what its type is called; by default the model's name.")
    var name: String?

    @Option(help: "Of a library: for which processors: native, x86-64-v2, x86-64-v3, x86-64-v4; several of them, one by one or with commas between, make a library of which a program takes the best that it can run.")
    var cpu: [String] = []

    @Option(help: "Of a library: for which system: x86_64-linux, aarch64-linux.")
    var target: String?

    @Flag(help: "Of a library: weights are a file of their own, which a program gives.")
    var separateWeights = false

    @Flag(help: "Of a library: a function more, NAME_run_threads, that shares the sequences of a batch among threads.")
    var pthreads = false

    @OptionGroup var unknown: UnknownTensorOptions

    /// An option that was given and says nothing of a file in Swift; nil for none.
    var givenBesideName: String? {
        var rest = self
        rest.name = nil
        return rest.given
    }

    /// An option that was given; nil for none.
    var given: String? {
        if !params.isEmpty { return "--params" }
        if seed != nil { return "--seed" }
        if !outputName.isEmpty { return "--output-name" }
        if name != nil { return "--name" }
        if !cpu.isEmpty { return "--cpu" }
        if target != nil { return "--target" }
        if separateWeights { return "--separate-weights" }
        if pthreads { return "--pthreads" }
        return unknown.allowUnused ? "--allow-unused" : nil
    }

    func validate() throws {
        if let twice = outputName.indices.first(where: { outputName[..<$0].contains(outputName[$0]) }) {
            throw ValidationError("--output-name \(outputName[twice]) is given twice")
        }
        _ = try targets()
    }

    /// The processors, from the best to the poorest.
    private func targets() throws -> [CodeTarget] {
        let architecture: HostMachine.Architecture
        switch target {
        case nil: architecture = HostMachine.current.architecture
        case "x86_64-linux": architecture = .x86
        case "aarch64-linux": architecture = .arm
        case .some(let target): throw ValidationError("'\(target)' is no target: there are x86_64-linux and aarch64-linux")
        }
        let isHere = architecture == HostMachine.current.architecture
        let byItself = isHere ? "native" : architecture == .arm ? "aarch64" : "x86-64-v2"
        let names = cpu.isEmpty ? [byItself] : cpu.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
        if let twice = names.indices.first(where: { names[..<$0].contains(names[$0]) }) { throw ValidationError("--cpu \(names[twice]) is given twice") }
        let targets: [CodeTarget]
        do { targets = try names.map { name throws(DiagnosticList) in try CodeTarget(named: name, for: architecture) } } catch {
            throw ValidationError("--cpu: \(error.problems[0].message)" + (error.problems[0].help.map { ": \($0)" } ?? ""))
        }
        // Wider vectors first; what this machine has beyond its level before that level.
        return targets.enumerated().sorted { a, b in
            let (left, right) = (a.element.machine.vectorBytes, b.element.machine.vectorBytes)
            return left != right ? left > right : (a.element.name == "native" ? 0 : 1, a.offset) < (b.element.name == "native" ? 0 : 1, b.offset)
        }.map(\.element)
    }

    /// Compiles the library of a program, and says what was written.
    func write(
        _ program: Program, _ options: ModelOptions, _ weights: WeightOptions, _ precision: Precision, grad: Bool, to folder: String, _ context: CompileContext
    ) throws {
        try options.refusePlans("a library takes one step after another")
        let files = try DataFiles(case: nil, weights: params, for: program.model(named: options.model))
        let whole = try weights.applied(
            to: files.model(
                program, named: options.model, dims: options.dimValues(), passingOverUnknown: unknown.allowUnused, fillingMissing: seed != nil, times: context.times))
        let asked = outputName.isEmpty ? whole : try whole.computing(outputName)
        var given = files.file.data.parameters
        if let seed {
            try asked.checkMemory()
            given = asked.parameters(given, else: asked.initialParameters(seed: seed))
        }
        let library = try CLibrary(
            asked.withParameters(given), named: name, precision: precision, targets: targets(), separateWeights: separateWeights, gradient: grad, threads: pthreads, context: context)
        let written = try library.write(to: folder)
        let width = written.map(\.path.count).max() ?? 0
        for file in written { Terminal.print("\(file.path.padded(width))  \(ByteCount.text(file.byteCount).padded(8))  \(file.what)") }
        Terminal.print("a stream of one sequence takes \(ByteCount.text(library.streamBytes)) of memory, its saved state \(ByteCount.text(library.stateBytes))")
        CompileOptions.report(context)
    }
}
