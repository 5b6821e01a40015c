import CLLVM
import RecStream

/// Elementary functions of f64 vectors, free of branches where possible.
///
/// For f32 results the polynomials are cut shorter: they need some 1e-10, and rounding to f32 does the rest. For f64 they
/// are good to about 1e-16, with a few units in the last place from the arithmetic around them.
struct WideMath {
    private let builder: IRBuilder
    private let isForSingle: Bool

    init(_ builder: IRBuilder, isForSingle: Bool) {
        self.builder = builder
        self.isForSingle = isForSingle
    }

    // MARK: Precision

    private var double: LLVMTypeRef { LLVMDoubleTypeInContext(builder.module.context) }

    func widened(_ x: IRValue) -> IRValue {
        guard isForSingle else { return x }
        return LLVMBuildFPExt(builder.builder, x, builder.vector(double, builder.lanes(of: x)), "")
    }

    func narrowed(_ x: IRValue, like original: IRValue) -> IRValue {
        guard isForSingle else { return x }
        return LLVMBuildFPTrunc(builder.builder, x, builder.type(of: original), "")
    }

    // MARK: Short names

    private func c(_ value: Double, _ x: IRValue) -> IRValue { builder.constant(value, like: builder.type(of: x)) }
    private func add(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildFAdd(builder.builder, a, b, "") }
    private func sub(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildFSub(builder.builder, a, b, "") }
    private func mul(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildFMul(builder.builder, a, b, "") }
    private func div(_ a: IRValue, _ b: IRValue) -> IRValue { builder.fdiv(a, b) }
    private func less(_ a: IRValue, _ b: IRValue) -> IRValue { builder.fcompare(LLVMRealOLT, a, b) }
    private func equal(_ a: IRValue, _ b: IRValue) -> IRValue { builder.fcompare(LLVMRealOEQ, a, b) }
    private func abs(_ x: IRValue) -> IRValue { builder.intrinsic("llvm.fabs", overloads: [builder.type(of: x)], [x]) }
    private func copySign(_ x: IRValue, _ sign: IRValue) -> IRValue {
        builder.intrinsic("llvm.copysign", overloads: [builder.type(of: x)], [x, sign])
    }
    /// NaN stays NaN.
    private func atLeast(_ x: IRValue, _ bound: Double) -> IRValue { builder.select(less(x, c(bound, x)), c(bound, x), x) }
    private func atMost(_ x: IRValue, _ bound: Double) -> IRValue {
        builder.select(builder.fcompare(LLVMRealOGT, x, c(bound, x)), c(bound, x), x)
    }

    /// `Σ coefficients[k] · x^k` by Estrin's scheme: pairs first, so that the chain is short.
    private func polynomial(_ coefficients: [Double], _ x: IRValue) -> IRValue {
        var terms = coefficients.map { c($0, x) }
        var power = x
        while terms.count > 1 {
            var next: [IRValue] = []
            for k in stride(from: 0, to: terms.count, by: 2) {
                next.append(k + 1 < terms.count ? builder.fma(terms[k + 1], power, terms[k]) : terms[k])
            }
            terms = next
            if terms.count > 1 { power = mul(power, power) }
        }
        return terms[0]
    }

    private func bits(_ x: IRValue) -> IRValue {
        LLVMBuildBitCast(builder.builder, x, builder.vector(builder.i64, builder.lanes(of: x)), "")
    }

    private func fromBits(_ x: IRValue) -> IRValue {
        LLVMBuildBitCast(builder.builder, x, builder.vector(double, builder.lanes(of: x)), "")
    }

    func evaluate(_ function: UnaryOperator, _ x: IRValue) -> IRValue {
        switch function {
        case .exp: exp(x)
        case .expm1: expm1(x)
        case .log: log(x)
        case .log1p: log1p(x)
        case .tanh: tanh(x)
        case .sigmoid: sigmoid(x)
        case .logsigmoid: builder.fneg(softplus(builder.fneg(x)))
        case .softplus: softplus(x)
        case .silu: builder.select(equal(x, c(-.infinity, x)), c(-0.0, x), mul(x, sigmoid(x)))
        case .gelu: gelu(x)
        case .sin: trigonometric(x, isSine: true)
        case .cos: trigonometric(x, isSine: false)
        case .negate, .abs, .sign, .floor, .not, .sqrt, .rsqrt, .relu, .step, .re, .im, .conj, .cis, .stop, .toReal,
            .toInt, .toComplex:
            preconditionFailure("\(function) is not transcendental")
        }
    }

    // MARK: Exponentials

    private static let magic = 0x1.8p52
    private static let ln2High = 0x1.62e42fefa3800p-1
    private static let ln2Low = 0x1.ef35793c76730p-45
    private static let factorials: [Double] = (0...20).map { n in (1...max(n, 1)).reduce(1.0) { $0 * Double($1) } }

    /// `x = n·ln 2 + r` with `|r| ≤ ln 2 / 2`; `n` as an integer in the low bits.
    private func reduced(_ x: IRValue) -> (r: IRValue, n: IRValue) {
        let shifted = builder.fma(x, c(1.4426950408889634, x), c(Self.magic, x))
        let n = sub(shifted, c(Self.magic, x))
        let r = builder.fma(n, c(-Self.ln2Low, x), builder.fma(n, c(-Self.ln2High, x), x))
        let integer = builder.subtract(bits(shifted), builder.constant(Int(bitPattern: UInt(Self.magic.bitPattern)), like: builder.type(of: bits(shifted))))
        return (r, integer)
    }

    /// `2^n` for an integer whose power is a normal number.
    private func powerOfTwo(_ n: IRValue) -> IRValue {
        let type = builder.type(of: n)
        let biased = builder.add(n, builder.constant(1023, like: type))
        return fromBits(builder.shiftLeft(biased, builder.constant(52, like: type)))
    }

    private func exp(_ x: IRValue) -> IRValue {
        let clamped = isForSingle ? atMost(atLeast(x, -200), 200) : atMost(atLeast(x, -760), 720)
        let (r, n) = reduced(clamped)
        let degree = isForSingle ? 8 : 13
        let p = polynomial((0...degree).map { 1 / Self.factorials[$0] }, r)
        if isForSingle { return mul(p, powerOfTwo(n)) }
        // In two steps, so that subnormal results are rounded once and large ones overflow to infinity.
        let type = builder.type(of: n)
        let half = builder.shiftRight(n, builder.constant(1, like: type))
        return mul(mul(p, powerOfTwo(half)), powerOfTwo(builder.subtract(n, half)))
    }

    /// `e^x − 1`: `2^n (e^r − 1) + (2^n − 1)`, with the middle term as a polynomial of its own.
    private func expm1(_ x: IRValue) -> IRValue {
        let clamped = isForSingle ? atMost(atLeast(x, -60), 200) : atMost(atLeast(x, -60), 700)
        let (r, n) = reduced(clamped)
        let degree = isForSingle ? 9 : 14
        let q = polynomial((2...degree).map { 1 / Self.factorials[$0] }, r)
        let small = builder.fma(mul(r, r), q, r)
        let scale = powerOfTwo(n)
        let result = builder.fma(scale, small, sub(scale, c(1, x)))
        let whole = isForSingle ? result : builder.select(builder.fcompare(LLVMRealOGT, x, c(700, x)), exp(x), result)
        // Zero keeps its sign.
        return builder.select(equal(x, c(0, x)), x, whole)
    }

    // MARK: Logarithms

    private func log(_ x: IRValue) -> IRValue {
        var y = x
        var bias = c(0, x)
        if !isForSingle {
            // Subnormal numbers are scaled into the normal ones; f32's are normal in f64 already.
            let isSubnormal = less(x, c(0x1p-1022, x))
            y = builder.select(isSubnormal, mul(x, c(0x1p54, x)), x)
            bias = builder.select(isSubnormal, c(-54, x), c(0, x))
        }
        let type = builder.type(of: bits(x))
        // Split so that the fraction lies in [√½, √2).
        let moved = builder.subtract(bits(y), builder.constant(0x3FE6_A09E_667F_3BCD, like: type))
        let exponent = builder.shiftRight(moved, builder.constant(52, like: type))
        let fraction = fromBits(
            builder.subtract(bits(y), builder.shiftLeft(exponent, builder.constant(52, like: type))))
        let e = add(LLVMBuildSIToFP(builder.builder, exponent, builder.type(of: x), ""), bias)
        let f = sub(fraction, c(1, x))
        let s = div(f, add(c(2, x), f))
        let square = mul(s, s)
        let terms = isForSingle ? 5 : 10
        let series = polynomial((1...terms).map { 2 / Double(2 * $0 + 1) }, square)
        // log(1 + f) = 2s + s³·series; 2s = f − s·f keeps the rounding of s out of the leading term.
        let tail = builder.fma(e, c(Self.ln2Low, x), mul(s, sub(mul(square, series), f)))
        let result = builder.fma(e, c(Self.ln2High, x), add(f, tail))
        var special = builder.select(equal(x, c(0, x)), c(-.infinity, x), result)
        special = builder.select(less(x, c(0, x)), c(.nan, x), special)
        // Infinity and NaN are their own logarithms.
        return builder.select(builder.fcompare(LLVMRealULT, x, c(.infinity, x)), keepNaN(x, special), x)
    }

    private func keepNaN(_ x: IRValue, _ value: IRValue) -> IRValue {
        builder.select(builder.fcompare(LLVMRealUNO, x, x), x, value)
    }

    /// `log u + (x − (u − 1)) / u` with `u = 1 + x` rounded (Kahan).
    private func log1p(_ x: IRValue) -> IRValue {
        let u = add(c(1, x), x)
        let lost = sub(x, sub(u, c(1, x)))
        let corrected = add(log(u), div(lost, u))
        let isPlain = builder.and(
            builder.fcompare(LLVMRealOGT, u, c(0, x)), builder.fcompare(LLVMRealOLT, u, c(.infinity, x)))
        let result = builder.select(isPlain, corrected, log(u))
        return builder.select(equal(x, c(0, x)), x, result)
    }

    func logAddExp(_ a: IRValue, _ b: IRValue) -> IRValue {
        let isLess = builder.fcompare(LLVMRealULT, a, b)
        let largest = builder.select(isLess, b, a)
        let smallest = builder.select(isLess, a, b)
        let result = add(largest, log1p(exp(sub(smallest, largest))))
        // Equal infinities have no difference.
        return builder.select(builder.and(equal(a, b), equal(abs(a), c(.infinity, a))), a, result)
    }

    // MARK: Activations

    private func tanh(_ x: IRValue) -> IRValue {
        let magnitude = atMost(abs(x), 40)
        let t = expm1(add(magnitude, magnitude))
        return copySign(div(t, add(t, c(2, x))), x)
    }

    private func sigmoid(_ x: IRValue) -> IRValue {
        let e = exp(builder.fneg(abs(x)))
        let isNegative = less(x, c(0, x))
        return keepNaN(x, div(builder.select(isNegative, e, c(1, x)), add(c(1, x), e)))
    }

    private func softplus(_ x: IRValue) -> IRValue {
        add(atLeast(x, 0), log1p(exp(builder.fneg(abs(x)))))
    }

    /// `(1 + 2z) · e^{z²} · erfc z` as a polynomial in `(z − 3.75) / (z + 3.75)`, after Shepherd and Laframboise (Math. Comp.
    /// 36, 1981); coefficients by interpolation at Chebyshev nodes, up to `z = 11` to 1.3e-9 and up to `z = 28` to 5e-19.
    private static let scaledErfcSingle = [
        1.2375126304242758, -0.14024058645851903, 0.003585471703466407, 0.08227615612063123, -0.10880545094827725,
        0.09231159142302363, -0.05867637265245658, 0.028330895855107712, -0.009831907927421816, 0.0017829234248222642,
        0.0004587595904109346, -0.0002178514307039865,
    ]
    private static let scaledErfc = [
        1.2375126308378275, -0.140240598585547, 0.0035854154854636057, 0.08227673849014927, -0.10880393014170199,
        0.09230432116026986, -0.058693398590679784, 0.028362277420151644, -0.009746579546082752, 0.001755625847022551,
        0.00029371358546110594, -0.000290154075774528, 5.164943471278954e-05, 2.238432573107579e-05,
        -1.1445047946585976e-05, -9.740244744013555e-07, 1.7531716883552848e-06, -5.606223945821546e-08,
        -2.6021705136960196e-07, 2.166247267241668e-08, 3.941838305010959e-08, -2.551993504058055e-09,
        -5.1561861565166395e-09, -6.255766439518075e-11, 3.093226583830838e-10,
    ]

    /// `x · Φ(x)` with `Φ(−|x|) = erfc(|x|/√2) / 2`, which keeps its relative accuracy in the tail.
    private func gelu(_ x: IRValue) -> IRValue {
        let z = mul(atMost(abs(x), 40), c(0.5.squareRoot(), x))
        let q = div(sub(z, c(3.75, x)), add(z, c(3.75, x)))
        let p = div(polynomial(isForSingle ? Self.scaledErfcSingle : Self.scaledErfc, q), builder.fma(z, c(2, x), c(1, x)))
        // e^{−z²}: the rounding of the square is put back.
        let square = mul(z, z)
        let lost = builder.fma(z, z, builder.fneg(square))
        let decay = mul(exp(builder.fneg(square)), sub(c(1, x), lost))
        let tail = mul(c(0.5, x), mul(p, decay))
        let distribution = builder.select(less(x, c(0, x)), tail, sub(c(1, x), tail))
        let result = mul(x, distribution)
        return builder.select(equal(x, c(-.infinity, x)), c(-0.0, x), result)
    }

    // MARK: Sine and cosine

    /// Arguments beyond this are left to the C library: π/2 cannot be taken off them in three parts.
    private static let largestAngle = 0x1p20

    private func trigonometric(_ x: IRValue, isSine: Bool) -> IRValue {
        let isLarge = builder.fcompare(LLVMRealUGE, abs(x), c(Self.largestAngle, x))
        let lanes = builder.lanes(of: x)
        let any = lanes == 1 ? isLarge : builder.intrinsic("llvm.vector.reduce.or", overloads: [builder.type(of: isLarge)], [isLarge])
        let fast = reducedTrigonometric(builder.select(isLarge, c(0, x), x), isSine: isSine)
        let before = builder.currentBlock
        let slow = builder.block("large")
        let after = builder.block("angles")
        builder.branch(any, slow, after)
        builder.position(at: slow)
        let library = builder.intrinsic(isSine ? "llvm.sin" : "llvm.cos", overloads: [builder.type(of: x)], [x])
        let chosen = builder.select(isLarge, library, fast)
        let end = builder.currentBlock
        builder.branch(after)
        builder.position(at: after)
        let result = builder.phi(builder.type(of: x))
        builder.addIncoming(result, fast, from: before)
        builder.addIncoming(result, chosen, from: end)
        return result
    }

    private static func alternating(_ k: Int) -> Double { k % 2 == 0 ? 1 : -1 }

    private func reducedTrigonometric(_ x: IRValue, isSine: Bool) -> IRValue {
        let shifted = builder.fma(x, c(2 / Double.pi, x), c(Self.magic, x))
        let n = sub(shifted, c(Self.magic, x))
        // π/2 in three parts.
        var r = builder.fma(n, c(-0x1.921fb54400000p0, x), x)
        r = builder.fma(n, c(-0x1.0b4611a600000p-34, x), r)
        r = builder.fma(n, c(-0x1.3198a2e037073p-69, x), r)
        let square = mul(r, r)
        let terms = isForSingle ? 5 : 8
        let sines = (1...terms).map { Self.alternating($0) / Self.factorials[2 * $0 + 1] }
        let cosines = (1...terms + 1).map { Self.alternating($0) / Self.factorials[2 * $0] }
        let sine = builder.fma(mul(r, square), polynomial(sines, square), r)
        let cosine = builder.fma(square, polynomial(cosines, square), c(1, x))
        let type = builder.type(of: bits(shifted))
        var quadrant = bits(shifted)
        if !isSine { quadrant = builder.add(quadrant, builder.constant(1, like: type)) }
        let zero = builder.constant(0, like: type)
        let isOdd = builder.compare(LLVMIntNE, builder.and(quadrant, builder.constant(1, like: type)), zero)
        let isBack = builder.compare(LLVMIntNE, builder.and(quadrant, builder.constant(2, like: type)), zero)
        let value = builder.select(isOdd, cosine, sine)
        let signed = builder.select(isBack, builder.fneg(value), value)
        return isSine ? builder.select(equal(x, c(0, x)), x, signed) : signed
    }
}
