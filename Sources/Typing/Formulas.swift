/// What other libraries have as functions and the language as an expression.
extension OtherNames {
    /// An expression in the arguments `x`, `y` and `z`, as far as the function takes so many; `[K]` stands for the axis that it runs over.
    struct Formula {
        var text: String
        var operands: Operands = .number
    }

    /// What a formula is true of.
    enum Operands {
        /// A number, or many.
        case number
        /// Two that line up.
        case pair
        /// Two vectors that line up.
        case vectors
        /// What is reduced: over all axes where none is named, or else over the last.
        case reduced(overAll: Bool)
        /// Conditions, over all of which it runs where no axis is named.
        case conditions
        /// Two that `@` contracts, in this order or in the other.
        case contracted, contractedBackwards
        case matrix
        /// A condition and two values.
        case choice
    }

    static func formula(_ name: String) -> Formula? {
        switch name {
        case "dot", "matmul", "mm", "mv", "inner", "vdot": Formula(text: "x @ y", operands: .contracted)
        case "linear": Formula(text: "y @ x", operands: .contractedBackwards)
        case "transpose", "permute", "t", "swapaxes": Formula(text: "x.T", operands: .matrix)
        case "pow", "power", "float_power": Formula(text: "x^y", operands: .pair)
        case "square", "sqr": Formula(text: "x^2")
        case "where", "select", "iif", "ifelse": Formula(text: "if x then y else z", operands: .choice)
        case "mse_loss", "MSELoss": Formula(text: "mean((x - y)^2)", operands: .vectors)
        case "prelu", "PReLU": Formula(text: "leaky_relu(x, slope: y)", operands: .pair)
        case "fmod": Formula(text: "x - y * real(int(x / y))", operands: .pair)
        case "round": Formula(text: "floor(x + 0.5)")
        case "ceil": Formula(text: "-floor(-x)")
        case "trunc", "fix": Formula(text: "real(int(x))")
        case "frac": Formula(text: "x - floor(x)")
        case "asin", "arcsin": Formula(text: "atan2(x, sqrt(1 - x * x))")
        case "acos", "arccos": Formula(text: "atan2(sqrt(1 - x * x), x)")
        case "atan", "arctan": Formula(text: "atan2(x, 1)")
        case "sinh": Formula(text: "(expm1(x) - expm1(-x)) / 2")
        case "cosh": Formula(text: "(exp(x) + exp(-x)) / 2")
        case "asinh", "arcsinh": Formula(text: "sign(x) * log(abs(x) + sqrt(x * x + 1))")
        case "acosh", "arccosh": Formula(text: "log(x + sqrt(x * x - 1))")
        case "atanh", "arctanh": Formula(text: "(log1p(x) - log1p(-x)) / 2")
        case "log10": Formula(text: "log(x) / log(10)")
        case "exp2": Formula(text: "2^x")
        case "erfc": Formula(text: "1 - erf(x)")
        case "cbrt": Formula(text: "sign(x) * abs(x)^(1 / 3)")
        case "hypot": Formula(text: "abs(complex(x, y))", operands: .pair)
        case "reciprocal": Formula(text: "1 / x")
        case "logit": Formula(text: "log(x) - log1p(-x)")
        case "std": Formula(text: "sqrt(var[K](x))", operands: .reduced(overAll: true))
        case "any": Formula(text: "sum[K](if x then 1 else 0) > 0", operands: .conditions)
        case "all": Formula(text: "sum[K](if x then 0 else 1) == 0", operands: .conditions)
        case "isinf": Formula(text: "abs(x) == inf")
        case "isfinite": Formula(text: "abs(x) < inf")
        case "nan_to_num": Formula(text: "if isnan(x) then 0 else x")
        case "relu6", "ReLU6": Formula(text: "clamp(x, 0, 6)")
        case "selu", "SELU": Formula(text: "1.0507 * elu(x, alpha: 1.67326)")
        case "celu", "CELU": Formula(text: "max(x, 0) + min(0, expm1(x))")
        case "hardtanh", "hard_tanh", "Hardtanh": Formula(text: "clamp(x, -1, 1)")
        case "hardsigmoid", "hard_sigmoid", "Hardsigmoid": Formula(text: "clamp(x / 6 + 0.5, 0, 1)")
        case "hardswish", "hard_swish", "Hardswish": Formula(text: "x * clamp(x / 6 + 0.5, 0, 1)")
        case "mish", "Mish": Formula(text: "x * tanh(softplus(x))")
        case "softsign", "Softsign": Formula(text: "x / (1 + abs(x))")
        case "tanhshrink", "Tanhshrink": Formula(text: "x - tanh(x)")
        case "log_softmax", "logsoftmax", "LogSoftmax": Formula(text: "x - logsumexp[K](x)", operands: .reduced(overAll: false))
        case "softmin", "Softmin": Formula(text: "softmax[K](-x)", operands: .reduced(overAll: false))
        default: nil
        }
    }
}
