import RecSource
import RecStream
import RecTyping

extension Program {
    /// What running or explaining a model of the file would find wrong with it, as far as that needs neither data nor machine code: a model
    /// that does not unfold, an operator that is not associative, a requirement that does not hold. Nothing of a program with errors.
    ///
    /// Dims without a size are tried with several; what is wrong with all of them is told, where it does not say itself what sizes there are.
    package func findUnsound() -> [Diagnostic] {
        guard !hasErrors else { return [] }
        var found: [Diagnostic] = []
        for name in typed.mainFileModels {
            guard let model = typed.models[name] else { continue }
            let open = model.dims.filter { model.defaults[$0] == nil }
            guard !open.isEmpty else {
                found += problems(of: name, [:])
                continue
            }
            var common: [Diagnostic]?
            for size in Self.sizes {
                let here = problems(of: name, Dictionary(uniqueKeysWithValues: open.map { ($0, size) })).filter { Self.ofAnySize.contains($0.id) }
                common = common.map { before in before.filter { problem in here.contains { Self.isSame($0, problem) } } } ?? here
                if common?.isEmpty ?? true { break }
            }
            found += common ?? []
        }
        // A layer's requirements are those of each model that has it.
        return found.enumerated().filter { k, problem in !found[..<k].contains { Self.isSame($0, problem) } }.map(\.element)
    }

    /// Sizes with many divisors, none of them 1.
    private static let sizes = [4, 12]

    private static func isSame(_ a: Diagnostic, _ b: Diagnostic) -> Bool { a.id == b.id && a.span == b.span }

    /// Mistakes that are those of the model, and not of the sizes that it was tried with.
    private static let ofAnySize: Set<DiagnosticID> = [.requireFailed, .falseMonoid, .bothDirections, .instantCycle, .tooLarge, .planRefused]

    private func problems(of name: String, _ dims: [String: Int]) -> [Diagnostic] {
        do throws(DiagnosticList) {
            let model = try Model(self, named: name, dims: dims)
            guard !model.graph.requirements.isEmpty else { return [] }
            _ = try PlanForms(model).requirements()
            let required = try model.formsOfWholeRuns([:])
            if !required.isEmpty { _ = try DividedModel(model.rewritten(required.chunks, nil), solving: required.solved, times: nil) }
            return []
        } catch { return error.diagnostics }
    }
}
