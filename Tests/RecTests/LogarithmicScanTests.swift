import Rec
import Testing

/// Scans over log-sum-exp of numbers whose exponentials cannot be held, as steps that take their largest term away allow.
@Suite struct LogarithmicScanTests {
    @Test(arguments: ["real", "[3]"], [
        "m + log(exp(s[t-1] - m) + exp(z - m))", "m + log(2 * exp(z - m) + 0.5 * exp(s[t-1] - m))", "logaddexp(s[t-1], z)",
        "m + log((if x > 0 then exp(z - m) else 2 * exp(z - m)) + exp(s[t-1] - m))", "log(exp(s[t-1] / 1) + 0.25)",
    ])
    func largeNumbersDoNotOverflow(type: String, equation: String) throws {
        let text = """
            model M {
              input x: \(type)
              state s: \(type)
              z = 3e3 * abs(x)
              m = max(s[t-1], z)
              s = \(equation)
              output s
            }
            """
        try EveryForm(text).expectAgreement([(1, 1, nil), (2, 70, nil)], withGradients: false)
    }
}
