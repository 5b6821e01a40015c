import RecSource
import RecTensors

extension ShootingRun {
    /// Code for windows that run at once and give their derivatives as well; made when it is needed.
    package struct Derivative {
        var form: DerivativeForm
        /// Nil where it cannot be had.
        var code: () -> CompiledModel?

        package init(form: DerivativeForm, code: @escaping () -> CompiledModel?) { (self.form, self.code) = (form, code) }
    }

    /// Sweeps with derivatives, at most.
    static let mostCorrections = 4

    /// Corrects where windows of some sequences begin, by sweeps with derivatives; where that leads nowhere a sequence is as if there were none.
    ///
    /// - Parameter others: the derivatives that other sequences were corrected by.
    /// - Returns: the derivatives that each sequence was corrected by last.
    func correct(
        _ swept: inout Swept, _ sequences: Set<Int>, _ others: WindowDerivatives?, _ sweep: Sweeps, _ report: inout SolveReport
    ) throws(DiagnosticList) -> WindowDerivatives? {
        guard !sequences.isEmpty, let derivative, let code = derivative.code() else { return nil }
        // What is this near is as near as one more sweep brings it: an error is squared by each.
        let isWide = swept.starts.lines.contains { $0.type == .f64 }
        let near = isWide ? 0x1p-27 : 0x1p-12
        var open = Dictionary(sequences.map { ($0, Double.infinity) }) { a, _ in a }
        var result = others
        let first = swept.starts
        for number in 1...Self.mostCorrections where !open.isEmpty {
            report.sweepsWithDerivatives = max(report.sweepsWithDerivatives, number)
            let (ends, derivatives) = try sweep.differentiated(derivative.form, code, from: swept.starts)
            var known = result ?? derivatives
            for (sequence, last) in open.sorted(by: { $0.key < $1.key }) {
                let own = windows(of: sequence)
                var starts = swept.starts
                open[sequence] = nil
                swept.corrected.remove(sequence)
                guard number > 1 || derivatives.areBounded(in: own) else { continue }
                let moved = derivatives.correct(&starts, ends, in: own)
                guard moved < last / 2 || moved <= near else { continue }
                known.replace(own, from: derivatives)
                swept.starts = swept.starts.replacing(own, from: starts)
                swept.corrected.insert(sequence)
                if moved > near { open[sequence] = moved }
            }
            result = known
        }
        for (sequence, moved) in open where moved > near.squareRoot() { swept.corrected.remove(sequence) }
        swept.left.subtract(swept.corrected)
        swept.starts = swept.starts.replacing(sequences.subtracting(swept.corrected).flatMap(windows), from: first)
        return result
    }
}
