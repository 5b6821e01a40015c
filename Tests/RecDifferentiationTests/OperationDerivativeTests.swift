import Rec
import RecInterpreter
import Testing

/// The derivative of each operation, by differences and by transposition, interpreted and compiled.
@Suite struct OperationDerivativeTests {
    private let shape = [Dim("A", 2), Dim("B", 3)]

    /// One output made of a stream, a once input and a parameter of one shape.
    private func expect(
        positive: Bool = false, _ what: String = "", _ build: (inout GraphBuilder, ValueID, ValueID, ValueID) -> ValueID
    ) throws {
        var b = GraphBuilder()
        let (x, u, p) = (b.input("x", shape), b.once("u", shape), b.parameter("p", shape))
        b.output("y", build(&b, x, u, p))
        try expectDerivatives(b.graph, positive: positive, what)
    }

    @Test(arguments: [
        UnaryOperator.negate, .abs, .exp, .expm1, .sin, .cos, .erf, .tanh, .sigmoid, .logsigmoid, .relu, .gelu, .silu, .softplus, .log, .log2,
        .log1p, .sqrt, .rsqrt,
    ])
    func functionsOfOneNumber(function: UnaryOperator) throws {
        try expect(positive: [.log, .log2, .log1p, .sqrt, .rsqrt].contains(function), "\(function)") { b, x, u, p in
            b.binary(.add, b.unary(function, x), b.binary(.multiply, b.unary(function, u), b.unary(function, p)))
        }
    }

    @Test(arguments: [BinaryOperator.add, .subtract, .multiply, .divide, .power, .min, .max, .logaddexp, .atan2])
    func functionsOfTwoNumbers(function: BinaryOperator) throws {
        try expect(positive: function == .power || function == .divide, "\(function)") { b, x, u, p in
            b.binary(.add, b.binary(function, x, p), b.binary(function, b.unary(.sigmoid, u), b.binary(function, x, p)))
        }
    }

    /// Away from poles, and from jumps.
    @Test func tangentsAndRemainders() throws {
        try expect("tan") { b, x, u, p in b.binary(.multiply, b.unary(.tan, b.unary(.sigmoid, x)), b.unary(.tan, b.unary(.tanh, p))) }
        try expect("mod") { b, x, u, p in
            let divisor = b.binary(.add, b.unary(.sigmoid, p), b.constant(.real(3), self.shape))
            return b.binary(.mod, b.binary(.subtract, b.unary(.sigmoid, x), b.binary(.multiply, divisor, b.constant(.real(2), self.shape))), divisor)
        }
    }

    @Test func choices() throws {
        try expect { b, x, u, p in b.select(b.binary(.less, x, u), b.binary(.multiply, x, p), b.unary(.sin, p)) }
    }

    @Test func nothingPassesStops() throws {
        var b = GraphBuilder()
        let x = b.input("x")
        let parts = [UnaryOperator.stop, .sign, .floor, .step].map { b.unary($0, x) } + [b.unary(.toReal, b.unary(.toInt, x))]
        b.output("y", parts.dropFirst().reduce(parts[0]) { b.binary(.add, $0, $1) })
        let graph = try gradient(of: b.graph, GradientRequest(of: b.graph))
        let data = randomData(graph, batch: 1, [3], lengths: nil, seed: 1)
        #expect(Interpreted.run(graph, data)["grad.x"] == [0, 0, 0])
    }

    @Test func contractions() throws {
        var b = GraphBuilder()
        let (a, k, v) = (Dim("A", 2), Dim("K", 3), Dim("V", 4))
        let w = b.parameter("W", [a, k])
        let s = b.input("S", [k, v])
        let q = b.once("q", [k])
        let z = b.parameter("z", [v, k, a])
        b.output("o", b.contract(w, [0, 1], s, [1, 2], to: [2, 0]))
        b.output("p", b.contract(q, [1], s, [1, 2], to: [2]))
        // Labels of both that the result keeps, and one that a single factor sums over.
        b.output("r", b.contract(z, [2, 1, 0], s, [1, 3], to: [1, 0]))
        b.output("outer", b.contract(q, [0], s, [1, 2], to: [1, 0, 2]))
        b.output("all", b.contract(s, [0, 1], s, [0, 1], to: []))
        try expectDerivatives(b.graph)
    }

    @Test(arguments: [ReduceKind.sum, .product, .min, .max, .logsumexp])
    func reductions(kind: ReduceKind) throws {
        var b = GraphBuilder()
        let dims = [Dim("A", 2), Dim("B", 5), Dim("C", 3)]
        let (x, p) = (b.input("x", dims), b.parameter("p", dims))
        for (k, axes) in [[0], [1], [2], [0, 2], [0, 1, 2]].enumerated() {
            b.output("y\(k)", b.reduce(kind, b.binary(.multiply, x, p), axes: axes))
        }
        b.output("one", b.reduce(kind, b.reshape(x, to: [Dim("1", 1), Dim("30", 30)]), axes: [0]))
        try expectDerivatives(b.graph, Extent.oneAxis, "\(kind)")
    }

    @Test func productsWithAZero() throws {
        var b = GraphBuilder()
        let p = b.parameter("p", [Dim("K", 4)])
        b.output("y", b.rename(b.reduce(.product, p, axes: [0]), over: .once))
        let graph = try gradient(of: b.graph, GradientRequest(of: b.graph))
        func slopes(_ p: [Double]) -> [Double]? {
            Interpreted.run(
                graph, BoundData(
                    batch: 1, extents: [1], lengths: nil, inputs: ["cotangent.y": Tensor([1.0], shape: [1])],
                    parameters: ["p": Tensor(p, shape: [4])]))["grad.p"]
        }
        #expect(slopes([2, 0, 3, 5]) == [0, 30, 0, 0])
        #expect(slopes([2, 0, 0, 5]) == [0, 0, 0, 0])
    }

    @Test func views() throws {
        var b = GraphBuilder()
        let x = b.input("x", shape)
        let p = b.parameter("p", [Dim("L", 9)])
        let turned = b.broadcast(x, to: [Dim("B", 3), Dim("C", 2), Dim("A", 2)], from: [1, nil, 0])
        b.output("turned", turned)
        b.output("renamed", b.rename(x, to: [Dim("I", 2), Dim("J", 3)]))
        b.output("flat", b.reshape(x, to: [Dim("6", 6)]))
        for (k, (start, count, stride)) in [(0, 9, 1), (2, 3, 1), (1, 3, 3), (0, 5, 2), (3, 2, 5)].enumerated() {
            b.output("slice\(k)", b.rename(b.slice(p, axis: 0, start: start, count: count, stride: stride), over: .once))
        }
        b.output("middle", b.slice(turned, axis: 1, start: 1, count: 1))
        b.output("joined", b.concat([x, b.binary(.multiply, x, x), b.slice(x, axis: 1, start: 0, count: 1)], axis: 1))
        b.output("tall", b.concat([x, x], axis: 0))
        try expectDerivatives(b.graph)
    }

    @Test(arguments: PadMode.allCases)
    func padding(mode: PadMode) throws {
        var b = GraphBuilder()
        let x = b.input("x", [Dim("L", 4), Dim("B", 3)])
        for (k, (before, after)) in [(0, 0), (2, 0), (0, 3), (3, 1)].enumerated() {
            b.output("y\(k)", b.pad(x, axis: 0, before: before, after: after, mode: mode))
            b.output("z\(k)", b.pad(x, axis: 1, before: min(before, 2), after: min(after, 2), mode: mode))
        }
        try expectDerivatives(b.graph, Extent.oneAxis, "\(mode)")
    }

    @Test func windows() throws {
        var b = GraphBuilder()
        let x = b.input("x", [Dim("C", 2), Dim("L", 11), Dim("B", 2)])
        let p = b.parameter("p", [Dim("L", 7)])
        for (width, stride) in [(1, 1), (3, 1), (3, 2), (4, 2), (2, 3), (5, 3), (11, 1)] {
            b.output("y\(width),\(stride)", b.window(x, axis: 1, width: width, stride: stride))
        }
        b.output("z", b.rename(b.window(p, axis: 0, width: 3, stride: 2), over: .once))
        try expectDerivatives(b.graph)
    }

    @Test func rowsOfTables() throws {
        var b = GraphBuilder()
        let row = [Dim("D", 3)]
        let (n, m) = (b.input("n", [], .int), b.input("m", [Dim("K", 2), Dim("J", 2)], .int))
        let table = b.parameter("E", [Dim("V", 4)] + row)
        let moving = b.input("T", [Dim("V", 4)])
        b.output("a", b.gather(table, n))
        b.output("b", b.gather(table, m))
        b.output("c", b.gather(moving, m))
        b.output("d", b.scatter(b.input("u", [Dim("K", 2), Dim("J", 2)] + row), m, count: 3))
        b.output("e", b.scatter(b.once("w", row), n, count: 2))
        b.output("f", b.overBatch(b.overTime(.sum, b.gather(table, n))))
        try expectDerivatives(b.graph)
    }
}

enum Interpreted {
    /// Outputs and losses by name.
    static func run(_ graph: StreamGraph, _ data: BoundData) -> [String: [Double]] {
        let results = Interpreter(graph).run(data)
        return Dictionary(uniqueKeysWithValues: (results.outputs + results.losses).map { ($0.name, $0.tensor.doubles()) })
    }
}
