import Foundation

/// Sound in a WAV file: 16, 24 or 32 bits a sample, or floats.
struct WAVFile {
    /// Samples a second.
    var rate: Int
    /// Samples from -1 to 1; all channels have as many.
    var channels: [[Float]]

    var frameCount: Int { channels.first?.count ?? 0 }

    /// All channels as one.
    var mixed: [Float] { (0..<frameCount).map { k in channels.reduce(0) { $0 + $1[k] } / Float(channels.count) } }

    struct Problem: LocalizedError {
        var errorDescription: String?
        init(_ path: String, _ what: String) { errorDescription = "\(path) \(what)" }
    }

    init(rate: Int, channels: [[Float]]) {
        self.rate = rate
        self.channels = channels
    }

    init(path: String) throws {
        guard let file = try? Data(contentsOf: URL(fileURLWithPath: path)) else { throw Problem(path, "cannot be read") }
        let bytes = [UInt8](file)
        func text(_ at: Int) -> String { String(decoding: bytes[at..<at + 4], as: UTF8.self) }
        func number(_ at: Int, _ count: Int) -> Int { (0..<count).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) } }
        guard bytes.count >= 12, text(0) == "RIFF", text(8) == "WAVE" else { throw Problem(path, "is no WAV file") }
        var format: (code: Int, channels: Int, rate: Int, bits: Int)?
        var data: Range<Int>?
        var at = 12
        while at + 8 <= bytes.count, data == nil {
            // Files that were not closed say nothing of their length, or too much.
            let (start, end) = (at + 8, min(bytes.count, at + 8 + number(at + 4, 4)))
            switch text(at) {
            case "fmt " where end - start >= 16:
                // Of the extensible form the code stands further behind.
                let code = number(start, 2) == 0xFFFE && end - start >= 26 ? number(start + 24, 2) : number(start, 2)
                format = (code, number(start + 2, 2), number(start + 4, 4), number(start + 14, 2))
            case "data": data = start..<end
            default: break
            }
            at = end + (end - start) % 2
        }
        guard let format, let data, (1...64).contains(format.channels), format.rate > 0 else { throw Problem(path, "has no sound") }
        guard format.code == 1 && [16, 24, 32].contains(format.bits) || format.code == 3 && format.bits == 32 else {
            throw Problem(path, "has samples of \(format.bits) bits in the form \(format.code); 16, 24 and 32 bits and floats are read")
        }
        let width = format.bits / 8
        let frames = data.count / (width * format.channels)
        rate = format.rate
        channels = (0..<format.channels).map { channel in
            (0..<frames).map { frame in
                let bits = UInt32(truncatingIfNeeded: number(data.lowerBound + (frame * format.channels + channel) * width, width))
                if format.code == 3 { return Float(bitPattern: bits) }
                return Float(Int32(bitPattern: bits << (32 - format.bits))) / 0x1p31
            }
        }
    }

    /// Writes 16 bits a sample.
    func write(to path: String) throws {
        func bytes(_ number: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
        let size = 2 * channels.count * frameCount
        var file = Array("RIFF".utf8) + bytes(36 + size, 4) + Array("WAVEfmt ".utf8) + bytes(16, 4) + bytes(1, 2) + bytes(channels.count, 2)
        file += bytes(rate, 4) + bytes(2 * channels.count * rate, 4) + bytes(2 * channels.count, 2) + bytes(16, 2) + Array("data".utf8) + bytes(size, 4)
        file.reserveCapacity(file.count + size)
        for frame in 0..<frameCount {
            for channel in channels { file += bytes(Int((max(-1, min(1, channel[frame])) * 32767).rounded()), 2) }
        }
        try Data(file).write(to: URL(fileURLWithPath: path))
    }
}
