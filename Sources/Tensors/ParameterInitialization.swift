import RecStream

extension ParameterInfo {
    /// A first value for a parameter of this shape. It depends on the seed and the path alone, not on other parameters.
    package func initialTensor(shape: [Int], seed: UInt64) -> Tensor {
        var generator = SeededGenerator(seed: seed, for: path)
        let count = shape.reduce(1, *)
        let numbers: [Double]
        switch initializer {
        case .zeros: numbers = [Double](repeating: 0, count: count)
        case .ones: numbers = [Double](repeating: 1, count: count)
        case .constant(let value): numbers = [Double](repeating: value, count: count)
        case .uniform(let a, let b): numbers = (0..<count).map { _ in a + (b - a) * generator.uniform() }
        case .normal(let deviation): numbers = (0..<count).map { _ in deviation * generator.normal() }
        case .glorot:
            // Uniform with variance 2 / (fan in + fan out) (Glorot and Bengio 2010, §4.2.1).
            let (fanOut, fanIn) = Self.fans(shape)
            let bound = (6 / Double(fanIn + fanOut)).squareRoot()
            numbers = (0..<count).map { _ in bound * (2 * generator.uniform() - 1) }
        case .orthogonal: numbers = Self.orthogonal(shape, &generator)
        case .linspace(let a, let b):
            let last = shape.last ?? 1
            numbers = (0..<count).map { k in last == 1 ? a : a + (b - a) * Double(k % last) / Double(last - 1) }
        case .hippo: numbers = Self.hippo(shape)
        }
        return Tensor(numbers, shape: shape)
    }

    private static func fans(_ shape: [Int]) -> (out: Int, in: Int) {
        guard shape.count >= 2 else { return (shape.first ?? 1, shape.first ?? 1) }
        let field = shape.dropFirst(2).reduce(1, *)
        return (shape[0] * field, shape[1] * field)
    }

    /// Orthonormal rows (or columns, where there are fewer of them), by Gram and Schmidt, done twice for accuracy.
    private static func orthogonal(_ shape: [Int], _ generator: inout SeededGenerator) -> [Double] {
        let rows = shape.first ?? 1
        let columns = shape.dropFirst().reduce(1, *)
        let (few, many) = (min(rows, columns), max(rows, columns))
        var vectors: [[Double]] = []
        while vectors.count < few {
            var vector = (0..<many).map { _ in generator.normal() }
            for _ in 0..<2 {
                for other in vectors {
                    let dot = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
                    for k in vector.indices { vector[k] -= dot * other[k] }
                }
            }
            let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            if norm > 1e-6 { vectors.append(vector.map { $0 / norm }) }
        }
        return (0..<rows * columns).map { k in
            let (row, column) = (k / columns, k % columns)
            return rows <= columns ? vectors[row][column] : vectors[column][row]
        }
    }

    /// HiPPO-LegS (Gu et al. 2020, §3.2): a matrix, or its diagonal for a vector.
    private static func hippo(_ shape: [Int]) -> [Double] {
        let n = shape.last ?? 1
        let count = shape.reduce(1, *)
        guard shape.count >= 2, shape[shape.count - 2] == n else { return (0..<count).map { -Double($0 % max(n, 1) + 1) } }
        return (0..<count).map { k in
            let (row, column) = (k / n % n, k % n)
            if row == column { return -Double(row + 1) }
            return row > column ? -(Double(2 * row + 1) * Double(2 * column + 1)).squareRoot() : 0
        }
    }
}
