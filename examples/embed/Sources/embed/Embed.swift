import Foundation
import Rec

/// Two models in a program: a voice detector, and an amplifier that was learned.
@main struct Embed {
    static let usage = """
        usage: embed detect IN.wav          who speaks when
               embed amplify IN.wav OUT.wav  what an amplifier makes of a sound
               embed sounds FOLDER           writes sounds to try the others with
        RECC_EXAMPLES names the folder of the programs and weights, where that is not the one that this was built in.

        """

    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            switch (arguments.first, arguments.count) {
            case ("detect", 2): try detect(arguments[1])
            case ("amplify", 3): try amplify(arguments[1], to: arguments[2])
            case ("sounds", 2): try Sounds.write(to: arguments[1])
            default:
                FileHandle.standardError.write(Data(usage.utf8))
                exit(2)
            }
        } catch {
            // What recc says of a program, of weights and of data: place, line and the likely mend.
            FileHandle.standardError.write(Data("embed: \(error.localizedDescription)\n".utf8))
            exit(1)
        }
    }

    /// The folder that has the programs.
    static var examples: URL {
        if let folder = ProcessInfo.processInfo.environment["RECC_EXAMPLES"] { return URL(fileURLWithPath: folder) }
        return URL(fileURLWithPath: #filePath).appendingPathComponent("../../../..").standardized
    }

    static func detect(_ path: String) throws {
        let sound = try WAVFile(path: path)
        guard sound.rate == VoiceDetector.rate else {
            throw WAVFile.Problem(path, "has \(sound.rate) samples a second, and the detector hears \(VoiceDetector.rate): sox \(path) -r \(VoiceDetector.rate) out.wav")
        }
        let detector = try VoiceDetector(examples)
        for turn in try detector.turns(sound.mixed) {
            print(String(format: "%6.2f s to %6.2f s  speech", turn.lowerBound, turn.upperBound))
        }
    }

    static func amplify(_ path: String, to output: String) throws {
        let sound = try WAVFile(path: path)
        let amplifier = try Amplifier(examples)
        if sound.rate != Amplifier.rate { print("\(path) has \(sound.rate) samples a second; the amplifier was learned at \(Amplifier.rate)") }
        var result = sound
        let start = ContinuousClock.now
        result.channels = try amplifier(sound.channels)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        try result.write(to: output)
        let length = Double(sound.frameCount) / Double(sound.rate)
        print(String(format: "%.1f s of sound in %.3f s: %.0f times as fast as it sounds", length, seconds, length / seconds))
    }
}
