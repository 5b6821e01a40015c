import CRecc
import Rec

/// `recc_error`: what was thrown, with its texts as C has them.
final class ErrorHandle: Handle {
    private let problems: [Problem]
    private let whole: CStrings
    /// Five of each problem.
    private let parts: CStrings

    init(_ list: DiagnosticList) {
        problems = list.problems
        whole = CStrings([list.description])
        parts = CStrings(problems.flatMap { [$0.id, $0.message, $0.help, $0.file, $0.description] })
    }

    var text: UnsafePointer<CChar>? { whole[0] }
    var count: Int { problems.count }

    func problem(_ index: Int64) throws(DiagnosticList) -> recc_problem {
        let k = try element(problems, index, "problem")
        return recc_problem(
            id: parts[5 * k], message: parts[5 * k + 1], help: parts[5 * k + 2], file: parts[5 * k + 3], line: Int64(problems[k].line ?? 0),
            column: Int64(problems[k].column ?? 0), text: parts[5 * k + 4])
    }
}

/// What never ends.
private let constants = CStrings(["", Rec.version])
/// "" where there is nothing to tell.
var noText: UnsafePointer<CChar>? { constants[0] }

/// See `recc.h`.
@_cdecl("recc_interface_version") public func interfaceVersion() -> Int32 { RECC_INTERFACE_VERSION }

/// See `recc.h`.
@_cdecl("recc_version") public func versionText() -> UnsafePointer<CChar>? { constants[1] }

/// See `recc.h`.
@_cdecl("recc_error_text") public func errorText(_ error: OpaquePointer?) -> UnsafePointer<CChar>? {
    ErrorHandle.found(error)?.text ?? noText
}

/// See `recc.h`.
@_cdecl("recc_error_count") public func errorCount(_ error: OpaquePointer?) -> Int64 { Int64(ErrorHandle.found(error)?.count ?? 0) }

/// See `recc.h`.
@_cdecl("recc_error_problem") public func errorProblem(
    _ error: OpaquePointer?, _ index: Int64, _ problem: UnsafeMutablePointer<recc_problem>?
) -> Int32 {
    filling(problem, nil) { try ErrorHandle.given(error, "error").problem(index) }
}

/// See `recc.h`.
@_cdecl("recc_error_free") public func errorFree(_ error: OpaquePointer?) { Handle.free(error) }
