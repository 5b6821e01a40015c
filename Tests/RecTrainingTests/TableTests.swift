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
            (["--data", data, "--predict", "x", "--window", "8"], "line 2, column 1 ('when'): '2016-07-01 0:00' is not a number [file-problem]\nhelp: name the columns to take, x="),
            (["--data", data, "--skip", "when", "--predict", "x"], "--window 128"),
            (["--data", data, "--skip", "when", "--predict", "target=OTT", "--window", "8"], "have no 'OTT' to predict [missing-tensor]\nhelp: did you mean 'OT'?"),
            (["--data", data, "--skip", "when", "--predict", "goal=x", "--window", "8"], "has no input 'goal' to predict"),
            (["--input", "x=\(data):a,c", "--predict", "x", "--window", "8"], "has no column 'c' [missing-tensor]"),
            (["--input", "y=\(data):a", "--window", "8"], "has no input 'y'"),
            (["--input", "x=\(data):a,b", "--predict", "x", "--ahead", "0"], "--ahead is from 1"),
            (["--input", "x=\(data):a,b", "--ahead", "2"], "--ahead belongs to --predict"),
            (["--input", "x"], "is no input"), (["--input", "x=\(data):a,b", "--input", "x=\(data)"], "is given twice"),
            (["--input", "x=\(data):a,b", "--predict", "x", "--window", "60"], "60 steps are too few for a window of 60 with targets 1 ahead"),
            (["--input", "x=\(data):a,b", "--predict", "x", "--window", "8", "--ahead", "70"], "60 steps are too few for a window of 8 with targets 70 ahead"),
        ]
        for (arguments, words) in cases {
            let outcome = try recc.run(["train", model, "--steps", "1"] + arguments)
            #expect(outcome.status != 0 && outcome.errors.contains(words), "\(arguments): \(outcome)")
        }
        let unnamed = try recc.file("u.csv", "1,2\n3,4\n")
        #expect(try train(model, "--data", unnamed, "--predict", "x", "--window", "1").errors.contains("a first row of words must name the columns"))
    }

    /// What a run says of the loss `l`.
    private func loss(_ outcome: ReccCommand.Outcome) -> Double {
        outcome.output.split(separator: "\n").first { $0.hasPrefix("loss l = ") }.flatMap { Double($0.dropFirst("loss l = ".count)) } ?? .nan
    }

    /// Weights that forecast one table are held against another, by `run`, with the same words.
    @Test func runsForecastTables() throws {
        let data = try recc.file("d.csv", Self.table)
        let model = try program("[D]", "[D]")
        func run(_ more: String...) throws -> ReccCommand.Outcome { try recc.run(["run", model, "--seed", "1"] + more) }
        for (more, expected) in [([], 5.01), (["--ahead", "3"], 45.09), (["--ahead", "3", "--skip", "b,date"], 9.09), (["--interpret"], 5.01)] as [([String], Double)] {
            let outcome = try recc.run(["run", model, "--seed", "1", "--data", data, "--predict", "x"] + more)
            #expect(outcome.status == 0 && abs(loss(outcome) - expected) < 1e-3, "\(more): \(outcome)")
        }
        #expect(try run("--data", data, "--predict", "x", "--stream", "steps").output.hasPrefix("y [1, 59, 3]"))
        // As training says of the same weights and the whole table as one window.
        let trained = try recc.run(["train", model, "--steps", "0", "--data", data, "--predict", "x", "--ahead", "3", "--window", "57", "-o", "w.safetensors"])
        let scored = try recc.run(["run", model, "--params", "w.safetensors", "--data", data, "--predict", "x", "--ahead", "3", "-o", "y.npz"])
        #expect(trained.status == 0 && scored.status == 0, "\(trained) \(scored)")
        #expect(try TensorArchive(path: recc.folder.path("y.npz"))["y"]?.shape == [1, 57, 3])
        let input = try run("--input", "x=\(data):a,b", "--predict", "x", "--ahead", "2")
        #expect(input.status == 0 && abs(loss(input) - 20) < 1e-3, "\(input)")
        let column = try recc.run(["run", program("[D]", "real", loss: "(target - w[2] * x[2])^2"), "--seed", "1", "--data", data, "--predict", "OT", "--grad", "g.npz"])
        #expect(column.status == 0 && abs(loss(column) - 0.01) < 1e-5, "\(column)")
        // A batch of sequences, with their lengths.
        let sequences = recc.folder.path("s.npz")
        try TensorArchive(tensors: [
            NamedTensor(name: "x", tensor: Tensor((0..<12).map { Double($0 * $0) }, shape: [2, 6])), NamedTensor(name: "lengths", tensor: Tensor([6, 4], shape: [2])),
        ]).write(to: sequences)
        let expected = ((16.0 + 64 + 144 + 256) / 4 + (784.0 + 1024) / 2) / 2
        let cut = try recc.run(["run", program("real", "real", loss: "(target - w * x)^2"), "--seed", "1", "--data", sequences, "--predict", "x", "--ahead", "2"])
        #expect(cut.status == 0 && abs(loss(cut) - expected) < 1e-3, "\(cut)")
        // Without what is to be predicted the columns could go to either.
        let open = try recc.run(["run", program("[D]", "[D]"), "--seed", "1", "--data", data])
        #expect(open.status == 1 && open.errors.contains("could go to x or target") && open.errors.contains("--predict x"), "\(open)")
        for (more, words) in [
            (["--data", data, "--predict", "x", "--ahead", "60"], "'x' has 60 steps, too few to look 60 ahead"), (["--data", data, "--ahead", "2"], "--ahead belongs to --predict"),
            (["--stream", "-", "--data", data], "reads standard input"), (["--stream", "-", "--predict", "x"], "reads standard input"),
        ] as [([String], String)] {
            let outcome = try recc.run(["run", model, "--seed", "1"] + more)
            #expect(outcome.status != 0 && outcome.errors.contains(words), "\(more): \(outcome)")
        }
    }

    @Test func columnsToLeaveOutAreThere() throws {
        let data = try recc.file("h.csv", "pressure,\"hum, rel\",\"a \"\"b\"\"\",c:d\n" + (0..<30).map { "\($0),\(2 * $0),\(3 * $0),\(4 * $0)\n" }.joined())
        let model = try program("[D]", "[D]")
        for command in [["train", model, "--steps", "1", "--window", "4", "--data", data, "--predict", "x"], ["run", model, "--seed", "1", "--data", data, "--predict", "x"]] {
            for (skip, words) in [
                ("pressure,nope", "have no column 'nope' to leave out [unknown-name]\nhelp: they have pressure, \"hum, rel\", \"a \"\"b\"\"\", c:d"),
                ("presure", "did you mean 'pressure'?"), ("hum, rel", "did you mean 'hum, rel'? in a list it stands in quotes: \"hum, rel\""),
            ] {
                let outcome = try recc.run(command + ["--skip", skip])
                #expect(outcome.status == 1 && outcome.errors.contains(words), "\(skip): \(outcome)")
            }
            let skipped = try recc.run(command + ["--skip", "\"hum, rel\",\"a \"\"b\"\"\"", "--skip", "c:d"])
            #expect(skipped.status == 0 && (command[0] == "run" ? loss(skipped) == 1 : skipped.output.contains("loss 1.0000")), "\(skipped)")
            // Named, and predicted.
            let named = try recc.run(command.filter { $0 != "--data" && $0 != data } + ["--input", "x=\(data):\"hum, rel\",c:d"])
            #expect(named.status == 0 && (command[0] == "run" ? loss(named) == 20 : named.output.contains("loss 20.0000")), "\(named)")
        }
        let predicted = try recc.run(["run", program("[D]", "real", loss: "(target - x[0])^2"), "--seed", "1", "--data", data, "--predict", "hum, rel"])
        #expect(predicted.status == 0, "\(predicted)")
        let none = try recc.run(["run", model, "--seed", "1", "--skip", "a"])
        #expect(none.status == 1 && none.errors.contains("there is no table"), "\(none)")
        // A table for validation need not have what is left out.
        let valid = try recc.file("v.csv", "pressure,\"a \"\"b\"\"\",c:d\n" + (0..<30).map { "\($0),\(3 * $0),\(4 * $0)\n" }.joined())
        let both = try recc.run(["train", program("[D]", "[D]"), "--steps", "1", "--window", "4", "--data", data, "--predict", "x", "--skip", "\"hum, rel\"", "--valid", valid])
        #expect(both.status == 0, "\(both)")
    }

    @Test func tablesWithOtherSeparators() throws {
        for (text, names, numbers) in [
            ("a;b\n1,5;2\n-3,25;4e1\n", ["a", "b"], [1.5, 2, -3.25, 40]), ("a\tb c\r\n1\t2\r\n3,5\t4\r\n", ["a", "b c"], [1, 2, 3.5, 4]),
            ("\"a,x\";\"b;y\"\n1.5;2\n", ["a,x", "b;y"], [1.5, 2]), ("1,5;2,5\n3;4\n", [], [1.5, 2.5, 3, 4]), ("1;2\n3;4\n", [], [1, 2, 3, 4]),
            ("a;x,b\n1,2\n", ["a;x", "b"], [1, 2]), ("\n1, 2\t\n", [], [1, 2]),
        ] as [(String, [String], [Double])] {
            let table = try CsvTable(path: recc.file("o.csv", text))
            #expect(table.names == names && table.tensor.doubles() == numbers, "\(text): \(table.names) \(table.tensor.doubles())")
        }
        for text in ["a;b\n1,234,567;2\n", "a;b\n1;2;3\n", "a;b\n1,2\n"] {
            #expect(throws: Diagnostic.self, "\(text)") { try CsvTable(path: recc.file("o.csv", text)) }
        }
        #expect(CsvTable.names("a, b,\"c, d\",\"e\"\"f\",") == ["a", "b", "c, d", "e\"f"])
        for name in ["a", "c, d", "e\"f", "g;h"] { #expect(CsvTable.names(CsvTable.quoted(name) + ",x") == [name, "x"]) }
    }

    @Test func adviceOnCells() throws {
        let data = try recc.file("bad.csv", "date,a,b\n2016-07-01,1,2\n2016-07-02,3,x\n")
        let outcome = try train(program("[D]", "[D]"), "--data", data, "--predict", "x", "--window", "1")
        #expect(outcome.errors.contains("line 3, column 3 ('b'): 'x' is not a number [file-problem]\nhelp: name the columns to take, x=\(data):a, or leave it out with --skip b\n"), "\(outcome)")
        let only = try recc.file("only.csv", "date,b\n2016-07-01,2\n2016-07-02,x\n")
        let alone = try train(program("[D]", "[D]"), "--data", only, "--predict", "x", "--window", "1")
        #expect(alone.errors.contains("help: leave it out with --skip b\n"), "\(alone)")
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
        let image = try recc("plot", negative, "-o", "runs.png")
        #expect(image.status == 2 && image.errors.contains("the drawing is SVG, and not png") && !FileManager.default.fileExists(atPath: recc.folder.path("runs.png")), "\(image)")
        for losses in [[3.0], [1, 1.01], [1e-12, 1e12], [5, 5]] { #expect(try recc("plot", log("l.csv", losses), "-o", out, "--log-scale").status == 0) }
        #expect(LossChart.names(of: ["a/train.csv", "b/train.csv"]) == ["a/train.csv", "b/train.csv"])
    }
}
