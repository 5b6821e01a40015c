import RecSource
import RecStream
import RecTensors

extension ShootingRun {
    /// Runs all windows at once.
    struct Sweeps {
        let run: ShootingRun
        let views: [String: StreamRows]
        let pieces: [Range<Int>]

        init(_ run: ShootingRun, _ views: [String: StreamRows]) {
            self.run = run
            self.views = views
            let length = run.layout.length
            let count = ShootingRun.pieceCount(length)
            pieces = (0..<count).map { $0 * length / count..<($0 + 1) * length / count }
        }

        /// Some steps of all windows.
        ///
        /// - Parameters:
        ///   - states: before them; nil where all begin as sequences do.
        ///   - atStart: whether the first window of a sequence begins as the sequence does.
        func callAsFunction(_ steps: Range<Int>, from states: WindowStates?, atStart: Bool) throws(DiagnosticList) -> WindowStates {
            WindowStates(try finals(run.windowed, steps, from: states, atStart: atStart), run.layout)
        }

        /// All steps of all windows, with their derivatives.
        func differentiated(_ form: DerivativeForm, _ code: CompiledModel, from states: WindowStates) throws(DiagnosticList) -> (WindowStates, WindowDerivatives) {
            let finals = try finals(code, 0..<run.layout.length, from: states, atStart: true, moved: run.beginnings(form, code))
            let isDerivative = { (named: NamedTensor) in form.lines.contains { $0.derivative == named.name } }
            let derivatives = WindowStates(finals.filter(isDerivative), run.layout)
            return (WindowStates(finals.filter { !isDerivative($0) }, run.layout), WindowDerivatives(form, derivatives))
        }

        func finals(
            _ code: CompiledModel, _ steps: Range<Int>, from states: WindowStates?, atStart: Bool, moved: [String: Tensor] = [:]
        ) throws(DiagnosticList) -> [NamedTensor] {
            let layout = run.layout
            var rows = views
            for stream in run.streams { rows[stream.name] = views[stream.name]?.advanced(by: steps.lowerBound, byteCount: stream.byteCount) }
            var isGiven = [Float](repeating: states == nil ? 0 : 1, count: layout.batch * layout.windows)
            if atStart { for sequence in 0..<layout.batch { isGiven[sequence * layout.windows] = 0 } }
            let given = ShootingRun.given(states.map { $0.tensors(ShootingRun.isCarried) }, isGiven, of: code, rows: layout.rows, lanes: layout.lanes)
            let once = layout.groups == 1 ? run.once : run.once.mapValues { $0.repeatingRows(layout.groups) }
            let all = once.merging(given) { $1 }.merging(moved) { $1 }
            return try code.run(rows: rows, once: all, batch: layout.rows, steps: steps.count, pool: run.pool)
        }
    }

    static func isCarried(_ name: String) -> Bool { name.hasPrefix(CarriedState.prefix) }

    /// What the recurrence begins from: the states, and whether they are given. Where they are not, anything will do.
    static func given(_ states: [String: Tensor]?, _ isGiven: [Float], of model: CompiledModel, rows: Int, lanes: Int) -> [String: Tensor] {
        var result: [String: Tensor] = states ?? [:]
        for value in model.plan.graph.values {
            guard case .input(let name, _) = value.operation, !value.variance.isStream else { continue }
            if name == CarriedState.switchName {
                result[name] = Tensor(isGiven, shape: lanes > 1 ? [rows, lanes] : [rows])
            } else if Self.isCarried(name), result[name] == nil {
                let shape = [rows] + value.shape.sizes
                result[name] = Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape: shape)
            }
        }
        return result
    }

    /// How what windows carry is moved at their beginnings, as code takes it.
    func beginnings(_ form: DerivativeForm, _ code: CompiledModel) -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for value in code.plan.graph.values {
            guard case .input(let name, _) = value.operation, let line = form.lines.firstIndex(where: { $0.direction == name }) else { continue }
            let own = form.beginning(of: line).flatMap { [Double](repeating: $0, count: layout.lanes) }
            result[name] = Tensor((0..<layout.rows).flatMap { _ in own }, shape: [layout.rows] + value.shape.sizes)
        }
        return result
    }
}
