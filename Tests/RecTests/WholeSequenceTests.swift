import Rec
import Testing

/// What a whole sequence adds up to, averages or ends with is that value wherever it is used.
@Suite struct WholeSequenceTests {
    private static func model(_ body: String) -> String { "model M(N) {\n  input x: [N]\n\(body)\n}\n" }

    /// How a value of a whole sequence is used.
    private static let programs: [(name: String, body: String, dims: [String: Int])] = [
        ("product", "  param W: [N, 8]\n  output y = KIND[t](x) @ W", ["N": 5]),
        ("product of rows", "  param W: [8, N]\n  output y = (W @ KIND[t](x)) + x[0]", ["N": 5]),
        ("reshape", "  output y = reshape(KIND[t](concat(x, x)), [2, N]) * x[0]", ["N": 4]),
        ("element", "  input n: int once\n  output y = (KIND[t](x))[n] * x", ["N": 4]),
        ("rows of a table", "  input n: int\n  output y = (KIND[t](x))[n]", ["N": 4]),
        ("slices", "  output y = x[1:] - (KIND[t](x))[1:]", ["N": 6]),
        ("a part", "  output y = concat(x, KIND[t](x))", ["N": 3]),
        ("padded", "  output y = pad[N](KIND[t](x), 1, 2, edge) * x[0]", ["N": 4]),
        ("convolved", "  param w: [1, 3]\n  output y = conv[N](KIND[t](x), w) * x[0]", ["N": 6]),
        ("initial value", "  state h: [N] = KIND[t](x)\n  h = 0.9 * h[t-1] + x\n  output h", ["N": 3]),
        ("initial value behind a product", "  param W: [N, N]\n  state h: [N] = W @ KIND[t](x)\n  h = 0.9 * h[t-1] + x\n  output h", ["N": 9]),
        ("taken away", "  state h: [N]\n  h = sigmoid(x) * h[t-1] + (x - KIND[t](x))\n  output h", ["N": 2]),
        ("output", "  output y = KIND[t](x)", ["N": 3]),
        ("outputs", "  output y = KIND[t](x)\n  output z = 2 * KIND[t](x)", ["N": 3]),
        ("loss", "  loss l = KIND[t](sum(x * x))", ["N": 3]),
        ("within another", "  output y = KIND[t]((x - KIND[t](x)) * x)", ["N": 3]),
        ("of a state from the right", "  state h: [N]\n  h = 0.8 * h[t+1] + x\n  output y = x * KIND[t](h)", ["N": 3]),
        ("into a fold of steps", "  state h: [N] = 1\n  h = max(h[t-1] - 0.1, x * KIND[t](x))\n  output h", ["N": 1]),
    ]

    /// The mean in every use, and in each use one of the other kinds.
    @Test(arguments: programs.indices, [true, false])
    func uses(of use: Int, isMean: Bool) throws {
        let (name, body, dims) = Self.programs[use]
        let kind = isMean ? "mean" : ["sum", "last", "first", "max", "min"][use % 5]
        // Where nothing comes in, a mean is 0/0 and the largest is -inf.
        let isDefined = ["sum", "last", "first"].contains(kind)
        let sizes = EveryForm.sizes.map { size in
            var size = size
            size.lengths = size.lengths?.map { isDefined ? $0 : max(1, $0) }
            return size
        }
        try EveryForm(Self.model(body.replacing("KIND", with: kind)), dims: dims, name: "\(kind), \(name)")
            .expectAgreement(sizes.filter { isDefined || $0.length > 0 }, withGradients: isMean)
    }
}
