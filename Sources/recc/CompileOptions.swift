import ArgumentParser
import Rec

/// What commands that compile have in common.
struct CompileOptions: ParsableArguments {
    @Flag(help: "Shows where time goes, on standard error.")
    var timePasses = false

    @Flag(help: "Compiles anew, and keeps nothing. RECC_CACHE=off does the same.")
    var noCache = false

    /// Where this command keeps code, and whether it asks where time goes.
    func context() -> CompileContext {
        CompileContext(cache: noCache ? nil : .user(), times: timePasses ? PassTimes(countingFromStart: true) : nil)
    }

    /// Shows where time went, if that was asked.
    static func report(_ context: CompileContext) {
        if let times = context.times { Terminal.error(times.table) }
    }
}
