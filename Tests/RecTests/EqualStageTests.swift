import Testing

@testable import Rec
@testable import RecCodeGen
@testable import RecScheduling

/// Stages of equal shape have one code, others have not, and not a bit of a result depends on it.
@Suite struct EqualStageTests {
    /// Layers of a gated linear state between products, as many as wanted.
    private static let deep = """
        model Block(D) {
          input x: [D]
          param V, W: [D, D] = normal(0.4)
          param a: [D] = normal(1)
          state h: [D]
          y = rmsnorm(x)
          h = sigmoid(a) * h[t-1] + tanh(V @ y)
          output z = x + W @ (h * silu(y))
        }
        model M(L, D) {
          input x: [D]
          layer blocks = repeat(L, Block(D))
          y = blocks(x)
          output y
          loss l = mean[t](sum(y * y))
        }
        """

    private func model(_ layers: Int, dim: Int = 6) throws -> Model {
        try Model(Program(text: Self.deep), dims: ["L": layers, "D": dim])
    }

    /// How many functions a plan has code for, and how many stages.
    private func functions(_ plan: Plan) -> (own: Int, stages: Int) {
        let functions = PlanFunctions(plan)
        return (functions.functions.count, functions.calls.count)
    }

    @Test func layersShareTheirCode() throws {
        let (some, more) = try (functions(model(12).plan()), functions(model(18).plan()))
        #expect(some.own == more.own && more.stages - some.stages >= 6, "\(some), \(more)")
        let (few, many) = try (functions(GradientModel(model(12)).plan()), functions(GradientModel(model(18)).plan()))
        #expect(few.own == many.own && many.stages - few.stages >= 18, "\(few), \(many)")
        let text = try String(decoding: CompiledPlan.listing(.llvm, of: model(18).plan(), precision: .f32), as: UTF8.self)
        #expect(text.contains("@shared.0(") && text.split(separator: "\n").count { $0.contains("define void @stage.") || $0.contains("define void @shared.") } == more.own)
    }

    /// A row of recurrences, each one in the place of the one before it.
    private func row(_ changed: (state: String, equation: String)) throws -> Int {
        let rows = (0..<8).map { k -> String in
            let before = k == 0 ? "x" : "s\(k - 1)"
            let (state, equation) = k == 4 ? changed : ("state S: [D]", "S = tanh(W @ P + 0.5 * S[t-1])")
            return "param W\(k): [D, D]\n" + "\(state)\n\(equation)\n".replacing("S", with: "s\(k)").replacing("P", with: before).replacing("W", with: "W\(k)")
        }
        let text = "model M(D) {\n input x: [D]\n \(rows.joined()) output s7\n}"
        return try functions(Model(Program(text: text), dims: ["D": 6]).plan()).own
    }

    @Test func layersThatDifferDoNot() throws {
        let equal = try row(("state S: [D]", "S = tanh(W @ P + 0.5 * S[t-1])"))
        for equation in [
            "S = tanh(W @ P + 0.5 * S[t-2])", "S = tanh(W @ P + 0.25 * S[t-1])", "S = sigmoid(W @ P + 0.5 * S[t-1])",
            "S = tanh(W @ P - 0.5 * S[t-1])", "S = tanh(W @ P + 0.5 * S[t+1])", "S = tanh(W @ P + 0.5 * S[t-1] * x)",
        ] {
            #expect(try row(("state S: [D]", equation)) > equal, "\(equation)")
        }
        // What stands in a ring before the first step is put there by whoever runs the code: only computing it is one more.
        #expect(try row(("state S: [D] = 1", "S = tanh(W @ P + 0.5 * S[t-1])")) <= equal + 1)
        #expect(try row(("state S: [D]", "S = tanh(concat(W @ P, x)[0:D] + 0.5 * S[t-1])")) > equal)
    }

    @Test func minusZeroIsAnotherNumber() {
        func stage(_ number: Double) -> Stage {
            var nest = Nest(domain: [4])
            nest.nodes = [Nest.Node(operation: .constant(.real(number)), element: .real)]
            return Stage(form: .map, items: [.nest(nest)])
        }
        #expect(stage(0) != stage(-0.0) && stage(.nan) == stage(.nan))
    }

    @Test func notABitDependsOnIt() throws {
        let model = try model(5)
        let gradients = try GradientModel(model)
        var apart = CompileContext.quick
        apart.sharesStages = false
        for precision in [Precision.f32, .f64] {
            let data = RandomCase(for: model, batch: 3, length: 150, seed: 3).data
            let bound = try BoundData(data, for: model.graph)
            for forms in [[:], PlanForms(model).all(as: .scan)] as [[String: PlanForm]] {
                for threads in [1, 2] {
                    let pool = ThreadPool(count: threads, leastWork: 0)
                    let results = try [CompileContext.quick, apart].map { context in
                        try model.run(bound, on: CompiledModel(model.compile(precision, forcing: forms, context: context), parameters: bound.parameters), pool: pool)
                    }
                    for (a, b) in zip(results[0].outputs + results[0].finalStates, results[1].outputs + results[1].finalStates) {
                        #expect(haveSameBits(a.tensor, b.tensor), "\(a.name) in \(precision)")
                    }
                }
            }
            let slopes = try [CompileContext.quick, apart].map { context in
                try gradients.run(
                    gradients.bind(data, cotangents: [:]),
                    on: CompiledModel(gradients.compile(precision, context: context), parameters: bound.parameters), pool: ThreadPool(count: 2, leastWork: 0))
            }
            let reference = try gradients.run(data, cotangents: [:], on: .interpreter)
            for (k, (a, b)) in zip(slopes[0].gradients, slopes[1].gradients).enumerated() {
                #expect(haveSameBits(a.tensor, b.tensor), "\(a.name) in \(precision)")
                #expect(relativeError(a.tensor, reference.gradients[k].tensor) < (precision == .f32 ? 1e-4 : 1e-11), "\(a.name)")
            }
        }
    }

    @Test func streamsOfManyLayers() throws {
        let model = try model(5)
        let data = RandomCase(for: model, batch: 2, length: 40, seed: 3).data
        let expected = try model.run(data, on: .compiled(.f32))
        let got = try StreamRun.run(model, data, precision: .f32)
        for (a, b) in zip(got.outputs, expected.outputs) { #expect(relativeError(a.tensor, b.tensor) < 1e-6, "\(a.name)") }
    }

    /// Looks at every buffer that a shape names, wherever it is.
    private func buffers(in value: Any, _ found: inout Set<Int>) {
        if let id = value as? BufferID {
            found.insert(id.index)
            return
        }
        for child in Mirror(reflecting: value).children { buffers(in: child.value, &found) }
    }

    @Test func shapesNameTheirOwnBuffersAlone() throws {
        let wide = try Model(Program(text: Self.deep), dims: ["L": 6, "D": 2])
        let plans = try [
            GradientModel(model(6)).plan(), model(6).plan(), GradientModel(model(6)).plan().sharingRows(), wide.plan(forcing: PlanForms(wide).all(as: .scan)),
        ]
        var forms = Set<String>()
        for function in plans.flatMap({ PlanFunctions($0).functions }) {
            var found: Set<Int> = []
            buffers(in: function.shape.stage, &found)
            #expect(found == Set(function.shape.buffers.indices), "\(function.name)")
            if let places = function.places {
                #expect(places.count == function.shape.buffers.count + function.shape.stage.products.count && Set(places).count == places.count)
            }
            forms.insert(String("\(function.shape.stage.form)".prefix { $0 != "(" }))
        }
        #expect(forms.count >= 3, "\(forms)")
    }

    @Test func blocksOfManyLayersTakeTurns() throws {
        for plan in try [model(4).plan(), model(12).plan(), GradientModel(model(4)).plan(), GradientModel(model(12)).plan()] {
            for segment in plan.segments where segment.kind.isSweep {
                let places = BlockPlaces(segment, in: plan) { 4 * $0.rowCount }
                for (k, a) in places.shared.enumerated() {
                    for b in places.shared[..<k] where a.start < b.start + 4 * plan[b.buffer].rowCount && b.start < a.start + 4 * plan[a.buffer].rowCount {
                        func stages(_ id: BufferID) -> [Int] { segment.stages.indices.filter { segment.stages[$0].touchedBuffers.contains(id) } }
                        let (first, second) = (stages(a.buffer), stages(b.buffer))
                        #expect((first.last ?? 0) < (second.first ?? 0) || (second.last ?? 0) < (first.first ?? 0), "\(plan[a.buffer].name), \(plan[b.buffer].name)")
                    }
                }
            }
        }
        func bytes(_ layers: Int) throws -> Int {
            let plan = try GradientModel(model(layers)).plan()
            return plan.segments.map { BlockPlaces($0, in: plan) { 4 * $0.rowCount }.sharedBytes }.max() ?? 0
        }
        #expect(try bytes(12) == bytes(4))
    }
}
