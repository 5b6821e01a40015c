import RecLibrary
import RecSource
import RecStream

/// What other libraries call what the language has, or does in another way.
enum OtherNames {
    /// Help for an unknown function: its mend, or the nearest name. A short name, or one that the field knows, is no misspelling of
    /// another: `tan` is not `tanh`.
    static func mend(_ name: String, among own: [String]) -> String? {
        if let known = renamed(name) { return "write \(known)(…)" }
        if let mend = function(name) { return mend }
        if let close = nearest(name, among: own.sorted()) { return "did you mean '\(close)'?" }
        guard name.utf8.count >= shortestMisspelling, !known.contains(name) else { return nil }
        return nearest(name, among: Builtins.names.filter { $0.utf8.count > shortestMisspelling }.sorted()).map { "did you mean '\($0)'?" }
    }

    private static let shortestMisspelling = 4

    /// Functions that the field knows and for which there is no short mend.
    private static let known: Set<String> = [
        "erfinv", "erfcinv", "lgamma", "digamma", "gamma", "sinpi", "cospi", "trace", "det", "inv", "cov", "corr", "diff", "fft", "unique",
        "nonzero", "gcd", "lcm", "exprel", "xlogy", "entr", "cummax", "cummin", "logdet", "solve", "diag", "tril", "triu", "flip", "roll",
        "count", "range", "print", "abs2", "angle", "floor_divide", "ldexp", "frexp", "sinc", "nextafter",
    ]

    /// The function of the language that other libraries know by this name, or one written so.
    static func renamed(_ name: String) -> String? {
        switch name {
        case "cat", "concatenate", "hstack", "vstack", "append": "concat"
        case "chunk": "split"
        case "swish": "silu"
        case "logistic", "expit", "sigma": "sigmoid"
        case "amax", "maximum", "fmax": "max"
        case "amin", "minimum", "fmin": "min"
        case "clip": "clamp"
        case "absolute", "fabs": "abs"
        case "arctan2": "atan2"
        case "remainder", "floor_mod": "mod"
        case "ln": "log"
        case "log_sigmoid": "logsigmoid"
        case "LeakyReLU", "leakyrelu": "leaky_relu"
        case "layer_norm": "layernorm"
        case "rms_norm": "rmsnorm"
        case "cross_entropy": "crossentropy"
        case "detach", "stop_gradient", "StopGradient": "stop"
        case "heaviside": "step"
        case "avg", "average": "mean"
        case "variance": "var"
        case "float", "double", "f32", "f64": "real"
        case "long": "int"
        case "real_part": "re"
        case "imag": "im"
        default: Builtins.names.contains(name) ? name : Builtins.names.contains(name.lowercased()) ? name.lowercased() : nil
        }
    }

    /// What is written for a function that the language does not have, where no formula says so.
    static func function(_ name: String) -> String? {
        if let formula = formula(name) { return "write \(formula.text.replacing("[K]", with: ""))" }
        return switch name {
        case "bmm", "einsum", "Linear", "Dense": "a contraction is written W @ x"
        case "stack": "numbers become a vector with concat(a, b); a reduction takes a list: sum([a, b])"
        case "cond", "switch": "write if … then … else …"
        case "prev", "previous", "lag", "delay", "shift", "pre": "the step before is written x[t-1]"
        case "cumsum", "cumprod", "accumulate", "scan", "fori_loop", "while_loop", "associative_scan", "logcumsumexp":
            "carry it from step to step: state s: […] and s = s[t-1] + x"
        case "len", "length", "size", "shape", "dim", "numel": "sizes are dims: use the name of the dim"
        case "view", "resize", "flatten", "ravel", "reshape": "reshape takes a value and a list of sizes: reshape(…, […])"
        case "unsqueeze", "squeeze", "expand", "expand_as", "broadcast_to", "tile": "axes have names: a value is spread over those that it lacks"
        case "nll_loss": "write crossentropy(logits, target)"
        case "repeat": "copies in a chain are declared: layer b = repeat(4, Block(D))"
        case "median", "sort", "argsort", "topk", "quantile": "there is no sorting"
        case "glu", "GLU": "write a, b = split(x, 2), and a * sigmoid(b)"
        case "zeros", "ones", "full", "empty", "zeros_like", "ones_like": "a number fills a whole shape"
        case "tensor", "Tensor", "array", "asarray", "from_numpy": "a number stands as it is; numbers become a vector with concat(a, b)"
        case "arange": "declare the numbers: const k: [N] = linspace(0, 1)"
        case "embedding", "Embedding", "take", "index_select", "gather", "one_hot": "rows of a table are written E[token]"
        case "randn", "normal", "randn_like", "gaussian", "gauss": "numbers of a normal distribution are noise[H](), one is noise()"
        case "rand", "random", "rand_like": "numbers between 0 and 1 are uniform[H](), one is uniform()"
        case "multinomial", "choice", "gumbel_softmax": "write categorical(logits), the index of one of the last axis"
        case "batch_norm", "BatchNorm1d", "group_norm", "GroupNorm", "instance_norm": "there are rmsnorm(x) and layernorm(x)"
        case "conv1d", "Conv1d": "write conv[L](x, W, stride: 1, pad: 1), or over the steps of a sequence conv[t](x, W)"
        case "RNN", "RNNCell": "write its equations, or import a file that has them"
        case "item", "clone", "contiguous", "to", "cpu", "cuda", "numpy", "copy": "leave it out"
        case "backward", "grad", "autograd": "gradients are taken of the whole model: recc run --grad"
        // A cell is what a model of one step is.
        default: Library.help(forCalled: name.hasSuffix("Cell") ? String(name.dropLast(4)) : name)
        }
    }

    /// For an unknown name that is a value in other languages.
    static func value(_ name: String) -> String? {
        switch name {
        case "True", "TRUE": "write true"
        case "False", "FALSE": "write false"
        case "None", "nil", "null": "what is not given is left out"
        case "Inf", "INFINITY", "infinity", "Infinity": "write inf"
        case "NaN", "NAN": "write nan"
        case "PI": "write pi"
        default: nil
        }
    }

    /// For a constant of another library.
    static func constant(_ name: String) -> String? {
        switch name {
        case "pi", "inf", "nan": "write \(name)"
        case "e": "write exp(1)"
        case "tau": "write 2 * pi"
        default: value(name) ?? renamed(name).map { "write \($0)(…)" } ?? function(name)
        }
    }

    /// For what a value has in other libraries, as in `x.shape`.
    static func member(_ name: String, of value: String, isComplex: Bool) -> String {
        switch name {
        case "shape", "size", "ndim": return "sizes are dims: use the name of the dim"
        case "real", "imag":
            if isComplex { return "write \(name == "real" ? "re" : "im")(\(value))" }
            return name == "real" ? "leave it out" : "write 0: this is no complex number"
        case "mT", "H": return "the transpose of a matrix is \(value).T"
        case "dtype", "device", "data": return "leave it out"
        case "grad": return "gradients are taken of the whole model: recc run --grad"
        default: return renamed(name).map { "write \($0)(\(value))" } ?? function(name) ?? "a value has .T, its transpose"
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
