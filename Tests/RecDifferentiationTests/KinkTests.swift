import Rec
import RecInterpreter
import Testing

/// The conventions where there is no derivative, and formulas that would give NaN.
@Suite struct KinkTests {
    /// Gradients of the sum of `y(x…)` at numbers, interpreted, and compiled in both precisions.
    private func slopes(_ inputs: [String: Double], _ build: (inout GraphBuilder, (String) -> ValueID) -> ValueID) throws -> [[String: Double]] {
        var b = GraphBuilder()
        var ids: [String: ValueID] = [:]
        for name in inputs.keys.sorted() { ids[name] = b.input(name) }
        let y = build(&b) { ids[$0] ?? ValueID(0) }
        b.loss("l", b.overTime(.sum, y))
        let graph = try gradient(of: b.graph, GradientRequest(of: b.graph))
        #expect(graph.violations() == [])
        let data = BoundData(
            batch: 1, extents: [1], lengths: nil, inputs: inputs.mapValues { Tensor([$0], shape: [1, 1]) }, parameters: [:])
        var runs = [Interpreter(graph).run(data)]
        for precision in [Precision.f64, .f32] {
            let compiled = try CompiledModel(CompiledPlan(Pipeline.plan(graph), precision: precision), parameters: [:])
            runs.append(try compiled.run(inputs: data.inputs, batch: 1, extents: [1], pool: ThreadPool(count: 1)))
        }
        return runs.map { run in
            Dictionary(uniqueKeysWithValues: run.outputs.map { (String($0.name.dropFirst(5)), $0.tensor.doubles()[0]) })
        }
    }

    private func expect(
        _ inputs: [String: Double], _ expected: [String: Double], _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
        _ build: (inout GraphBuilder, (String) -> ValueID) -> ValueID
    ) throws {
        for got in try slopes(inputs, build) {
            for (name, value) in expected {
                let slope = got[name] ?? .nan
                #expect(slope == value || abs(slope - value) <= 1e-6 * abs(value), "\(what): \(name) is \(slope), not \(value)", sourceLocation: sourceLocation)
            }
        }
    }

    /// `function(x)`
    private func expect(_ function: UnaryOperator, at x: Double, _ slope: Double, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try expect(["x": x], ["x": slope], "\(function) at \(x)", sourceLocation: sourceLocation) { b, ids in b.unary(function, ids("x")) }
    }

    @Test func kinksOfOneNumberHaveSlopeZero() throws {
        for function in [UnaryOperator.relu, .abs, .sign, .step, .floor] { try expect(function, at: 0, 0) }
        try expect(.relu, at: 1e-30, 1)
        try expect(.abs, at: -2, -1)
    }

    @Test func tiesGoToTheFirst() throws {
        for function in [BinaryOperator.max, .min] {
            try expect(["a": 1, "b": 1], ["a": 1, "b": 0], "\(function)") { b, x in b.binary(function, x("a"), x("b")) }
            try expect(["a": 1], ["a": 1], "\(function) with itself") { b, x in b.binary(function, x("a"), x("a")) }
        }
        for kind in [ReduceKind.max, .min] {
            try expect(["a": 2, "b": 2, "c": 2], ["a": 1, "b": 0, "c": 0], "\(kind)") { b, x in
                b.reduce(kind, b.concat(["a", "b", "c"].map { b.reshape(x($0), to: [Dim("1", 1)]) }, axis: 0), axes: [0])
            }
        }
    }

    @Test func ofEqualStepsTheFirstHasTheGradient() throws {
        for kind in [TimeReduceKind.max, .min] {
            var b = GraphBuilder()
            b.loss("l", b.overTime(kind, b.input("x")))
            let graph = try gradient(of: b.graph, GradientRequest(of: b.graph))
            let numbers = kind == .max ? [1.0, 3, 3, 2, 3] : [1.0, -3, -3, 2, -3]
            let data = BoundData(batch: 1, extents: [5], lengths: nil, inputs: ["x": Tensor(numbers, shape: [1, 5])], parameters: [:])
            #expect(Interpreted.run(graph, data)["grad.x"] == [0, 1, 0, 0, 0])
        }
    }

    @Test func infiniteSlopesCountAsZero() throws {
        try expect(.sqrt, at: 0, 0)
        try expect(.rsqrt, at: 0, 0)
        try expect(.log, at: 0, 0)
        try expect(.log1p, at: -1, 0)
        try expect(["a": 1, "b": 0], ["a": 0, "b": 0], "1 / 0") { b, x in b.binary(.divide, x("a"), x("b")) }
        try expect(["a": 0, "b": 0], ["a": 0, "b": 0], "0 / 0") { b, x in b.binary(.divide, x("a"), x("b")) }
        try expect(["a": 0, "b": 0.5], ["a": 0, "b": 0], "0 ^ 0.5") { b, x in b.binary(.power, x("a"), x("b")) }
        try expect(["a": 0, "b": 2], ["a": 0, "b": 0], "0 ^ 2") { b, x in b.binary(.power, x("a"), x("b")) }
        // x / |x|
        try expect(["x": 0], ["x": 0], "x / |x|") { b, x in b.binary(.divide, x("x"), b.unary(.abs, x("x"))) }
        try expect(["x": 3], ["x": 0], "x / |x|") { b, x in b.binary(.divide, x("x"), b.unary(.abs, x("x"))) }
        try expect(["a": 0, "b": 0], ["a": 0, "b": 0], "atan2 at the origin") { b, x in b.binary(.atan2, x("a"), x("b")) }
        try expect(["a": 3, "b": 0], ["a": 1, "b": 0], "3 mod 0") { b, x in b.binary(.mod, x("a"), x("b")) }
        // The norm of a zero.
        try expect(["x": 0], ["x": 0], "norm") { b, x in b.unary(.sqrt, b.binary(.multiply, x("x"), x("x"))) }
    }

    @Test func whatIsNotChosenLeavesNothing() throws {
        func guarded(_ b: inout GraphBuilder, _ x: ValueID, _ build: (inout GraphBuilder, ValueID) -> ValueID) -> ValueID {
            b.select(b.binary(.greater, x, b.constant(0)), build(&b, x), b.binary(.multiply, x, b.constant(2)))
        }
        for x in [0.0, -1] {
            try expect(["x": x], ["x": 2], "1 / x at \(x)") { b, ids in guarded(&b, ids("x")) { b, x in b.binary(.divide, b.constant(1), x) } }
            try expect(["x": x], ["x": 2], "x · rsqrt at \(x)") { b, ids in
                guarded(&b, ids("x")) { b, x in b.binary(.multiply, x, b.unary(.rsqrt, b.binary(.multiply, x, x))) }
            }
            for function in [UnaryOperator.log, .sqrt, .rsqrt] {
                try expect(["x": x], ["x": 2], "\(function) at \(x)") { b, ids in guarded(&b, ids("x")) { b, x in b.unary(function, x) } }
                try expect(["x": x], ["x": 2], "x · \(function) at \(x)") { b, ids in
                    guarded(&b, ids("x")) { b, x in b.binary(.multiply, x, b.unary(function, x)) }
                }
            }
            try expect(["x": x], ["x": 2], "x ^ x at \(x)") { b, ids in guarded(&b, ids("x")) { b, x in b.binary(.power, x, x) } }
        }
        // Overflow on the side that is not chosen.
        try expect(["x": -800], ["x": 2], "exp") { b, ids in guarded(&b, ids("x")) { b, x in b.unary(.exp, b.unary(.negate, x)) } }
    }

    /// Squares of these overflow.
    @Test func slopesOfAngles() throws {
        try expect(["a": 3e18, "b": 4e18], ["a": 4e18 / 25e36, "b": -3e18 / 25e36], "atan2") { b, x in b.binary(.atan2, x("a"), x("b")) }
        try expect(["a": 0, "b": -2], ["a": -0.5, "b": 0], "atan2 behind") { b, x in b.binary(.atan2, x("a"), x("b")) }
        try expect(["a": -7, "b": 3], ["a": 1, "b": 3], "mod") { b, x in b.binary(.mod, x("a"), x("b")) }
    }

    @Test func logarithmsOfNothing() throws {
        let inf = Double.infinity
        try expect(["a": -inf, "b": -inf], ["a": 0, "b": 0], "logaddexp of nothing") { b, x in b.binary(.logaddexp, x("a"), x("b")) }
        try expect(["a": -inf, "b": 1], ["a": 0, "b": 1], "logaddexp") { b, x in b.binary(.logaddexp, x("a"), x("b")) }
        func summed(_ b: inout GraphBuilder, _ x: (String) -> ValueID) -> ValueID {
            b.reduce(.logsumexp, b.concat(["a", "b"].map { b.reshape(x($0), to: [Dim("1", 1)]) }, axis: 0), axes: [0])
        }
        try expect(["a": -inf, "b": -inf], ["a": 0, "b": 0], "logsumexp of nothing") { b, x in summed(&b, x) }
        try expect(["a": -inf, "b": 1], ["a": 0, "b": 1], "logsumexp") { b, x in summed(&b, x) }
    }

    @Test func saturatedFunctionsStayFinite() throws {
        for function in [UnaryOperator.sigmoid, .tanh, .logsigmoid, .softplus, .silu, .gelu] {
            for x in [-1e4, 1e4, -100, 100] {
                let expected = [.sigmoid, .tanh].contains(function) || (x > 0) == (function == .logsigmoid) ? 0.0 : 1
                for got in try slopes(["x": x], { b, ids in b.unary(function, ids("x")) }) {
                    #expect(abs((got["x"] ?? .nan) - expected) < 1e-6, "\(function) at \(x): \(got)")
                }
            }
        }
        try expect(.silu, at: -.infinity, 0)
        try expect(.gelu, at: 0, 0.5)
    }

    /// Gates of −10⁴ in log space, as stabilised cells have them.
    @Test func closedGatesLeaveNoNaN() throws {
        for gate in [-1e4, 0.0, 1e4] {
            let got = try slopes(["f": gate, "i": -gate]) { b, x in
                let largest = b.binary(.max, x("f"), x("i"))
                let kept = b.unary(.exp, b.binary(.subtract, x("f"), largest))
                let new = b.unary(.exp, b.binary(.subtract, x("i"), largest))
                return b.binary(.divide, kept, b.binary(.add, kept, new))
            }
            for slopes in got { #expect(slopes.values.allSatisfy { $0.isFinite }, "\(slopes)") }
        }
    }

    /// Both parts of a complex number have their share in its magnitude, also where they are equal.
    @Test func magnitudesHaveTheirSlope() throws {
        var b = GraphBuilder()
        b.loss("l", b.overTime(.sum, b.unary(.abs, b.input("z", [], .complex))))
        let graph = try gradient(of: b.graph, GradientRequest(of: b.graph))
        let z = [3.0, 4, 1, 1, -2, 2, 0, 0, 0, -5]
        let data = BoundData(batch: 1, extents: [5], lengths: nil, inputs: ["z": Tensor(z, shape: [1, 5, 2])], parameters: [:])
        let half = 0.5.squareRoot()
        let expected = [0.6, 0.8, half, half, -half, half, 0, 0, 0, -1]
        let got = try #require(Interpreted.run(graph, data)["grad.z"])
        #expect(zip(got, expected).allSatisfy { abs($0 - $1) < 1e-14 }, "\(got)")
    }
}
