import CLLVM
import RecStream

/// Element-wise functions as vector code, for scalars and vectors of any width.
struct VectorMath {
    let builder: IRBuilder

    init(_ builder: IRBuilder) { self.builder = builder }

    /// `function` of a value whose element type is `element`.
    func unary(_ function: UnaryOperator, _ x: IRValue, from element: ElementType) -> IRValue {
        let type = builder.type(of: x)
        let lanes = builder.lanes(of: x)
        switch function {
        case .negate: return element == .real ? builder.fneg(x) : builder.subtract(builder.constant(0, like: type), x)
        case .not: return builder.not(x)
        case .stop, .re, .conj: return x
        case .abs:
            guard element == .real else {
                return builder.maximum(x, builder.subtract(builder.constant(0, like: type), x))
            }
            return builder.intrinsic("llvm.fabs", overloads: [type], [x])
        case .toReal:
            switch element {
            case .bool: return LLVMBuildUIToFP(builder.builder, x, builder.vector(builder.real, lanes), "")
            case .int: return LLVMBuildSIToFP(builder.builder, x, builder.vector(builder.real, lanes), "")
            case .real, .complex: return x
            }
        case .toInt:
            switch element {
            case .bool: return LLVMBuildZExt(builder.builder, x, builder.vector(builder.i64, lanes), "")
            case .int: return x
            case .real, .complex:
                // Saturating: a conversion out of range must not be undefined.
                let result = builder.vector(builder.i64, lanes)
                return builder.intrinsic("llvm.fptosi.sat", overloads: [result, type], [x])
            }
        case .numbered: preconditionFailure("the number of a step is known to a nest alone")
        case .toComplex, .im, .cis:
            preconditionFailure("complex values are split before code is generated")
        case .sign: return element == .real ? sign(x) : intSign(x)
        case .floor: return element == .real ? builder.intrinsic("llvm.floor", overloads: [type], [x]) : x
        case .relu:
            let zero = builder.constant(0.0, like: type)
            // Not a number stays what it is: the comparison is false for it.
            return builder.select(builder.fcompare(LLVMRealOLT, x, zero), zero, x)
        case .step:
            let isPositive = builder.fcompare(LLVMRealOGT, x, builder.constant(0.0, like: type))
            return builder.select(isPositive, builder.constant(1.0, like: type), builder.constant(0.0, like: type))
        case .sqrt: return builder.intrinsic("llvm.sqrt", overloads: [type], [x])
        case .rsqrt:
            return builder.fdiv(builder.constant(1.0, like: type), builder.intrinsic("llvm.sqrt", overloads: [type], [x]))
        case .exp, .log, .log2, .log1p, .expm1, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .gelu, .silu, .softplus:
            return transcendental(function, x)
        }
    }

    private func sign(_ x: IRValue) -> IRValue {
        let type = builder.type(of: x)
        let zero = builder.constant(0.0, like: type)
        let negative = builder.select(
            builder.fcompare(LLVMRealOLT, x, zero), builder.constant(-1.0, like: type), x)
        return builder.select(builder.fcompare(LLVMRealOGT, x, zero), builder.constant(1.0, like: type), negative)
    }

    private func intSign(_ x: IRValue) -> IRValue {
        let type = builder.type(of: x)
        return builder.maximum(builder.minimum(x, builder.constant(1, like: type)), builder.constant(-1, like: type))
    }

    /// `function` of two values whose element type is `element`.
    func binary(_ function: BinaryOperator, _ a: IRValue, _ b: IRValue, of element: ElementType) -> IRValue {
        switch element {
        case .real, .complex: real(function, a, b)
        case .int: int(function, a, b)
        case .bool: bool(function, a, b)
        }
    }

    private func real(_ function: BinaryOperator, _ a: IRValue, _ b: IRValue) -> IRValue {
        switch function {
        case .add: return builder.fadd(a, b)
        case .subtract: return builder.fsub(a, b)
        case .multiply: return builder.fmul(a, b)
        case .divide: return builder.fdiv(a, b)
        // NaN in either operand gives NaN, and −0 is smaller than 0.
        case .min: return builder.intrinsic("llvm.minimum", overloads: [builder.type(of: a)], [a, b])
        case .max: return builder.intrinsic("llvm.maximum", overloads: [builder.type(of: a)], [a, b])
        case .less: return builder.fcompare(LLVMRealOLT, a, b)
        case .lessOrEqual: return builder.fcompare(LLVMRealOLE, a, b)
        case .equal: return builder.fcompare(LLVMRealOEQ, a, b)
        case .notEqual: return builder.fcompare(LLVMRealUNE, a, b)
        case .greaterOrEqual: return builder.fcompare(LLVMRealOGE, a, b)
        case .greater: return builder.fcompare(LLVMRealOGT, a, b)
        case .power, .logaddexp, .atan2, .mod: return transcendental(function, a, b)
        case .and, .or, .complex, .random, .uniform, .uniformNext: preconditionFailure("no operation on reals")
        }
    }

    private func int(_ function: BinaryOperator, _ a: IRValue, _ b: IRValue) -> IRValue {
        switch function {
        case .add: builder.add(a, b)
        case .subtract: builder.subtract(a, b)
        case .multiply: builder.multiply(a, b)
        case .min: builder.minimum(a, b)
        case .max: builder.maximum(a, b)
        case .less: builder.compare(LLVMIntSLT, a, b)
        case .lessOrEqual: builder.compare(LLVMIntSLE, a, b)
        case .equal: builder.compare(LLVMIntEQ, a, b)
        case .notEqual: builder.compare(LLVMIntNE, a, b)
        case .greaterOrEqual: builder.compare(LLVMIntSGE, a, b)
        case .greater: builder.compare(LLVMIntSGT, a, b)
        case .mod: remainder(a, b)
        case .random: RandomCode(builder).int(key: a, counter: b)
        case .uniform, .uniformNext: RandomCode(builder).uniform(key: a, counter: b, isSecond: function == .uniformNext)
        case .divide, .power, .logaddexp, .atan2, .and, .or, .complex: preconditionFailure("no operation on ints")
        }
    }

    /// The remainder of a floored division, with the sign of the divisor; 0 where the divisor is 0.
    private func remainder(_ a: IRValue, _ b: IRValue) -> IRValue {
        let type = builder.type(of: a)
        let zero = builder.constant(0, like: type)
        // Division by 0, and the least int by −1, would trap: every number is a multiple of 1 and −1, which give 0.
        let isTrivial = builder.compare(LLVMIntULE, builder.add(b, builder.constant(1, like: type)), builder.constant(1, like: type))
        let rest: IRValue = LLVMBuildSRem(builder.builder, a, builder.select(isTrivial, builder.constant(1, like: type), b), "")
        let differs = builder.compare(LLVMIntSLT, LLVMBuildXor(builder.builder, rest, b, ""), zero)
        let isOff = builder.and(differs, builder.compare(LLVMIntNE, rest, zero))
        return builder.select(isOff, builder.add(rest, b), rest)
    }

    private func bool(_ function: BinaryOperator, _ a: IRValue, _ b: IRValue) -> IRValue {
        switch function {
        case .and, .min, .multiply: builder.and(a, b)
        case .or, .max, .add: builder.or(a, b)
        case .equal: builder.not(LLVMBuildXor(builder.builder, a, b, ""))
        case .notEqual: LLVMBuildXor(builder.builder, a, b, "")
        case .less: builder.and(builder.not(a), b)
        case .lessOrEqual: builder.or(builder.not(a), b)
        case .greater: builder.and(a, builder.not(b))
        case .greaterOrEqual: builder.or(a, builder.not(b))
        case .subtract, .divide, .power, .logaddexp, .atan2, .mod, .complex, .random, .uniform, .uniformNext:
            preconditionFailure("no operation on bools")
        }
    }

    // MARK: Transcendental functions

    /// What recurrences spend their time in has code of its own for f32; all else is computed in f64 whatever the
    /// precision, so that the error is that of the final rounding alone.
    private func transcendental(_ function: UnaryOperator, _ x: IRValue) -> IRValue {
        if builder.precision == .f32 {
            let single = SingleMath(builder)
            switch function {
            case .exp: return single.exp(x)
            case .sigmoid: return single.sigmoid(x)
            case .tanh: return single.tanh(x)
            case .expm1, .log, .log2, .log1p, .sin, .cos, .tan, .erf, .logsigmoid, .gelu, .silu, .softplus, .negate, .abs, .sign, .floor,
                .not, .sqrt, .rsqrt, .relu, .step, .re, .im, .conj, .cis, .stop, .toReal, .toInt, .toComplex, .numbered:
                break
            }
        }
        let core = WideMath(builder, isForSingle: builder.precision == .f32)
        return core.narrowed(core.evaluate(function, core.widened(x)), like: x)
    }

    private func transcendental(_ function: BinaryOperator, _ a: IRValue, _ b: IRValue) -> IRValue {
        // Powers have so many special cases, and are so rare in models, that the C library computes them lane by lane.
        if function == .power { return builder.intrinsic("llvm.pow", overloads: [builder.type(of: a)], [a, b]) }
        let core = WideMath(builder, isForSingle: builder.precision == .f32)
        return core.narrowed(core.evaluate(function, core.widened(a), core.widened(b)), like: a)
    }
}

extension BinaryOperator {
    /// Whether the function is a few instructions, rather than a polynomial or a call.
    var isSimple: Bool {
        switch self {
        case .add, .subtract, .multiply, .divide, .min, .max, .less, .lessOrEqual, .equal, .notEqual, .greaterOrEqual, .greater, .and,
            .or, .complex:
            true
        case .power, .logaddexp, .atan2, .mod, .random, .uniform, .uniformNext: false
        }
    }
}

extension UnaryOperator {
    /// Whether the function is a few instructions, rather than a polynomial.
    var isSimple: Bool {
        switch self {
        case .negate, .abs, .sign, .floor, .not, .sqrt, .rsqrt, .relu, .step, .re, .im, .conj, .stop, .toReal, .toInt,
            .toComplex, .numbered:
            true
        case .exp, .log, .log2, .log1p, .expm1, .sin, .cos, .tan, .erf, .tanh, .sigmoid, .logsigmoid, .gelu, .silu, .softplus, .cis:
            false
        }
    }
}
