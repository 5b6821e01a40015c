import RecInterpreter
import RecStream
import RecTensors

/// What the interpreter says of a graph and data, and by how much rounding may change it.
final class Reference {
    let graph: StreamGraph
    let data: BoundData
    let numbers: RunNumbers
    private var allowances: [Double: [[Double]]] = [:]

    init(_ graph: StreamGraph, _ data: BoundData) {
        self.graph = graph
        self.data = data
        numbers = RunNumbers(Interpreter(graph).run(data), of: graph)
    }

    /// The same, but of some of its results.
    init(_ whole: Reference, only numbers: RunNumbers) {
        graph = whole.graph
        data = whole.data
        self.numbers = numbers
    }

    /// How exactly numbers are held by what is compared.
    struct Rounding {
        /// So much each number may be off, relative to it.
        var size: Double
        /// So much results may be off, relative to the largest of their row.
        var floor: Double

        /// Bits that a rounded number has less than one of f64.
        var lostBits: Int

        static let double = Rounding(size: 0x1p-43, floor: 1e-12, lostBits: 10)
        static let single = Rounding(size: 0x1p-20, floor: 4e-6, lostBits: 31)
    }

    /// The first result that differs by more than rounding explains.
    func mismatch(_ got: RunNumbers, _ rounding: Rounding) -> String? {
        let byName = Dictionary(got.items.map { ($0.name, $0) }) { a, _ in a }
        for (index, expected) in numbers.items.enumerated() {
            guard let item = byName[expected.name] else { return "\(expected.name) is missing" }
            guard item.shape == expected.shape else { return "\(expected.name) has the shape \(item.shape), expected \(expected.shape)" }
            let scales = rowScales(expected)
            for (k, (x, y)) in zip(item.numbers, expected.numbers).enumerated() {
                if x == y || x.isNaN && y.isNaN { continue }
                let scale = scales[k / expected.rowLength]
                if x.isFinite, y.isFinite, abs(x - y) <= rounding.floor * scale { continue }
                // Dear, and seldom needed: how far does rounding go?
                let (own, row) = allowance(index, k, rounding)
                let allowed = 4 * own + row + rounding.floor * scale
                if abs(x - y) <= allowed || allowed.isNaN || allowed == .infinity { continue }
                return "\(expected.name) \(expected.place(k)): \(x), expected \(y), rounding explains \(allowed)"
            }
        }
        return nil
    }

    /// The largest finite magnitude of each row.
    private func rowScales(_ item: RunNumbers.Item) -> [Double] {
        var scales = [Double](repeating: 0, count: item.numbers.count / item.rowLength + 1)
        for (k, number) in item.numbers.enumerated() where number.isFinite {
            scales[k / item.rowLength] = max(scales[k / item.rowLength], abs(number))
        }
        return scales
    }

    /// By how much perturbed runs change a number, and at most a number of its row; infinite where one makes it NaN or finite.
    private func allowance(_ item: Int, _ k: Int, _ rounding: Rounding) -> (own: Double, row: Double) {
        let changes: [[Double]]
        if let known = allowances[rounding.size] { changes = known } else {
            changes = changesUnder(rounding)
            allowances[rounding.size] = changes
        }
        let length = numbers.items[item].rowLength
        let start = k / length * length
        // Where rounding makes another choice, as between equal numbers, any of them may come out otherwise.
        let scale = numbers.items[item].numbers.reduce(0) { max($0, $1.isFinite ? abs($1) : 0) }
        if changes[item].contains(where: { $0 > 1e-3 * scale }) { return (.infinity, .infinity) }
        let row = changes[item][start..<min(start + length, changes[item].count)].reduce(0) { max($0, $1.isFinite ? $1 : 0) }
        return (changes[item][k], row)
    }

    private func changesUnder(_ rounding: Rounding) -> [[Double]] {
        var changes = numbers.items.map { [Double](repeating: 0, count: $0.numbers.count) }
        let ways: [Perturbation] =
            [.rounding(bits: rounding.lostBits), .rounding(bits: rounding.lostBits - 1)]
            + (0..<3 as Range<UInt64>).map { .factors(size: rounding.size, seed: $0) }
            + (0..<2 as Range<UInt64>).map { .elements(size: rounding.size, seed: $0) }
        for (number, way) in ways.enumerated() {
            let data = number < 2 ? data : data.perturbed(by: rounding.size, seed: UInt64(number))
            let perturbed = graph.perturbed(way)
            let other = RunNumbers(Interpreter(perturbed).run(data.withFactors(for: perturbed, way)), of: graph)
            for (index, b) in numbers.items.enumerated() {
                guard let a = other.items.first(where: { $0.name == b.name }) else { continue }
                for (k, (x, y)) in zip(a.numbers, b.numbers).enumerated() where x != y && !(x.isNaN && y.isNaN) {
                    let change = x.isFinite && y.isFinite ? abs(x - y) : .infinity
                    changes[index][k] = max(changes[index][k], change)
                }
            }
        }
        return changes
    }

    /// Whether every number on the way can be held in f32, far from overflow and underflow.
    var fitsSingle: Bool { range.most < 1e36 && range.least > 1e-30 }
    /// The same for f64.
    var fitsDouble: Bool { range.most < 1e290 && range.least > 1e-290 }
    /// Whether there are no infinities and NaNs on the way.
    var isFinite: Bool { range.isFinite }

    /// The least and the largest magnitude but 0 of the numbers of all values.
    private lazy var range: (least: Double, most: Double, isFinite: Bool) = {
        var range = (least: Double.infinity, most: 0.0, isFinite: true)
        for (id, tensor) in Interpreter(graph).evaluateAll(data) {
            guard graph[id].element == .real || graph[id].element == .complex else { continue }
            tensor.forEach { _, number in
                guard number.isFinite else {
                    range.isFinite = false
                    return
                }
                guard number != 0 else { return }
                range.least = min(range.least, abs(number))
                range.most = max(range.most, abs(number))
            }
        }
        return range
    }()
}
