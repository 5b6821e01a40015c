import Foundation
import RecLowering
import RecStream
import Testing

/// The examples with words exchanged, dropped and doubled: whatever comes out is refused with messages, or lowers to a
/// sound graph.
@Suite(.timeLimit(.minutes(30))) struct MutatedPrograms {
    /// Runs a test of so many changes can be asked for, to look for rare failures.
    static let rounds = ProcessInfo.processInfo.environment["MUTATION_ROUNDS"].flatMap(Int.init) ?? 6

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../examples").standardizedFileURL

    private static let rules = """
        monoid Run(n: int, s: [V]) { identity (0, 0) combine (a, b) { n = a.n + b.n
          s = a.s + b.s } }
        func swish(x) = x * sigmoid(x)
        model Cell(A, B = 2*A) { input x: [A]
          input h0: [B] once = 0
          param W: [B, A] = normal(0.1)
          state h: [B] = h0
          h = tanh(W @ x) + h[t-1] / 2
          output h
          output y = h[0:A] }
        model Block(D) { input x: [D]
          param g: [D] = ones
          output y = x + g * rmsnorm(x) }
        model M(D, H, L) { dim J = H
          input x: [D]
          input k: int
          input m: [H, J]
          param E: [D, H] = uniform(-1, 1)
          layer c = Cell(D, H)
          layer b = repeat(L, Block(D))
          v = b(x) |> c(h0: 1)
          acc = fold Run(1, x)
          w = conv[H](E, reshape(E, [1, D, H])[:, :, 0:1], stride: 2, pad: 1)
          p, q = split(concat(v.h, v.h), 2)
          z = if p > 0 and not (q > 1) then swish(p) else max(p, q, 0.5)
          s = complex(p, q) * cis(p)
          output y = outer(z, acc.s / acc.n)
          output o = re(s) + E[k] + (m @ (z as [J])) + pad[D](x, 1, D, edge)[0] + w[0, 0]
          loss l = mean[t](crossentropy(z, k))
          example D = 2, H = 4, L = 1 -> l ~ 0.5 }
        """

    private static func words(_ text: String) -> [String] {
        var result: [String] = []
        for character in text {
            let isLetter = character.isLetter || character.isNumber || character == "_" || character == "."
            if isLetter, let last = result.last?.last, last.isLetter || last.isNumber || last == "_" || last == "." {
                result[result.count - 1].append(character)
            } else {
                result.append(String(character))
            }
        }
        return result
    }

    @Test func endInMessagesOrSoundGraphs() throws {
        var texts = [Self.rules]
        let files = (try? FileManager.default.contentsOfDirectory(atPath: Self.folder.path)) ?? []
        for file in files.sorted() where file.hasSuffix(".rec") {
            let text = try String(contentsOf: Self.folder.appendingPathComponent(file), encoding: .utf8)
            texts.append(text.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("//") }.joined(separator: "\n"))
        }
        #expect(check(Self.rules).diagnostics.map(\.message) == [])
        let all = texts.map(Self.words)
        let pool = all.joined().filter { $0 != " " } + ["0", "-1", "1000000", "t", "1.5", "split", "T", "as", "once", "int", "complex"]
        var lowered = 0
        for seed in 0..<Self.rounds * all.count {
            var random = Random(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1)
            var words = all[seed % all.count]
            for _ in 0..<1 + random.next(below: 3) {
                let place = random.next(below: words.count)
                switch random.next(below: 4) {
                case 0: words[place] = pool[random.next(below: pool.count)]
                case 1: words.remove(at: place)
                case 2: words.insert(pool[random.next(below: pool.count)], at: place)
                default: words.swapAt(place, random.next(below: words.count))
                }
            }
            let text = words.joined()
            let checked = check(text)
            guard checked.diagnostics.isEmpty, let name = checked.program.mainModel, let model = checked.program.models[name] else {
                #expect(!checked.diagnostics.isEmpty || checked.program.mainModel == nil)
                continue
            }
            let dims = Dictionary(uniqueKeysWithValues: model.dims.enumerated().map { ($1, 2 + ($0 + seed) % 3) })
            guard let graph = try? lower(checked.program, model: name, dims: dims) else { continue }
            lowered += 1
            #expect(faults(of: graph) == [], "seed \(seed):\n\(text)")
        }
        #expect(lowered > 0)
    }
}

/// A small seeded generator (splitmix64).
private struct Random {
    var state: UInt64

    mutating func next(below count: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(max(count, 1)))
    }
}
