import Rec

extension Precision {
    /// How tests compile that hold one program in both precisions: what f32 gives is that of the code that users run; in f64 LLVM's code
    /// generator does less. What recc emits, and the passes over it, are the same.
    var testContext: CompileContext { self == .f64 ? .quick : CompileContext() }
}
