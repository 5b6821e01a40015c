import Foundation
import Rec
import RecCodeGen
import RecStream

/// Runs a case through all comparisons of its class.
package struct Checker {
    let item: FuzzCase
    let kind: FuzzClass
    var outcome = Outcome()

    /// What comes of a case; no failure of it ends in anything but an outcome, unless the process traps.
    package static func check(_ item: FuzzCase, _ kind: FuzzClass) -> Outcome {
        // One deep stack for all that would otherwise make one of its own, again and again.
        onDeepStack {
            var checker = Checker(item: item, kind: kind)
            do { try checker.run() } catch let failure as Failure { checker.outcome.failure = failure } catch {
                checker.outcome.failure = Failure("error", Self.text(of: error))
            }
            return checker.outcome
        }
    }

    private mutating func run() throws {
        let program = Program(text: item.text)
        if program.hasErrors {
            outcome.refusal = program.diagnostics.filter { $0.severity == .error }.map(\.message).first
            return
        }
        let model: Model
        do { model = try Model(program) } catch {
            outcome.refusal = Self.text(of: error)
            return
        }
        switch kind {
        case .graph:
            try checkSource(program, model)
            let reference = try checkRewritings(model)
            try checkEnds(model)
            try checkUnfolding(model)
            try checkPairs("pairs of steps", model.graph, reference)
            // Planning takes longer than all the rest.
            var dice = Dice(seed: item.checkSeed, for: "planning")
            if dice.chance(15) { try checkPlanning(model) }
            let chunkwise = chunkwise(model)
            try checkChunkwise(chunkwise, reference)
            try checkDerivatives(model, reference, chunkwise)
        case .code: try checkCode(model)
        }
    }

    static func text(of error: any Error) -> String {
        switch error {
        case let list as DiagnosticList: list.diagnostics.map(\.message).joined(separator: "; ")
        case let diagnostic as Diagnostic: diagnostic.message
        default: "\(error)"
        }
    }

    /// How machine code is generated. Most of the time goes into making code fast, which is left out for most programs.
    var effort: CodeEffort {
        var dice = Dice(seed: item.checkSeed, for: "effort")
        return dice.chance(20) ? .full : .quick
    }

    /// A comparison that must hold.
    mutating func expect(_ check: String, _ fault: String?) throws {
        outcome.count(check)
        if let fault { throw Failure(check, fault) }
    }

    /// Runs what must not throw.
    func must<T>(_ check: String, _ body: () throws -> T) throws -> T {
        do { return try body() } catch let failure as Failure { throw failure } catch { throw Failure(check, Self.text(of: error)) }
    }

    /// What differs between texts, in a few words.
    static func difference(_ a: String, _ b: String) -> String? {
        if a == b { return nil }
        let (x, y) = (a.split(separator: "\n", omittingEmptySubsequences: false), b.split(separator: "\n", omittingEmptySubsequences: false))
        let first = zip(x, y).first { $0 != $1 }
        return first.map { "'\($0)' and '\($1)'" } ?? "\(x.count) and \(y.count) lines"
    }
}
