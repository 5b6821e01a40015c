import Foundation
import Rec

/// Silero's voice detector: the probability that someone speaks, for each 32 ms.
struct VoiceDetector {
    static let rate = 16_000
    private static let step = 512
    /// Each frame has the end of the one before in front.
    private static let context = 64

    private let model: Model

    init(_ examples: URL) throws {
        model = try Model(
            examples.appendingPathComponent("silero_vad.rec").path,
            weights: examples.appendingPathComponent("data/silero_vad_16k.safetensors").path)
    }

    /// The probabilities, frame by frame, as they would come in from a microphone.
    func probabilities(_ samples: [Float]) throws -> [Float] {
        let stream = try model.stream()
        var frame = [Float](repeating: 0, count: Self.context + Self.step)
        return try stride(from: 0, to: samples.count - Self.step + 1, by: Self.step).map { start in
            frame = frame.suffix(Self.context) + samples[start..<start + Self.step]
            return try stream.step(["frame": frame])["p"][0]
        }
    }

    /// When someone speaks, in seconds. Speech ends where it is far less probable than where it began.
    func turns(_ samples: [Float]) throws -> [Range<Double>] {
        var turns: [Range<Double>] = []
        var start: Double?
        let probabilities = try probabilities(samples)
        for (k, probability) in probabilities.enumerated() {
            let time = Double(k * Self.step) / Double(Self.rate)
            if let began = start {
                if probability > 0.35 { continue }
                turns.append(began..<time)
                start = nil
            } else if probability > 0.5 {
                start = time
            }
        }
        if let start { turns.append(start..<Double(probabilities.count * Self.step) / Double(Self.rate)) }
        return turns
    }
}
