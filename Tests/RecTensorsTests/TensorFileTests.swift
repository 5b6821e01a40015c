import Foundation
import RecSource
import TestSupport
import Testing

@testable import RecTensors

@Suite struct TensorFileTests {
    private let temporary: TemporaryFolder
    private var folder: URL { temporary.url }

    init() throws {
        temporary = try TemporaryFolder()
    }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    private let samples = [
        NamedTensor(name: "a", tensor: Tensor([1.5, -2, .infinity, 0], shape: [2, 2])),
        NamedTensor(name: "b.c", tensor: Tensor([Float(0.25), 3], shape: [2, 1])),
        NamedTensor(name: "ints", tensor: Tensor([1, -7, 1 << 40], shape: [3])),
        NamedTensor(name: "scalar", tensor: Tensor([4.0], shape: [])),
        NamedTensor(name: "empty", tensor: Tensor([Double](), shape: [0, 3])),
    ]

    @Test(arguments: ["npz", "safetensors"])
    func archivesComeBack(format: String) throws {
        let file = path("archive.\(format)")
        try TensorFile.write(TensorArchive(tensors: samples, metadata: ["k": "v \"x\""]), to: file)
        let back = try TensorFile.read(file)
        #expect(back.tensors.count == samples.count)
        for sample in samples {
            let tensor = try #require(back[sample.name])
            #expect(tensor.shape == sample.tensor.shape && tensor.type == sample.tensor.type)
            #expect(tensor.doubles() == sample.tensor.doubles())
        }
        if format == "safetensors" { #expect(back.metadata == ["k": "v \"x\""]) }
    }

    @Test func singleTensorsComeBack() throws {
        for sample in samples {
            try TensorFile.write(TensorArchive(tensors: [sample]), to: path("one.npy"))
            let back = try TensorFile.read(path("one.npy")).tensors[0].tensor
            #expect(back.shape == sample.tensor.shape && back.doubles() == sample.tensor.doubles())
        }
        try TensorFile.write(TensorArchive(tensors: [samples[0]]), to: path("one.csv"))
        #expect(try TensorFile.read(path("one.csv")).tensors[0].tensor.doubles() == [1.5, -2, .infinity, 0])
    }

    @Test func halvesAreExact() {
        #expect(Tensor.half(0x3C00) == 1 && Tensor.half(0xC000) == -2 && Tensor.half(0x0001) == 0x1p-24)
        #expect(Tensor.half(0x7C00) == .infinity && Tensor.half(0x7E00).isNaN)
    }

    /// Files with damaged bytes: a diagnostic or some tensors, never a crash.
    @Test(arguments: ["npy", "npz", "safetensors", "csv"])
    func damagedFilesNeverCrash(format: String) throws {
        let file = path("damaged.\(format)")
        let tensors = format == "npy" || format == "csv" ? [samples[0]] : samples
        try TensorFile.write(TensorArchive(tensors: tensors), to: file)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<400 {
            var damaged = bytes
            for _ in 0...generator.next(upperBound: UInt(3)) where !damaged.isEmpty {
                let at = Int(generator.next(upperBound: UInt(damaged.count)))
                damaged[at] = UInt8(truncatingIfNeeded: generator.next())
            }
            if generator.next() % 4 == 0 { damaged = damaged.prefix(Int(generator.next(upperBound: UInt(damaged.count + 1)))) }
            try damaged.write(to: URL(fileURLWithPath: file))
            guard let archive = try? TensorFile.read(file) else { continue }
            for item in archive.tensors { _ = item.tensor.doubles().count }
        }
    }

    @Test func hostileHeadersAreRefused() throws {
        func refused(_ header: String, data: Int = 8) -> Bool {
            var bytes = Data()
            withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
            bytes.append(Data(header.utf8))
            bytes.append(Data(count: data))
            try? bytes.write(to: URL(fileURLWithPath: path("hostile.safetensors")))
            return (try? TensorFile.read(path("hostile.safetensors"))) == nil
        }
        #expect(!refused(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#))
        #expect(refused(#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#))
        #expect(refused(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,80]}}"#))
        #expect(refused(#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#))
        #expect(refused(#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#))
        #expect(refused(#"{"a":{"dtype":"Q9","shape":[2],"data_offsets":[0,8]}}"#))
        #expect(refused(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#))
        #expect(refused("[]"))
    }

    @Test func compressedArchivesAreRead() throws {
        // numpy.savez_compressed(x=numpy.zeros(300, 'f4')), packed by zlib.
        let deflated: [UInt8] = [0x63, 0x60, 0x18, 0x05, 0xA3, 0x60, 0xA4, 0x03, 0x00]
        let inflated = deflated.withUnsafeBytes { bytes in (0..<4000).compactMap { Inflate.inflate(bytes, expecting: $0) }.first }
        #expect(inflated?.allSatisfy { $0 == 0 } ?? false)
    }

    @Test func errorsNameTheFile() {
        #expect(throws: Diagnostic.self) { try TensorFile.read(path("missing.npy")) }
        #expect(throws: Diagnostic.self) { try TensorFile.read(path("data.xyz")) }
    }
}
