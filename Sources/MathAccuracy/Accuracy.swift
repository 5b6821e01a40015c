import RecCodeGen
import RecStream

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// How far the f32 vector functions are from correctly rounded results, in units in the last place.
package struct Accuracy {
    package var function: UnaryOperator
    /// The largest error, and the input at which it occurs.
    package var worst = 0.0
    package var worstInput: Float = 0
    /// Inputs for which NaN, infinity or the sign of zero came out wrong.
    package var wrongSpecials: [Float] = []

    /// The error that is allowed.
    package static func bound(_ function: UnaryOperator) -> Double {
        switch function {
        case .gelu, .silu, .softplus, .logsigmoid: 4
        case .exp, .expm1, .log, .log2, .log1p, .tanh, .sigmoid, .erf, .sin, .cos, .tan, .sqrt, .rsqrt, .negate, .abs, .sign, .floor, .not,
            .relu, .step, .re, .im, .conj, .cis, .stop, .toReal, .toInt, .toComplex, .numbered:
            2
        }
    }

    package var isWithinBound: Bool { worst <= Self.bound(function) && wrongSpecials.isEmpty }

    /// The correct value in f64, from the C library.
    package static func reference(_ function: UnaryOperator, _ x: Double) -> Double {
        switch function {
        case .exp: return exp(x)
        case .expm1: return expm1(x)
        case .log: return log(x)
        case .log2: return log2(x)
        case .log1p: return log1p(x)
        case .tanh: return tanh(x)
        case .sigmoid: return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x))
        case .logsigmoid: return -(x < 0 ? -x + log1p(exp(x)) : log1p(exp(-x)))
        case .softplus: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))
        case .silu: return x == -.infinity ? -0.0 : x * (x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)))
        case .gelu: return x == -.infinity ? -0.0 : 0.5 * x * erfc(-x / 2.0.squareRoot())
        case .erf: return erf(x)
        case .tan: return tan(x)
        case .sin: return sin(x)
        case .cos: return cos(x)
        case .sqrt: return x.squareRoot()
        case .rsqrt: return 1 / x.squareRoot()
        // Exact, or not functions of one real number.
        case .negate, .abs, .sign, .floor, .not, .relu, .step, .re, .im, .conj, .cis, .stop, .toReal, .toInt, .toComplex, .numbered:
            return .nan
        }
    }

    /// Looks at the bit patterns `start, start + stride, …` below `end`.
    package init(_ function: UnaryOperator, _ probe: MathProbe, from start: UInt64, to end: UInt64, by stride: UInt64) {
        self.function = function
        let chunk = 4096
        var x = [Float](repeating: 0, count: chunk)
        var y = x
        var next = start
        while next < end {
            var count = 0
            while count < chunk, next < end {
                x[count] = Float(bitPattern: UInt32(truncatingIfNeeded: next))
                count += 1
                next += stride
            }
            probe(x, &y, chunk)
            for k in 0..<count { look(at: x[k], y[k]) }
        }
    }

    private mutating func look(at x: Float, _ got: Float) {
        let exact = Self.reference(function, Double(x))
        let rounded = Float(exact)
        if got == rounded {
            if got == 0, got.sign != rounded.sign { wrongSpecials.append(x) }
            return
        }
        if got.isNaN && rounded.isNaN { return }
        guard got.isFinite, rounded.isFinite else {
            // One side overflowed: still right where the other is the largest number there is.
            if !got.isNaN, !rounded.isNaN, abs(got) >= .greatestFiniteMagnitude, abs(rounded) >= .greatestFiniteMagnitude {
                worst = max(worst, 1)
            } else {
                wrongSpecials.append(x)
            }
            return
        }
        let error = abs(Double(got) - Double(rounded)) / Double(rounded.ulp)
        if error > worst {
            worst = error
            worstInput = x
        }
    }

    /// The worse of two.
    package mutating func merge(_ other: Accuracy) {
        if other.worst > worst { (worst, worstInput) = (other.worst, other.worstInput) }
        wrongSpecials += other.wrongSpecials
    }
}
