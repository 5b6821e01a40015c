import RecForms
import RecRuntime
import RecStream
import RecTensors

/// Runs a recurrence by rounds of Newton's method over all of its steps (`NewtonSystem`).
///
/// A sequence is done when every step satisfies its equation to 4 units in the last place of the largest number of its state in the
/// steps around: that is looked at, never assumed. One that is not after so many rounds, or where a number is NaN, runs one step after
/// another. What becomes of a sequence depends on nothing of the others in its batch.
struct NewtonRun {
    private let system: NewtonSystem
    private let first, round: CompiledModel
    /// The steps in order, made when they are needed.
    private let ordered: () throws -> CompiledModel
    /// All but the guesses: streams `[batch, steps, dims…]`, and what is given once.
    private let inputs: [String: Tensor]
    private let batch, steps: Int
    private let lengths: [Int]?
    private let pool: ThreadPool

    /// Rounds before what has not met its equations runs one step after another.
    static let mostRounds = 16

    typealias Results = SolvedRun.Results

    init(
        _ system: NewtonSystem, first: CompiledModel, round: CompiledModel, ordered: @escaping () throws -> CompiledModel, inputs: [String: Tensor], batch: Int, steps: Int,
        lengths: [Int]?, pool: ThreadPool
    ) {
        (self.system, self.first, self.round, self.ordered, self.inputs) = (system, first, round, ordered, inputs)
        (self.batch, self.steps, self.lengths, self.pool) = (batch, steps, lengths, pool)
    }

    func run(_ report: inout SolveReport) throws -> Results {
        // Nothing is to be solved.
        if steps == 0 || batch == 0 { return try inOrder(Array(0..<batch)) }
        var open = Array(0..<batch)
        var left: [Int] = []
        /// Sequences that are done, with the results of their round.
        var done: [(sequences: [Int], results: Results)] = []
        var guesses = zeros()
        let better = try tensors(of: first.run(inputs: inputs.merging(guesses) { $1 }, batch: batch, extents: [steps], lengths: lengths, pool: pool))
        for unknown in system.unknowns { guesses[unknown.guess] = better[unknown.given] }
        for number in 1...Self.mostRounds where !open.isEmpty {
            report.sweeps = max(report.sweeps, number)
            let results = try round.run(inputs: inputs.merging(guesses) { $1 }, batch: batch, extents: [steps], lengths: lengths, pool: pool)
            let given = tensors(of: results)
            var met: [Int] = []
            var next: [Int] = []
            for sequence in open {
                switch judgement(of: sequence, guesses, given) {
                case .met: met.append(sequence)
                case .open: next.append(sequence)
                case .lost: left.append(sequence)
                }
            }
            if !met.isEmpty {
                // What is more than its results is of no use any more.
                var own = given.filter { name, _ in !system.unknowns.contains { $0.given == name || $0.next == name } }
                for (name, k) in system.results { own[name] = guesses[system.unknowns[k].guess] }
                done.append((met, Results(tensors: own, finalStates: results.finalStates)))
            }
            open = next
            for unknown in system.unknowns { guesses[unknown.guess] = given[unknown.next] }
        }
        left = (left + open).sorted()
        report.inOrder += left.count
        if !left.isEmpty { done.append((left, try inOrder(left))) }
        return joined(done)
    }

    private func zeros() -> [String: Tensor] {
        Dictionary(
            system.unknowns.map { unknown in
                let tensor = Tensor(type: unknown.element.tensorType(round.precision), shape: [batch, steps] + unknown.shape.sizes) { bytes in
                    bytes.initializeMemory(as: UInt8.self, repeating: 0)
                }
                return (unknown.guess, tensor)
            }) { a, _ in a }
    }

    private func tensors(of results: ModelResults) -> [String: Tensor] {
        Dictionary(results.outputs.map { ($0.name, $0.tensor) }) { a, _ in a }
    }

    // MARK: Residuals

    private enum Judgement { case met, open, lost }

    private func judgement(of sequence: Int, _ guesses: [String: Tensor], _ given: [String: Tensor]) -> Judgement {
        let length = lengths?[sequence] ?? steps
        var result = Judgement.met
        for unknown in system.unknowns {
            guard let guess = guesses[unknown.guess], let own = given[unknown.given] else { return .lost }
            let residual = StepResidual(width: unknown.shape.elementCount, first: sequence * steps, count: length)
            switch residual.compare(guess, own) {
            case .within: break
            case .beyond: result = .open
            case .notANumber: return .lost
            }
        }
        return result
    }

    // MARK: In order

    /// Runs some sequences one step after another.
    private func inOrder(_ sequences: [Int]) throws -> Results {
        let all = sequences.count == batch
        func own(_ tensor: Tensor) -> Tensor { all ? tensor : Tensor.joiningRows(sequences.map { tensor.rows($0..<$0 + 1) }) }
        let results = try ordered().run(
            inputs: inputs.mapValues(own), batch: sequences.count, extents: [steps], lengths: all ? lengths : lengths.map { all in sequences.map { all[$0] } },
            pool: pool)
        return Results(tensors: tensors(of: results), finalStates: results.finalStates)
    }

    /// The results of all sequences.
    private func joined(_ parts: [(sequences: [Int], results: Results)]) -> Results {
        guard parts.count != 1 else { return parts[0].results }
        guard let first = parts.first?.results else { return Results() }
        /// For each sequence its part, and the row there.
        var places = [(part: Int, row: Int)](repeating: (0, 0), count: batch)
        for (k, part) in parts.enumerated() {
            // What ran in order has the rows of its own sequences alone.
            let isPacked = part.results.rows != batch
            for (row, sequence) in part.sequences.enumerated() { places[sequence] = (k, isPacked ? row : sequence) }
        }
        func gathered(_ tensor: (Results) -> Tensor?) -> Tensor? {
            let rows = places.compactMap { place in tensor(parts[place.part].results)?.rows(place.row..<place.row + 1) }
            return rows.count == batch ? Tensor.joiningRows(rows) : nil
        }
        var result = Results()
        for name in first.tensors.keys { result.tensors[name] = gathered { $0.tensors[name] } }
        result.finalStates = first.finalStates.compactMap { state in
            gathered { $0.finalStates.first { $0.name == state.name }?.tensor }.map { NamedTensor(name: state.name, tensor: $0) }
        }
        return result
    }
}

extension SolvedRun.Results {
    /// How many sequences there are.
    fileprivate var rows: Int { tensors.values.first?.shape.first ?? finalStates.first?.tensor.shape.first ?? 0 }
}
