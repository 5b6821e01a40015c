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
        case .log2: log2(x)
        case .log1p: log1p(x)
        case .tanh: tanh(x)
        case .sigmoid: sigmoid(x)
        case .logsigmoid: builder.fneg(softplus(builder.fneg(x)))
        case .softplus: softplus(x)
        case .silu: builder.select(equal(x, c(-.infinity, x)), c(-0.0, x), mul(x, sigmoid(x)))
        case .gelu: gelu(x)
        case .sin: trigonometric(x, isSine: true)
        case .cos: trigonometric(x, isSine: false)
        case .tan: tangent(x)
        case .erf: erf(x)
        case .negate, .abs, .sign, .floor, .not, .sqrt, .rsqrt, .relu, .step, .re, .im, .conj, .cis, .stop, .toReal,
            .toInt, .toComplex, .numbered:
            preconditionFailure("\(function) is not transcendental")
        }
    }

    func evaluate(_ function: BinaryOperator, _ a: IRValue, _ b: IRValue) -> IRValue {
        switch function {
        case .logaddexp: logAddExp(a, b)
        case .atan2: angle(a, b)
        case .mod: remainder(a, b)
        case .add, .subtract, .multiply, .divide, .power, .min, .max, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater,
            .and, .or, .complex, .random, .uniform, .uniformNext:
            preconditionFailure("\(function) has no code here")
        }
    }

    /// `fast` everywhere, but where `isRare` holds in some lane what `slow` gives in such lanes. Its code is then jumped over.
    private func unless(_ isRare: IRValue, _ fast: IRValue, slow: () -> IRValue) -> IRValue {
        let isAny = builder.lanes(of: fast) == 1
            ? isRare : builder.intrinsic("llvm.vector.reduce.or", overloads: [builder.type(of: isRare)], [isRare])
        let before = builder.currentBlock
        let inside = builder.block("rare")
        let after = builder.block("usual")
        builder.branch(isAny, inside, after)
        builder.position(at: inside)
        let chosen = builder.select(isRare, slow(), fast)
        let end = builder.currentBlock
        builder.branch(after)
        builder.position(at: after)
        let result = builder.phi(builder.type(of: fast))
        builder.addIncoming(result, fast, from: before)
        builder.addIncoming(result, chosen, from: end)
        return result
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
        let (e, f, tail) = fractionLog(x)
        let result = builder.fma(e, c(Self.ln2High, x), add(f, builder.fma(e, c(Self.ln2Low, x), tail)))
        return atLimits(x, result)
    }

    /// The exponent is added last, so that powers of two are exact.
    private func log2(_ x: IRValue) -> IRValue {
        let (e, f, tail) = fractionLog(x)
        // 1 / ln 2 in two parts, of which the first has few enough digits.
        let whole = add(f, tail)
        let lost = add(sub(f, whole), tail)
        let low = builder.fma(whole, c(Self.reciprocalLow, x), mul(lost, c(Self.reciprocalHigh, x)))
        return atLimits(x, add(e, builder.fma(whole, c(Self.reciprocalHigh, x), low)))
    }

    private static let reciprocalHigh = 0x1.71547652b82fep+0
    private static let reciprocalLow = 0x1.777d0ffda0d24p-56

    /// `log x = e · ln 2 + (f + tail)`.
    private func fractionLog(_ x: IRValue) -> (e: IRValue, f: IRValue, tail: IRValue) {
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
        return (e, f, mul(s, sub(mul(square, series), f)))
    }

    /// A logarithm where its argument is zero, negative, infinite or NaN.
    private func atLimits(_ x: IRValue, _ result: IRValue) -> IRValue {
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

    /// `erf x / x` in `x²`, for `x` up to ½; by interpolation at Chebyshev nodes, to 1e-11 and 1e-17.
    private static let erfSingle = [
        1.1283791670824095, -0.37612638525650693, 0.11283774013179539, -0.026863143032249386, 0.005200413724335493,
        -0.0007694534279142308,
    ]
    private static let erfWhole = [
        1.1283791670955126, -0.3761263890318375, 0.1128379167095487, -0.02686617064499972, 0.0052239776220169365,
        -0.0008548326510724796, 0.00012055286202005714, -1.4923003368152099e-05, 1.637123442577e-06, -1.462091340945175e-07,
    ]

    /// Near zero a polynomial, elsewhere `1 − erfc`.
    private func erf(_ x: IRValue) -> IRValue {
        let near = mul(x, polynomial(isForSingle ? Self.erfSingle : Self.erfWhole, mul(x, x)))
        let far = copySign(sub(c(1, x), complement(atMost(abs(x), 28))), x)
        return builder.select(less(abs(x), c(0.5, x)), near, far)
    }

    /// `erfc z` for `z` from 0 to 28.
    private func complement(_ z: IRValue) -> IRValue {
        let q = div(sub(z, c(3.75, z)), add(z, c(3.75, z)))
        let p = div(polynomial(isForSingle ? Self.scaledErfcSingle : Self.scaledErfc, q), builder.fma(z, c(2, z), c(1, z)))
        // e^{−z²}: the rounding of the square is put back.
        let square = mul(z, z)
        let lost = builder.fma(z, z, builder.fneg(square))
        return mul(p, mul(exp(builder.fneg(square)), sub(c(1, z), lost)))
    }

    /// `x · Φ(x)` with `Φ(−|x|) = erfc(|x|/√2) / 2`, which keeps its relative accuracy in the tail.
    private func gelu(_ x: IRValue) -> IRValue {
        let tail = mul(c(0.5, x), complement(mul(atMost(abs(x), 40), c(0.5.squareRoot(), x))))
        let distribution = builder.select(less(x, c(0, x)), tail, sub(c(1, x), tail))
        let result = mul(x, distribution)
        return builder.select(equal(x, c(-.infinity, x)), c(-0.0, x), result)
    }

    // MARK: Sine and cosine

    /// Arguments beyond this are left to the C library: π/2 cannot be taken off them in three parts.
    private static let largestAngle = 0x1p20

    private func trigonometric(_ x: IRValue, isSine: Bool) -> IRValue {
        let isLarge = builder.fcompare(LLVMRealUGE, abs(x), c(Self.largestAngle, x))
        let fast = reducedTrigonometric(builder.select(isLarge, c(0, x), x), isSine: isSine)
        return unless(isLarge, fast) { library(isSine ? "llvm.sin" : "llvm.cos", x) }
    }

    private func library(_ name: String, _ x: IRValue) -> IRValue { builder.intrinsic(name, overloads: [builder.type(of: x)], [x]) }

    private func tangent(_ x: IRValue) -> IRValue {
        let isLarge = builder.fcompare(LLVMRealUGE, abs(x), c(Self.largestAngle, x))
        let (sine, cosine, quadrant) = quarterTurn(builder.select(isLarge, c(0, x), x))
        // Another quarter turn is −1 / tan.
        let isOdd = isSet(quadrant, 1)
        let quotient = div(builder.select(isOdd, builder.fneg(cosine), sine), builder.select(isOdd, sine, cosine))
        let fast = builder.select(equal(x, c(0, x)), x, quotient)
        return unless(isLarge, fast) { div(library("llvm.sin", x), library("llvm.cos", x)) }
    }

    private func isSet(_ n: IRValue, _ bit: Int) -> IRValue {
        let type = builder.type(of: n)
        return builder.compare(LLVMIntNE, builder.and(n, builder.constant(bit, like: type)), builder.constant(0, like: type))
    }

    private static func alternating(_ k: Int) -> Double { k % 2 == 0 ? 1 : -1 }

    private func reducedTrigonometric(_ x: IRValue, isSine: Bool) -> IRValue {
        var (sine, cosine, quadrant) = quarterTurn(x)
        if !isSine { quadrant = builder.add(quadrant, builder.constant(1, like: builder.type(of: quadrant))) }
        let value = builder.select(isSet(quadrant, 1), cosine, sine)
        let signed = builder.select(isSet(quadrant, 2), builder.fneg(value), value)
        return isSine ? builder.select(equal(x, c(0, x)), x, signed) : signed
    }

    /// Sine and cosine of what is left within ±π/4, and how many quarter turns have been taken off, in the low bits.
    private func quarterTurn(_ x: IRValue) -> (sine: IRValue, cosine: IRValue, quadrant: IRValue) {
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
        return (sine, cosine, bits(shifted))
    }

    // MARK: Angles

    /// `(atan t / t − 1) / t²` in `t²`, for `t` up to tan(π/8); by interpolation at Chebyshev nodes, to 1e-10 and 1e-17.
    private static let arcSingle = [
        -0.333333332791284, 0.1999977721502531, -0.14284148838971827, 0.11071321390180895, -0.08624350838386206, 0.050472992684427974,
    ]
    private static let arc = [
        -0.3333333333333333, 0.19999999999999804, -0.1428571428565962, 0.11111111105135144, -0.0909090875249078, 0.07692296345833015,
        -0.06666424361404927, 0.05878922970309668, -0.052304098866177415, 0.045513908032899016, -0.03456535729190067,
        0.01627999005782057,
    ]
    private static let eighth = 0.41421356237309503
    private static let halfPiLow = 6.123233995736766e-17

    /// C's `atan2(a, b)`.
    private func angle(_ a: IRValue, _ b: IRValue) -> IRValue {
        let (rise, run) = (abs(a), abs(b))
        let isSteep = less(run, rise)
        let (large, small) = (builder.select(isSteep, rise, run), builder.select(isSteep, run, rise))
        // Equal ones, infinite too, are at 1; but at the origin the angle is that of the axis.
        let ratio = builder.select(equal(rise, run), c(1, a), div(small, large))
        let q = builder.select(equal(add(rise, run), c(0, a)), c(0, a), ratio)
        let isWide = builder.fcompare(LLVMRealOGT, q, c(Self.eighth, a))
        let t = builder.select(isWide, div(sub(q, c(1, a)), add(q, c(1, a))), q)
        let square = mul(t, t)
        let near = builder.fma(mul(t, square), polynomial(isForSingle ? Self.arcSingle : Self.arc, square), t)
        let zero = c(0, a)
        let first = add(builder.select(isWide, c(.pi / 4, a), zero), add(near, builder.select(isWide, c(Self.halfPiLow / 2, a), zero)))
        let second = builder.select(isSteep, sub(c(.pi / 2, a), sub(first, c(Self.halfPiLow, a))), first)
        // The sign of a zero counts.
        let isBehind = less(copySign(c(1, a), b), zero)
        let third = builder.select(isBehind, sub(c(.pi, a), sub(second, c(2 * Self.halfPiLow, a))), second)
        return copySign(third, a)
    }

    // MARK: Remainder

    /// Beyond this a quotient in f64 has no digit before the point to spare.
    private static let largestQuotient = 0x1p52

    /// `a − b · ⌊a / b⌋`, exact but for the last addition, as Python has it.
    private func remainder(_ a: IRValue, _ b: IRValue) -> IRValue {
        let quotient = div(a, b)
        let isLarge = builder.fcompare(LLVMRealUGE, abs(quotient), c(Self.largestQuotient, a))
        let floor = builder.intrinsic("llvm.floor", overloads: [builder.type(of: a)], [quotient])
        // A quotient that was rounded up to a whole number leaves a rest of the other sign; of an infinite divisor `a` is left.
        let isInfinite = equal(abs(b), c(.infinity, b))
        let rest = builder.select(isInfinite, a, builder.fma(builder.fneg(floor), b, a))
        return unless(isLarge, withSign(of: b, rest)) { withSign(of: b, libraryRemainder(a, b)) }
    }

    private func libraryRemainder(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildFRem(builder.builder, a, b, "") }

    private func withSign(of b: IRValue, _ rest: IRValue) -> IRValue {
        let zero = c(0, b)
        let isOff: IRValue = LLVMBuildXor(builder.builder, less(rest, zero), less(b, zero), "")
        return builder.select(equal(rest, zero), copySign(zero, b), builder.select(isOff, add(rest, b), rest))
    }
}
