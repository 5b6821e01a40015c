import Foundation
import RecSource
import RecTensors

extension Campaign {
    /// What ran, and what came of it.
    package var summary: String {
        var lines: [String] = []
        for (text, refusal) in refusals.sorted(by: { $0.value.count > $1.value.count }).prefix(8) {
            lines.append("refused \(refusal.count) times, first seed \(refusal.seed): \(text)")
        }
        for kind in FuzzClass.allCases {
            guard let totals = totals[kind] else { continue }
            let plans = (totals.plans > 0 ? ", \(totals.plans) plans compiled" : "") + ", \(totals.optimized) with full code generation"
            lines.append("\(kind.rawValue): \(totals.programs) programs (\(totals.refused) refused)\(plans), \(totals.comparisonCount) comparisons")
        }
        if found.isEmpty {
            lines.append("no failure")
        } else {
            lines.append("\(found.count) failures:")
            for item in found { lines.append("  \(item.kind.rawValue) seed \(item.seed), \(item.count) times: \(item.failure.check)") }
        }
        return lines.joined(separator: "\n")
    }

    /// Each failure as a program, and its data as a case file with what the interpreter gives.
    package func write(to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for item in found {
            let path = "\(folder)/\(item.kind.rawValue)-\(item.seed)"
            let note = item.text.split(separator: "\n").filter { $0.hasPrefix("---") || $0.hasPrefix("data:") || $0.hasPrefix("again") }
            try (note.map { "// \($0)\n" }.joined() + item.item.text).write(toFile: path + ".rec", atomically: true, encoding: .utf8)
            if let archive = CaseArchive.archive(of: item.item) { try TensorFile.write(archive, to: path + ".safetensors") }
        }
    }
}
