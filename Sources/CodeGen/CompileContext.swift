import RecSource

/// What goes along with a compilation: where machine code is kept, and who asks where time goes.
package struct CompileContext: Sendable {
    /// Nil where every compilation starts anew.
    package var cache: KernelCache?
    package var times: PassTimes?

    package init(cache: KernelCache? = nil, times: PassTimes? = nil) {
        self.cache = cache
        self.times = times
    }
}
