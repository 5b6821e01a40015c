import RecLowering
import RecCodeGen

extension Verification {
    /// The table of what was compared, what was not, and the verdict, as `recc verify` prints them.
    package var text: String {
        func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
        let width = max(12, rows.map(\.what.count).max() ?? 0)
        let engineWidth = rows.map(\.how.count).max() ?? 0
        var lines = rows.isEmpty ? [] : ["\(padded("result", width))  \(padded("engine", engineWidth))  error     allowed"]
        for row in rows {
            let marks = [row.isWithin ? nil : "too large", row.isCompared ? nil : "not compared", row.note].compactMap { $0 }
            let allowed = Self.short(row.tolerance) + (marks.isEmpty ? "" : "   " + marks.joined(separator: ": "))
            lines.append("\(padded(row.what, width))  \(padded(row.how, engineWidth))  \(padded(Self.short(row.error), 8))  \(allowed)")
        }
        if !missing.isEmpty { lines.append("not compared, as the file does not have them: \(missing.joined(separator: ", "))") }
        return (lines + [verdict]).joined(separator: "\n")
    }
}

extension Model {
    /// The engines that are held against a file: compiled code of one precision, or all that can run the model.
    package func comparedEngines(in precision: Precision?) -> [Engine] {
        if precision == nil, (try? checkCode(of: graph)) == nil { return [.interpreter] }
        return precision.map { [.compiled($0)] } ?? (weights == .full ? [.interpreter, .compiled(.f32), .compiled(.f64)] : [.compiled(.f32)])
    }
}
