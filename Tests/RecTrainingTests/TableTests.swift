import Foundation
import Rec
import TestSupport
import Testing

@testable import RecTraining

/// Training on tables and on inputs one by one, with targets that the command makes.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc"))), .timeLimit(.minutes(30)))
struct TableTests {
    private let recc: ReccCommand

    init() throws { recc = try ReccCommand(Project.path(".build/debug/recc")) }

    private static let table = "date,a,b,OT\n" + (0..<60).map { "2016-07-01 \($0 % 24):00,\($0),\(2 * $0),\(Double($0) / 10)\n" }.joined()

    /// What is seen beside what is to come: `target` is `x` a step later, so the loss is the square of the difference.
    private func program(_ x: String, _ target: String, loss: String = "sum((target - w * x)^2)") throws -> String {
        try recc.file("p.rec", "model P(D = 1) {\n  input x: \(x)\n  input target: \(target)\n  param w: \(x) = ones\n  output y = w * x\n  loss l = mean[t](\(loss))\n}\n")
    }

    private func train(_ program: String, _ more: String...) throws -> ReccCommand.Outcome {
        try recc.run(["train", program, "--steps", "1", "--lr", "1e-9", "--batch", "2"] + more)
    }

    @Test func tablesArePredicted() throws {
        let data = try recc.file("d.csv", Self.table)
        let vectors = try train(program("[D]", "[D]"), "--data", data, "--predict", "x", "--window", "8", "--hold-out", "0.2")
        // Each column moves by a constant: 1, 2 and 0.1.
        #expect(vectors.status == 0 && vectors.output.contains("loss 5.0100  valid 5.0100"), "\(vectors)")
        #expect(vectors.output.contains(" time steps/s"), "\(vectors)")
        #expect(vectors.errors == "\(data): the column 'date' holds no numbers, and is left out\n", "\(vectors.errors)")
        let three = try train(program("[D]", "[D]"), "--data", data, "--predict", "target=x", "--ahead", "3", "--window", "8", "--skip", "b,date")
        #expect(three.status == 0 && three.output.contains("loss 9.0900") && three.errors.isEmpty, "\(three)")
        // A column that is predicted from all.
        let one = try train(program("[D]", "real", loss: "(target - w[2] * x[2])^2"), "--data", data, "--predict", "OT", "--window", "8")
        #expect(one.status == 0 && one.output.contains("loss 0.0100"), "\(one)")
        // Columns go to the inputs of their names.
        let named = try recc.file("n.rec", "model N {\n  input a, b: real\n  param w: real = ones\n  output y = w * a\n  loss l = mean[t]((b - 2 * y)^2 + 1)\n}\n")
        let columns = try train(named, "--data", data, "--window", "8", "--skip", "OT")
        #expect(columns.status == 0 && columns.output.contains("loss 1.0000"), "\(columns)")
        let left = try train(named, "--data", data, "--window", "8")
        #expect(left.status == 1 && left.errors.contains("no input of 'N' takes the column 'OT'") && left.errors.contains("--skip OT"), "\(left)")
        #expect(try train(named, "--data", data, "--window", "8", "--allow-unused").status == 0)
    }

    @Test func inputsOneByOne() throws {
        let data = try recc.file("d.csv", Self.table)
        let given = try train(program("[D]", "real", loss: "(target - w[0] * x[0])^2"), "--input", "x=\(data):a,b", "--input", "target=\(data):a", "--window", "8")
        #expect(given.status == 0 && given.output.contains("loss 0.0000"), "\(given)")
        let whole = try train(program("[D]", "[D]"), "--input", "x=\(data)", "--predict", "x", "--ahead", "2", "--window", "8")
        #expect(whole.status == 0 && whole.output.contains("loss 20.0400"), "\(whole)")
        let scalar = try recc.file("one.csv", "v\n1\n2\n3\n4\n5\n")
        let single = try train(program("real", "real", loss: "(target - w * x)^2"), "--input", "x=\(scalar)", "--predict", "x", "--window", "3")
        #expect(single.status == 0 && single.output.contains("loss 1.0000"), "\(single)")
        // A run takes the same table as a stream of numbers, and what it writes is one for windows.
        let twice = try recc.file("twice.rec", "model Twice {\n  input x: real\n  output y = 2 * x\n}\n")
        let run = try recc.run(["run", twice, "--input", "x=\(scalar)", "-o", "y.npz"])
        #expect(run.status == 0, "\(run)")
        #expect(try TensorArchive(path: recc.folder.path("y.npz")).tensors.map(\.tensor.shape) == [[1, 5]])
        let chained = try train(program("real", "real", loss: "(target - w * x)^2"), "--input", "x=\(scalar)", "--input", "target=y.npz:y", "--window", "5")
        #expect(chained.status == 0 && chained.output.contains("loss 11.0000"), "\(chained)")
        // Sequences are cut, and so are their lengths.
        let sequences = recc.folder.path("s.npz")
        try TensorArchive(tensors: [
            NamedTensor(name: "x", tensor: Tensor((0..<12).map { Double($0 * $0) }, shape: [2, 6])), NamedTensor(name: "lengths", tensor: Tensor([6, 4], shape: [2])),
        ]).write(to: sequences)
        let cut = try train(program("real", "real", loss: "(target - w * x)^2"), "--data", sequences, "--predict", "x", "--ahead", "2")
        // (k+2)² − k² = 4k + 4 for k of 0 … 3 in one sequence, 6 and 7 in the other.
        let expected = ((16.0 + 64 + 144 + 256) / 4 + (784.0 + 1024) / 2) / 2
        #expect(cut.status == 0 && cut.output.contains("loss \(String(format: "%.4f", expected))"), "\(cut)")
    }

    /// No window of training reads a step that is held out, not even as a target.
    @Test func theLastPartIsNotSeen() throws {
        let source = "model P {\n  input x, target: real\n  param w: real = ones\n  output y = w * x\n  loss l = mean[t]((target - y)^2)\n}\n"
        let model = try Model(Program(text: source))
        let x = Tensor((0..<50).map { Double($0) }, shape: [50])
        for (window, ahead) in [(4, 1), (7, 5), (1, 9)] {
            let data = try TrainingData(ModelData(inputs: ["x": x, "target": x]), for: model, window: window, ahead: ["target": ahead])
            let (training, heldOut) = try data.holdingOut(0.4)
            func reach(_ data: TrainingData) -> (least: Double, most: Double) {
                let all = (data.range.lowerBound..<data.range.lowerBound + data.positionCount).flatMap { position in
                    data.minibatch(at: [position]).inputs.values.flatMap { $0.doubles() }
                }
                return (all.min() ?? -1, all.max() ?? -1)
            }
            #expect(reach(training) == (0, 29) && reach(heldOut) == (30, 49), "\(window), \(ahead)")
        }
    }

    @Test func mistakesAreTold() throws {
        let data = try recc.file("d.csv", Self.table.replacing("date,", with: "when,"))
        let model = try program("[D]", "[D]")
        let cases: [([String], String)] = [
            (["--data", data, "--predict", "x", "--window", "8"], "line 2, column 1 ('when'): '2016-07-01 0:00' is not a number [file-problem]\nhelp: name the columns to take: x="),
            (["--data", data, "--skip", "when", "--predict", "x"], "--window 128"),
            (["--data", data, "--skip", "when", "--predict", "target=OTT", "--window", "8"], "have no 'OTT' to predict [missing-tensor]\nhelp: did you mean 'OT'?"),
            (["--data", data, "--skip", "when", "--predict", "goal=x", "--window", "8"], "has no input 'goal' to predict"),
            (["--input", "x=\(data):a,c", "--predict", "x", "--window", "8"], "has no column 'c' [missing-tensor]"),
            (["--input", "y=\(data):a", "--window", "8"], "has no input 'y'"),
            (["--input", "x=\(data):a,b", "--predict", "x", "--ahead", "0"], "--ahead is from 1"),
            (["--input", "x=\(data):a,b", "--ahead", "2"], "--ahead belongs to --predict"),
            (["--input", "x"], "is no input"), (["--input", "x=\(data):a,b", "--input", "x=\(data)"], "is given twice"),
            (["--input", "x=\(data):a,b", "--predict", "x", "--window", "60"], "too few"),
        ]
        for (arguments, words) in cases {
            let outcome = try recc.run(["train", model, "--steps", "1"] + arguments)
            #expect(outcome.status != 0 && outcome.errors.contains(words), "\(arguments): \(outcome)")
        }
        let unnamed = try recc.file("u.csv", "1,2\n3,4\n")
        #expect(try train(model, "--data", unnamed, "--predict", "x", "--window", "1").errors.contains("a first row of words must name the columns"))
    }

    @Test func cellsInQuotes() throws {
        let path = try recc.file("q.csv", "\"a\",\"b, c\" , \"d\"\"e\"\n\"1\",2,3\r\n")
        let table = try CsvTable(path: path)
        #expect(table.names == ["a", "b, c", "d\"e"] && table.tensor.doubles() == [1, 2, 3])
        #expect(throws: Diagnostic.self) { try CsvTable(path: recc.file("t.csv", "a,a\n1,2\n")) }
        #expect(throws: Diagnostic.self) { try CsvTable(path: recc.file("w.csv", "a,b\n1,2,3\n")) }
        #expect(throws: Diagnostic.self) { try CsvTable(path: recc.file("s.csv", "a\n1\n"), skipping: ["a"]) }
    }

    // MARK: Drawings

    @Test func severalRunsInOneDrawing() throws {
        func log(_ name: String, _ losses: [Double]) throws -> String {
            try recc.file(name, "step,loss,valid\n" + losses.enumerated().map { "\($0 + 1),\($1),\(2 * $1)\n" }.joined())
        }
        let (a, b) = try (log("small.csv", [100, 10, 1, 0.1]), log("a & b.csv", [50, 5, 0.5]))
        let out = recc.folder.path("runs.svg")
        #expect(try recc("plot", a, b, "-o", out, "--log-scale", "--title", "Two <sizes>").status == 0)
        let svg = try String(contentsOfFile: out, encoding: .utf8)
        for words in [">small</text>", ">a &amp; b</text>", ">small, validation</text>", ">Two &lt;sizes&gt;</text>", "stroke-dasharray", ">0.1</text>", ">100</text>"] {
            #expect(svg.contains(words), "\(words)")
        }
        #expect(svg.components(separatedBy: "<polyline").count == 5)
        // Equal ratios are equal distances.
        let line = svg.components(separatedBy: "<polyline points=\"")[1].components(separatedBy: "\"")[0]
        let heights = line.split(separator: " ").compactMap { Double($0.split(separator: ",")[1]) }
        #expect(heights.count == 4 && abs((heights[1] - heights[0]) - (heights[3] - heights[2])) < 0.3, "\(heights)")
        let negative = try log("n.csv", [1, -1])
        let refused = try recc("plot", negative, "-o", out, "--log-scale")
        #expect(refused.status == 1 && refused.errors.contains("a loss of -1.0 at step 2") && refused.errors.contains("[bad-data]"), "\(refused)")
        #expect(try recc("plot", negative, "-o", out).status == 0)
        for losses in [[3.0], [1, 1.01], [1e-12, 1e12], [5, 5]] { #expect(try recc("plot", log("l.csv", losses), "-o", out, "--log-scale").status == 0) }
        #expect(LossChart.names(of: ["a/train.csv", "b/train.csv"]) == ["a/train.csv", "b/train.csv"])
    }
}
