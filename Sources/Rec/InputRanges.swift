import RecSource
import RecTensors

/// Ranges in which generated data are uniform.
package struct InputRanges: Sendable {
    package var byName: [String: ClosedRange<Double>] = [:]
    /// Of real and complex inputs without a range of their own.
    package var all: ClosedRange<Double>?

    package init(byName: [String: ClosedRange<Double>] = [:], all: ClosedRange<Double>? = nil) {
        self.byName = byName
        self.all = all
    }

    /// The range of an input; nil where it has none.
    func range(of name: String, _ element: ElementType) -> ClosedRange<Double>? {
        switch element {
        case .real, .complex: byName[name] ?? all
        case .int, .bool: byName[name]
        }
    }

    /// - Throws: where none of these inputs, or parameters, has a name.
    package func check(_ inputs: some Collection<String>) throws(DiagnosticList) {
        guard let unknown = byName.keys.sorted().first(where: { !inputs.contains($0) }) else { return }
        let names = inputs.sorted()
        throw DiagnosticList([
            Diagnostic(
                .unknownName, "there is no input '\(unknown)'", at: nil,
                help: nearest(unknown, among: names).map { "did you mean '\($0)'?" } ?? "inputs are \(names.joined(separator: ", "))")
        ])
    }
}

extension SeededGenerator {
    /// Uniform in a range.
    mutating func uniform(in range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
    }

    /// A whole number; both ends of the range are drawn.
    mutating func integer(in range: ClosedRange<Double>) -> Int {
        Int(min(range.upperBound, uniform(in: range.lowerBound...range.upperBound + 1)).rounded(.down))
    }
}
