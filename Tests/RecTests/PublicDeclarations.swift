import Foundation
import TestSupport
import Testing

/// What is public is what users of the library need: each declaration is in a list and has a doc comment, and code outside of the
/// package sees it.
@Suite struct PublicDeclarations {
    private struct Declaration {
        var text: String
        var isDocumented: Bool
    }

    /// The declarations of all sources that say `public`, up to their bodies.
    private func declarations() throws -> [Declaration] {
        let sources = URL(fileURLWithPath: Project.path("Sources"))
        let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)).compactMap { $0 as? URL }
        var result: [Declaration] = []
        for file in files.filter({ $0.pathExtension == "swift" }).sorted(by: { $0.path < $1.path }) {
            let lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            for (k, line) in lines.enumerated() where line.hasPrefix("public ") || line.hasPrefix("@") && line.contains(" public ") {
                var text = line
                var next = k + 1
                func depth() -> Int { text.reduce(0) { $0 + ($1 == "(" ? 1 : $1 == ")" ? -1 : 0) } }
                while depth() > 0, next < lines.count {
                    text += " " + lines[next]
                    next += 1
                }
                let end = text.range(of: " { ")?.lowerBound ?? (text.hasSuffix(" {") ? text.index(text.endIndex, offsetBy: -2) : text.endIndex)
                var above = k - 1
                while above >= 0, lines[above].hasPrefix("@") { above -= 1 }
                result.append(
                    Declaration(text: "\(file.deletingPathExtension().lastPathComponent): \(text[..<end])", isDocumented: above >= 0 && lines[above].hasPrefix("///")))
            }
        }
        return result
    }

    /// `RECC_RECORD=1 swift test --filter PublicDeclarations` writes the list anew.
    @Test func publicDeclarationsAreListed() throws {
        let found = try declarations()
        let text = found.map(\.text).joined(separator: "\n") + "\n"
        let list = URL(fileURLWithPath: Project.path("Tests/RecTests/Golden/public.txt"))
        if ProcessInfo.processInfo.environment["RECC_RECORD"] != nil { try Data(text.utf8).write(to: list) }
        let known = try String(contentsOf: list, encoding: .utf8)
        let (added, removed) = (Set(text.split(separator: "\n")).subtracting(known.split(separator: "\n")), Set(known.split(separator: "\n")).subtracting(text.split(separator: "\n")))
        #expect(text == known, "what is public has changed: added \(added.sorted()), removed \(removed.sorted())")
    }

    @Test func publicDeclarationsAreDocumented() throws {
        for declaration in try declarations() where !declaration.isDocumented {
            Issue.record("no doc comment: \(declaration.text)")
        }
    }

    /// `Tests/LibraryTests` is built without access to what belongs to the package alone; it holds the document's snippets.
    @Test func snippetsOfTheDocumentAreRun() throws {
        func lines(_ text: String) -> [String] {
            text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty && !$0.hasPrefix("import ") }
        }
        let compiled = lines(try String(contentsOfFile: Project.path("Tests/LibraryTests/Embedding.swift"), encoding: .utf8))
        var count = 0
        for path in ["docs/embedding.md", "docs/cache.md"] {
            let page = try String(contentsOfFile: Project.path(path), encoding: .utf8)
            for block in page.components(separatedBy: "```swift\n").dropFirst() {
                let snippet = lines(block.components(separatedBy: "\n```")[0])
                // The manifest of a package of one's own is no code of a test.
                if snippet.first == "// Package.swift" { continue }
                count += 1
                let isRun = compiled.indices.contains { compiled[$0...].starts(with: snippet) }
                #expect(isRun, "\(path): no test runs\n\(snippet.joined(separator: "\n"))")
            }
        }
        #expect(count >= 12)
    }
}
