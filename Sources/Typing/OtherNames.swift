import RecStream

/// What other libraries call what the language has, or does in another way.
enum OtherNames {
    static func function(_ name: String) -> String? {
        switch name {
        case "dot", "matmul", "mm", "bmm", "einsum", "linear": "a contraction is written W @ x"
        case "transpose", "permute": "the transpose of a matrix is W.T"
        case "pow", "power", "square", "sqr": "a power is written x^2"
        case "ln": "the natural logarithm is log(x)"
        case "cat", "stack", "vstack", "hstack", "append": "values are joined with concat(a, b)"
        case "where", "select", "cond", "iif", "ifelse": "write if … then … else …"
        case "prev", "previous", "lag", "delay", "shift", "pre": "the step before is written x[t-1]"
        case "cumsum", "cumprod", "accumulate", "scan": "carry it from step to step: state s: […] and s = s[t-1] + x"
        case "avg", "average": "write mean[K](x)"
        case "len", "length", "size", "shape", "dim": "sizes are dims: use the name of the dim"
        case "view", "resize", "flatten": "write reshape(x, [N, D/N])"
        case "sigma", "logistic": "write sigmoid(x)"
        case "layer_norm", "LayerNorm": "write layernorm(x)"
        case "rms_norm", "RMSNorm": "write rmsnorm(x)"
        case "cross_entropy", "nll_loss": "write crossentropy(logits, target)"
        case "detach", "stop_gradient": "write stop(x)"
        case "mod", "fmod", "remainder": "there is no remainder; use x - y * floor(x / y)"
        case "repeat": "copies in a chain are declared: layer b = repeat(4, Block(D))"
        case "float", "f32", "f64", "double": "write real(x)"
        case "round": "write floor(x + 0.5)"
        default: nil
        }
    }

    /// Element types of other languages.
    static func element(_ name: String) -> String? {
        switch name {
        case "float", "double", "f32", "f64", "float32", "float64", "Float", "Double", "scalar", "number", "Tensor", "tensor": "real"
        case "integer", "i32", "i64", "int32", "int64", "long", "Int", "uint", "token": "int"
        case "boolean", "Bool", "bit", "logical": "bool"
        case "complex64", "complex128", "Complex": "complex"
        default: nil
        }
    }
}

extension ElementType {
    /// For messages.
    var withArticle: String {
        switch self {
        case .int: "an int"
        case .real, .bool, .complex: "a \(rawValue)"
        }
    }
}

/// Functions over axes.
enum ReductionNames {
    static let all: Set<String> = ["sum", "mean", "max", "min", "prod", "logsumexp", "norm", "var", "softmax", "argmax", "argmin", "first", "last"]
}
