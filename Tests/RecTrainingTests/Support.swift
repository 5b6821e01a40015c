import Foundation
import Rec
import RecTraining
import TestSupport

/// A language model small enough for tests.
func smallModel() throws -> Model {
    try Model(Program(path: Project.path("examples/stack_lm.rec")), dims: ["V": 256, "D": 6, "H": 8, "L": 2])
}

func smallText() throws -> TrainingData {
    let tokens = try TextTokens.read([Project.path("docs/gradients.md")])
    return try TrainingData(ModelData(inputs: ["token": tokens]), for: smallModel(), window: 12)
}

func bits(_ weights: [String: Tensor]) -> [String: [UInt64]] { weights.mapValues { $0.doubles().map(\.bitPattern) } }

/// Code of the models of these tests, so that each is compiled once.
final class KeptCode: Sendable {
    static let shared = KeptCode()
    private let folder = try? TemporaryFolder()
    var context: CompileContext { CompileContext(cache: folder.map { KernelCache(folder: $0.path("kernels")) }) }
}
