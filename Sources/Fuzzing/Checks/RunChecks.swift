import Rec
import RecCodeGen
import RecTensors

/// Streams in pieces.
extension Checker {
    /// Steps given in pieces give what the whole sequence gives.
    mutating func checkStream(_ model: Model, _ reference: Reference, piece: Int, _ context: CompileContext) throws {
        let data = reference.data
        let isStream = model.graph.values.contains { value in
            if case .input = value.operation { value.variance.isStream } else { false }
        }
        guard isStream, model.graph.dataAxes.count == 1, data.lengths == nil, data.batch > 0 else { return }
        let given = ModelData(inputs: data.inputs, parameters: data.parameters)
        let results: ModelResults
        do { results = try StreamRun.run(model, given, precision: .f64, piece: piece, context: context) } catch {
            // What looks ahead, or needs the whole sequence, cannot be streamed.
            let refusals = (error as? DiagnosticList)?.diagnostics ?? (error as? Diagnostic).map { [$0] } ?? []
            guard !refusals.isEmpty, refusals.allSatisfy({ $0.id == .planRefused }) else { throw Failure("stream", Self.text(of: error)) }
            return
        }
        outcome.plans += 1
        var expected = reference.numbers
        expected.items.removeAll { !$0.name.hasPrefix("output ") }
        let wanted = Reference(reference, only: expected)
        let got = RunNumbers(results, of: model.graph)
        try expect("stream", wanted.mismatch(got, .double).flatMap { reference.fitsDouble ? "pieces of \(piece): \($0)" : nil })
    }
}
