import RecSource

/// Why a recurrence cannot run as a scan.
public struct ScanRefusal: Error, Equatable, Sendable {
    public var reason: String
    public var span: SourceSpan?

    public init(_ reason: String, at span: SourceSpan? = nil) {
        self.reason = reason
        self.span = span
    }
}
