import Foundation
import RecCodeGen

/// The code of a case, kept on disk until the case ends: a plan that is compiled again is read from there, which takes far less time.
final class KeptCode {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("recc-fuzz-\(UUID().uuidString)")
    let context: CompileContext

    init(_ effort: CodeEffort) { context = CompileContext(cache: KernelCache(folder: folder.path), effort: effort) }

    deinit { try? FileManager.default.removeItem(at: folder) }
}
