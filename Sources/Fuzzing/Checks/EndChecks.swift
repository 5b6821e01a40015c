import Rec
import RecDifferentiation
import RecInterpreter
import RecStream
import RecTensors

/// Sequences that end along several axes: by the lengths that the interpreter is given, and by inputs that have them.
extension Checker {
    mutating func checkEnds(_ model: Model) throws {
        let graph = model.graph
        var dice = Dice(seed: item.checkSeed, for: "ends")
        guard graph.dataAxes.count > 1, item.runs[0].batch > 0, dice.chance(60) else { return }
        let whole = CaseData(item).bound(for: graph)
        var lengths: [Int: [Int]] = [:]
        for axis in graph.dataAxes where dice.chance(70) {
            let extent = whole.extents[axis]
            lengths[axis] = (0..<whole.batch).map { _ in dice.chance(30) ? extent : dice.number(in: 0...extent) }
        }
        guard !lengths.isEmpty else { return }
        let ended = graph.ending(along: lengths.keys.sorted())
        try expect("ends: graph", ended.violations().first)
        try compareEnds("ends", graph, ended, whole, lengths)
        // Zeros that hide numbers that are not finite are for other checks.
        guard item.values != .notFinite, item.values != .huge else { return }
        var request = Self.request(model, withFinals: false)
        // What sequences begin with at their ends has no gradient there.
        request.targets.removeAll { if case .initialState = $0 { true } else { false } }
        guard !request.seeds.isEmpty, !request.targets.isEmpty else { return }
        let plain = try must("ends: gradient") { try gradient(of: graph, request) }
        let other = try must("ends: gradient") { try gradient(of: ended, request) }
        try expect("ends: graph of the gradient", other.violations().first)
        try compareEnds("gradient of ends", plain, other, CaseData(item).bound(for: plain, within: graph), lengths)
    }

    private mutating func compareEnds(_ check: String, _ graph: StreamGraph, _ ended: StreamGraph, _ whole: BoundData, _ lengths: [Int: [Int]]) throws {
        var (ragged, own) = (whole, whole)
        for (axis, given) in lengths {
            if axis == 0 { ragged.lengths = given } else { ragged.furtherLengths[axis] = given }
            own.inputs[graph.lengthsName(of: axis)] = Tensor(given, shape: [given.count])
        }
        let reference = Reference(graph, ragged)
        let got = RunNumbers(Interpreter(ended).run(own), of: ended)
        try expect(check, reference.mismatch(got, .double))
    }
}
