import Foundation
import RecStream
import Testing

/// Every conformance program types and lowers as it stands, with the dims of its case.
@Suite struct ConformanceLowering {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../../shared/conformance").standardizedFileURL
    static let isThere = FileManager.default.fileExists(atPath: folder.path)

    /// Dims, number of states, axes, and parameters of each program.
    static let cases: [(name: String, dims: [String: Int], states: Int, parameters: Int)] = [
        ("aaren", ["K": 4, "V": 5], 0, 1), ("bigru", ["D": 5, "H": 6], 2, 8), ("biquad", ["C": 3], 1, 5),
        ("deltanet", ["K": 4, "V": 5], 1, 0), ("deltaproduct", ["K": 4, "V": 5], 1, 0), ("elman", ["D": 5, "H": 7], 1, 3),
        ("gla", ["N": 2, "K": 4, "V": 5], 1, 0), ("grid", ["C": 3], 1, 0), ("gru", ["D": 5, "H": 7], 1, 10),
        ("hawk", ["D": 6], 1, 5), ("hmm", ["S": 5], 2, 2), ("indrnn", ["D": 5, "H": 7], 1, 3),
        ("lru", ["D": 5, "N": 6], 1, 8), ("lstm", ["D": 5, "H": 7], 2, 3), ("mamba", ["D": 6, "N": 4, "R": 2], 1, 7),
        ("mingru", ["D": 5, "H": 7], 1, 4), ("mlstm", ["K": 4, "V": 5], 3, 0), ("paragru", ["D": 5, "H": 7], 1, 9),
        ("parity", [:], 1, 0), ("reset_counter", ["C": 3], 2, 0), ("retnet", ["N": 2, "K": 4, "V": 5], 1, 1),
        ("riccati", ["C": 3], 2, 3), ("rwkv4", ["D": 6], 3, 9), ("rwkv7", ["K": 4, "V": 5], 1, 0),
        ("slstm", ["N": 3, "D": 4], 4, 4), ("ssm_dense", ["D": 3, "N": 6], 1, 3),
        ("stack_lm", ["V": 11, "D": 6, "H": 8, "L": 3], 3, 14),
    ]

    @Test(.enabled(if: isThere), arguments: cases.indices)
    func lowers(_ index: Int) throws {
        let (name, dims, states, parameters) = Self.cases[index]
        let text = try String(contentsOf: Self.folder.appendingPathComponent("\(name).rec"), encoding: .utf8)
        let graph = try graph(text, dims)
        #expect(graph.states.count == states)
        #expect(graph.values.count { if case .parameter = $0.operation { true } else { false } } == parameters)
        #expect(!graph.outputs.isEmpty)
    }

    @Test(.enabled(if: isThere)) func coversEveryProgram() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).filter { $0.hasSuffix(".rec") }
        #expect(Set(files) == Set(Self.cases.map { $0.name + ".rec" }))
    }
}
