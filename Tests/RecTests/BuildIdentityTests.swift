import Foundation
import TestSupport
import Testing

@testable import RecCodeGen

/// Kept code goes by what the program is: not by its name, its place, or the times of its file.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))))
struct BuildIdentityTests {
    private let recc: ReccCommand
    private let gru = Project.path("examples/gru.rec")

    init() throws { recc = try ReccCommand("/bin/bash") }

    /// Whether the program at a path, called by a name, finds its code.
    private func isHit(_ path: String, calledBy name: String = "recc") throws -> Bool {
        let outcome = try recc("-c", "exec -a '\(name)' '\(path)' compile '\(gru)' -D D=3 -D H=5 --time-passes")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("kernel cache: hit") != outcome.errors.contains("kernel cache: miss"), "\(outcome.errors)")
        return outcome.errors.contains("kernel cache: hit")
    }

    @Test func theNameOfTheProgramPlaysNoPart() throws {
        let program = Project.path(".build/debug/recc")
        // A file of this name lies where the command is run.
        _ = try recc.file("recc", "no program at all")
        #expect(try !isHit(program))
        #expect(try isHit(program) && isHit(program, calledBy: "another") && isHit(program, calledBy: gru))
        #expect(try recc("-c", "cp '\(program)' elsewhere && touch -d 2001-01-01 elsewhere").status == 0)
        #expect(try isHit(recc.folder.path("elsewhere")))
    }

    /// Another build in the same place, of the same size and with the same times, compiles anew.
    @Test func upgradesUseNoOldCode() throws {
        let program = URL(fileURLWithPath: recc.folder.path("recc"))
        var bytes = try Data(contentsOf: URL(fileURLWithPath: Project.path(".build/debug/recc")))
        func install() throws {
            try bytes.write(to: program)
            #expect(try recc("-c", "chmod +x recc && touch -d 2001-01-01 recc").status == 0)
        }
        try install()
        #expect(try !isHit(program.path) && isHit(program.path))
        // Name, type 3 and 20 bytes: the note of the linker.
        let note = Data([4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0] + Array("GNU\0".utf8))
        let place = try #require(bytes.range(of: note), "the program is linked with a build id")
        bytes[place.upperBound] ^= 1
        try install()
        #expect(try !isHit(program.path) && isHit(program.path))
    }

    @Test func hashesAreThoseOfTheSpecification() {
        func hash(_ text: String) -> UInt64 {
            var hash = ContentHash()
            hash.add(text)
            return hash.value
        }
        #expect(hash("") == 0xEF46_DB37_51D8_E999 && hash("a") == 0xD24E_C4F1_A98C_6E5B && hash("abc") == 0x44BC_2CF5_AD77_0999)
        #expect(hash("Nobody inspects the spammish repetition") == 0xFBCE_A83C_8A37_8BF1)
    }
}
