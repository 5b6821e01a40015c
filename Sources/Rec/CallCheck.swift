import RecRuntime
import RecSource
import RecTyping

/// What calls of the library have in common that they cannot take.
package enum CallCheck {
    package static func threads(_ count: Int) throws(DiagnosticList) {
        guard (1...ThreadPool.mostThreads).contains(count) else {
            throw DiagnosticList(.badCall, "a run has from 1 to \(ThreadPool.mostThreads) threads, and not \(count)")
        }
    }

    package static func memory(_ bound: Int?) throws(DiagnosticList) {
        guard bound ?? 1 > 0 else { throw DiagnosticList(.badCall, "a run cannot have \(bound ?? 0) bytes of memory") }
    }

    /// Refuses inputs that the model does not have: one that is left alone may be a name misspelt.
    package static func inputs(_ names: some Sequence<String>, of model: TypedModel) throws(DiagnosticList) {
        let known = model.inputs.map(\.name)
        guard let unknown = names.sorted().first(where: { !known.contains($0) && $0 != DrawSeed.name }) else { return }
        throw DiagnosticList(
            .unknownName, "'\(model.name)' has no input '\(unknown)'",
            help: nearest(unknown, among: known).map { "did you mean '\($0)'?" }
                ?? (known.isEmpty ? "it has none" : "its inputs are \(known.joined(separator: ", "))"))
    }
}
