import Foundation
import Rec

/// An amplifier that was learned from what goes in and what comes out (`amplifier.rec`; the README says how).
struct Amplifier {
    static let rate = 44_100
    /// Samples at a time: a block as sound cards ask for.
    private static let block = 256

    private let model: Model

    init(_ examples: URL) throws {
        let folder = examples.appendingPathComponent("embed")
        model = try Model(folder.appendingPathComponent("amplifier.rec").path, weights: folder.appendingPathComponent("amplifier.safetensors").path)
    }

    /// What comes out of each channel. The channels are sequences of one batch, which take their steps together.
    ///
    /// Samples are written where the stream reads them, and read where it writes them: a block allocates nothing in the stream.
    func callAsFunction(_ channels: [[Float]]) throws -> [[Float]] {
        let stream = try model.stream(batch: channels.count, capacity: Self.block)
        var outputs = channels
        let count = channels.first?.count ?? 0
        for start in stride(from: 0, to: count, by: Self.block) {
            let block = start..<min(start + Self.block, count)
            for (k, channel) in channels.enumerated() {
                try stream.withInput("x", sequence: k) { memory in
                    channel[block].withUnsafeBytes { memory.copyMemory(from: $0) }
                }
            }
            try stream.advance(block.count)
            for k in channels.indices {
                try stream.withOutput("y", sequence: k) { memory in
                    for (sample, value) in zip(block, memory.bindMemory(to: Float.self)) { outputs[k][sample] = value }
                }
            }
        }
        return outputs
    }
}
