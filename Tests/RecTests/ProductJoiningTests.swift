import Rec
import RecScheduling
import Testing

/// Products of one value with several weights that run as one.
@Suite struct ProductJoiningTests {
    private static let gates = """
        model Cell(D, H) {
          input x: [D]
          param Wi, Wf, Wg, Wo: [H, D] = normal(0.3)
          param Ui, Uf, Ug, Uo: [H, H] = normal(0.2)
          param bi, bf, bg, bo: [H] = normal(1)
          state h, c: [H]
          i = sigmoid(Wi @ x + Ui @ h[t-1] + bi)
          f = sigmoid(Wf @ x + Uf @ h[t-1] + bf)
          g = tanh(Wg @ x + Ug @ h[t-1] + bg)
          o = sigmoid(Wo @ x + Uo @ h[t-1] + bo)
          c = f * c[t-1] + i * g
          h = o * tanh(c)
          output h
        }
        """

    private func model(_ text: String, _ dims: [String: Int]) throws -> Model { try Model(Program(text: text), dims: dims) }

    /// A model of one state, whose lines use `x: [D]`, `h: [H]`, and weights `A, B: [H, D]` and `U, V: [H, H]`.
    private func cell(_ lines: String, D: Int = 5, H: Int = 40) throws -> Model {
        try model(
            """
            model M(D, H) {
              input x: [D]
              param A, B: [H, D] = normal(0.3)
              param U, V: [H, H] = normal(0.2)
              state h: [H]
            \(lines)
              output h
            }
            """, ["D": D, "H": H])
    }

    /// `sums → columns` of every product.
    private func sizes(_ plan: Plan) -> [[Int]] { plan.products.map { [$0.sumCount, $0.columnCount] } }
    private func totals(_ plan: Plan) -> [[Int]] { plan.segments.flatMap(\.stages).flatMap(\.totals).map { [$0.rows, $0.columns] } }

    // MARK: What is joined

    @Test func gatesBecomeOneProduct() throws {
        let model = try model(Self.gates, ["D": 9, "H": 40])
        #expect(sizes(try model.plan()) == [[9, 160], [40, 160]])
    }

    /// Backwards the transposes of one sum are one, and the gradients of the weights of one value.
    @Test func gradientsOfGatesAreJoined() throws {
        let plan = try GradientModel(model(Self.gates, ["D": 9, "H": 40])).plan()
        #expect(sizes(plan) == [[9, 160], [40, 160], [160, 40], [160, 9]])
        #expect(totals(plan) == [[160, 9], [160, 40]])
    }

    /// The adjoints of gates lie behind each other for the product, and their biases read them there.
    @Test func adjointsOfGatesAreComputedOnce() throws {
        let plan = try GradientModel(model(Self.gates, ["D": 9, "H": 40])).plan()
        let joined = try #require(plan.products.first { $0.sumCount == 160 })
        let sums = plan.segments.flatMap(\.stages).flatMap(\.items).compactMap { item -> Nest? in
            guard case .nest(let nest) = item, nest.stores.contains(where: { $0.mode != .assign && plan[$0.buffer].rowCount == 40 }) else { return nil }
            return nest
        }
        let reads = sums.flatMap(\.nodes).flatMap(\.operation.accesses).map(\.buffer)
        #expect(reads.contains(joined.input.buffer))
    }

    /// An element-wise recurrence whose adjoints go into one product stays in lanes.
    @Test func lanesWriteJoinedAdjoints() throws {
        let model = try model(
            """
            model M(D, H) {
              input x: [D]
              param Wz, Wh: [H, D] = normal(0.3)
              state h: [H]
              z = sigmoid(Wz @ x)
              h = (1 - z) * h[t-1] + z * (Wh @ x)
              output h
            }
            """, ["D": 9, "H": 40])
        let plan = try GradientModel(model).plan()
        #expect(sizes(plan) == [[9, 80], [80, 9]])
        let recurrences = plan.segments.compactMap { segment in segment.stages.first { if case .lanes = $0.form { true } else { false } } }
        #expect(recurrences.count == 2)
        try expectGradientAgreement(model, [RandomCase(for: model, batch: 3, length: 17, lengths: [17, 3, 9], seed: 1)], "lanes")
    }

    @Test func weightsMayBeComputed() throws {
        let model = try cell("  h = tanh(A @ x + (U * 0.5) @ h[t-1]) * sigmoid(exp(V) @ h[t-1])")
        #expect(sizes(try model.plan()) == [[5, 40], [40, 80]])
        try expectAgreement(model, "computed weights")
    }

    // MARK: What is not

    @Test(arguments: [
        // Different values.
        "  h = tanh(U @ h[t-1] + V @ h[t-2] + A @ x)",
        // One waits for the state, the other for nothing: what follows from the state alone is one matrix product for many steps.
        "  h = tanh(U @ h[t-1] + A @ x)\n  output y = V @ h",
        // The result of a product is where the run wants it.
        "  output a = A @ x\n  output b = B @ x\n  h = h[t-1] + a * b",
        // What each pass reads is computed in it.
        "  state k: [H]\n  k = tanh(B @ x) * k[t+1]\n  h = tanh(A @ x) * h[t-1] + k",
    ])
    func othersStayApart(lines: String) throws {
        let model = try cell(lines)
        #expect(sizes(try model.plan()).allSatisfy { $0[1] == 40 })
        try expectAgreement(model, lines)
    }

    @Test func shortRowsOfManyStepsStayApart() throws {
        let lines = "  h = h[t-1] * sigmoid(A @ x) + B @ x"
        #expect(sizes(try cell(lines, H: 8).plan()) == [[5, 8], [5, 8]])
        #expect(sizes(try cell(lines, H: 32).plan()) == [[5, 64]])
    }

    /// Workers that share a step take the same columns of every part, so parts are equally wide.
    @Test func partsOfAStepAreEquallyWide() throws {
        let model = try model(
            """
            model M(H, K) {
              input x: [H]
              param U: [H, H] = normal(0.2)
              param V: [K, H] = normal(0.2)
              state h: [H]
              s = mean(V @ h[t-1])
              h = tanh(x + U @ h[t-1]) * s
              output h
            }
            """, ["H": 40, "K": 8])
        #expect(sizes(try model.plan()).map { $0[1] }.sorted() == [8, 40])
    }

    /// Gradients of some weights only are no matrix for all of them.
    @Test func weightsWithoutGradientsStayApart() throws {
        let model = try model(Self.gates, ["D": 9, "H": 40])
        let request = GradientRequest(seeds: [.output("h")], targets: [.parameter("Uf"), .parameter("Ug")])
        #expect(totals(try GradientModel(model, request).plan()) == [[80, 40]])
    }

    // MARK: Agreement

    private func expectAgreement(_ model: Model, _ what: String) throws {
        let cases = [(1, 0), (1, 1), (3, 11)].map { batch, length in
            RandomCase(for: model, batch: batch, length: length, lengths: (0..<batch).map { max(0, length - 4 * $0) }, seed: 3)
        }
        try expectGradientAgreement(model, cases, what)
    }

    /// Cells of several gates, some with a product of the state, some with one of the input, and some with both.
    @Test(arguments: 0..<12 as Range<Int>)
    func cellsAgree(seed: Int) throws {
        let count = 2 + seed % 4
        let (inputs, width) = ([1, 5, 33][seed % 3], [4, 17, 36, 64][seed / 3])
        let functions = ["tanh", "sigmoid", "silu"]
        let equations = (0..<count).map { k in
            let products = ["A\(k) @ x + U\(k) @ h[t-1]", "b\(k) * (U\(k) @ h[t-1])", "A\(k) @ x - 0.5 * (U\(k) @ tanh(h[t-1]))"]
            return "  g\(k) = \(functions[(seed + k) % 3])(\(products[(seed * 7 + k) % 3]) + b\(k))"
        }
        let text = """
            model M(D, H) {
              input x: [D]
              param \((0..<count).map { "A\($0)" }.joined(separator: ", ")): [H, D] = normal(0.3)
              param \((0..<count).map { "U\($0)" }.joined(separator: ", ")): [H, H] = normal(0.2)
              param \((0..<count).map { "b\($0)" }.joined(separator: ", ")): [H] = normal(1)
              state h: [H]
            \(equations.joined(separator: "\n"))
              h = 0.5 * h[t-1] + 0.25 * tanh(\((0..<count).map { "g\($0)" }.joined(separator: " * ")))
              output h
            }
            """
        try expectAgreement(model(text, ["D": inputs, "H": width]), text)
    }

    /// Threads that share rows take columns of every gate: one barrier a step, as with one matrix.
    @Test func rowsOfJoinedGatesAreShared() throws {
        let plan = try model(Self.gates, ["D": 9, "H": 128]).plan()
        let shared = plan.sharingRows()
        #expect(shared.segments.flatMap { $0.stages.compactMap(\.rows) }.map(\.barriers.count) == [1])
        #expect(shared.products.map(\.groups).max() == 4)
    }

    /// Steps of a stream, and weights in bf16, which here hold every weight exactly.
    @Test(arguments: [WeightFormat.full, .bf16])
    func streamsAgree(weights: WeightFormat) throws {
        let model = try model(Self.gates, ["D": 9, "H": 40])
        var data = RandomCase(for: model, batch: 1, length: 7, lengths: [7], seed: 2).data
        for (name, tensor) in data.parameters {
            let rounded = tensor.doubles().map { Float(bitPattern: UInt32(WeightFormat.bf16(Float($0))) << 16) }
            data.parameters[name] = Tensor(rounded, shape: tensor.shape)
        }
        let whole = try #require(try model.run(data).outputs.first?.tensor.doubles())
        let stored = model.storingWeights(as: weights)
        let bound = try BoundData(data, for: model.graph)
        let session = try StreamSession(CompiledModel(stored.compile(.f32), parameters: bound.parameters), capacity: 1)
        let x = try #require(data.inputs["x"]?.doubles())
        for step in 0..<7 {
            try session.withInput("x") { memory in
                for k in 0..<9 { memory.storeBytes(of: Float(x[step * 9 + k]), toByteOffset: 4 * k, as: Float.self) }
            }
            try session.advance()
            let h = try session.withOutput("h") { memory in (0..<40).map { Double(memory.load(fromByteOffset: 4 * $0, as: Float.self)) } }
            #expect(h == Array(whole[step * 40..<(step + 1) * 40]))
        }
    }

    @Test func explanationsNameWhatIsJoined() throws {
        let gradients = try GradientModel(model(Self.gates, ["D": 9, "H": 40]))
        let explanation = try Explanation(gradients, work: Workload(batch: 1, extents: [16], threads: 1))
        #expect(explanation.products == [
            "9 → 4 × 40: hoisted: one matrix product for a block of steps (Wi, Wf, Wg, Wo as one)",
            "40 → 4 × 40: in every step (Ui, Uf, Ug, Uo as one)",
            "4 × 40 → 40 (grad.h): in every step (Ui, Uf, Ug, Uo as one)",
            "4 × 40 → 9 (grad.x): hoisted: one matrix product for a block of steps (Wi, Wf, Wg, Wo as one)",
        ])
    }
}
