import Dispatch
import RecCodeGen

// Measures the tiles that products are made of, one thread, f32: billions of operations a second for each shape, beside the
// peak of multiplying and adding in registers. A star marks the shape that the compiler has chosen.

/// The shortest of several runs, in seconds.
func seconds(_ run: (Int) -> Void) -> (turns: Int, seconds: Double) {
    func time(_ turns: Int) -> Double {
        let start = DispatchTime.now().uptimeNanoseconds
        run(turns)
        return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
    }
    var turns = 1
    while time(turns) < 2e-3 { turns *= 2 }
    return (turns, (0..<15).map { _ in time(turns) }.min() ?? .infinity)
}

func column(_ text: String, _ width: Int = 8) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }

let peak = try PeakProbe()
let timed = seconds { peak.run(turns: 1000 * $0) }
let limit = peak.operations(turns: 1000 * timed.turns) / timed.seconds
print("peak \(Int(limit / 1e9)) GFLOP/s; shares of it in %, a product of \(TileProbe.rows) × depth × \(TileProbe.vectors) vectors")

/// The share of the limit that a shape reaches, as a whole number of percent.
func share(_ shape: TileProbe.Shape, depth: Int) throws -> Int {
    let probe = try TileProbe(shape, depth: depth)
    let timed = seconds { probe.run(turns: $0) }
    return Int((100 * probe.operations(turns: timed.turns) / timed.seconds / limit).rounded())
}

let chosen = TileProbe.chosen()
for depth in [64, 256, 512] {
    print("\ndepth \(depth): rows of a tile downwards, its vectors across")
    let vectors = Set(TileProbe.shapes.map(\.vectors)).sorted()
    print(column("") + vectors.map { column("\($0)") }.joined())
    for rows in Set(TileProbe.shapes.map(\.rows)).sorted() {
        let cells = try vectors.map { vectors -> String in
            let shape = TileProbe.Shape(rows: rows, vectors: vectors)
            return column("\(shape == chosen ? "*" : "")\(try share(shape, depth: depth))")
        }
        print(column("\(rows)") + cells.joined())
    }
    print("few rows, rows × vectors of a panel × panels at once")
    for shape in TileProbe.shapesOfPanels {
        print(column("\(shape.rows)×\(shape.vectors)×\(shape.panels)") + column("\(try share(shape, depth: depth))"))
    }
}
