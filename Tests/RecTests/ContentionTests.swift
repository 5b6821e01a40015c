import Rec
import Testing

@testable import RecRuntime

/// Runs whose threads lose their processors leave the rows of steps to one thread, and try again.
@Suite struct ContentionTests {
    private let key = Contention.Key(segment: 1, batch: 1, workers: 2)

    /// The runs until rows are shared again.
    private func runsAlone(_ contention: Contention, seconds: Double = 4e-6) -> Int {
        var count = 0
        while contention.avoidsSharing(key) {
            contention.noteAlone(key, secondsPerStep: seconds)
            count += 1
        }
        return count
    }

    @Test func whoIsNotDisturbedSharesOn() {
        let contention = Contention()
        for _ in 0..<10 {
            #expect(!contention.avoidsSharing(key))
            contention.noteShared(key, secondsPerStep: 1, isDisturbed: false)
        }
    }

    /// Even so sharing may be faster.
    @Test func lossesAreBorneWhereSharingIsFaster() {
        let contention = Contention()
        contention.noteShared(key, secondsPerStep: 3e-6, isDisturbed: true)
        #expect(!contention.avoidsSharing(key))
        contention.noteShared(key, secondsPerStep: 3e-6, isDisturbed: true)
        #expect(runsAlone(contention) == 1)
        for _ in 0..<10 {
            contention.noteShared(key, secondsPerStep: 3e-6, isDisturbed: true)
            #expect(!contention.avoidsSharing(key))
        }
    }

    @Test func aDisturbedRunAmongGoodOnesIsForgiven() {
        let contention = Contention()
        for _ in 0..<2 { contention.noteShared(key, secondsPerStep: 2e-6, isDisturbed: true) }
        #expect(runsAlone(contention, seconds: 5e-6) == 1)
        for _ in 0..<10 {
            contention.noteShared(key, secondsPerStep: 3e-5, isDisturbed: true)
            #expect(!contention.avoidsSharing(key))
            contention.noteShared(key, secondsPerStep: 2e-6, isDisturbed: false)
        }
    }

    @Test func trialsBecomeRareWhileOthersHaveTheProcessors() {
        let contention = Contention()
        var alone: [Int] = []
        for _ in 0..<8 {
            contention.noteShared(key, secondsPerStep: 6e-5, isDisturbed: true)
            alone.append(runsAlone(contention))
        }
        #expect(alone == [0, 1, 2, 4, 8, 16, 16, 16])
        #expect(contention.runsLeftToOneThread == alone.reduce(0, +))
        // One good run, and all is as at first.
        contention.noteShared(key, secondsPerStep: 3e-6, isDisturbed: false)
        contention.noteShared(key, secondsPerStep: 6e-5, isDisturbed: true)
        #expect(runsAlone(contention) == 1)
    }

    @Test func lossesAreHeldAgainstTheTime() {
        #expect(!ProcessorLosses.areMany(0, in: 0) && !ProcessorLosses.areMany(3, in: 0.1))
        #expect(ProcessorLosses.areMany(1, in: 0.004) && ProcessorLosses.areMany(30, in: 0.1))
        #expect(ProcessorLosses().seconds < 60)
    }

    @Test func runsOfOtherSizesAreNotCompared() {
        let contention = Contention()
        for _ in 0..<2 { contention.noteShared(key, secondsPerStep: 6e-5, isDisturbed: true) }
        #expect(!contention.avoidsSharing(Contention.Key(segment: 1, batch: 2, workers: 2)))
        #expect(!contention.avoidsSharing(Contention.Key(segment: 2, batch: 1, workers: 2)))
        #expect(contention.avoidsSharing(key))
    }

    /// More threads than processors, again and again: whoever runs a step, its bits are the same.
    @Test(arguments: [1, 3]) func resultsDoNotDependOnIt(batch: Int) throws {
        let text = """
            model M(H) {
              input x: [H]
              param U, V: [H, H] = normal(0.2)
              state h: [H]
              h = sigmoid(V @ h[t-1]) * h[t-1] + tanh(layernorm(x + U @ h[t-1]))
              output h
              loss l = mean[t](mean(h * h))
            }
            """
        let model = try Model(Program(text: text), dims: ["H": 64])
        let gradients = try GradientModel(model)
        let generated = RandomCase(for: model, batch: batch, length: 40, lengths: nil, seed: 3)
        let bound = try gradients.bind(generated.data, cotangents: generated.cotangents(of: gradients))
        let plan = try gradients.plan()
        let shared = plan.sharingRows(.repeated)
        let code = try CompiledModel(CompiledPlan(shared, precision: .f32), parameters: bound.parameters)
        func run(_ threads: Int) throws -> [[UInt64]] {
            let results = try gradients.run(bound, on: code, pool: ThreadPool(count: threads, leastWork: 0))
            return results.gradients.map { $0.tensor.doubles().map(\.bitPattern) }
        }
        let alone = try run(1)
        let pool = 4
        for segment in plan.segments.indices {
            // As if workers had been in each other's way: the next runs are left to one thread.
            for _ in 0..<3 {
                code.contention.noteShared(Contention.Key(segment: segment, batch: batch, workers: pool), secondsPerStep: 1, isDisturbed: true)
            }
        }
        for _ in 0..<6 { #expect(try run(pool) == alone) }
    }
}
