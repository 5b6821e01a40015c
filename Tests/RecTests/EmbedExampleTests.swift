import Foundation
import Rec
import TestSupport
import Testing

/// The app of `examples/embed`, as it is built here.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc-embed")))) struct EmbedExampleTests {
    private let app: ReccCommand

    init() throws { app = try ReccCommand(Project.path(".build/debug/recc-embed")) }

    @Test("it hears who speaks, and amplifies notes") func sounds() throws {
        #expect(try app.run(["sounds", "sounds"]).status == 0)
        let speech = try app.run(["detect", "sounds/speech.wav"])
        #expect(speech.status == 0 && speech.output.hasPrefix("  0.06 s to   1.76 s  speech\n  1.82 s to   3.52 s  speech\n"), "\(speech)")
        let notes = try app.run(["amplify", "sounds/notes.wav", "loud.wav"])
        #expect(notes.status == 0 && notes.output.contains("times as fast"), "\(notes)")
        // What came out is near to what it was learned from, and what went in is not.
        let sound = try samples("sounds/notes.wav")
        let tube = try Model(Project.path("examples/embed/tube.rec"))(["x": sound])["y"].floats()
        func error(_ other: [Float]) -> Float {
            zip(tube, other).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / tube.reduce(0) { $0 + $1 * $1 }
        }
        let amplified = try samples("loud.wav")
        #expect(amplified.count == sound.count && error(amplified) < 0.05 && error(sound) > 0.3, "\(error(amplified)), \(error(sound))")
    }

    @Test("wrong calls and files are told") func mistakes() throws {
        _ = try app.file("text.wav", "no sound")
        _ = try app.file("cut.wav", "RIFF....WAVEfmt ")
        let cases: [(arguments: [String], status: Int32, text: String)] = [
            ([], 2, "usage"), (["detect"], 2, "usage"), (["detect", "none.wav"], 1, "none.wav"), (["detect", "text.wav"], 1, "is no WAV file"),
            (["detect", "cut.wav"], 1, "has no sound"),
        ]
        for (arguments, status, text) in cases {
            let outcome = try app.run(arguments)
            #expect(outcome.status == status && outcome.errors.contains(text), "\(arguments): \(outcome)")
        }
        // What recc throws is printed as recc prints it.
        let outcome = try app.run(["amplify", "text.wav", "out.wav"], environment: ["RECC_EXAMPLES": app.folder.url.path])
        #expect(outcome.status == 1 && outcome.errors.contains("is no WAV file"))
    }

    /// Of the first channel of 16 bits a sample.
    private func samples(_ name: String) throws -> [Float] {
        let bytes = try Data(contentsOf: app.folder.url.appendingPathComponent(name))
        return bytes.dropFirst(44).withUnsafeBytes { data in data.bindMemory(to: Int16.self).map { Float(Int16(littleEndian: $0)) / 32768 } }
    }
}
