import Fuzzing
import Testing

/// A short part of `make fuzz`, always the same.
@Suite struct FuzzingTests {
    /// Programs whose rounds end on a condition, which are rare among the others.
    @Test(arguments: FuzzClass.allCases)
    func programsWithRoundsHold(kind: FuzzClass) {
        let seeds = (1000..<4000 as Range<UInt64>).lazy.filter { FuzzCase(seed: $0, class: kind).text.contains(" until halt") }
        for seed in seeds.prefix(kind == .graph ? 40 : 4) {
            let item = FuzzCase(seed: seed, class: kind)
            let outcome = Checker.check(item, kind)
            #expect(outcome.failure == nil, "\(kind.rawValue) \(seed): \(outcome.failure.map { "\($0.check): \($0.detail)" } ?? "")\n\(item.text)")
        }
    }

    @Test(arguments: FuzzClass.allCases)
    func programsHold(kind: FuzzClass) {
        for seed in 0..<(kind == .graph ? 150 : 8) as Range<UInt64> {
            let item = FuzzCase(seed: seed, class: kind)
            let outcome = Checker.check(item, kind)
            #expect(outcome.failure == nil, "\(kind.rawValue) \(seed): \(outcome.failure.map { "\($0.check): \($0.detail)" } ?? "")\n\(item.text)")
        }
    }
}
