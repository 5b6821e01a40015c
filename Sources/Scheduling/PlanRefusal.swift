import RecSource

/// Why there is no plan in which recurrences run in some forms, or why one of them cannot run as a scan.
package struct PlanRefusal: Error, Equatable, Sendable {
    package var reason: String
    package var span: SourceSpan?

    package init(_ reason: String, at span: SourceSpan? = nil) {
        self.reason = reason
        self.span = span
    }
}
