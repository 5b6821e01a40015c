import Rec
import Testing

/// Plans in which threads share the rows of every step, wherever that can be done: they give what the interpreter gives, and
/// not a bit depends on how many threads there are, or on whether rows are shared at all.
@Suite struct RowSharingTests {
    /// A step in which elements meet in some way, and what sharing makes of it.
    struct Cell: CustomTestStringConvertible, Sendable {
        var name: String
        var text: String
        var dims: [String: Int]
        /// Barriers of the forward pass.
        var barriers: Int
        var testDescription: String { name }
    }

    private static func gates(_ width: Int) -> Cell {
        Cell(
            name: "gates of \(width)",
            text: """
                model M(D, H) {
                  dim G = 4 * H
                  input x: [D]
                  param W: [G, D] = normal(0.3)
                  param U: [G, H] = normal(0.2)
                  param b: [G] = normal(1)
                  state h, c: [H]
                  i, f, g, o = split(W @ x + U @ h[t-1] + b, 4)
                  c = sigmoid(f) * c[t-1] + sigmoid(i) * tanh(g)
                  h = sigmoid(o) * tanh(c)
                  output h
                  output c
                }
                """, dims: ["D": 5, "H": width], barriers: 1)
    }

    private static let heads = Cell(
        name: "heads",
        text: """
            model M(N, D) {
              dim J = D
              input x: [N, D]
              param R, S: [N, D, J] = normal(0.2)
              state h: [N, D]
              p = h[t-1] as [N, J]
              h = tanh(x + sum[J](R * p)) * sigmoid(sum[J](S * p))
              output h
            }
            """, dims: ["N": 3, "D": 48], barriers: 0)

    private static let normalised = Cell(
        name: "normalised",
        text: """
            model M(H) {
              input x: [H]
              param U, V: [H, H] = normal(0.2)
              state h: [H]
              h = sigmoid(V @ h[t-1]) * h[t-1] + tanh(layernorm(x + U @ h[t-1]))
              output h
            }
            """, dims: ["H": 150], barriers: 2)

    private static let neighbours = Cell(
        name: "neighbours",
        text: """
            model M(H) {
              input x: [H]
              param U: [H, H] = normal(0.2)
              state h: [H]
              k = tanh(U @ h[t+1] + x)
              h = concat(k[3:H], k[0:3]) + 0.5 * concat(h[t+2][7:H], h[t+2][0:7])
              output h
              loss l = mean[t](mean(h * h))
            }
            """, dims: ["H": 96], barriers: 3)

    private static let table = Cell(
        name: "table",
        text: """
            model M(V, H) {
              input x: int
              param E: [V, H] = normal(1)
              param U: [H, H] = normal(0.2)
              state h: [H]
              h = tanh(E[x] + U @ h[t-1])
              output h
            }
            """, dims: ["V": 5, "H": 130], barriers: 1)

    private static let cells = [gates(64), gates(100), gates(256), heads, normalised, neighbours, table]

    // MARK: Agreement

    /// Every sweep's rows shared.
    private func shared(_ plan: Plan, _ manner: RowSharing.Manner = .divided) -> Plan {
        plan.sharingRows(manner)
    }

    private func rows(of plan: Plan) -> [RowSharing] { plan.segments.flatMap { $0.stages.compactMap(\.rows) } }

    private func expectAgreement(
        _ plan: Plan, _ precision: Precision, _ parameters: [String: Tensor], _ reference: [NamedTensor], tolerance: Double,
        _ what: String, _ run: (CompiledModel, ThreadPool) throws -> [NamedTensor]
    ) throws {
        func bits(_ items: [NamedTensor]) -> [[UInt64]] { items.map { $0.tensor.doubles().map { $0.isNaN ? 0 : $0.bitPattern } } }
        let plain = try CompiledModel(CompiledPlan(plan, precision: precision, context: precision.testContext), parameters: parameters)
        let alone = try run(plain, ThreadPool(count: 1, leastWork: 0))
        for (a, b) in zip(alone, reference) {
            let error = relativeError(a.tensor, b.tensor)
            #expect(error <= tolerance, "\(what): \(a.name) under \(precision): \(error)")
        }
        let divided = shared(plan)
        let repeated = shared(plan, .repeated)
        for plan in divided.segments == repeated.segments ? [divided] : [divided, repeated] {
            let compiled = try CompiledModel(CompiledPlan(plan, precision: precision, context: precision.testContext), parameters: parameters)
            for threads in [1, 2, 3] {
                let isSame = try bits(run(compiled, ThreadPool(count: threads, leastWork: 0))) == bits(alone)
                #expect(isSame, "\(what): results under \(precision) depend on \(threads) threads that share rows\n\(plan.text)")
            }
        }
    }

    private func expectAgreement(_ model: Model, _ precision: Precision, _ generated: RandomCase, _ what: String) throws {
        let reference = try model.run(generated.data, on: .interpreter)
        let bound = try BoundData(generated.data, for: model.graph)
        try expectAgreement(
            model.plan(), precision, bound.parameters, reference.outputs + reference.losses + reference.finalStates,
            tolerance: precision == .f64 ? 1e-8 : 5e-4, what
        ) { code, pool in
            let got = try model.run(bound, on: code, pool: pool)
            return got.outputs + got.losses + got.finalStates
        }
    }

    private func expectGradientAgreement(_ model: Model, _ precision: Precision, _ generated: RandomCase, _ what: String) throws {
        let gradients = try GradientModel(model)
        let cotangents = generated.cotangents(of: gradients)
        let reference = try gradients.run(generated.data, cotangents: cotangents, on: .interpreter)
        let bound = try gradients.bind(generated.data, cotangents: cotangents)
        try expectAgreement(
            gradients.plan(), precision, bound.parameters, reference.gradients, tolerance: precision == .f64 ? 1e-8 : 5e-3, what
        ) { code, pool in try gradients.run(bound, on: code, pool: pool).gradients }
    }

    @Test(arguments: cells)
    func cellsAgree(cell: Cell) throws {
        let model = try Model(Program(text: cell.text), dims: cell.dims)
        let plan = try shared(model.plan())
        #expect(rows(of: plan).map(\.barriers.count) == [cell.barriers], "\(plan.text)")
        for (batch, lengths) in [(1, [7]), (4, [9, 0, 4, 9]), (8, nil)] {
            let generated = RandomCase(for: model, batch: batch, length: lengths?.max() ?? 5, lengths: lengths, seed: 1)
            for precision in [Precision.f32, .f64] { try expectAgreement(model, precision, generated, "\(cell.name), batch \(batch)") }
        }
        let generated = RandomCase(for: model, batch: 3, length: 6, lengths: [6, 4, 0], seed: 2)
        for precision in [Precision.f32, .f64] { try expectGradientAgreement(model, precision, generated, cell.name) }
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func randomProgramsAgree(seed: UInt64) throws {
        let random = RandomProgram(seed: seed)
        let dims = ["D": 5, "H": [40, 64, 72, 130][Int(seed % 4)], "K": [3, 33][Int(seed / 4 % 2)]]
        let model = try Model(Program(text: random.text), dims: dims)
        let precision = seed % 2 == 0 ? Precision.f32 : .f64
        let generated = RandomCase(for: model, batch: 3, length: 9, lengths: [9, 5, 0], seed: seed)
        try expectAgreement(model, precision, generated, "seed \(seed)\n\(random.text)")
        if seed % 4 == 1 { try expectGradientAgreement(model, precision, generated, "seed \(seed)\n\(random.text)") }
    }

    // MARK: Structure and choice

    /// The product's columns have the state's period, so that nobody waits for gates.
    @Test func gatesBelongToTheirState() throws {
        let model = try Model(Program(text: Self.gates(100).text), dims: ["D": 5, "H": 100])
        let rows = try #require(self.rows(of: shared(model.plan())).first)
        #expect(rows.parts == [.columns(period: 100), .loop(variable: 0, stride: 1, period: 100)])
        #expect(rows.barriers == [0])
        #expect(rows.ownBuffers.isEmpty)
    }

    /// What every element needs, and is little, is computed by every thread for itself.
    @Test func normsAreRepeated() throws {
        let model = try Model(Program(text: Self.normalised.text), dims: Self.normalised.dims)
        let rows = try #require(self.rows(of: shared(model.plan())).first)
        #expect(rows.parts.contains(.repeated) && !rows.parts.contains(.alone))
        #expect(!rows.ownBuffers.isEmpty)
    }

    /// Where a barrier is dearer than what all threads then compute for themselves, only gates are exchanged.
    @Test func barriersAreSparedByRepetition() throws {
        let model = try Model(Program(text: Self.normalised.text), dims: Self.normalised.dims)
        let plan = try shared(model.plan(), .repeated)
        let rows = try #require(self.rows(of: plan).first)
        #expect(rows.barriers.count == 1, "\(plan.text)")
        // The products of the state are one, and exchanged in one place.
        #expect(rows.alternating.count == 1)
        #expect(rows.parts.allSatisfy { $0 == .columns(period: 150) || $0 == .repeated }, "\(plan.text)")
        // A state that each thread can keep by its own elements spares nothing.
        let gates = try Model(Program(text: Self.gates(100).text), dims: ["D": 5, "H": 100]).plan()
        #expect(shared(gates, .repeated).segments == shared(gates).segments)
    }

    @Test func repetitionIsChosenWhereBarriersAreDearer() throws {
        func barriers(_ seconds: Double) throws -> [Int] {
            let machine = MachineProfile(operation: 1.3e-10, latency: 1.1e-9, units: 2, bandwidth: 3.6e10, barrier: seconds, lanes: 16)
            let choice = try PlanChoice(Model(Program(text: Self.normalised.text), dims: ["H": 256]), machine: machine)
            return try rows(of: choice.plan(for: Workload(batch: 1, extents: [512], threads: 2))).map(\.barriers.count)
        }
        #expect(try barriers(3e-7) == [1])
        #expect(try barriers(2e-8) == [2])
    }

    /// Rows are shared where a step is long beside a barrier: with few sequences, or where the weights do not fit a core's caches.
    @Test func rowsAreSharedWhereThatIsFaster() throws {
        let machine = MachineProfile(operation: 1.3e-10, latency: 1.1e-9, units: 2, bandwidth: 3.6e10, barrier: 2e-7, lanes: 16)
        func isShared(_ width: Int, batch: Int, threads: Int = 2) throws -> Bool {
            let choice = try PlanChoice(Model(Program(text: Self.gates(width).text), dims: ["D": width, "H": width]), machine: machine)
            return try !rows(of: choice.plan(for: Workload(batch: batch, extents: [512], threads: threads))).isEmpty
        }
        #expect(try isShared(256, batch: 1))
        #expect(try isShared(512, batch: 8))
        #expect(try !isShared(256, batch: 1, threads: 1))
        #expect(try !isShared(64, batch: 64))
        #expect(try !isShared(16, batch: 1))
    }

    @Test func sharedRowsAreExplained() throws {
        let program = Program(text: Self.gates(256).text)
        let work = Workload(batch: 1, extents: [512], threads: 2)
        let plan = try shared(Model(program, dims: ["D": 8, "H": 256]).plan())
        #expect(plan.text.contains("rows shared by workers") && plan.text.contains("shares of 256"))
        let choice = try PlanChoice(
            Model(program, dims: ["D": 8, "H": 256]),
            machine: MachineProfile(operation: 1.3e-10, latency: 1.1e-9, units: 2, bandwidth: 3.6e10, barrier: 2e-7, lanes: 16))
        let page = try Explanation(Model(program, dims: ["D": 8, "H": 256]), choice, work).text(program.sources)
        #expect(page.contains("rows shared by 2 threads, 1 barrier a step"), "\(page)")
    }
}

extension RandomCase {
    /// The cotangents of what is differentiated.
    func cotangents(of gradients: GradientModel) -> [String: Tensor] {
        let names = Set(gradients.request.seeds.compactMap(\.cotangentName))
        return cotangents.filter { names.contains("cotangent.\($0.key)") }
    }
}
