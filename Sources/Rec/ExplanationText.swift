import RecAnalysis
import RecSource

extension Explanation {
    /// A page for a terminal.
    package func text(_ sources: SourceMap) -> String {
        let sizes = dims.map { "\($0.name) = \($0.size)" }.joined(separator: ", ")
        let amount = "\(work.batch) sequence\(work.batch == 1 ? "" : "s") of \(work.extents.map(String.init).joined(separator: " × ")) steps, \(work.threads) thread\(work.threads == 1 ? "" : "s")"
        var lines = ["model \(model)\(sizes.isEmpty ? "" : "  (\(sizes))")", "  chosen for \(amount)"]
        if let rounds {
            lines.append("  rounds of \(rounds.axis) end on '\(rounds.condition)': all \(rounds.most) are computed, and those behind the last one count nowhere")
        }
        if let unfolded {
            lines.append("  steps go on from all of \(unfolded.axis): its \(unfolded.count) steps are rows of each, in code for this length")
            lines.append("  parts, one behind the other: along \(unfolded.parts.joined(separator: ", along "))")
        }
        if recurrences.isEmpty, pairs.isEmpty { lines.append("  no recurrence: every step by itself (map)") }
        for recurrence in recurrences { lines += page(of: recurrence, sources) }
        for own in pairs {
            lines.append("")
            lines.append("  pairs of steps \(own.indices.outer), \(own.indices.inner)\(place(own.span, sources))")
            lines.append("    \("looks at".padding(to: 12)) \(own.pairs)")
            lines.append("    \("runs as".padding(to: 12)) \(own.note), about \(time(own.seconds))")
        }
        if !products.isEmpty {
            lines.append("")
            lines.append("  products with weights")
            lines += products.map { "    \($0)" }
        }
        if let memory { lines += [""] + memoryLines(memory) }
        lines.append("")
        lines.append("  \(segmentCount) pass\(segmentCount == 1 ? "" : "es") over the sequence")
        lines.append("  an estimate of the whole run: \(time(seconds))")
        return lines.joined(separator: "\n") + "\n"
    }

    private func page(of recurrence: Recurrence, _ sources: SourceMap) -> [String] {
        let facts = recurrence.facts
        let states = recurrence.states.isEmpty ? "unnamed values" : recurrence.states.joined(separator: ", ")
        var lines = ["", "  recurrence of \(states), \(recurrence.course)\(place(recurrence.span, sources))"]
        func row(_ label: String, _ text: String) { lines.append("    \(label.padding(to: 12)) \(text)") }
        row("is", "\(facts.kind), \(facts.transitionDescription)")
        for (k, step) in facts.step.enumerated() { row(k == 0 ? "step" : "", step) }
        if let reason = facts.notAffine { lines += why("not affine", reason, sources) }
        if facts.kind == .nonlinear, let reason = facts.notDiagonal { lines += why("not diagonal", reason, sources) }
        for form in recurrence.forms where form.name == recurrence.chosen {
            row("runs as", "\(form.name)\(estimate(form)): \(recurrence.note)")
        }
        for form in recurrence.forms where form.name != recurrence.chosen && form.refusal == nil {
            row("could run as", "\(form.name)\(estimate(form))")
        }
        for form in recurrence.forms {
            guard let refusal = form.refusal, refusal != Self.unbuilt else { continue }
            row("not as", "\(form.name): \(refusal.reason)\(place(refusal.span, sources))")
        }
        return lines
    }

    /// `gru.rec:14:24: 'U @ h[t-1]' enters sigmoid: not affine in h`, and the line.
    private func why(_ label: String, _ reason: Reason, _ sources: SourceMap) -> [String] {
        guard let span = reason.span else { return ["    \(label.padding(to: 12)) \(reason.text)"] }
        let position = sources.position(of: span.start, in: span.file)
        return [
            "    \(label.padding(to: 12)) \(sentence(reason, sources))",
            "                 | \(sources.line(position.line, of: span.file).drop { $0 == " " })",
        ]
    }

    /// One line that says where and why.
    func sentence(_ reason: Reason, _ sources: SourceMap) -> String {
        guard let span = reason.span else { return "\(reason.text): \(reason.conclusion)" }
        let position = sources.position(of: span.start, in: span.file)
        let expression = sources.text(of: span).split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        return "\(sources[span.file].path):\(position.line):\(position.column): '\(expression)' \(reason.text): \(reason.conclusion)"
    }

    private func estimate(_ form: Form) -> String {
        form.seconds.map { ", about \(time($0))" } ?? ""
    }

    private func time(_ seconds: Double) -> String {
        seconds < 1e-3 ? "\(rounded(seconds * 1e6)) µs" : "\(rounded(seconds * 1e3)) ms"
    }

    private func rounded(_ number: Double) -> String {
        number < 10 ? "\((number * 10).rounded() / 10)" : "\(Int(number.rounded()))"
    }

    private func place(_ span: SourceSpan?, _ sources: SourceMap) -> String {
        guard let span else { return "" }
        let position = sources.position(of: span.start, in: span.file)
        return "  [\(sources[span.file].path):\(position.line):\(position.column)]"
    }
}

extension String {
    func padding(to width: Int) -> String {
        count >= width ? self : self + String(repeating: " ", count: width - count)
    }
}
