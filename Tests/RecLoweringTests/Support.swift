import Foundation
import RecInterpreter
import RecLowering
import RecSource
import RecStream
import RecTensors
import RecTyping
import Testing

/// A program from text, typed.
struct Checked {
    var program: TypedProgram
    var diagnostics: [Diagnostic]
    var sources: SourceMap

    var ids: [DiagnosticID] { diagnostics.map(\.id) }

    /// The text a diagnostic points at.
    func text(of diagnostic: Diagnostic) -> String? { diagnostic.span.map { sources.text(of: $0) } }
}

/// Types a program; `files` are what it may import.
func check(_ text: String, files: [String: String] = [:]) -> Checked {
    let loader = ProgramLoader(path: "main.rec", text: text) { path, _ in files[path].map { (path, $0) } }
    let (program, problems) = typeProgram(loader.program, sources: loader.sources)
    return Checked(
        program: program, diagnostics: loader.joined(with: problems), sources: loader.sources)
}

/// The graph of a program's main model; the program must be sound.
func graph(_ text: String, _ dims: [String: Int] = [:], model: String? = nil, files: [String: String] = [:]) throws -> StreamGraph {
    let checked = check(text, files: files)
    #expect(checked.diagnostics.map(\.message) == [])
    let graph = try lower(checked.program, model: #require(model ?? checked.program.mainModel), dims: dims)
    #expect(faults(of: graph) == [])
    return graph
}

/// Runs a program's main model by the interpreter. Inputs and parameters come with their shapes, without a batch.
func results(
    _ text: String, _ dims: [String: Int] = [:], inputs: [String: ([Double], [Int])] = [:],
    integers: [String: ([Int], [Int])] = [:], parameters: [String: ([Double], [Int])] = [:]
) throws -> [String: [Double]] {
    let graph = try graph(text, dims)
    var data = ModelData(
        inputs: inputs.mapValues { Tensor($0.0, shape: $0.1) }, parameters: parameters.mapValues { Tensor($0.0, shape: $0.1) })
    for (name, value) in integers { data.inputs[name] = Tensor(value.0, shape: value.1) }
    let results = Interpreter(graph).run(try BoundData(data, for: graph))
    var byName: [String: [Double]] = [:]
    for named in results.outputs + results.losses { byName[named.name] = named.tensor.doubles() }
    return byName
}

/// Checks that the numbers agree to twelve digits.
func expectClose(_ got: [Double]?, _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation) {
    guard let got else {
        Issue.record("there is no such result", sourceLocation: sourceLocation)
        return
    }
    #expect(got.count == expected.count, sourceLocation: sourceLocation)
    for (a, b) in zip(got, expected) {
        #expect(abs(a - b) <= 1e-12 * max(1, abs(b)), "\(got) is not \(expected)", sourceLocation: sourceLocation)
    }
}

/// Expects exactly one diagnostic of this kind, at this text.
func expectError(
    _ id: DiagnosticID, at place: String, in text: String, says part: String? = nil, helps help: String? = nil,
    files: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation
) {
    let checked = check(text, files: files)
    #expect(checked.ids == [id], "\(checked.diagnostics.map(\.message))", sourceLocation: sourceLocation)
    guard let first = checked.diagnostics.first else { return }
    #expect(checked.text(of: first) == place, sourceLocation: sourceLocation)
    if let part { #expect(first.message.contains(part), "\(first.message)", sourceLocation: sourceLocation) }
    if let help { #expect(first.help?.contains(help) == true, "\(first.help ?? "no help")", sourceLocation: sourceLocation) }
}

/// Expects lowering to fail in this way.
func expectLoweringError(
    _ id: DiagnosticID, _ text: String, _ dims: [String: Int] = [:], sourceLocation: SourceLocation = #_sourceLocation
) {
    let checked = check(text)
    #expect(checked.diagnostics.map(\.message) == [], sourceLocation: sourceLocation)
    do {
        _ = try lower(checked.program, model: checked.program.mainModel ?? "", dims: dims)
        Issue.record("lowering succeeded", sourceLocation: sourceLocation)
    } catch {
        #expect(error.diagnostics.map(\.id) == [id], "\(error.diagnostics.map(\.message))", sourceLocation: sourceLocation)
    }
}
