import Foundation
import Rec
import RecSource

/// Training logs drawn: the loss, and dashed the validation loss, over the steps, as SVG.
package struct LossChart: Sendable {
    private struct Line {
        var name: String
        var color: String
        var isDashed = false
        var points: [(step: Double, loss: Double)]
    }

    private let lines: [Line]
    private let title: String?
    private let isLogarithmic: Bool

    /// Told apart also by who sees few colours (Okabe and Ito 2008); after the last they begin anew.
    private static let colors = ["#1f6fb4", "#d1610a", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f3c8d", "#555555"]

    // Sizes in pixels.
    private static let width = 720.0
    private static let height = 420.0
    private static let margin = (left: 64.0, right: 20.0, bottom: 48.0)

    /// The drawing of one run.
    ///
    /// - Throws: where there is nothing to draw.
    package init(_ log: TrainingLog) throws(Diagnostic) { try self.init([("", log)]) }

    /// The drawing of several runs, each with a name.
    ///
    /// - Throws: where a run has nothing to draw, or a loss that a logarithmic scale has no place for.
    package init(_ runs: [(name: String, log: TrainingLog)], title: String? = nil, isLogarithmic: Bool = false) throws(Diagnostic) {
        self.title = title
        self.isLogarithmic = isLogarithmic
        var lines: [Line] = []
        for (k, run) in runs.enumerated() {
            let losses = run.log.rows.filter(\.loss.isFinite).map { (step: Double($0.step), loss: $0.loss) }
            let validation = run.log.rows.compactMap { row in
                row.validation.flatMap { $0.isFinite ? (step: Double(row.step), loss: $0) : nil }
            }
            let what = runs.count == 1 ? "the log" : "the log of '\(run.name)'"
            guard !(losses.isEmpty && validation.isEmpty) else { throw Diagnostic(.badData, "\(what) has no row with a finite loss", at: nil) }
            if isLogarithmic, let place = (losses + validation).first(where: { $0.loss <= 0 }) {
                throw Diagnostic(
                    .badData, "\(what) has a loss of \(place.loss) at step \(Int(place.step)), for which a logarithmic scale has no place", at: nil,
                    help: "leave --log-scale out")
            }
            let color = Self.colors[k % Self.colors.count]
            let isOne = runs.count == 1
            lines.append(Line(name: isOne ? "loss" : run.name, color: color, points: losses))
            lines.append(
                Line(
                    name: isOne ? "validation loss" : "\(run.name), validation", color: isOne ? Self.colors[1] : color, isDashed: !isOne,
                    points: validation))
        }
        self.lines = lines.filter { !$0.points.isEmpty }
    }

    /// What runs are called: their files without folder and ending, or as they were given where two would be called the same.
    package static func names(of paths: [String]) -> [String] {
        let short = paths.map { URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent }
        return Set(short).count == short.count ? short : paths
    }

    /// The drawing, a document of its own.
    package var svg: String {
        let points = lines.flatMap(\.points)
        let across = Axis(points.map(\.step), from: Self.margin.left, to: Self.width - Self.margin.right, ticks: 8)
        let top = title == nil ? 24.0 : 48.0
        let bottom = Self.height - Self.margin.bottom
        let losses = points.map(\.loss)
        let up = isLogarithmic ? Axis(logarithmic: losses, from: bottom, to: top) : Axis(losses, from: bottom, to: top, ticks: 6)
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(short(Self.width))\" height=\"\(short(Self.height))\" viewBox=\"0 0 \(short(Self.width)) \(short(Self.height))\" font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
        ]
        if let title {
            parts.append("<text x=\"\(short(Self.width / 2))\" y=\"26\" text-anchor=\"middle\" font-size=\"15\">\(escaped(title))</text>")
        }
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
                parts.append("<polyline points=\"\(places.joined(separator: " "))\" fill=\"none\" stroke=\"\(line.color)\" stroke-width=\"1.5\"\(dash(line))/>")
            }
            let y = top + 8 + 18 * Double(k)
            parts.append("<line x1=\"\(short(across.end - 150))\" y1=\"\(short(y))\" x2=\"\(short(across.end - 126))\" y2=\"\(short(y))\" stroke=\"\(line.color)\" stroke-width=\"2\"\(dash(line))/>")
            parts.append("<text x=\"\(short(across.end - 120))\" y=\"\(short(y))\" dominant-baseline=\"middle\">\(escaped(line.name))</text>")
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

    private func dash(_ line: Line) -> String { line.isDashed ? " stroke-dasharray=\"5 3\"" : "" }

    /// A text within XML.
    private func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}

/// Numbers along one side of a drawing.
private struct Axis {
    let start: Double
    let end: Double
    /// Round numbers, from beneath the least to above the largest.
    private(set) var ticks: [Double] = []
    private var isLogarithmic = false

    /// Positive numbers, whose ratios are distances.
    init(logarithmic numbers: [Double], from start: Double, to end: Double) {
        self.start = start
        self.end = end
        isLogarithmic = true
        let (least, largest) = (numbers.min() ?? 1, numbers.max() ?? 1)
        let decades = Int(log10(least).rounded(.down))...max(Int(log10(least).rounded(.down)), Int(log10(largest).rounded(.up)))
        // Fewer between powers of ten the more of those there are.
        let between: [Double] = log10(largest / least) > 4 ? [1] : log10(largest / least) > 1.5 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]
        let all = decades.flatMap { power in between.map { $0 * pow(10, Double(power)) } }
        let low = all.last { $0 <= least } ?? least
        let high = all.first { $0 >= largest && $0 > low } ?? max(largest, 2 * low)
        ticks = all.filter { $0 >= low && $0 <= high }
        if ticks.last != high { ticks.append(high) }
    }

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
        if isLogarithmic { return start + log(number / first) / log(last / first) * (end - start) }
        return start + (number - first) / (last - first) * (end - start)
    }
}
