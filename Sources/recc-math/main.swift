import Dispatch
import MathAccuracy
import RecCodeGen

// Measures the f32 vector functions against correctly rounded results: every 1009th bit pattern, or with --all every one.
// With names, those functions alone: recc-math --all exp tanh
let isWhole = CommandLine.arguments.contains("--all")
let stride: UInt64 = isWhole ? 1 : 1009
let parts = 64
var failed = false
print("function     worst ulp  at             allowed")
let named = Set(CommandLine.arguments.dropFirst().filter { !$0.hasPrefix("-") })
for function in MathProbe.functions where named.isEmpty || named.contains(function.rawValue) {
    let probe = try MathProbe(function)
    nonisolated(unsafe) let shared = probe
    let results = (0..<parts).map { _ in UnsafeMutablePointer<Accuracy?>.allocate(capacity: 1) }
    for result in results { result.initialize(to: nil) }
    nonisolated(unsafe) let places = results
    DispatchQueue.concurrentPerform(iterations: parts) { part in
        let size = (UInt64(1) << 32) / UInt64(parts)
        places[part].pointee = Accuracy(function, shared, from: UInt64(part) * size, to: UInt64(part + 1) * size, by: stride)
    }
    var worst = results[0].pointee
    for result in results.dropFirst() { if let other = result.pointee { worst?.merge(other) } }
    guard let worst else { continue }
    let name = "\(function)".padding(12)
    let specials = worst.wrongSpecials.isEmpty ? "" : "  \(worst.wrongSpecials.count) special values wrong, first \(worst.wrongSpecials[0])"
    print("\(name) \("\(worst.worst)".padding(10)) \("\(worst.worstInput)".padding(14)) \(Accuracy.bound(function))\(worst.isWithinBound ? "" : "  TOO LARGE")\(specials)")
    if !worst.isWithinBound { failed = true }
}
if failed { exit(1) }

extension String {
    func padding(_ width: Int) -> String { count >= width ? self : self + String(repeating: " ", count: width - count) }
}

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif
