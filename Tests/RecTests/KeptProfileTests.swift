import Foundation
import RecScheduling
import TestSupport
import Testing

@testable import Rec

@Suite struct KeptProfileTests {
    private let folder: TemporaryFolder
    private var file: URL { folder.url.appendingPathComponent("cache/machine.json") }

    init() throws { folder = try TemporaryFolder() }

    private static let quiet = MachineProfile(operation: 1e-10, latency: 1e-9, units: 3.9, bandwidth: 4e10, barrier: 3e-7, lanes: 16)
    private static let busy = MachineProfile(operation: 3e-10, latency: 2e-9, units: 1.2, bandwidth: 1e10, barrier: 5e-6, lanes: 16)

    /// What several processes measure one after another, and how many of them had to.
    private func read(_ measured: [MachineProfile]) -> (profile: MachineProfile?, measurements: Int) {
        var count = 0
        var result: MachineProfile?
        for profile in measured {
            result = KeptProfile.read(file, threads: 4) {
                count += 1
                return profile
            }
        }
        return (result, count)
    }

    @Test func aQuietMeasurementIsFinal() {
        let (profile, measurements) = read([Self.quiet, Self.busy, Self.busy])
        #expect(profile == Self.quiet && measurements == 1)
    }

    @Test func aDisturbedOneIsRepeated() {
        let (profile, measurements) = read([Self.busy, Self.busy, Self.quiet, Self.busy])
        #expect(profile == Self.quiet && measurements == 3)
    }

    @Test func aSlowMachineIsBelievedInTheEnd() {
        let (profile, measurements) = read(Array(repeating: Self.busy, count: 20))
        #expect(profile == Self.busy && measurements == 8)
    }

    @Test func filesOfOthersAreNotTaken() throws {
        for text in ["", "{}", "{\"measurements\":3,\"profile\":{\"operation\":-1,\"latency\":1,\"units\":1,\"bandwidth\":1,\"barrier\":1,\"lanes\":16}}"] {
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
            #expect(read([Self.quiet]).profile == Self.quiet)
        }
        struct Failure: Error {}
        #expect(KeptProfile.read(folder.url.appendingPathComponent("none"), threads: 4) { throw Failure() } == nil)
    }
}
