import Fuzzing
import Testing

/// A short part of `make fuzz`, always the same.
@Suite struct FuzzingTests {
    @Test(arguments: FuzzClass.allCases)
    func programsHold(kind: FuzzClass) {
        for seed in 0..<(kind == .graph ? 150 : 8) as Range<UInt64> {
            let item = FuzzCase(seed: seed, class: kind)
            let outcome = Checker.check(item, kind)
            #expect(outcome.failure == nil, "\(kind.rawValue) \(seed): \(outcome.failure.map { "\($0.check): \($0.detail)" } ?? "")\n\(item.text)")
        }
    }
}
