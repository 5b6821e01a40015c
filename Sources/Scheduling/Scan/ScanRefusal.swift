import RecSource

/// Why a recurrence cannot run as a scan.
package struct ScanRefusal: Error, Equatable, Sendable {
    package var reason: String
    package var span: SourceSpan?

    package init(_ reason: String, at span: SourceSpan? = nil) {
        self.reason = reason
        self.span = span
    }
}
