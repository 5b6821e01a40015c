import Foundation
import Rec
import RecLowering
import TestSupport
import Testing

/// Documents say what is so.
@Suite struct DocumentTests {
    private func text(_ path: String) throws -> String { try String(contentsOfFile: Project.path(path), encoding: .utf8) }

    /// The fenced blocks of a language, each with the heading above it.
    private func blocks(_ text: String, _ language: String) -> [(heading: String, body: String)] {
        var result: [(heading: String, body: String)] = []
        var heading = ""
        var body: [Substring]?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if let lines = body {
                if line == "```" {
                    result.append((heading, lines.joined(separator: "\n") + "\n"))
                    body = nil
                } else {
                    body = lines + [line]
                }
            } else if line == "```\(language)" {
                body = []
            } else if line.hasPrefix("## ") {
                heading = String(line.dropFirst(3))
            }
        }
        return result
    }

    @Test func everyErrorHasItsSection() throws {
        let sections = try text("docs/errors.md").split(separator: "\n").filter { $0.hasPrefix("## ") }.map { String($0.dropFirst(3)) }
        #expect(Set(sections) == Set(DiagnosticID.allCases.map(\.rawValue)))
        #expect(sections.count == DiagnosticID.allCases.count)
    }

    /// The program in each section gives its error, and no other.
    @Test func errorsAreProvoked() throws {
        for (id, body) in blocks(try text("docs/errors.md"), "rec") {
            let program = Program(text: body)
            let isWarning = [DiagnosticID.unusedName, .hiddenFunction, .hiddenImport, .zeroDerivative].map(\.rawValue).contains(id)
            var found = (isWarning ? program.warnings : program.diagnostics).map(\.id.rawValue)
            if found.isEmpty {
                do {
                    let typed = try program.model()
                    _ = try Model(program, dims: Dictionary(uniqueKeysWithValues: typed.dims.map { ($0, 4) })).plan()
                } catch { found = error.diagnostics.map(\.id.rawValue) }
            }
            #expect(Set(found) == [id], "\(id): \(found)")
        }
    }

    @Test(arguments: ["README.md", "docs/language.md", "docs/library.md", "docs/gradients.md", "docs/pytorch.md", "docs/training.md"])
    func programsInDocumentsCompile(path: String) throws {
        let programs = blocks(try text(path), "rec")
        #expect(!programs.isEmpty)
        for (heading, body) in programs {
            let program = Program(text: body)
            #expect(program.diagnostics.isEmpty, "\(path), \(heading): \(program.diagnostics.map(\.message))")
            #expect(program.warnings.isEmpty, "\(path), \(heading): \(program.warnings.map(\.message))")
            let typed = try program.model()
            let model = try Model(program, dims: Dictionary(uniqueKeysWithValues: typed.dims.map { ($0, 4) }))
            // What attends to other steps has no plan of steps.
            if (try? checkSweeps(of: model.graph)) != nil, !model.attends { _ = try model.plan() }
            #expect(try ExampleRun.all(in: program).allSatisfy { $0.difference == nil })
        }
    }

    @Test func theGraphShownIsTheProgramsGraph() throws {
        let page = try text("docs/ir.md")
        let program = try #require(blocks(page, "rec").first?.body)
        let shown = try #require(blocks(page, "graph").first?.body)
        #expect(try Model(Program(text: program), dims: ["D": 2]).graph.text == shown)
    }

    /// What README shows of `recc explain` is what it says of the program there. Which form is chosen, and the times, are the
    /// machine's.
    @Test func theExplanationShownIsTheProgramsExplanation() throws {
        let page = try text("README.md")
        let pieces = page.split(separator: "```\n").filter { $0.hasPrefix("$ recc explain") }
        let shown = try #require(pieces.first).split(separator: "\n")
        let folder = try TemporaryFolder()
        let path = folder.path("mingru.rec")
        try #require(blocks(page, "rec").first?.body).write(toFile: path, atomically: true, encoding: .utf8)
        #expect(shown[0] == "$ recc explain mingru.rec -D D=64 -D H=64 --length 16384 --threads 2")
        let program = try Program(path: path)
        let model = try Model(program, dims: ["D": 64, "H": 64])
        let said = try Explanation(model, work: Workload(batch: 1, extents: [16384], threads: 2)).text(program.sources)
            .replacing(folder.url.path + "/", with: "")
        func isSure(_ line: Substring) -> Bool { !["runs as", "could run", "not as", "estimate"].contains(where: line.contains) }
        #expect(shown.dropFirst().filter(isSure) == said.split(separator: "\n").filter(isSure))
    }

    @Test func theReadmeIsShort() throws { #expect(try text("README.md").split(separator: "\n", omittingEmptySubsequences: false).count < 150) }

    @Test func theVersionHasItsChanges() throws { #expect(try text("CHANGELOG.md").contains("\n## \(Rec.version)") || text("CHANGELOG.md").contains("Unreleased: \(Rec.version)")) }

    @Test func foldersInTheTableExist() throws {
        for line in try text("docs/pipeline.md").split(separator: "\n") where line.hasPrefix("| `Sources/") {
            let folder = line.dropFirst(3).prefix { $0 != "`" }
            #expect(FileManager.default.fileExists(atPath: Project.path(String(folder))), "\(folder)")
        }
    }
}
