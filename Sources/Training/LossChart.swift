import Foundation
import Rec
import RecSource

/// A training log drawn: the loss, and the validation loss, over the steps, as SVG.
package struct LossChart: Sendable {
    private struct Line {
        var name: String
        var color: String
        var points: [(step: Double, loss: Double)]
    }

    private let lines: [Line]

    // Sizes in pixels.
    private static let width = 720.0
    private static let height = 420.0
    private static let margin = (left: 64.0, right: 20.0, top: 24.0, bottom: 48.0)

    /// - Throws: where there is nothing to draw.
    package init(_ log: TrainingLog) throws(Diagnostic) {
        let losses = log.rows.filter(\.loss.isFinite).map { (step: Double($0.step), loss: $0.loss) }
        let validation = log.rows.compactMap { row in
            row.validation.flatMap { $0.isFinite ? (step: Double(row.step), loss: $0) : nil }
        }
        lines = [Line(name: "loss", color: "#1f6fb4", points: losses), Line(name: "validation loss", color: "#d1610a", points: validation)]
            .filter { !$0.points.isEmpty }
        guard !lines.isEmpty else {
            throw Diagnostic(.badData, "the log has no row with a finite loss", at: nil)
        }
    }

    /// The drawing, a document of its own.
    package var svg: String {
        let points = lines.flatMap(\.points)
        let across = Axis(points.map(\.step), from: Self.margin.left, to: Self.width - Self.margin.right, ticks: 8)
        let up = Axis(points.map(\.loss), from: Self.height - Self.margin.bottom, to: Self.margin.top, ticks: 6)
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(short(Self.width))\" height=\"\(short(Self.height))\" viewBox=\"0 0 \(short(Self.width)) \(short(Self.height))\" font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
        ]
        for tick in up.ticks {
            let y = short(up.place(tick))
            parts.append("<line x1=\"\(short(across.start))\" y1=\"\(y)\" x2=\"\(short(across.end))\" y2=\"\(y)\" stroke=\"#dddddd\"/>")
            parts.append("<text x=\"\(short(across.start - 8))\" y=\"\(y)\" text-anchor=\"end\" dominant-baseline=\"middle\">\(label(tick))</text>")
        }
        for tick in across.ticks {
            let x = short(across.place(tick))
            parts.append("<line x1=\"\(x)\" y1=\"\(short(up.start))\" x2=\"\(x)\" y2=\"\(short(up.start + 5))\" stroke=\"black\"/>")
            parts.append("<text x=\"\(x)\" y=\"\(short(up.start + 20))\" text-anchor=\"middle\">\(label(tick))</text>")
        }
        parts.append("<path d=\"M\(short(across.start)) \(short(up.end))V\(short(up.start))H\(short(across.end))\" fill=\"none\" stroke=\"black\"/>")
        parts.append("<text x=\"\(short((across.start + across.end) / 2))\" y=\"\(short(Self.height - 8))\" text-anchor=\"middle\">step</text>")
        for (k, line) in lines.enumerated() {
            let places = line.points.map { "\(short(across.place($0.step))),\(short(up.place($0.loss)))" }
            // A line of one point would not be seen.
            if places.count == 1, let first = line.points.first {
                parts.append("<circle cx=\"\(short(across.place(first.step)))\" cy=\"\(short(up.place(first.loss)))\" r=\"3\" fill=\"\(line.color)\"/>")
            } else {
                parts.append("<polyline points=\"\(places.joined(separator: " "))\" fill=\"none\" stroke=\"\(line.color)\" stroke-width=\"1.5\"/>")
            }
            let y = Self.margin.top + 8 + 18 * Double(k)
            parts.append("<line x1=\"\(short(across.end - 150))\" y1=\"\(short(y))\" x2=\"\(short(across.end - 126))\" y2=\"\(short(y))\" stroke=\"\(line.color)\" stroke-width=\"2\"/>")
            parts.append("<text x=\"\(short(across.end - 120))\" y=\"\(short(y))\" dominant-baseline=\"middle\">\(line.name)</text>")
        }
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    /// Writes the drawing whole or not at all.
    package func write(to path: String) throws(DiagnosticList) {
        try TextFile.write(svg, to: path, what: "the drawing")
    }

    private func short(_ pixels: Double) -> String {
        let tenths = (pixels * 10).rounded() / 10
        return tenths == tenths.rounded() ? "\(Int(tenths))" : "\(tenths)"
    }

    private func label(_ number: Double) -> String { String(format: "%.6g", number) }
}

/// Numbers along one side of a drawing.
private struct Axis {
    let start: Double
    let end: Double
    /// Round numbers, from beneath the least to above the largest.
    private(set) var ticks: [Double] = []

    init(_ numbers: [Double], from start: Double, to end: Double, ticks wanted: Int) {
        self.start = start
        self.end = end
        let least = numbers.min() ?? 0
        let span = (numbers.max() ?? 1) - least
        // All numbers the same: something must be drawn around them.
        let width = span > 0 && span.isFinite ? span : max(1, abs(least))
        let rough = width / Double(wanted)
        let power = pow(10, log10(rough).rounded(.down))
        let unit = power * ([1, 2, 5, 10].first { $0 * power >= rough } ?? 10)
        let first = (least / unit).rounded(.down)
        let last = ((least + width) / unit).rounded(.up)
        ticks = stride(from: first, through: max(last, first + 1), by: 1).map { $0 * unit }
    }

    func place(_ number: Double) -> Double {
        guard let first = ticks.first, let last = ticks.last else { return start }
        return start + (number - first) / (last - first) * (end - start)
    }
}
