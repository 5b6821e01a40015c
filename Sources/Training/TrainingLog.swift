import Foundation
import Rec
import RecSource

/// The course of a training run as a table: `step,loss,valid,rate,gradient_norm,steps_per_second`.
public struct TrainingLog: Sendable {
    /// A line of the table.
    public struct Row: Equatable, Sendable {
        /// The number of the step; the first is 1.
        public var step: Int
        /// The mean over the steps since the last row.
        public var loss: Double
        /// Of the data held out; nil where there are none.
        public var validation: Double?
        /// The learning rate of the last step.
        public var rate: Double
        /// Of the last gradients together, before clipping.
        public var gradientNorm: Double
        /// Steps of all sequences, such as tokens, a second.
        public var speed: Double

        /// A row of these numbers.
        public init(step: Int, loss: Double, validation: Double?, rate: Double, gradientNorm: Double, speed: Double) {
            self.step = step
            self.loss = loss
            self.validation = validation
            self.rate = rate
            self.gradientNorm = gradientNorm
            self.speed = speed
        }
    }

    static let header = "step,loss,valid,rate,gradient_norm,steps_per_second"

    /// In the order of the steps.
    public var rows: [Row] = []

    /// A log of these rows.
    public init(rows: [Row] = []) { self.rows = rows }

    /// Reads a table; the columns `step` and `loss` must be there, others may be.
    ///
    /// - Throws: where the file cannot be read, or is no log.
    public init(path: String) throws(DiagnosticList) {
        let text: String
        do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw DiagnosticList(.fileProblem, "\(path): the log cannot be read", help: "is it there, and a CSV file?")
        }
        let lines = text.split(whereSeparator: \.isNewline)
        let names = lines.first?.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) } ?? []
        guard names.contains("step"), names.contains("loss") else {
            throw DiagnosticList(.fileProblem, "\(path): a log has columns 'step' and 'loss'", help: "'recc train --log' writes one")
        }
        for (number, line) in lines.enumerated().dropFirst() {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            func field(_ name: String) -> Double? {
                guard let column = names.firstIndex(of: name), column < fields.count else { return nil }
                return Double(fields[column])
            }
            guard fields.count == names.count, let step = field("step").flatMap({ Int(exactly: $0) }), let loss = field("loss") else {
                // A run that was killed may leave half a line at the end.
                if number == lines.count - 1 { break }
                throw DiagnosticList(.fileProblem, "\(path): line \(number + 1) is no row of a log")
            }
            rows.append(
                Row(
                    step: step, loss: loss, validation: field("valid"), rate: field("rate") ?? 0,
                    gradientNorm: field("gradient_norm") ?? 0, speed: field("steps_per_second") ?? 0))
        }
    }

    /// The table as text.
    public var text: String { ([Self.header] + rows.map(\.text)).joined(separator: "\n") + "\n" }

    /// Writes the table whole or not at all.
    ///
    /// - Throws: where it cannot be written.
    public func write(to path: String) throws(DiagnosticList) {
        try TextFile.write(text, to: path, what: "the log")
    }

    /// Adds a row at the end of a file, on the disk before this returns.
    static func append(_ row: Row, to path: String) throws(DiagnosticList) {
        do {
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            defer { try? file.close() }
            try file.seekToEnd()
            try file.write(contentsOf: Data((row.text + "\n").utf8))
            // A log may be no file, such as /dev/null, and that is no fault.
            try? file.synchronize()
        } catch { throw DiagnosticList(.fileProblem, "\(path): the log cannot be written") }
    }
}

extension TrainingLog.Row {
    var text: String {
        "\(step),\(loss),\(validation.map { "\($0)" } ?? ""),\(rate),\(gradientNorm),\(Int(speed.isFinite ? speed.rounded() : 0))"
    }
}
