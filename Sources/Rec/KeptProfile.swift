import Foundation
import RecScheduling

/// What is known of this machine from the measurements of several processes, in a file of the user's cache folder.
///
/// Other programs can only make a machine look slower than it is. A measurement that looks disturbed is therefore repeated by the
/// next processes that want to know, and the best of all is kept; after some of them the machine is believed to be as slow.
struct KeptProfile: Codable, Equatable {
    var profile: MachineProfile
    var measurements = 1

    private static let mostMeasurements = 8

    /// The profile in a file, measured again where the file has none or a doubtful one; nil where it cannot be measured either.
    static func read(_ file: URL, threads: Int, measure: () throws -> MachineProfile) -> MachineProfile? {
        var known: KeptProfile?
        if let data = try? Data(contentsOf: file), let kept = try? JSONDecoder().decode(KeptProfile.self, from: data), kept.isSound {
            known = kept
        }
        if let known, known.isFinal(threads: threads) { return known.profile }
        guard let profile = try? measure() else { return known?.profile }
        let kept = known?.joined(with: profile) ?? KeptProfile(profile: profile)
        try? FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        if let data = try? JSONEncoder().encode(kept) { try? data.write(to: file, options: .atomic) }
        return kept.profile
    }

    /// The best of both.
    func joined(with other: MachineProfile) -> KeptProfile {
        var result = self
        result.measurements += 1
        result.profile.operation = min(profile.operation, other.operation)
        result.profile.latency = min(profile.latency, other.latency)
        result.profile.units = max(profile.units, other.units)
        result.profile.bandwidth = max(profile.bandwidth, other.bandwidth)
        result.profile.barrier = min(profile.barrier, other.barrier)
        return result
    }

    /// Whether it need not be measured again.
    func isFinal(threads: Int) -> Bool {
        measurements >= Self.mostMeasurements || profile.units >= 0.75 * Double(threads) && profile.barrier < 8e-7
    }

    /// A file may hold anything.
    private var isSound: Bool {
        let numbers = [profile.operation, profile.latency, profile.bandwidth, profile.barrier, profile.units]
        return measurements > 0 && numbers.allSatisfy { $0.isFinite && $0 > 0 } && (1...1024).contains(profile.lanes)
    }
}
