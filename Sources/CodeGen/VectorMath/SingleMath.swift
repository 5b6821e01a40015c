import CLLVM

/// The exponentials that recurrences spend their time in, in f32 throughout: twice as many at a time as in f64, and good
/// to 2 units in the last place, which `make test-math` checks over all inputs.
///
/// The coefficients are fits in Chebyshev points of the reduced range, rounded to f32.
struct SingleMath {
    private let builder: IRBuilder

    init(_ builder: IRBuilder) { self.builder = builder }

    private func c(_ value: Double, _ x: IRValue) -> IRValue { builder.constant(value, like: builder.type(of: x)) }
    private func add(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildFAdd(builder.builder, a, b, "") }
    private func mul(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildFMul(builder.builder, a, b, "") }
    private func abs(_ x: IRValue) -> IRValue { builder.intrinsic("llvm.fabs", overloads: [builder.type(of: x)], [x]) }

    /// `Σ coefficients[k] · x^k`.
    private func polynomial(_ coefficients: [Double], _ x: IRValue) -> IRValue {
        coefficients.dropLast().reversed().reduce(c(coefficients[coefficients.count - 1], x)) { builder.fma($0, x, c($1, x)) }
    }

    // MARK: e^x

    private static let magic = 0x1.8p23
    private static let ln2High = 0x1.62e4p-1
    private static let ln2Low = 0x1.7f7d1cp-20
    /// `(e^r − 1 − r) / r²` for `|r| ≤ ln 2 / 2`.
    private static let exponential = [0x1p-1, 0x1.5554dcp-3, 0x1.5554eap-5, 0x1.120b74p-7, 0x1.6d4328p-10]

    /// Beyond these bounds `e^x` is infinite or zero in f32; within, its power of two is a product of two normal ones.
    private static let bounds = -104.0...89.0

    func exp(_ x: IRValue) -> IRValue {
        // The comparisons are false for what is not a number, which so stays what it is.
        let low = builder.select(builder.fcompare(LLVMRealOLT, x, c(Self.bounds.lowerBound, x)), c(Self.bounds.lowerBound, x), x)
        let inside = builder.select(builder.fcompare(LLVMRealOGT, low, c(Self.bounds.upperBound, x)), c(Self.bounds.upperBound, x), low)
        let shifted = builder.fma(inside, c(1.4426950408889634, x), c(Self.magic, x))
        let n = builder.fsub(shifted, c(Self.magic, x))
        let r = builder.fma(n, c(-Self.ln2Low, x), builder.fma(n, c(-Self.ln2High, x), inside))
        let tail = polynomial(Self.exponential, r)
        let power = add(builder.fma(mul(r, r), tail, r), c(1, x))
        // 2^n as a product of two, so that results below the normal numbers are rounded once.
        let integers = builder.vector(builder.i32, builder.lanes(of: x))
        let number = builder.subtract(
            LLVMBuildBitCast(builder.builder, shifted, integers, ""),
            builder.constant(Int(Float(Self.magic).bitPattern), like: integers))
        let half = builder.shiftRight(number, builder.constant(1, like: integers))
        return mul(mul(power, twoTo(half, x)), twoTo(builder.subtract(number, half), x))
    }

    private func twoTo(_ n: IRValue, _ x: IRValue) -> IRValue {
        let integers = builder.type(of: n)
        let exponent = builder.shiftLeft(builder.add(n, builder.constant(127, like: integers)), builder.constant(23, like: integers))
        return LLVMBuildBitCast(builder.builder, exponent, builder.type(of: x), "")
    }

    // MARK: Functions of it

    /// `1 / (1 + e^−x)`, from the exponential that does not overflow.
    func sigmoid(_ x: IRValue) -> IRValue {
        let e = exp(builder.fneg(abs(x)))
        let isNegative = builder.fcompare(LLVMRealOLT, x, c(0, x))
        return builder.fdiv(builder.select(isNegative, e, c(1, x)), add(e, c(1, x)))
    }

    /// `tanh(x) / x − 1` over `x²`, for `|x| < 0.625`.
    private static let tangent = [-0x1.555556p-2, 0x1.1110eap-3, -0x1.ba0914p-5, 0x1.64add8p-6, -0x1.118394p-7, 0x1.2cebc4p-9]
    private static let nearZero = 0.625

    /// Near zero a polynomial, elsewhere `1 − 2 / (e^2|x| + 1)`.
    func tanh(_ x: IRValue) -> IRValue {
        let size = abs(x)
        let square = mul(x, x)
        let near = builder.fma(mul(x, square), polynomial(Self.tangent, square), x)
        let e = exp(add(size, size))
        let far = builder.fsub(c(1, x), builder.fdiv(c(2, x), add(e, c(1, x))))
        let value = builder.select(builder.fcompare(LLVMRealOLT, size, c(Self.nearZero, x)), near, far)
        return builder.intrinsic("llvm.copysign", overloads: [builder.type(of: x)], [value, x])
    }
}
