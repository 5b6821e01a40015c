import RecSource

/// What goes along with a compilation: where machine code is kept, and who asks where time goes.
public struct CompileContext: Sendable {
    /// Nil where every compilation starts anew.
    public var cache: KernelCache?
    public var times: PassTimes?

    public init(cache: KernelCache? = nil, times: PassTimes? = nil) {
        self.cache = cache
        self.times = times
    }
}
