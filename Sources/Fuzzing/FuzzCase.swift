import Foundation
import Rec

/// A program with what is needed to make its data: all that a failure depends on.
package struct FuzzCase: Codable, Hashable, Sendable {
    package var text: String
    /// Of the runs that are made, one or more.
    package var runs: [RunSize]
    /// Tensors follow from this and their names.
    package var dataSeed: UInt64
    package var values = Values.usual
    /// Which of the random choices of a check are taken.
    package var checkSeed: UInt64
    /// The only check that matters, which then is not left to chance; nil for those that chance chooses.
    package var focus: String?

    /// How much data a run has.
    package struct RunSize: Codable, Hashable, Sendable {
        package var batch: Int
        /// Steps of each axis without a length of its own.
        package var length: Int
        package var secondLength = 2
        /// Steps of each sequence; nil where all have the full length.
        package var lengths: [Int]?
    }

    /// What data hold.
    package enum Values: String, Codable, Hashable, Sendable, CaseIterable {
        /// Small whole numbers: sums are exact.
        case whole
        /// Numbers of usual size.
        case usual
        /// Now and then a zero of either sign, and equal numbers.
        case zeros
        /// Now and then an infinity or NaN.
        case notFinite
        /// Now and then 1e30, 1e-30.
        case huge
    }

    package init(text: String, runs: [RunSize], dataSeed: UInt64, checkSeed: UInt64) {
        self.text = text
        self.runs = runs
        self.dataSeed = dataSeed
        self.checkSeed = checkSeed
    }
}

/// What is done with a program.
package enum FuzzClass: String, Codable, Hashable, Sendable, CaseIterable {
    /// Front end, rewritings of the graph, derivatives: by the interpreter.
    case graph
    /// Machine code in all its forms.
    case code
}

extension FuzzCase {
    /// The case of a seed.
    package init(seed: UInt64, class kind: FuzzClass) {
        self.init(text: nil, seed: seed, class: kind)
    }

    /// A program with the data of a seed.
    package init(text: String, seed: UInt64, class kind: FuzzClass) { self.init(text: .some(text), seed: seed, class: kind) }

    private init(text given: String?, seed: UInt64, class kind: FuzzClass) {
        var dice = Dice(seed: seed, for: "case \(kind.rawValue)")
        var style = ProgramGenerator.Style()
        style.isSymbolic = dice.chance(25)
        style.depth = dice.number(in: 1...3)
        style.mostLevels = dice.number(in: 1...3)
        let lengths: [Int]
        switch kind {
        case .graph:
            style.sizes = [1, 2, 2, 3, 3, 4, 5]
            style.mostElements = 40
            lengths = [0, 1, 2, 3, 4, 5, 7]
        case .code:
            style.sizes = [1, 1, 2, 3, 4, 4, 5, 7, 8, 8, 9, 15, 16, 17, 31, 32, 33]
            style.mostElements = dice.pick([16, 40, 40, 100, 300])
            style.depth = dice.number(in: 1...2)
            // Compiling takes most of the time: several small programs say more than a large one.
            style.mostLevels = dice.number(in: 1...2)
            lengths = [0, 1, 2, 5, 63, 64, 65, 127, 128, 129, 200, 300]
        }
        // The interpreter goes through all pairs of steps.
        let mostSteps = ProgramGenerator.attends(seed) ? 66 : style.mostElements > 40 ? 150 : 600
        if mostSteps == 66 { style.mostElements = min(style.mostElements, 40) }
        var generator = ProgramGenerator(seed: seed, style: style)
        let text = given ?? generator.program()
        // A program that was given says itself how many axes it has; those that it lacks are not looked at.
        let axes = given == nil ? generator.timeAxes.count : 1
        var runs = [RunSize(kind, axes, &dice, length: dice.pick(lengths), mostSteps: mostSteps)]
        if kind == .code { runs.append(RunSize(kind, axes, &dice, length: dice.pick([1, 3, 64, 130]), mostSteps: mostSteps)) }
        self.init(text: text, runs: runs, dataSeed: dice.seed(), checkSeed: dice.seed())
        values = dice.weighted([(3, .whole), (10, .usual), (3, .zeros), (2, .notFinite), (2, .huge)])
    }
}

extension FuzzCase.RunSize {
    /// Sizes of a run over so many axes.
    fileprivate init(_ kind: FuzzClass, _ axes: Int, _ dice: inout Dice, length steps: Int, mostSteps: Int) {
        self.init(batch: dice.weighted([(1, 0), (8, 1), (6, 2), (4, 3), (1, 5)]), length: steps)
        if axes > 1 {
            length = dice.pick(kind == .graph ? [0, 1, 2, 3] : [0, 1, 2, 5, 9, 17, 65])
            secondLength = dice.pick(kind == .graph ? [0, 1, 2, 3] : [1, 2, 5, 9])
        }
        // What the interpreter would take long for is not worth more than several smaller cases.
        if batch * length * (axes > 1 ? secondLength : 1) > mostSteps {
            batch = 1
            length = min(length, axes > 1 ? 9 : mostSteps)
        }
        guard axes == 1, batch > 0, dice.chance(35) else { return }
        let ends = [0, 1, length / 2, length, length, max(0, length - 1)]
        lengths = (0..<batch).map { _ in min(length, dice.pick(ends)) }
    }
}
