import RecSource

/// What goes along with a compilation: where machine code is kept, and who asks where time goes.
public struct CompileContext: Sendable {
    /// Nil where every compilation starts anew.
    public var cache: KernelCache?
    package var times: PassTimes?
    package var effort = CodeEffort.full
    /// Whether stages of equal shape have one code; otherwise code is not kept. Only tests see the difference.
    package var sharesStages = true

    /// A context in which code is kept in `cache`; with nil every compilation starts anew and nothing is written.
    public init(cache: KernelCache? = nil) { self.init(cache: cache, times: nil) }

    /// For code that runs but once.
    package static let quick = CompileContext(effort: .quick)

    package init(cache: KernelCache? = nil, times: PassTimes? = nil, effort: CodeEffort) {
        self.init(cache: cache, times: times)
        self.effort = effort
    }

    package init(cache: KernelCache? = nil, times: PassTimes?) {
        self.cache = cache
        self.times = times
    }
}
