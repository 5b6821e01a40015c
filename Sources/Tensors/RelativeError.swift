/// How far a tensor is from the one that is expected.
///
/// The error is `‖got − expected‖ / ‖expected‖` in the Euclidean norm, and `‖got‖` where all that is expected is 0. Numbers are
/// multiplied by a power of two before they are squared, so that none is too small or too large for it. Where NaN or an
/// infinity is expected, the same must stand there, and adds nothing to either norm; everywhere else NaN and infinities make
/// the error infinite, as do tensors of different size.
package struct Deviation: Sendable {
    /// An element, by its number in row-major order.
    package struct Place: Sendable {
        package var index: Int
        package var got: Double
        package var expected: Double
    }

    package private(set) var error: Double
    /// Where the difference is largest, or first infinite; nil where there is none.
    package private(set) var worst: Place?

    package init(of got: Tensor, from expected: Tensor) {
        let (a, b) = (got.doubles(), expected.doubles())
        guard a.count == b.count else {
            error = .infinity
            return
        }
        var largest = 0.0
        for k in a.indices {
            let (x, y) = (a[k], b[k])
            if x.isFinite, y.isFinite {
                largest = max(largest, abs(x), abs(y))
            } else if !(x == y || x.isNaN && y.isNaN) {
                error = .infinity
                worst = Place(index: k, got: x, expected: y)
                return
            }
        }
        error = 0
        guard largest > 0 else { return }
        // In two factors, as one may be beyond the largest number.
        let exponent = -Int(largest.exponent)
        let factors = (Self.power(exponent / 2), Self.power(exponent - exponent / 2))
        var (difference, size, most) = (0.0, 0.0, 0.0)
        var isZero = true
        for k in a.indices where b[k].isFinite {
            let (x, y) = (a[k] * factors.0 * factors.1, b[k] * factors.0 * factors.1)
            if b[k] != 0 { isZero = false }
            size += y * y
            guard a[k] != b[k] else { continue }
            difference += (x - y) * (x - y)
            if worst == nil || abs(x - y) > most {
                most = abs(x - y)
                worst = Place(index: k, got: a[k], expected: b[k])
            }
        }
        guard difference > 0 else { return }
        error = isZero ? difference.squareRoot() / factors.0 / factors.1 : (difference / size).squareRoot()
    }

    private static func power(_ exponent: Int) -> Double { Double(sign: .plus, exponent: exponent, significand: 1) }
}

/// The error of a `Deviation`.
package func relativeError(_ got: Tensor, _ expected: Tensor) -> Double { Deviation(of: got, from: expected).error }
