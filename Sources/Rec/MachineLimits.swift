import Foundation
import RecRuntime
import RecTensors

/// What this machine can do, measured: products in the first-level cache, and reading memory.
public struct MachineLimits: Sendable {
    /// Floating-point operations a second in f32, over all threads.
    public var operationsPerSecond: Double
    /// Bytes read and written a second, over all threads.
    public var bytesPerSecond: Double

    /// Both are measured with recc's own kernels on programs that do nothing else; it takes about a tenth of a second.
    public init(threads: Int) throws {
        // A product whose weights and rows stay in cache is bound by multiplications alone.
        let product = try Probe(
            "model P(D, H) { input x: [D]\n param W: [H, D]\n output y = W @ x }", dims: ["D": 256, "H": 64], threads: threads)
        operationsPerSecond = try 2 * 256 * 64 * product.stepsPerSecond(batch: 8, length: 512)
        bytesPerSecond = Self.copyRate(threads: threads)
    }

    /// Bytes a second that a copy of what no cache holds reads and writes.
    private static func copyRate(threads: Int) -> Double {
        let count = 32 << 20
        let source = UnsafeMutableRawPointer.allocate(byteCount: count * threads, alignment: 4096)
        let target = UnsafeMutableRawPointer.allocate(byteCount: count * threads, alignment: 4096)
        defer {
            source.deallocate()
            target.deallocate()
        }
        memset(source, 1, count * threads)
        memset(target, 1, count * threads)
        let pool = ThreadPool(count: threads)
        let (from, to) = (UInt(bitPattern: source), UInt(bitPattern: target))
        var best = Double.infinity
        for _ in 0..<5 {
            let elapsed = ContinuousClock().measure {
                pool.run { worker in
                    guard let a = UnsafeMutableRawPointer(bitPattern: from), let b = UnsafeMutableRawPointer(bitPattern: to) else { return }
                    memcpy(b + worker * count, a + worker * count, count)
                }
            }
            best = min(best, Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
        }
        return 2 * Double(count * threads) / best
    }

    private struct Probe {
        let model: Model
        let compiled: CompiledModel
        let pool: ThreadPool

        init(_ text: String, dims: [String: Int], threads: Int) throws {
            model = try Model(Program(text: text), dims: dims)
            compiled = CompiledModel(try model.compile(.f32), parameters: model.initialParameters(seed: 1))
            pool = ThreadPool(count: threads)
        }

        func stepsPerSecond(batch: Int, length: Int) throws -> Double {
            guard let name = model.typed.inputs.first?.name else { return 0 }
            let width = model.dims["D"] ?? 1
            let input = Tensor([Float](repeating: 0.5, count: batch * length * width), shape: [batch, length, width])
            var best = Double.infinity
            for _ in 0..<5 {
                let elapsed = ContinuousClock().measure {
                    _ = compiled.run(inputs: [name: input], batch: batch, extents: [length], pool: pool)
                }
                best = min(best, Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
            }
            return Double(batch * length) / best
        }
    }
}
