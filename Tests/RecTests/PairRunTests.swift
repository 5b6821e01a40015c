import RecDifferentiation
import RecInterpreter
import RecSchedule
import RecStream
import Testing

@testable import Rec

/// Reductions over pairs of steps, as machine code in blocks, held against the interpreter.
@Suite struct PairRunTests {
    struct Case: Sendable, CustomStringConvertible {
        var description: String
        var graph: StreamGraph
    }

    private static func mask(_ b: inout GraphBuilder, _ window: Int?) -> ValueID {
        let distance = b.distance(axis: 1)
        let mask = b.binary(.lessOrEqual, b.constant(.int(0)), distance)
        return window.map { window in b.binary(.and, mask, b.binary(.less, distance, b.constant(.int(window)))) } ?? mask
    }

    /// A softmax of scores `[H]` over pairs, as programs have it.
    private static func softmax(_ b: inout GraphBuilder, _ scores: ValueID, _ mask: ValueID?) -> ValueID {
        let shape = b[scores].shape
        let none = b.constant(.real(-.infinity), shape)
        let masked = mask.map { b.select(b.spread($0, to: shape), scores, none) } ?? scores
        let most = b.overTime(.max, masked, axis: 1)
        let shift = b.unary(.stop, b.select(b.binary(.equal, most, none), b.constant(.real(0), shape), most))
        let weight = b.unary(.exp, b.binary(.subtract, masked, shift))
        let total = b.overTime(.sum, weight, axis: 1)
        let isEmpty = b.binary(.equal, total, b.constant(.real(0), shape))
        return b.binary(.divide, weight, b.select(isEmpty, b.constant(.real(1), shape), total))
    }

    private static func builder() -> GraphBuilder { GraphBuilder(axes: [StreamAxis(name: "t"), StreamAxis(name: "s", again: 0)]) }

    /// Heads, projections behind and in front, and a recurrence beside it.
    static func attention(_ window: Int?, causal: Bool = true, heads: Int = 2, keys: Int = 5, values: Int = 3) -> StreamGraph {
        var b = builder()
        let (h, k, e) = (Dim("H", heads), Dim("K", keys), Dim("E", values))
        let x = b.input("x", [Dim("D", 4)], over: [0])
        func projected(_ name: String, _ shape: Shape) -> ValueID {
            let w = b.parameter(name, shape + [Dim("D", 4)])
            return b.product(w, x)
        }
        let q = projected("Q", [h, k])
        let keys = b.along(projected("K", [h, k]), axis: 1)
        let values = b.along(projected("V", [h, e]), axis: 1)
        let scores = b.binary(.multiply, b.contract(q, [0, 1], keys, [0, 1], to: [0]), b.constant(.real(0.3), [h]))
        let share = softmax(&b, scores, causal ? mask(&b, window) : nil)
        let o = b.overTime(.sum, b.contract(share, [0], values, [0, 1], to: [0, 1]), axis: 1)
        let before = b.delay(ofLater: ValueType(.real, [h, e], Variance(batch: true, axes: 1)), [-1, 0])
        let state = b.binary(.add, b.binary(.multiply, before, b.constant(.real(0.5), [h, e])), o)
        b.close(before, with: state)
        b.state("y", state)
        b.output("o", o)
        b.output("z", b.unary(.tanh, state))
        return b.graph
    }

    /// Several reductions with conditions on data, distances in numbers, and nothing like a softmax.
    static func selections() -> StreamGraph {
        var b = builder()
        let token = b.input("token", [], .int, over: [0])
        let x = b.input("x", [Dim("D", 3)], over: [0])
        let isSame = b.binary(.equal, token, b.along(token, axis: 1))
        let d = x.shape(in: b)
        b.output("count", b.overTime(.sum, b.unary(.toReal, isSame), axis: 1))
        let near = b.binary(.and, isSame, mask(&b, 20))
        let gap = b.unary(.toReal, b.distance(axis: 1))
        let decay = b.unary(.exp, b.binary(.multiply, gap, b.constant(-0.1)))
        let weighted = b.binary(.multiply, b.spread(decay, to: d), b.along(x, axis: 1))
        b.output("fading", b.overTime(.sum, b.select(b.spread(near, to: d), weighted, b.constant(.real(0), d)), axis: 1))
        let later = b.binary(.less, token, b.along(token, axis: 1))
        b.output("least", b.overTime(.min, b.select(b.spread(later, to: d), b.along(x, axis: 1), b.constant(.real(.infinity), d)), axis: 1))
        b.output("mean", b.overTime(.mean, b.binary(.multiply, x, b.unary(.sin, b.along(x, axis: 1))), axis: 1))
        return b.graph
    }

    /// Two layers, the second of which looks ahead a little.
    static func layers() -> StreamGraph {
        var b = builder()
        let d = Dim("D", 4)
        var x = b.input("x", [d], over: [0])
        for layer in 0..<2 {
            let distance = b.distance(axis: 1)
            let isNear = b.binary(.and, b.binary(.lessOrEqual, b.constant(.int(-2 * layer)), distance), b.binary(.lessOrEqual, distance, b.constant(.int(25))))
            let scores = b.contract(x, [0], b.along(x, axis: 1), [0], to: [])
            let share = softmax(&b, scores, isNear)
            let o = b.overTime(.sum, b.contract(share, [], b.along(x, axis: 1), [0], to: [0]), axis: 1)
            x = b.binary(.add, x, b.unary(.tanh, o))
        }
        b.output("y", x)
        return b.graph
    }

    /// Exponents held against the largest of all steps, whatever the present one is.
    static func unpaired() -> StreamGraph {
        var b = builder()
        let x = b.input("x", over: [0])
        let others = b.along(x, axis: 1)
        let most = b.overTime(.max, others, axis: 1)
        let weight = b.unary(.exp, b.binary(.subtract, others, most))
        let near = b.select(mask(&b, 6), weight, b.constant(0))
        b.output("y", b.binary(.divide, b.overTime(.sum, b.binary(.multiply, near, x), axis: 1), b.overTime(.sum, weight, axis: 1)))
        return b.graph
    }

    static let cases = [
        Case(description: "wide", graph: attention(nil, keys: 16, values: 24)), Case(description: "wide window", graph: attention(70, heads: 1, keys: 8, values: 40)),
        Case(description: "unpaired", graph: unpaired()),
        Case(description: "causal", graph: attention(nil)), Case(description: "window", graph: attention(5)),
        Case(description: "one head", graph: attention(30, heads: 1)), Case(description: "both ways", graph: attention(nil, causal: false)),
        Case(description: "selections", graph: selections()), Case(description: "layers", graph: layers()),
    ]

    private static func data(_ graph: StreamGraph, batch: Int, _ steps: Int, _ lengths: [Int]?) -> BoundData {
        var data = BoundData(batch: batch, extents: [steps, steps], lengths: lengths, inputs: [:], parameters: [:])
        for value in graph.values {
            let shape = (value.variance.batch ? [batch] : []) + (value.variance.isStream ? [steps] : []) + value.shape.sizes
            func tensor(_ name: String) -> Tensor {
                var random = SeededGenerator(seed: 3, for: name)
                if value.element == .int { return Tensor((0..<shape.reduce(1, *)).map { _ in Int(random.next() % 5) * 3_000_000_001 }, shape: shape) }
                return Tensor((0..<shape.reduce(1, *)).map { _ in random.normal() }, shape: shape)
            }
            if case .input(let name, _) = value.operation { data.inputs[name] = tensor(name) }
            if case .parameter(let info) = value.operation { data.parameters[info.path] = tensor(info.path) }
        }
        return data
    }

    static func expectAgreement(_ graph: StreamGraph, _ what: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(graph.violations() == [], "\(what)", sourceLocation: sourceLocation)
        for precision in [Precision.f64, .f32] {
            // Small blocks of a few steps have all that large ones have; one case is run in those that programs run in.
            let isWide = what.contains("wide")
            let isLarge = (isWide || what == "causal") && precision == .f32
            let size = isLarge ? PairPartition.Size.usual
                : precision == .f32 ? PairPartition.Size(block: 4, chunk: 8) : PairPartition.Size(block: 16, chunk: isWide ? 8 : 4)
            let model = try PartitionedModel(graph, precision: precision, pairsBy: size, context: precision.testContext)
            let sizes: [(Int, Int, [Int]?)] = [(2, 37, nil), (3, 16, [16, 0, 7]), (1, 1, nil), (1, 0, nil), (2, isLarge ? 150 : 21, [1, isLarge ? 130 : 21])]
            for (batch, steps, lengths) in sizes {
                let data = data(graph, batch: batch, steps, lengths)
                let expected = Interpreter(graph).run(data)
                if precision == .f64 {
                    // A wrong schedule is told from wrong code.
                    let evaluated = try PartitionEvaluation(Partition(PairPartition(Pipeline.prepare(graph), by: size))).run(data)
                    for (a, b) in zip(evaluated.outputs, expected.outputs) {
                        #expect(Deviation(of: a.tensor, from: b.tensor).error < 1e-12, "\(what), schedules evaluated: \(a.name)", sourceLocation: sourceLocation)
                    }
                }
                var alone: [NamedTensor]?
                for threads in [1, 2, 3] {
                    let got = try #require(try model.run(data, pool: ThreadPool(count: threads)), sourceLocation: sourceLocation)
                    #expect(got.outputs.map(\.name) == expected.outputs.map(\.name), sourceLocation: sourceLocation)
                    for (a, b) in zip(got.outputs + got.finalStates, expected.outputs + expected.finalStates) {
                        let error = Deviation(of: a.tensor, from: b.tensor).error
                        #expect(
                            a.tensor.shape == b.tensor.shape && error < (precision == .f64 ? 1e-12 : 2e-5),
                            "\(what) \(precision) \(batch)×\(steps) \(lengths ?? []) \(threads): \(a.name) \(error)", sourceLocation: sourceLocation)
                    }
                    // Whoever computes a block, its sums are taken in the same order.
                    let tensors = got.outputs + got.finalStates
                    let isSame = zip(tensors, alone ?? tensors).allSatisfy { haveSameBits($0.tensor, $1.tensor) }
                    #expect(isSame, "\(what) \(precision) \(threads)", sourceLocation: sourceLocation)
                    alone = alone ?? tensors
                }
            }
        }
    }

    /// The schedules of the reductions of a graph.
    private static func traversals(_ graph: StreamGraph, by size: PairPartition.Size = .usual) throws -> [PairTraversal] {
        try PairPartition(Pipeline.prepare(graph), by: size).parts.compactMap { if case .pairs(let traversal) = $0 { traversal } else { nil } }
    }

    private static func gradients(_ graph: StreamGraph) throws -> StreamGraph {
        var request = GradientRequest(of: graph)
        request.seeds = graph.outputs.map { .output($0.name) } + graph.states.map { .finalState($0.name) }
        return try gradient(of: graph, request)
    }

    private static func products(_ leaves: [Schedule.Leaf]) -> [Schedule.Matmul] {
        leaves.compactMap { if case .matmul(let product) = $0 { product } else { nil } }
    }

    @Test("the gradient of attention takes five products, and chunks in the middle have no conditions")
    func oneTraversal() throws {
        let text = "model A(K) {\n  input q, k, v: [K]\n  output o = sum[t-70 < s <= t](softmax[s](sum[K](q * k[s]) / sqrt(K)) * v[s])\n}\n"
        let model = try Model(Program(text: text), dims: ["K": 16])
        var request = GradientRequest(of: model.graph)
        request.seeds = [.output("o")]
        let all = try Self.traversals(try model.rewritten([:], request, assumingFinite: true), by: PairPartition.Size(block: 16, chunk: 16))
        let traversal = try #require(all.first { $0.addedUp > 0 })
        #expect(all.count == 2 && traversal.count == 3 && traversal.addedUp == 1 && traversal.schedule.addsUp)
        let inner = try #require(traversal.schedule.inner)
        // Steps that are looked back at stay with the block: they are 0 to 69 steps before those of the chunk.
        #expect(inner.least == -69 && inner.most == 0)
        #expect(Self.products(traversal.schedule.body).count == 5 && Self.products(inner.body).count == 5)
        // Both gradients of the block are added to as they are computed.
        #expect(Self.products(inner.body).count { $0.added != nil } == 2)
        for case .nest(let nest) in inner.body {
            #expect(nest.nodes.allSatisfy { node in
                switch node {
                case .select, .isStep, .isBlockStep: false
                case .binary(let function, _, _): function != .lessOrEqual && function != .less
                case .constant, .load, .unary, .isInside, .isFirst, .isLast: true
                }
            })
        }
    }

    @Test("where no chunk is in the middle of a window there is no body for one")
    func narrowWindows() throws {
        #expect(try Self.traversals(Self.attention(5), by: PairPartition.Size(block: 16, chunk: 16)).allSatisfy { $0.schedule.inner == nil })
        #expect(try Self.traversals(Self.attention(40), by: PairPartition.Size(block: 16, chunk: 16)).first?.schedule.inner?.most == 39)
    }

    @Test("blocks that add to the same numbers are dealt out in order, whole sequences first")
    func shares() throws {
        let schedule = try #require(try Self.traversals(try Self.gradients(Self.attention(nil))).first { $0.addedUp > 0 }).schedule
        let size = ScheduleSize(batch: 5, steps: 256, lengths: nil)
        let (turns, blocks) = (schedule.turns(for: size), schedule.blockCount(for: size))
        for workers in [1, 2, 3, 7, 16] {
            let all = (0..<workers).map { schedule.turns(of: $0, among: workers, turns, blocks) }
            #expect(all.flatMap { $0 }.flatMap { Array($0) }.sorted() == Array(0..<turns))
            #expect(all.allSatisfy { own in zip(own, own.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound } })
            #expect(all.allSatisfy { $0[0].lowerBound % blocks == 0 && $0[0].upperBound % blocks == 0 })
        }
    }

    @Test(arguments: cases) func gradients(example: Case) throws {
        try Self.expectAgreement(try Self.gradients(example.graph), "gradients, \(example)")
    }

    @Test(arguments: cases) func results(example: Case) throws { try Self.expectAgreement(example.graph, example.description) }
}

extension ValueID {
    fileprivate func shape(in builder: GraphBuilder) -> Shape { builder[self].shape }
}
