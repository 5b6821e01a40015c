import RecStream
import RecTensors

/// Checks the claim that an operator is associative with an identity, on random values in f64.
///
/// Results agree within 1e-9 of their magnitude, NaN with NaN. The product of the identity with itself is not asked for:
/// operators that measure from a largest element have none (∞ − ∞), and a fold never forms it.
package struct MonoidCheck {
    /// Values for which the claim does not hold.
    package struct CounterExample: Sendable {
        /// Which rule is broken: `(a · b) · c = a · (b · c)`, `e · x = x`, `x · e = x`.
        package var rule: String
        package var operands: [(name: String, fields: [String])]
        package var left: [String]
        package var right: [String]
    }

    private let fold: StreamGraph.Fold
    private let interpreter: Interpreter
    private let identity: [[Double]]
    private let shapes: [[Int]]

    private static let tolerance = 1e-9
    private static let trials = 64

    package init(_ fold: StreamGraph.Fold) {
        self.fold = fold
        interpreter = Interpreter(fold.combine)
        shapes = fold.combine.outputs.map { fold.combine[$0.value].shape.sizes }
        identity = zip(fold.identity, shapes).map { scalar, shape in
            let number =
                switch scalar {
                case .real(let value), .complex(let value, _): value
                case .int(let value): Double(value)
                case .bool(let value): value ? 1.0 : 0
                }
            return [Double](repeating: number, count: shape.reduce(1, *))
        }
    }

    /// The first counter-example found; nil where none is.
    package func run(seed: UInt64 = 1) -> CounterExample? {
        var generator = SeededGenerator(seed: seed)
        for trial in 0..<Self.trials {
            // From small to large values.
            let scale = [1.0, 0.1, 10, 3][trial % 4]
            let (a, b, c) = (sample(scale, &generator), sample(scale, &generator), sample(scale, &generator))
            let (left, right) = (combine(combine(a, b), c), combine(a, combine(b, c)))
            if !agree(left, right) {
                return example("(a · b) · c = a · (b · c)", [("a", a), ("b", b), ("c", c)], left, right)
            }
            if !agree(combine(identity, a), a) { return example("e · x = x", [("x", a)], combine(identity, a), a) }
            if !agree(combine(a, identity), a) { return example("x · e = x", [("x", a)], combine(a, identity), a) }
        }
        return nil
    }

    private func sample(_ scale: Double, _ generator: inout SeededGenerator) -> [[Double]] {
        zip(shapes, fold.combine.outputs).map { shape, field in
            (0..<shape.reduce(1, *)).map { _ in
                let number = scale * generator.normal()
                switch fold.combine[field.value].element {
                case .real, .complex: return number
                case .int: return (3 * number).rounded()
                case .bool: return number > 0 ? 1 : 0
                }
            }
        }
    }

    private func combine(_ a: [[Double]], _ b: [[Double]]) -> [[Double]] {
        var inputs: [String: Tensor] = [:]
        for (k, field) in fold.fields.enumerated() {
            inputs["a.\(field)"] = Tensor(a[k], shape: shapes[k])
            inputs["b.\(field)"] = Tensor(b[k], shape: shapes[k])
        }
        let data = BoundData(batch: 1, extents: [], lengths: nil, inputs: inputs, parameters: [:])
        return interpreter.run(data).outputs.map { $0.tensor.doubles() }
    }

    private func agree(_ a: [[Double]], _ b: [[Double]]) -> Bool {
        zip(a.joined(), b.joined()).allSatisfy { x, y in
            x == y || (x.isNaN && y.isNaN) || abs(x - y) <= Self.tolerance * max(1, abs(x), abs(y))
        }
    }

    private func example(
        _ rule: String, _ operands: [(String, [[Double]])], _ left: [[Double]], _ right: [[Double]]
    ) -> CounterExample {
        func text(_ record: [[Double]]) -> [String] {
            zip(fold.fields, record).map { field, numbers in
                let shown = numbers.prefix(4).map { number in
                    let rounded = (number * 1e4).rounded() / 1e4
                    return "\(rounded)"
                }
                return "\(field) = \(numbers.count == 1 ? shown[0] : "[\(shown.joined(separator: ", "))\(numbers.count > 4 ? ", …" : "")]")"
            }
        }
        return CounterExample(
            rule: rule, operands: operands.map { (name: $0.0, fields: text($0.1)) }, left: text(left), right: text(right))
    }
}
