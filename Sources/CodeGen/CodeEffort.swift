/// How much LLVM's code generator does to make code fast. What recc emits, and the passes over it, are the same.
package enum CodeEffort: String, Encodable, Sendable {
    case full
    /// Compiles about four times as fast, for code that runs but once.
    case quick
}
