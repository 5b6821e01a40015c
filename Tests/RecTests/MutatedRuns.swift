import Foundation
import Rec
import TestSupport
import Testing

/// The examples with words exchanged, dropped and doubled: what is still a program is compiled and run, and compiled code
/// agrees with the interpreter. Nothing traps.
@Suite(.timeLimit(.minutes(30))) struct MutatedRuns {
    /// More changes can be asked for, to look for rare failures.
    private static let rounds = ProcessInfo.processInfo.environment["MUTATION_ROUNDS"].flatMap(Int.init) ?? 3

    /// Names and numbers as they are, all else in single characters.
    private func words(_ text: String) -> [String] {
        var words: [String] = []
        var isOpen = false
        for character in text {
            let isWord = character.isLetter || character.isNumber || character == "_" || character == "."
            if isWord, isOpen { words[words.count - 1].append(character) } else { words.append(String(character)) }
            isOpen = isWord
        }
        return words
    }

    private func kind(_ word: String) -> Int {
        guard let first = word.first else { return 0 }
        return first.isNumber ? 1 : first.isLetter ? 2 : "+-*/@<>".contains(first) ? 3 : first == " " ? 4 : 5
    }

    @Test func compiledCodeAgreesOrIsRefused() throws {
        var texts: [[String]] = []
        for path in Project.files("examples", "rec") where !path.hasSuffix("silero_vad.rec") {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let lines = text.split(separator: "\n").filter { !$0.hasPrefix("//") && !$0.hasPrefix("  example") }
            texts.append(words(lines.joined(separator: "\n")))
        }
        let pool = texts.joined().filter { $0 != " " } + ["0", "-1", "3", "t", "1.5", "T", "as", "once", "int", "-", "max", "last", "fold"]
        var ran = 0
        for seed in 0..<Self.rounds * texts.count {
            var random = SeededGenerator(seed: UInt64(seed))
            var words = texts[seed % texts.count]
            for _ in 0...Int(random.next() % 2) {
                let place = Int(random.next() % UInt64(words.count))
                // Mostly a word of the same kind from the same text, so that much of what comes out is a program.
                let alike = words.filter { kind($0) == kind(words[place]) }
                let choice = random.next() % 4 == 0 ? pool : alike
                let word = choice[Int(random.next() % UInt64(choice.count))]
                switch random.next() % 8 {
                case 0...4: words[place] = word
                case 5: words.remove(at: place)
                case 6: words.insert(word, at: place)
                default: words.swapAt(place, Int(random.next() % UInt64(words.count)))
                }
            }
            let text = words.joined()
            let program = Program(text: text)
            guard !program.hasErrors, let typed = try? program.model() else { continue }
            let dims = Dictionary(uniqueKeysWithValues: typed.dims.enumerated().map { ($1, 2 + ($0 + seed) % 3) })
            guard let model = try? Model(program, dims: dims), (try? model.plan()) != nil else { continue }
            let extents = model.graph.axes.map { $0.length ?? 5 }
            guard let data = try? BoundData(generated(model, batch: 2, extents: extents), for: model.graph) else { continue }
            ran += 1
            try expectSame(model, ModelData(inputs: data.inputs, parameters: data.parameters), "seed \(seed):\n\(text)")
        }
        #expect(ran > 0)
    }

    /// Differences beyond rounding, where the numbers stay moderate.
    private func expectSame(_ model: Model, _ data: ModelData, _ what: String) throws {
        let expected = try model.run(data, on: .interpreter)
        let got = try model.run(data, on: .compiled(.f64), threads: 2)
        for (a, b) in zip(got.outputs + got.losses + got.finalStates, expected.outputs + expected.losses + expected.finalStates) {
            #expect(a.name == b.name && a.tensor.shape == b.tensor.shape, "\(what)")
            guard b.tensor.doubles().allSatisfy({ abs($0) < 1e6 }) else { continue }
            #expect(relativeError(a.tensor, b.tensor) <= 1e-7, "\(a.name) of \(what)")
        }
    }
}
