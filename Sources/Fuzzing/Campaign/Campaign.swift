import Foundation

/// Cases one after another until time or numbers run out, with what failed made as small as it can be.
package struct Campaign {
    package struct Found: Sendable {
        package var seed: UInt64
        package var kind: FuzzClass
        package var item: FuzzCase
        package var failure: Failure
        /// How many cases failed alike.
        package var count = 1
    }

    package struct Totals: Sendable {
        package var programs = 0
        package var refused = 0
        package var comparisons: [String: Int] = [:]
        package var plans = 0
        /// Programs with machine code that LLVM made fast.
        package var optimized = 0
        package var comparisonCount: Int { comparisons.values.reduce(0, +) }
    }

    package private(set) var found: [Found] = []
    package private(set) var totals: [FuzzClass: Totals] = [:]
    package private(set) var refusals: [String: (seed: UInt64, count: Int)] = [:]

    private let worker: WorkerProcess
    private let report: (String) -> Void
    /// Seconds that making one failure small may take.
    private let shrinkingSeconds: Double
    /// Failures of one check that are made small and kept apart.
    private let mostAlike = 4

    package init(worker: WorkerProcess, shrinkingSeconds: Double = 60, report: @escaping (String) -> Void) {
        self.worker = worker
        self.shrinkingSeconds = shrinkingSeconds
        self.report = report
    }

    /// Checks the case of one seed.
    package mutating func run(seed: UInt64, _ kind: FuzzClass) {
        let outcome = worker.check(.seed(seed, kind))
        var totals = totals[kind] ?? Totals()
        totals.programs += 1
        if outcome.refusal != nil { totals.refused += 1 }
        totals.plans += outcome.plans
        if outcome.isOptimized { totals.optimized += 1 }
        totals.comparisons.merge(outcome.comparisons, uniquingKeysWith: +)
        self.totals[kind] = totals
        if let refusal = outcome.refusal {
            let key = refusal.replacing(/\d+/, with: "#")
            refusals[key] = (refusals[key]?.seed ?? seed, (refusals[key]?.count ?? 0) + 1)
        }
        if let failure = outcome.failure { add(failure, seed, kind) }
    }

    private mutating func add(_ failure: Failure, _ seed: UInt64, _ kind: FuzzClass) {
        let alike = found.indices.filter { found[$0].failure.check == failure.check && found[$0].kind == kind }
        if alike.count >= mostAlike {
            found[alike[0]].count += 1
            return
        }
        // A trap in generating a case leaves nothing to be shrunk, and so this process would trap as well.
        report("seed \(seed): \(failure.check): \(failure.detail)")
        let shrinker = Shrinker(kind: kind, check: failure.check, worker: worker, seconds: shrinkingSeconds)
        let (item, last) = shrinker.shrink(FuzzCase(seed: seed, class: kind), failure)
        if let same = found.firstIndex(where: { $0.item.text == item.text && $0.failure.check == failure.check }) {
            found[same].count += 1
            return
        }
        let new = Found(seed: seed, kind: kind, item: item, failure: last)
        found.append(new)
        report(new.text)
    }
}

extension FuzzCase.RunSize {
    /// `2×65 steps, of lengths [65, 3]`
    package var text: String { "\(batch)×\(length) steps (×\(secondLength))" + (lengths.map { ", of lengths \($0)" } ?? "") }
}

extension Campaign.Found {
    /// The program with its data, and how to see it again.
    package var text: String {
        """
        --- \(failure.check): \(failure.detail)
        \(item.text)data: \(item.runs.map(\.text).joined(separator: "; ")); \(item.values.rawValue) numbers of seed \(item.dataSeed)
        again: make fuzz FUZZ='--class \(kind.rawValue) --seed \(seed) --count 1'
        """
    }
}
