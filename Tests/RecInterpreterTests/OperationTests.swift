import RecInterpreter
import RecStream
import Testing

/// What each operation computes within a step, by hand.
@Suite struct OperationTests {
    /// One output of a graph with a static parameter `p`.
    private func apply(_ shape: Shape, _ numbers: [Double], _ element: ElementType = .real, _ build: (inout GraphBuilder, ValueID) -> ValueID) -> [Double]? {
        var b = GraphBuilder()
        let p = b.parameter("p", shape, element)
        b.output("y", build(&b, p))
        return run(b.graph, [1], parameters: ["p": numbers])["y"]
    }

    private let inf = Double.infinity

    @Test func functionsOfOneNumber() {
        let x = [-2.0, -0.5, 0, 0.5, 3]
        let shape = [Dim("K", 5)]
        let expected: [(UnaryOperator, [Double])] = [
            (.negate, [2, 0.5, 0, -0.5, -3]), (.abs, [2, 0.5, 0, 0.5, 3]), (.sign, [-1, -1, 0, 1, 1]),
            (.floor, [-2, -1, 0, 0, 3]), (.relu, [0, 0, 0, 0.5, 3]), (.step, [0, 0, 0, 1, 1]), (.stop, x),
            (.toInt, [-2, 0, 0, 0, 3]),
            (.sigmoid, [0.11920292202211755, 0.3775406687981454, 0.5, 0.6224593312018546, 0.9525741268224334]),
            (.logsigmoid, [-2.1269280110429727, -0.9740769841801067, -0.6931471805599453, -0.4740769841801067, -0.04858735157374191]),
            (.softplus, [0.1269280110429725, 0.4740769841801067, 0.6931471805599453, 0.9740769841801067, 3.048587351573742]),
            (.silu, [-0.2384058440442351, -0.1887703343990727, 0, 0.3112296656009273, 2.8577223804673]),
            (.gelu, [-0.04550026389635841, -0.15426876936299347, 0, 0.34573123063700653, 2.99595030590511]),
            (.tanh, [-0.9640275800758169, -0.46211715726000973, 0, 0.46211715726000973, 0.9950547536867305]),
            (.expm1, [-0.8646647167633873, -0.3934693402873666, 0, 0.6487212707001282, 19.085536923187668]),
            (.exp, [0.1353352832366127, 0.6065306597126334, 1, 1.6487212707001282, 20.085536923187668]),
            (.sin, [-0.9092974268256817, -0.479425538604203, 0, 0.479425538604203, 0.1411200080598672]),
            (.cos, [-0.4161468365471424, 0.8775825618903728, 1, 0.8775825618903728, -0.9899924966004454]),
            (.tan, [2.185039863261519, -0.5463024898437905, 0, 0.5463024898437905, -0.1425465430742778]),
            (.erf, [-0.9953222650189527, -0.5204998778130465, 0, 0.5204998778130465, 0.9999779095030014]),
        ]
        for (function, values) in expected {
            #expect(agree(apply(shape, x) { $0.unary(function, $1) }, values), "\(function)")
        }
        let positive = [0.25, 1, 4]
        for (function, values) in [
            (UnaryOperator.log, [-1.3862943611198906, 0, 1.3862943611198906]), (.log2, [-2, 0, 2]), (.sqrt, [0.5, 1, 2]), (.rsqrt, [2, 1, 0.5]),
            (.log1p, [0.22314355131420976, 0.6931471805599453, 1.6094379124341003]),
        ] {
            #expect(agree(apply([Dim("K", 3)], positive) { $0.unary(function, $1) }, values), "\(function)")
        }
    }

    @Test func functionsAtTheirLimits() {
        let x = [-inf, inf, .nan]
        let expected: [(UnaryOperator, [Double])] = [
            (.sigmoid, [0, 1, .nan]), (.softplus, [0, inf, .nan]), (.logsigmoid, [-inf, 0, .nan]), (.silu, [0, inf, .nan]),
            (.gelu, [0, inf, .nan]), (.relu, [0, inf, .nan]), (.step, [0, 1, 0]), (.sign, [-1, 1, .nan]), (.tanh, [-1, 1, .nan]),
            (.toInt, [-0x1p63, 0x1p63, 0]),
        ]
        for (function, values) in expected {
            #expect(agree(apply([Dim("K", 3)], x) { $0.unary(function, $1) }, values), "\(function)")
        }
        // Digits far out on either side, where 1 + erf and 1 + exp would have lost them.
        #expect(agree(apply([], [-20]) { $0.unary(.gelu, $1) }, [-5.507248237212467e-88], within: 1e-100))
        #expect(agree(apply([], [-800]) { $0.unary(.logsigmoid, $1) }, [-800]))
        #expect(agree(apply([], [800]) { $0.unary(.softplus, $1) }, [800]))
    }

    @Test func functionsOfTwoNumbers() {
        func binary(_ function: BinaryOperator, _ a: [Double], _ b: [Double], _ element: ElementType = .real) -> [Double]? {
            var builder = GraphBuilder()
            let shape = [Dim("K", a.count)]
            let (p, q) = (builder.parameter("p", shape, element), builder.parameter("q", shape, element))
            builder.output("y", builder.binary(function, p, q))
            return run(builder.graph, [1], parameters: ["p": a, "q": b])["y"]
        }
        let (a, b): ([Double], [Double]) = ([1, 5, .nan, -inf, -inf, 2], [2, 3, 1, -inf, 4, .nan])
        let expected: [(BinaryOperator, [Double])] = [
            (.add, [3, 8, .nan, -inf, -inf, .nan]), (.subtract, [-1, 2, .nan, .nan, -inf, .nan]), (.multiply, [2, 15, .nan, inf, -inf, .nan]),
            (.divide, [0.5, 5.0 / 3, .nan, .nan, -inf, .nan]), (.power, [1, 125, .nan, 0, inf, .nan]),
            (.min, [1, 3, .nan, -inf, -inf, .nan]), (.max, [2, 5, .nan, -inf, 4, .nan]),
            (.logaddexp, [2.313261687518223, 5.126928011042972, .nan, -inf, 4, .nan]),
            (.atan2, [0.4636476090008061, 1.0303768265243125, .nan, -2.356194490192345, -1.5707963267948966, .nan]),
            (.mod, [1, 2, .nan, .nan, .nan, .nan]),
            (.less, [1, 0, 0, 0, 1, 0]), (.lessOrEqual, [1, 0, 0, 1, 1, 0]), (.equal, [0, 0, 0, 1, 0, 0]),
            (.notEqual, [1, 1, 1, 0, 1, 1]), (.greaterOrEqual, [0, 1, 0, 1, 0, 0]), (.greater, [0, 1, 0, 0, 0, 0]),
        ]
        for (function, values) in expected { #expect(agree(binary(function, a, b), values), "\(function)") }
        #expect(binary(.and, [0, 0, 1, 1], [0, 1, 0, 1], .bool) == [0, 0, 0, 1])
        #expect(binary(.or, [0, 0, 1, 1], [0, 1, 0, 1], .bool) == [0, 1, 1, 1])
        #expect(binary(.multiply, [3], [-4], .int) == [-12])
        // The sign of a remainder is that of the divisor.
        #expect(binary(.mod, [7, -7, 7, -7, 6, -6, 5], [3, 3, -3, -3, 3, -3, 0], .int) == [1, 2, -2, -1, 0, 0, 0])
        #expect(agree(binary(.mod, [7.5, -7.5, 7.5, -7.5, 1, -1, 1, 0], [2, 2, -2, -2, inf, inf, -inf, 0]), [1.5, 0.5, -0.5, -1.5, 1, inf, -inf, .nan]))
    }

    /// What an i64 does not hold wraps, rather than trap.
    @Test func largeIntsWrap() {
        let large = 9_000_000_000_000_000_000
        #expect(apply([], [9e18], .int) { $0.binary(.multiply, $1, $1) } == [Double(large &* large)])
        #expect(apply([], [9e18], .int) { $0.binary(.multiply, $1, $0.unary(.negate, $1)) } == [Double(large &* -large)])
        #expect(apply([], [1e200]) { b, p in b.unary(.toInt, b.binary(.subtract, b.binary(.multiply, p, p), b.binary(.multiply, p, p))) } == [0])
    }

    @Test func reductionsRunOverNamedAxes() {
        let shape = [Dim("A", 2), Dim("B", 3)]
        let x = [1.0, 5, 2, -1, 0, 4]
        func reduce(_ kind: ReduceKind, _ axes: [Int]) -> [Double]? { apply(shape, x) { $0.reduce(kind, $1, axes: axes) } }
        #expect(reduce(.sum, [0]) == [0, 5, 6])
        #expect(reduce(.sum, [1]) == [8, 3])
        #expect(reduce(.sum, [0, 1]) == [11])
        #expect(reduce(.product, [1]) == [10, 0])
        #expect(reduce(.max, [1]) == [5, 4])
        #expect(reduce(.min, [0]) == [-1, 0, 2])
        #expect(reduce(.argmax, [1]) == [1, 2])
        #expect(agree(reduce(.logsumexp, [0]), [1.1269280110429727, 5.006715348489118, 4.126928011042972]))
    }

    @Test func reductionsAtTheirLimits() {
        let shape = [Dim("B", 3)]
        func reduce(_ kind: ReduceKind, _ x: [Double]) -> [Double]? { apply(shape, x) { $0.reduce(kind, $1, axes: [0]) } }
        #expect(reduce(.logsumexp, [-inf, -inf, -inf]) == [-inf])
        #expect(reduce(.logsumexp, [-inf, inf, 0]) == [inf])
        #expect(agree(reduce(.logsumexp, [1000, 1000, -1000]), [1000.6931471805599]))
        #expect(agree(reduce(.logsumexp, [0, .nan, 0]), [.nan]))
        #expect(agree(reduce(.max, [1, .nan, 3]), [.nan]))
        // The first of equals.
        #expect(reduce(.argmax, [2, 7, 7]) == [1])
        #expect(reduce(.argmax, [-inf, -inf, -inf]) == [0])
    }

    @Test func contractionsSumProducts() {
        var b = GraphBuilder()
        let (a, m, n) = (Dim("A", 2), Dim("M", 3), Dim("N", 2))
        let x = b.parameter("x", [a, m])
        let y = b.parameter("y", [m, n])
        b.output("product", b.product(x, y))
        b.output("turned", b.contract(x, [0, 1], y, [1, 2], to: [2, 0]))
        b.output("outer", b.contract(x, [0, 1], y, [2, 3], to: [0, 2, 1, 3]))
        b.output("lined up", b.contract(x, [0, 1], y, [1, 0], to: [0, 1]))
        b.output("all", b.contract(x, [0, 1], y, [1, 0], to: []))
        // What only one side has is summed there.
        b.output("row sums", b.contract(x, [0, 1], b.constant(2), [], to: [0]))
        let results = run(b.graph, [1], parameters: ["x": [1, 2, 3, 4, 5, 6], "y": [7, 8, 9, 10, 11, 12]])
        #expect(results["product"] == [58, 64, 139, 154])
        #expect(results["turned"] == [58, 139, 64, 154])
        #expect(results["outer"]?.prefix(7) == [7, 8, 14, 16, 21, 24, 9])
        #expect(results["lined up"] == [7, 18, 33, 32, 50, 72])
        #expect(results["all"] == [212])
        #expect(results["row sums"] == [12, 30])
    }

    @Test func viewsMoveElements() {
        let shape = [Dim("A", 2), Dim("B", 3)]
        let x = [1.0, 2, 3, 4, 5, 6]
        #expect(apply(shape, x) { $0.broadcast($1, to: [Dim("B", 3), Dim("C", 2), Dim("A", 2)], from: [1, nil, 0]) } == [1, 4, 1, 4, 2, 5, 2, 5, 3, 6, 3, 6])
        #expect(apply(shape, x) { $0.reshape($1, to: [Dim("C", 3), Dim("D", 2)]) } == x)
        #expect(apply(shape, x) { $0.rename($1, to: [Dim("C", 2), Dim("D", 3)]) } == x)
        #expect(apply(shape, x) { $0.slice($1, axis: 1, start: 0, count: 2, stride: 2) } == [1, 3, 4, 6])
        #expect(apply(shape, x) { $0.concat([$1, $1], axis: 1) } == [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6])
        #expect(apply(shape, x) { $0.concat([$1, $1], axis: 0) } == x + x)
        #expect(apply(shape, x) { $0.pad($1, axis: 1, before: 1, after: 2) } == [0, 1, 2, 3, 0, 0, 0, 4, 5, 6, 0, 0])
        #expect(apply(shape, x) { $0.pad($1, axis: 1, before: 2, after: 1, mode: .reflect) } == [3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5])
        #expect(apply(shape, x) { $0.pad($1, axis: 0, before: 1, after: 1, mode: .edge) } == [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6])
        #expect(apply([Dim("L", 5)], [1, 2, 3, 4, 5]) { $0.window($1, axis: 0, width: 3, stride: 2) } == [1, 2, 3, 3, 4, 5])
        #expect(apply([Dim("L", 3), Dim("C", 2)], x) { $0.window($1, axis: 0, width: 2) } == [1, 2, 3, 4, 3, 4, 5, 6])
    }

    @Test func gathersClampIndices() {
        var b = GraphBuilder()
        let table = b.parameter("table", [Dim("V", 3), Dim("D", 2)])
        let index = b.input("n", [Dim("K", 2)], .int)
        b.output("rows", b.gather(table, index))
        let results = run(b.graph, [2], ["n": [2, 0, -5, 99]], parameters: ["table": [1, 2, 3, 4, 5, 6]])
        #expect(results["rows"] == [5, 6, 1, 2, 1, 2, 5, 6])
        #expect(results.outputs[0].tensor.shape == [1, 2, 2, 2])
    }

    @Test func choicesTakeEitherSide() {
        var b = GraphBuilder()
        let c = b.input("c", [], .bool)
        b.output("y", b.select(c, b.constant(1), b.constant(-.infinity)))
        b.output("not", b.unary(.not, c))
        let results = run(b.graph, [2], ["c": [1, 0]])
        #expect(results["y"] == [1, -inf])
        #expect(results["not"] == [0, 1])
        #expect(results.outputs[1].tensor.type == .bool)
    }
}
