import Foundation
import Rec

/// Times what a call from Swift costs, beside `Benchmarks/calls.py`, which does so from Python (`docs/benchmarks.md`).

/// The processor time of this thread, in seconds: other programs do little harm to it.
private func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// The median over some turns of what a call takes, in microseconds.
private func median(_ calls: Int, _ body: () throws -> Void) rethrows -> Double {
    try body()
    var times: [Double] = []
    for _ in 0..<21 {
        let start = now()
        for _ in 0..<calls { try body() }
        times.append((now() - start) / Double(calls) * 1e6)
    }
    return times.sorted()[10]
}

private func row(_ name: String, _ time: Double) {
    print("\(name.padding(toLength: 48, withPad: " ", startingAt: 0)) \(String(format: "%12.2f", time)) µs")
}

let model = try Model(CommandLine.arguments.dropFirst().first ?? "examples/gru.rec", dims: ["D": 16, "H": 16]).initialized(seed: 1)
let frame = [Float](repeating: 0, count: 16)
row("GRU 16→16, model(…) of one step", try median(200) { _ = try model(["x": frame]) })
let stream = try model.stream()
row("GRU 16→16, stream.step", try median(2000) { _ = try stream.step(["x": frame]) })
row("GRU 16→16, stream.advance", try median(10_000) { try stream.advance() })
