import Rec
import Testing

/// Forms are chosen, forced, required and refused.
@Suite struct PlanFormTests {
    private let affine = "model M(C) {\n  input a, b: [C]\n  state h: [C]\n  h = a * h[t-1] + b\n  output h\n}\n"
    private let cell = "model M(C) {\n  input x: [C]\n  state h: [C]\n  h = tanh(x + h[t-1])\n  output h\n}\n"
    private let machine = MachineProfile(operation: 1.3e-10, latency: 1.1e-9, units: 1, bandwidth: 3.6e10, barrier: 1e-6, lanes: 16)

    @Test func longNarrowStreamsAreScanned() throws {
        let narrow = try PlanChoice(Model(Program(text: affine), dims: ["C": 1]), machine: machine)
        #expect(try narrow.choose(Workload(batch: 1, extents: [1_000_000], threads: 2)) == [0])
        #expect(try narrow.choose(Workload(batch: 1, extents: [16], threads: 2)).isEmpty)
        #expect(try narrow.choose(Workload(batch: 512, extents: [4096], threads: 2)).isEmpty)
        let wide = try PlanChoice(Model(Program(text: affine), dims: ["C": 512]), machine: machine)
        #expect(try wide.choose(Workload(batch: 8, extents: [2048], threads: 2)).isEmpty)
    }

    @Test func forcedFormsAreTaken() throws {
        let model = try Model(Program(text: affine), dims: ["C": 1])
        let work = Workload(batch: 1, extents: [1_000_000], threads: 1)
        #expect(try PlanChoice(model, forcing: ["h": .sequential], machine: machine).choose(work).isEmpty)
        #expect(try PlanChoice(model, forcing: ["h": .scan], machine: machine).choose(Workload(batch: 9, extents: [2], threads: 1)) == [0])
    }

    @Test func illegalFormsAreRefused() throws {
        let model = try Model(Program(text: cell), dims: ["C": 3])
        #expect(message { _ = try model.plan(forcing: ["h": .scan]) } == "plan-refused: 'h' cannot run as a scan: a nonlinear step does not compose")
        #expect(message { _ = try model.plan(forcing: ["g": .scan]) }.hasPrefix("unknown-name: there is no recurrence of 'g'"))
        let dense = """
            model M(N) {
              dim J = N
              input u: [N]
              param A: [N, J]
              state h: [N]
              h = A @ (h[t-1] as [J]) + u
              output h
            }
            """
        let large = try Model(Program(text: dense), dims: ["N": 40])
        #expect(message { _ = try large.plan(forcing: ["h": .scan]) }.contains("40 elements meet in a step"))
    }

    private struct NoCode: Error {}

    /// A form for which no code can be generated is not taken again.
    @Test func theNextFormIsTaken() throws {
        let model = try Model(Program(text: affine), dims: ["C": 1])
        let work = Workload(batch: 1, extents: [1_000_000], threads: 1)
        func build(_ choice: PlanChoice, failing isBroken: (Plan) -> Bool) throws -> Set<Int> {
            try choice.build(for: work) { form, plan in
                if isBroken(plan) { throw NoCode() }
                return form.scans
            }.code
        }
        func isScan(_ plan: Plan) -> Bool { plan.segments.contains { $0.stages.contains(where: \.isScan) } }
        let choice = try PlanChoice(model, machine: machine)
        #expect(try build(choice) { _ in false } == [0])
        #expect(try build(choice, failing: isScan) == [])
        #expect(choice.refusal(of: [0])?.reason.hasPrefix("no code can be generated for it") == true)
        #expect(try choice.choose(work).isEmpty)
    }

    @Test func longDelaysAreNoScans() throws {
        let comb = "model M {\n  input x: real\n  param g, d: real\n  state y: real\n  y = x + g * y[t-100] + d * y[t-101]\n  output y\n}\n"
        let model = try Model(Program(text: comb))
        #expect(message { _ = try model.plan(forcing: ["y": .scan]) }.contains("101 earlier values meet in a step"))
    }

    @Test func requiredFormsAreKept() throws {
        let required = affine.replacing("output h", with: "output h\n  require plan(h) in (scan)")
        let model = try Model(Program(text: required), dims: ["C": 24])
        #expect(try model.plan().segments.contains { $0.stages.contains(where: \.isScan) })
        #expect(message { _ = try model.plan(forcing: ["h": .sequential]) }.hasPrefix("plan-refused: 'h' cannot run as 'sequential'"))
        let impossible = cell.replacing("output h", with: "output h\n  require plan(h) in (scan)")
        #expect(
            message { _ = try Model(Program(text: impossible), dims: ["C": 3]).plan() }
                == "require-failed: 'h' does not run as scan: it cannot run as a scan: a nonlinear step does not compose")
    }

    @Test func costsNameTheStructure() throws {
        let program = Program(text: cell)
        let page = try Explanation(Model(program, dims: ["C": 3]), work: Workload(batch: 1, extents: [100], threads: 1)).text(program.sources)
        #expect(page.contains("is           nonlinear, Jacobian diagonal"))
        #expect(page.contains("not affine   program.rec:4:16: 'h[t-1]' enters tanh: not affine in h"))
        #expect(page.contains("not as       scan: a nonlinear step does not compose  [program.rec:4:16]"))
    }
}
