import Foundation
import Rec
import RecCodeGen
import RecScheduling
import RecSource
import RecStream

/// A model as a library in C: a static and a shared one, and a header (`docs/c.md`).
package struct CLibrary {
    private let header: LibraryHeader
    private let variants: [LibraryVariant]
    private let source: LibrarySource
    private let architecture: HostMachine.Architecture
    private let compiler: CCompiler

    /// Bytes of a stream of one sequence, and of what is saved of it.
    package var streamBytes: Int { header.layout.byteCount }
    package var stateBytes: Int { header.layout.savedByteCount }
    /// Bytes of the weights and of what follows from them, for each processor.
    package var constantBytes: [Int] { variants.map(\.constants.bytes.count) }
    /// The functions of the header.
    package var functions: [String] { header.functions }
    /// What the names of the header begin with.
    package var name: String { header.names.library }
    /// The text of the header, and of what calls the generated code.
    package var headerText: String { header.text }
    package var sourceText: String { source.text }

    /// An input or output as the header has it.
    package struct Port: Sendable {
        package var name: String
        package var parameter: String
        package var type: String
        package var elements: Int
    }

    package var inputs: [Port] { header.layout.inputs.map { port($0, header.names.input($0)) } }
    package var outputs: [Port] { header.layout.outputs.map { port($0, header.names.output($0)) } }
    package var onceInputs: [Port] { header.layout.onceInputs.map { port($0, header.names.input($0)) } }
    package var onceOutputs: [Port] { header.layout.onceOutputs.map { port($0, header.names.output($0)) } }

    /// A pointer of what gradients are taken of, and come out in.
    package struct GradientField: Sendable {
        /// In the program: `x`, `cotangent.h`, `grad.W`.
        package var name: String
        package var field: String
        package var type: String
        package var elements: Int
        package var byBatch: Bool
        package var byStep: Bool
        package var isGiven: Bool
        package var isParameter: Bool
    }

    /// Empty for a library without gradients.
    package var gradientFields: [GradientField] {
        var result: [GradientField] = []
        for (field, name) in zip(header.gradient?.fields ?? [], header.names.gradientFields) {
            let given: [GradientLayout.Field.Role] = [.input, .once, .parameter, .cotangent]
            result.append(
                GradientField(
                    name: field.role == .cotangent ? "cotangent.\(field.name)" : field.name, field: name, type: header.type(field), elements: field.elements,
                    byBatch: field.byBatch, byStep: field.byStep, isGiven: given.contains(field.role), isParameter: field.role == .parameter))
        }
        return result
    }

    private func port(_ port: StreamLayout.Port, _ parameter: String) -> Port {
        Port(name: port.name, parameter: parameter, type: header.type(port), elements: port.elements)
    }

    /// Compiles a model with its parameters.
    ///
    /// - Parameters:
    ///   - name: what the names in C begin with; nil for the model's in small letters.
    ///   - targets: of one architecture, from the best to the poorest; a program takes the first that its processor can run.
    ///   - separate: whether weights are a file of their own, in place of being part of the library.
    ///   - hasGradient: whether there is a function that differentiates whole sequences: the losses, or outputs times cotangents where
    ///     there are none.
    ///   - hasThreads: whether there is a function that shares the sequences of a batch among threads.
    /// - Throws: where the model cannot run step by step or lacks parameters, or there can be no such library; where there is no C compiler
    ///   for the targets.
    package init(
        _ whole: Model, named name: String? = nil, precision: Precision = .f32, targets: [CodeTarget] = [.native], separateWeights separate: Bool = false,
        gradient hasGradient: Bool = false, threads hasThreads: Bool = false, context: CompileContext = CompileContext()
    ) throws {
        guard let first = targets.first else { throw DiagnosticList(.badCall, "a library is for one processor at least") }
        guard !separate || targets.count == 1 else {
            throw DiagnosticList(
                .libraryRefused, "weights that are given go with the code for one processor, and there are \(targets.count)", help: "make a library for each")
        }
        architecture = first.machine.architecture
        let model = try whole.streaming(given: Set(whole.typed.inputs.map(\.name)))
        try model.checkMemory()
        let plan = try model.plan(times: context.times)
        let layout = try StreamLayout(plan, precision: precision, inputOrder: model.typed.inputs.map(\.name))
        let gradients = hasGradient ? try GradientModel(whole, times: context.times) : nil
        let gradientPlan = try gradients?.plan(times: context.times)
        var gradientLayout: GradientLayout?
        if let gradients, let gradientPlan {
            gradientLayout = try GradientLayout(gradientPlan, of: gradients.request, precision: precision, order: whole.typed.inputs.map(\.name) + whole.parameterPaths)
        }
        let names = try CNames(name ?? model.typed.name.lowercased(), layout, gradientLayout)
        let sizes = model.typed.dims.compactMap { dim in model.sizes[dim].map { (name: dim, size: $0) } }
        header = LibraryHeader(
            names: names, layout: layout, precision: precision, model: model.typed.name, dims: sizes,
            processors: targets.map(\.name).joined(separator: ", "), takesWeights: separate, gradient: gradientLayout, hasThreads: hasThreads)
        compiler = try CCompiler(for: architecture)
        let bound = try BoundData.parameters(model.parameters, for: model.graph)
        let gradientBound = try gradients.map { gradients throws(DiagnosticList) in try BoundData.parameters(whole.parameters, for: gradients.graph) }
        let here = try onDeepStack { try CompiledPlan(plan, precision: precision, weights: model.weights, context: context) }
        let compiled = try CompiledModel(here, parameters: bound)
        var hash = ContentHash()
        // Another version may mean something else by the same bytes.
        for text in [version, model.graph.text, precision.rawValue, layout.text] { hash.add(text) }
        let identity = hash.value
        variants = try targets.enumerated().map { k, target in
            let functions = LibraryFunctions(prefix: targets.count == 1 ? names.library : "\(names.library)_\(k)", segments: layout.segments)
            var constants = compiled.constants(KernelFacts(plan, precision: precision, weights: model.weights, machine: target.machine), readBy: layout.segments)
            var gradient: LibraryVariant.Gradient?
            if let gradientPlan, let gradientBound {
                let functions = LibraryFunctions(prefix: "\(functions.prefix)_gradient", segments: Set(gradientPlan.segments.indices))
                gradient = LibraryVariant.Gradient(
                    functions: functions, places: try constants.addParameters(of: gradientPlan, gradientBound, precision),
                    packing: KernelFacts(gradientPlan, precision: precision, machine: target.machine).packing,
                    object: try onDeepStack {
                        try CompiledPlan.libraryObject(gradientPlan, precision: precision, weights: .full, target: target, functions: functions, constants: nil)
                    })
            }
            guard constants.bytes.count <= CompiledPlan.mostConstantBytes || separate else {
                throw DiagnosticList(
                    .libraryRefused, "the weights take \(constants.bytes.count >> 20) MB, and a library holds \(CompiledPlan.mostConstantBytes >> 20)",
                    help: "keep them in a file of their own: --separate-weights")
            }
            let object = try onDeepStack {
                try CompiledPlan.libraryObject(
                    plan, precision: precision, weights: model.weights, target: target, functions: functions, constants: separate ? nil : constants.bytes)
            }
            var own = hash
            own.add("\(target.name) \(model.weights.rawValue) \(constants.places) \(gradient?.places ?? [])")
            return LibraryVariant(
                target: target, functions: functions, constants: constants, needs: ProcessorNeeds(target.machine.architecture == .x86 ? try target.instructions() : []), object: object,
                identity: own.value, gradient: gradient)
        }
        source = LibrarySource(header: header, variants: variants, identity: identity)
    }

    /// A file that was written.
    package struct File: Sendable {
        package var path: String
        package var byteCount: Int
        package var what: String
    }

    /// Compiles what calls the code, and writes the files of the library into a folder, which is made where it is not there.
    ///
    /// - Throws: where the folder cannot be written, or the C compiler fails.
    package func write(to folder: String) throws -> [File] {
        let isHere = architecture == HostMachine.current.architecture
        let target = URL(fileURLWithPath: folder, isDirectory: true)
        let name = header.names.library
        let work = FileManager.default.temporaryDirectory.appendingPathComponent("recc-library-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: work) }
        try Data(header.text.utf8).write(to: work.appendingPathComponent("\(name).h"))
        try Data(source.text.utf8).write(to: work.appendingPathComponent("\(name).c"))
        var objects = ["\(name).o"]
        var members: [Archive.Member] = []
        for (k, variant) in variants.enumerated() {
            let stages = (header.layout.onceStages + header.layout.stepStages).map { variant.functions.stageName($0.segment, $0.stage) }
            members.append(
                Archive.Member(
                    name: "\(name)_code_\(k).o", bytes: variant.object, symbols: stages + (header.takesWeights ? [] : [variant.functions.constantsName])))
            guard let gradient = variant.gradient, let layout = header.gradient else { continue }
            let ofGradients = layout.segments.flatMap { segment in (0..<segment.stageCount).map { gradient.functions.stageName(segment.index, $0) } }
            members.append(Archive.Member(name: "\(name)_gradient_\(k).o", bytes: gradient.object, symbols: ofGradients))
        }
        for member in members {
            objects.append(member.name)
            try Data(member.bytes).write(to: work.appendingPathComponent(member.name))
        }
        let portable = isHere ? [] : ["-ffreestanding"]
        try compiler.run(["-std=c11", "-O2", "-fPIC", "-fvisibility=hidden"] + portable + ["-c", "\(name).c", "-o", "\(name).o"], in: work)
        members.insert(
            Archive.Member(name: objects[0], bytes: Array(try Data(contentsOf: work.appendingPathComponent(objects[0]))), symbols: header.functions), at: 0)
        var files = [("\(name).h", Array(header.text.utf8), "the C interface"), ("lib\(name).a", Archive(members: members).bytes, "to be linked into a program")]
        if isHere {
            let shared = "lib\(name).so"
            // Nothing may be left to be found but what the C library has.
            try compiler.run(["-shared", "-fPIC"] + objects + ["-o", shared, "-Wl,-soname,\(shared)", "-Wl,-z,defs", "-Wl,--as-needed", "-lm", "-s"] + (header.hasThreads ? ["-pthread"] : []), in: work)
            files.append((shared, Array(try Data(contentsOf: work.appendingPathComponent(shared))), "to be loaded by a program"))
        }
        if header.takesWeights { files.append(("\(name).weights", variants[0].weightsFile, "what 'weights' points to")) }
        do { try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true) } catch {
            throw Diagnostic(.fileProblem, "\(folder): the folder cannot be made", at: nil, help: "-o names a folder")
        }
        return try files.map { file, bytes, what in
            do { try Data(bytes).write(to: target.appendingPathComponent(file), options: .atomic) } catch {
                throw Diagnostic(.fileProblem, "\(folder)/\(file): the file cannot be written", at: nil, help: "-o names a folder in which files can be made")
            }
            return File(path: (folder.hasSuffix("/") ? folder : folder + "/") + file, byteCount: bytes.count, what: what)
        }
    }
}
