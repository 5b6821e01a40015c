import Foundation
import Rec

/// Sounds to try the models with, and to learn the amplifier from.
enum Sounds {
    /// Writes `speech.wav`, and a row of notes as `notes.wav` and as a table for `recc`, `notes.csv`.
    static func write(to folder: String) throws {
        let target = URL(fileURLWithPath: folder)
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        func path(_ name: String) -> String { target.appendingPathComponent(name).path }
        try WAVFile(rate: VoiceDetector.rate, channels: [speech()]).write(to: path("speech.wav"))
        let notes = notes(seconds: 12)
        try WAVFile(rate: Amplifier.rate, channels: [notes]).write(to: path("notes.wav"))
        let table = "x\n" + notes.map { String(format: "%.6f\n", $0) }.joined()
        try Data(table.utf8).write(to: target.appendingPathComponent("notes.csv"))
    }

    /// Of `examples/data`, where it lies in frames for the detector.
    static func speech() throws -> [Float] {
        let archive = try TensorArchive(path: Embed.examples.appendingPathComponent("data/speech.safetensors").path)
        guard let frames = archive.tensors.first(where: { $0.name == "input.frame" })?.tensor else { return [] }
        return frames.floats().enumerated().filter { $0.offset % 576 >= 64 }.map(\.element)
    }

    /// Notes and chords that are struck and die away, louder and softer, from low to high.
    static func notes(seconds: Double) -> [Float] {
        let pitches = [82.4, 110, 146.8, 196, 246.9, 329.6, 98, 164.8, 220, 293.7, 392, 123.5, 440, 130.8, 523.3, 174.6]
        let count = Int(seconds * Double(Amplifier.rate))
        let length = Double(Amplifier.rate) / 2
        return (0..<count).map { k in
            let note = Int(Double(k) / length)
            let time = (Double(k) - Double(note) * length) / Double(Amplifier.rate)
            // Every third is a fifth, and every fourth is soft.
            let (loud, chord) = (note % 4 == 3 ? 0.15 : 0.2 + 0.1 * Double(note % 5), note % 3 == 2 ? [1, 1.5] : [1])
            let pitch = pitches[note % pitches.count]
            var sample = 0.0
            for interval in chord {
                for partial in 1...6 where pitch * interval * Double(partial) < 8000 {
                    let frequency = pitch * interval * Double(partial)
                    sample += sin(2 * .pi * frequency * time) * exp(-time * (2 + 1.5 * Double(partial))) / Double(partial)
                }
            }
            return Float(loud * sample * min(1, time * 400) / Double(chord.count))
        }
    }
}
