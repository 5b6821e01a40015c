import Foundation
import Rec
import RecScheduling
import RecStream
import TestSupport
import Testing

/// Graphs and plans of the examples, held against files. `RECC_RECORD=1 swift test --filter GoldenTests` writes them anew.
@Suite struct GoldenTests {
    @Test(arguments: ExampleTests.paths)
    func graphsAndPlansAreAsRecorded(path: String) throws {
        let name = ExampleTests.name(path)
        let model = try Model(Program(path: path), dims: try #require(ExampleTests.dims[name]))
        try compare(model.graph.text, "\(name).graph")
        if model.unfoldedAxis == nil { try compare(String(decoding: try model.emitted(.plan), as: UTF8.self), "\(name).plan") }
    }

    private func compare(_ text: String, _ file: String) throws {
        let url = URL(fileURLWithPath: Project.path("Tests/RecTests/Golden/\(file)"))
        if ProcessInfo.processInfo.environment["RECC_RECORD"] != nil {
            try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
        #expect(try String(contentsOf: url, encoding: .utf8) == text, "\(file) differs from what was recorded")
    }

    /// Every graph reads back from its text, and is sound before and after each pass.
    @Test(arguments: ExampleTests.paths + ConformanceTests.programs)
    func graphsAreSoundAndReadBack(path: String) throws {
        let program = try Program(path: path)
        let typed = try program.model()
        let dims = Dictionary(uniqueKeysWithValues: typed.dims.map { ($0, 4) })
            .merging(ExampleTests.dims[ExampleTests.name(path)] ?? [:]) { $1 }
        var graph = try Model(program, dims: dims.filter { typed.dims.contains($0.key) }).graph
        #expect(graph.violations().isEmpty, "\(path): \(graph.violations().prefix(3))")
        #expect(try StreamGraph(text: graph.text).text == graph.text)
        for pass in Pipeline.passes {
            graph = pass.run(graph)
            #expect(graph.violations().isEmpty, "\(path) after \(pass.name): \(graph.violations().prefix(3))")
        }
    }
}
