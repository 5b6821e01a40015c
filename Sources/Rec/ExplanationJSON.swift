import Foundation
import RecSource

extension Explanation {
    private struct Document: Encodable {
        var model: String
        var dims: [String: Int]
        var work: Work
        /// Rounds that end on a condition.
        var rounds: Rounds?
        var recurrences: [Entry]
        /// Reductions over pairs of steps.
        var pairs: [PairEntry]?
        /// An axis that is a dim of the steps of others.
        var unfolded: UnfoldedEntry?
        var products: [String]
        var passes: Int
        /// An estimate of the whole run; that of a plan of a recurrence is of the recurrence alone.
        var seconds: Double?
        var memory: Memory?
    }

    private struct Memory: Encodable {
        var peak: Int
        var data: Int
        var results: Int
        var rest: Int
        var streams: [String: Int]
        var boundaries: Int
        var chunkSteps: Int?
        var repeated: [String]
        var recomputed: [String]
    }

    private struct Work: Encodable {
        var batch: Int
        var extents: [Int]
        var threads: Int
    }

    private struct Rounds: Encodable {
        var axis: String
        var until: String
        var most: Int
    }

    private struct UnfoldedEntry: Encodable {
        var axis: String
        var steps: Int
        var parts: [String]
    }

    private struct PairEntry: Encodable {
        var outer: String
        var inner: String
        var at: String?
        var pairs: String
        var note: String
        var seconds: Double
    }

    private struct Entry: Encodable {
        var states: [String]
        var axis: String
        var direction: String
        var kind: String
        var transition: String
        var step: [String]
        var at: String?
        var reason: String?
        var notDiagonal: String?
        var plans: [Plan]
        var chosen: String
        var note: String
    }

    private struct Plan: Encodable {
        var plan: String
        var legal: Bool
        var reason: String?
        var at: String?
        var seconds: Double?
    }

    /// For tools: one object, with an array `recurrences`.
    package func json(_ sources: SourceMap) -> String {
        func place(_ span: SourceSpan?) -> String? {
            guard let span else { return nil }
            let position = sources.position(of: span.start, in: span.file)
            return "\(sources[span.file].path):\(position.line):\(position.column)"
        }
        let entries = recurrences.map { recurrence in
            Entry(
                states: recurrence.states, axis: recurrence.axis, direction: recurrence.direction,
                kind: recurrence.facts.kind.description, transition: recurrence.facts.transitionDescription,
                step: recurrence.facts.step, at: place(recurrence.span),
                reason: recurrence.facts.notAffine.map { sentence($0, sources) },
                notDiagonal: recurrence.facts.notDiagonal.map { sentence($0, sources) },
                plans: recurrence.forms.map { form in
                    Plan(
                        plan: form.name, legal: form.refusal == nil, reason: form.refusal?.reason, at: place(form.refusal?.span),
                        seconds: form.seconds)
                },
                chosen: recurrence.chosen, note: recurrence.note)
        }
        let document = Document(
            model: model, dims: Dictionary(dims.map { ($0.name, $0.size) }) { $1 },
            work: Work(batch: work.batch, extents: work.extents, threads: work.threads),
            rounds: rounds.map { Rounds(axis: $0.axis, until: $0.condition, most: $0.most) }, recurrences: entries,
            pairs: pairs.isEmpty ? nil : pairs.map {
                PairEntry(outer: $0.indices.outer, inner: $0.indices.inner, at: place($0.span), pairs: $0.pairs, note: $0.note, seconds: $0.seconds)
            },
            unfolded: unfolded.map { UnfoldedEntry(axis: $0.axis, steps: $0.count, parts: $0.parts) }, products: products, passes: segmentCount, seconds: seconds,
            memory: memory.map { memory in
                Memory(
                    peak: memory.peakBytes, data: memory.dataBytes, results: memory.resultBytes, rest: memory.workBytes,
                    streams: Dictionary(memory.streams.map { ($0.name, $0.bytes) }) { $0 + $1 }, boundaries: memory.boundaryBytes,
                    chunkSteps: memory.chunkSteps, repeated: repeatedPasses, recomputed: recomputed)
            })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(document) else { return "{}\n" }
        return String(decoding: data, as: UTF8.self) + "\n"
    }
}
