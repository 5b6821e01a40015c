/// What is written otherwise in other languages: help for words and signs that Rec does not have.
package enum Habits {
    /// For a word that begins a line of a model.
    static func member(_ word: String) -> String {
        switch word.lowercased() {
        case "let", "var", "val", "auto", "set", "def": "an equation has no word in front: name = …"
        case "return", "yield", "result", "print": "results are declared: output name = …"
        case "parameter", "parameters", "weight", "weights", "learnable": "trained values are declared with 'param'"
        case "hidden", "carry", "recurrent", "memory": "what is kept from step to step is declared with 'state'"
        case "constant", "buffer": "values that are not trained are declared with 'const'"
        case "size": "sizes are named with 'dim'"
        case "assert", "check": "promises are made with 'require', results are tried with 'example'"
        case "for", "while", "loop": "there are no loops: an equation holds at every step, and h[t-1] is the step before"
        case "function": "functions stand outside of models: func f(x) = …"
        default: "a line of a model is an equation, 'name = …', or begins with input, param, const, state, dim, layer, output, loss, require or example"
        }
    }

    /// For a word that begins a file or what follows a model.
    static func topLevel(_ word: String) -> String? {
        switch word.lowercased() {
        case "def", "fn", "fun", "function", "let", "lambda": "a function is written func f(x) = …"
        case "class", "struct", "module", "network", "net", "cell", "type": "a model is written model Name(D) { … }"
        case "include", "from", "use", "using", "require": "another file is read with import \"file.rec\""
        default: nil
        }
    }

    /// For characters that no token begins with.
    static func character(_ text: String) -> String? {
        switch text {
        case "&", "&&": "write 'and'"
        case "|", "||": "write 'or', or '|>' to pass a value on"
        case "!": "write 'not'"
        case ";": "put each equation on a line of its own"
        case "%": "a remainder is written mod(x, y)"
        case "#": "a comment begins with '//'"
        case "/*": "a comment begins with '//' and ends with its line"
        case "?": "write 'if … then … else …'"
        case "'", "`": "texts stand in double quotes"
        case "×", "·", "⋅", "∗", "⊙": "a product is written '*', a contraction '@'"
        case "−", "–", "—": "a minus is written '-'"
        case "≤", "≥", "≠": "comparisons are written <=, >= and !="
        case "→": "an arrow is written '->'"
        default: nil
        }
    }

    /// Whether arguments of this name choose axes in other libraries.
    static func namesAxes(_ label: String) -> Bool { ["axis", "axes", "dims", "keepdim", "keepdims"].contains(label) }
    static let axes = "axes are named in brackets: sum[K](x)"

    /// Names under which other libraries are known.
    package static let libraries: Set<String> = [
        "torch", "nn", "F", "np", "numpy", "jnp", "jax", "lax", "tf", "tensorflow", "keras", "math", "cmath", "scipy", "mx", "optax", "flax",
        "eqx", "hk", "einops", "functional",
    ]

    /// For what follows the name at the beginning of an equation in place of '='.
    static func equation(_ name: String, _ token: TokenKind) -> String? {
        switch token {
        case .symbol("["): "an equation gives the value at this step: \(name) = …"
        case .symbol(":"): "an equation has no type; that of a state is declared: state \(name): […]"
        case .symbol("("): "functions stand outside of models: func \(name)(x) = …"
        case .symbol("=="): "an equation has one '='"
        case .symbol("+"), .symbol("-"), .symbol("*"), .symbol("/"): "write it out, as in \(name) = \(name)[t-1] + …"
        case .symbol("~"): "an equation is written with '='"
        case .identifier, .keyword, .integer, .real, .text, .symbol, .newline, .invalid, .end: nil
        }
    }
}
