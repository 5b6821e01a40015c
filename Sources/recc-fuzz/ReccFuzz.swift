import ArgumentParser
import Foundation
import Fuzzing

/// Random programs through every part of recc, held against the interpreter.
@main
struct ReccFuzz: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recc-fuzz", abstract: "Checks recc with random programs (docs/fuzzing.md).")

    @Option(help: "Minutes to run.")
    var minutes: Double = 1
    @Option(help: "The first seed.")
    var seed: UInt64 = 1
    @Option(help: "So many programs of each class at most.")
    var count: Int?
    @Option(name: .customLong("class"), help: "Only this class: graph, code.")
    var only: String?
    @Option(help: "Check this file in this process, with data that follow from the seeds.")
    var program: String?
    @Option(help: "A folder in which failures are written.")
    var output: String?
    @Option(help: "Seconds that making a failure small may take.")
    var shrink: Double = 60
    @Flag(help: "Print the programs of the seeds instead of checking them.")
    var show = false
    @Flag(help: "Check in this process, so that a debugger sees a trap.")
    var here = false
    @Flag(help: .hidden)
    var worker = false

    func validate() throws {
        if let only, FuzzClass(rawValue: only) == nil { throw ValidationError("--class is one of \(FuzzClass.allCases.map(\.rawValue).joined(separator: ", "))") }
        if minutes.isNaN || minutes < 0 { throw ValidationError("--minutes is a positive number") }
    }

    func run() throws {
        if worker { return Worker.serve() }
        let kinds = only.flatMap(FuzzClass.init(rawValue:)).map { [$0] } ?? FuzzClass.allCases
        if let program {
            let text = try String(contentsOfFile: program, encoding: .utf8)
            for seed in seed..<seed + UInt64(count ?? 1) {
                for kind in kinds { check(FuzzCase(text: text, seed: seed, class: kind), kind) }
            }
            return
        }
        if show || here {
            for seed in seed..<seed + UInt64(count ?? 1) {
                for kind in kinds { inspect(seed, kind) }
            }
            return
        }
        try campaign(kinds)
    }

    /// A line at once, also into a pipe.
    private static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

    private func inspect(_ seed: UInt64, _ kind: FuzzClass) {
        let item = FuzzCase(seed: seed, class: kind)
        Self.say("// \(kind.rawValue) \(seed): \(item.runs.map(\.text).joined(separator: "; ")), \(item.values.rawValue)")
        Self.say(item.text)
        if here { check(item, kind) }
    }

    private func check(_ item: FuzzCase, _ kind: FuzzClass) {
        let outcome = Checker.check(item, kind)
        Self.say(outcome.failure.map { "\($0.check): \($0.detail)" } ?? outcome.refusal.map { "refused: \($0)" } ?? "\(outcome.comparisons)")
    }

    private func campaign(_ kinds: [FuzzClass]) throws {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        var campaign = Campaign(worker: WorkerProcess(program: program, patience: 60), shrinkingSeconds: shrink, report: Self.say)
        let end = Date(timeIntervalSinceNow: 60 * minutes)
        var numbers = [Int](repeating: 0, count: kinds.count)
        // Each class gets the same time: the one that had least goes on.
        var spent = [Double](repeating: 0, count: kinds.count)
        while Date() < end {
            let open = kinds.indices.filter { numbers[$0] < count ?? .max }
            guard let k = open.min(by: { spent[$0] < spent[$1] }) else { break }
            let start = Date()
            campaign.run(seed: seed &+ UInt64(numbers[k]), kinds[k])
            numbers[k] += 1
            spent[k] += Date().timeIntervalSince(start)
        }
        Self.say(campaign.summary)
        if let output { try campaign.write(to: output) }
        if !campaign.found.isEmpty { throw ExitCode(1) }
    }
}
