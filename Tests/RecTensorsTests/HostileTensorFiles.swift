import Foundation
import RecSource
import TestSupport
import Testing

@testable import RecTensors

/// Files made to do harm: each is refused with a message that names it, and nothing is read or allocated on its word.
@Suite(.timeLimit(.minutes(30))) struct HostileTensorFiles {
    private let temporary: TemporaryFolder
    private var folder: URL { temporary.url }

    init() throws {
        temporary = try TemporaryFolder()
    }

    /// The message that a file is refused with; nil where it is read.
    private func refusal(_ bytes: [UInt8], _ ending: String) throws -> String? {
        let path = folder.appendingPathComponent("file.\(ending)").path
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        do {
            for item in try TensorFile.read(path).tensors { _ = item.tensor.doubles() }
            return nil
        } catch {
            #expect(error.message.hasPrefix(path))
            return error.message
        }
    }

    private func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

    // MARK: safetensors

    private func safetensors(_ header: String, data: Int = 8) -> [UInt8] {
        little(UInt64(header.utf8.count)) + Array(header.utf8) + [UInt8](repeating: 0, count: data)
    }

    @Test(arguments: [
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
        #"{"a":{"dtype":"F32","shape":[2],"shape":[1],"data_offsets":[0,8]}}"#,
        #"{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#,
        #"{"a":{"dtype":"F32","shape":[true,2],"data_offsets":[0,8]}}"#,
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#,
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#,
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[9223372036854775807,9223372036854775807]}}"#,
        #"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}"#,
        #"{"a":{"dtype":"F32","shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"F32","shape":[0,1099511627776],"data_offsets":[0,0]}}"#,
        #"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}"#,
        #"{"a":{"dtype":"F32","shape":{"a":2},"data_offsets":[0,8]}}"#,
        #"{"a":null}"#, #"{"__metadata__":[]}"#, "{", "{}}", "{\"a\"", "{\"\\ud800\":{}}", "{\"\\u12\":{}}", "", "nul", "{\"a\":1e}",
    ])
    func headers(header: String) throws { #expect(try refusal(safetensors(header), "safetensors") != nil) }

    @Test func headersThatLie() throws {
        #expect(try refusal([], "safetensors") != nil)
        #expect(try refusal([1, 2, 3], "safetensors") != nil)
        #expect(try refusal(little(UInt64.max) + [1, 2, 3], "safetensors") != nil)
        #expect(try refusal(little(UInt64(1) << 40) + [1, 2, 3], "safetensors") != nil)
        #expect(try refusal(safetensors(String(repeating: "[", count: 1_000_000)), "safetensors") != nil)
        #expect(try refusal(safetensors(String(repeating: "{\"a\":", count: 200_000)), "safetensors") != nil)
        #expect(try refusal(little(UInt64(4)) + [0x7B, 0x22, 0xFF, 0x22], "safetensors") != nil)
    }

    /// Escapes, spaces, and numbers that need not be whole in places that are not read.
    @Test func oddHeadersAreRead() throws {
        let header = " { \"\\u0061\\n\\ud83d\\ude00\" : {\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":[1.5,null,{}]},\"__metadata__\":{\"k\":\"\\t\"} } "
        let path = folder.appendingPathComponent("odd.safetensors").path
        try Data(safetensors(header)).write(to: URL(fileURLWithPath: path))
        let archive = try TensorFile.read(path)
        #expect(archive.tensors.map(\.name) == ["a\n😀"] && archive.metadata == ["k": "\t"])
    }

    /// Tensors at odd places are moved to where compiled code may load them.
    @Test func misplacedTensorsAreAligned() throws {
        let header = #"{"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}}"#
        var bytes = safetensors(header, data: 1)
        bytes += withUnsafeBytes(of: 2.5) { Array($0) }
        let path = folder.appendingPathComponent("odd.safetensors").path
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let tensor = try #require(try TensorFile.read(path)["a"])
        #expect(tensor.doubles() == [2.5])
        #expect(tensor.withUnsafeBytes { Int(bitPattern: $0.baseAddress) % 8 } == 0)
    }

    // MARK: npy

    private func npy(_ header: String, data: Int = 8, version: UInt8 = 1) -> [UInt8] {
        [0x93] + Array("NUMPY".utf8) + [version, 0] + little(UInt16(header.utf8.count)) + Array(header.utf8) + [UInt8](repeating: 0, count: data)
    }

    @Test(arguments: [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f8', 'fortran_order': True, 'shape': (0, 4611686018427387904, 16), }",
        "{'descr': '<c16', 'fortran_order': False, 'shape': (), }", "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1", "{'descr': '<f8'}", "", "(((((", "{'shape': (x,), 'descr': '<f8', 'fortran_order': False}",
    ])
    func npyHeaders(header: String) throws { #expect(try refusal(npy(header), "npy") != nil) }

    @Test func npyFilesThatEnd() throws {
        let whole = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }")
        #expect(try refusal(whole, "npy") == nil)
        for count in 0..<whole.count { #expect(try refusal(Array(whole.prefix(count)), "npy") != nil) }
        #expect(try refusal(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", version: 9), "npy") != nil)
    }

    // MARK: npz

    private struct Entry {
        var name: String
        var method: UInt16 = 8
        var content: [UInt8]
        var size: UInt32
        var checksum: UInt32
        /// Where the entry claims to lie; nil for where it does.
        var place: UInt32?
        var claimed: UInt32?
    }

    private func zip(_ entries: [Entry], count: UInt16? = nil) -> [UInt8] {
        var (bytes, directory): ([UInt8], [UInt8]) = ([], [])
        for entry in entries {
            let sizes = little(entry.checksum) + little(entry.claimed ?? UInt32(entry.content.count)) + little(entry.size)
            let start = UInt32(bytes.count)
            let head = little(UInt16(20)) + little(UInt16(0)) + little(entry.method) + [0, 0, 0, 0] + sizes + little(UInt16(entry.name.utf8.count))
            if entry.place == nil { bytes += little(UInt32(0x0403_4B50)) + head + [0, 0] + Array(entry.name.utf8) + entry.content }
            directory += little(UInt32(0x0201_4B50)) + [20, 0] + head + [UInt8](repeating: 0, count: 12)
            directory += little(entry.place ?? start) + Array(entry.name.utf8)
        }
        let many = count ?? UInt16(entries.count)
        let end = little(UInt32(directory.count)) + little(UInt32(bytes.count)) + [0, 0]
        return bytes + directory + little(UInt32(0x0605_4B50)) + [0, 0, 0, 0] + little(many) + little(many) + end
    }

    /// A whole `.npy` file in one stored block of a deflated stream.
    private func deflated(_ content: [UInt8]) -> [UInt8] { [1] + little(UInt16(content.count)) + little(~UInt16(content.count)) + content }

    private var good: Entry {
        let content = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }")
        return Entry(name: "a.npy", content: deflated(content), size: UInt32(content.count), checksum: CRC32.of(content))
    }

    @Test func archivesThatLie() throws {
        #expect(try refusal(zip([good]), "npz") == nil)
        #expect(try refusal(zip([good, good]), "npz")?.contains("twice") == true)
        #expect(try refusal(zip([good], count: 9), "npz") != nil)
        #expect(try refusal(zip([good], count: 0xFFFF), "npz") != nil)
        for change: (inout Entry) -> Void in [
            { $0.checksum ^= 1 }, { $0.size = 4_000_000_000 }, { $0.size -= 1 }, { $0.size += 1 }, { $0.claimed = 4_000_000_000 },
            { $0.place = 4_000_000_000 }, { $0.place = 3 }, { $0.method = 99 }, { $0.content = [6] }, { $0.content = [] }, { $0.method = 0 },
        ] {
            var entry = good
            change(&entry)
            #expect(try refusal(zip([entry]), "npz") != nil)
        }
    }

    /// Many names for the same bytes multiply what is unpacked.
    @Test func overlappingEntries() throws {
        let content = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (7000,), }", data: 56_000)
        let first = Entry(name: "a.npy", content: deflated(content), size: UInt32(content.count), checksum: CRC32.of(content))
        let more = (0..<1_000).map { k in
            var entry = first
            entry.name = String("\(10_000 + k)".prefix(5))
            entry.place = 0
            return entry
        }
        #expect(try refusal(zip([first] + more), "npz")?.contains("overlap") == true)
    }

    @Test func truncatedArchives() throws {
        let whole = zip([good])
        for count in 0..<whole.count { #expect(try refusal(Array(whole.prefix(count)), "npz") != nil) }
    }

    /// Any bytes at all, taken for deflated ones.
    @Test func randomStreamsInflateOrNot() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<3_000 {
            let bytes = (0..<generator.next(upperBound: UInt(200))).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            let inflated = bytes.withUnsafeBytes { Inflate.inflate($0, expecting: 1 << 30) }
            #expect(inflated == nil)
        }
    }

    // MARK: csv

    @Test func tables() throws {
        for text in ["1,2\n3\n", "a,b\nc,d\n", "1,\n", "1;2\n3\n", "1,2\n3,x\n", "\u{0}\n", "0x\n", "\"1,2\n", "1,\"2\n3,4\n", "\"a,b\n1,2\n", "1,2\n3,\"4", String(repeating: "9", count: 100_000) + "x"] {
            #expect(try refusal(Array(text.utf8), "csv") != nil, "\(text.prefix(20))")
        }
        for text in ["", "\n\n", "a,b\r\n1,2\r\n3,4\r\n", "1e999,-inf,nan\n", "  1 ,\t2\n", "1;2\n"] { #expect(try refusal(Array(text.utf8), "csv") == nil) }
        let path = folder.appendingPathComponent("lines.csv").path
        try Data("a,b\r\n1,2\r\n3,4\r\n".utf8).write(to: URL(fileURLWithPath: path))
        #expect(try TensorFile.read(path).tensors[0].tensor.shape == [2, 2])
    }

    @Test func largeIntegersAreWritten() throws {
        let path = folder.appendingPathComponent("large.csv").path
        try TensorFile.write(TensorArchive(tensors: [NamedTensor(name: "", tensor: Tensor([Int.max, Int.min], shape: [2, 1]))]), to: path)
        #expect(try TensorFile.read(path).tensors[0].tensor.doubles() == [0x1p63, -0x1p63])
    }

    // MARK: what is no file

    @Test func thingsThatAreNoFiles() throws {
        let pipe = folder.appendingPathComponent("pipe.npy").path
        #expect(mkfifo(pipe, 0o600) == 0)
        let inner = folder.appendingPathComponent("folder.npy")
        try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: true)
        for path in [pipe, inner.path, folder.appendingPathComponent("none.npy").path, "/dev/null.npy", ".npy", ""] {
            #expect(throws: Diagnostic.self) { try TensorFile.read(path) }
        }
        #expect(throws: Diagnostic.self) { try TensorFile.write(TensorArchive(tensors: []), to: inner.appendingPathComponent("x/y.npz").path) }
    }
}
