import MathAccuracy
import RecCodeGen
import Testing

@Suite struct VectorMathTests {
    /// Every 4001st f32, and the neighbourhoods of powers of two; `make test-math` looks at all of them.
    @Test(arguments: MathProbe.functions.map(\.rawValue))
    func staysWithinTheBound(name: String) throws {
        let function = try #require(MathProbe.functions.first { $0.rawValue == name })
        let probe = try MathProbe(function)
        var accuracy = Accuracy(function, probe, from: 0, to: 1 << 32, by: 4001)
        for exponent in stride(from: UInt64(0), to: 512, by: 1) {
            let start = exponent << 23
            accuracy.merge(Accuracy(function, probe, from: start, to: start + 64, by: 1))
            if start >= 64 { accuracy.merge(Accuracy(function, probe, from: start - 64, to: start, by: 1)) }
        }
        #expect(accuracy.worst <= Accuracy.bound(function), "at \(accuracy.worstInput)")
        #expect(accuracy.wrongSpecials.isEmpty, "\(accuracy.wrongSpecials.prefix(3))")
    }
}
