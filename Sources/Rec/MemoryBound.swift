import RecRuntime
import RecSource

/// Bytes in the words of a user.
package enum ByteCount {
    private static let units: [(name: String, bytes: Int)] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)]
    private static let factors: [String: Double] = [
        "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 0x1p10, "mib": 0x1p20, "gib": 0x1p30, "tib": 0x1p40,
    ]

    /// `512MB`, `1.5 GB`, `64MiB` or plain bytes; nil where it is none of these, or less than a byte.
    package static func parse(_ text: String) -> Int? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard let number = Double(digits), let factor = factors[unit] else { return nil }
        let bytes = number * factor
        return bytes >= 1 && bytes < 0x1p60 ? Int(bytes) : nil
    }

    /// `100.6 MB`
    package static func text(_ bytes: Int) -> String {
        guard let unit = units.first(where: { bytes >= $0.bytes }) else { return "\(bytes) bytes" }
        // In whole tenths: a bound that is stated is met by what is stated of a run.
        let tenths = bytes / (unit.bytes / 10)
        return "\(tenths / 10).\(tenths % 10) \(unit.name)"
    }

    /// At least so many bytes as a number of megabytes that `parse` reads.
    static func bound(_ bytes: Int) -> String { "\((bytes + 999_999) / 1_000_000)MB" }
}

extension MemoryShortage {
    /// What a user is told.
    func diagnostics(bound: Int) -> DiagnosticList {
        let need = "the run takes \(ByteCount.text(least.peakBytes)) of memory at least, and may take \(ByteCount.text(bound))"
        let advice = "give --memory \(ByteCount.bound(least.peakBytes)), or make the batch or the length smaller"
        let why = refusal.map { "; it cannot run in chunks, because \($0.reason)" } ?? ""
        return DiagnosticList([
            Diagnostic(
                .memoryBound, need + why, at: refusal?.span,
                help: "it takes \(least.summary): \(advice)")
        ])
    }
}

extension MemoryPlan {
    /// One line: what it takes, and of what.
    package var summary: String {
        let streams =
            chunkSteps.map { "kept streams \(ByteCount.text(streamBytes + boundaryBytes)) in chunks of \($0) steps" }
            ?? "kept streams \(ByteCount.text(streamBytes))"
        return "data \(ByteCount.text(dataBytes)), results \(ByteCount.text(resultBytes)), \(streams), the rest \(ByteCount.text(workBytes)), the program \(ByteCount.text(Self.programBytes))"
    }

    /// The plan for a bound, or what is usual where there is none.
    static func fitting(
        _ bound: Int?, _ facts: KernelFacts, batch: Int, extents: [Int], workers: Int, leastWork: Double
    ) throws(DiagnosticList) -> MemoryPlan {
        guard let bound else { return MemoryPlan(facts, batch: batch, extents: extents, workers: workers, leastWork: leastWork) }
        do throws(MemoryShortage) {
            return try MemoryPlan(facts, batch: batch, extents: extents, workers: workers, leastWork: leastWork, bound: bound)
        } catch {
            throw error.diagnostics(bound: bound)
        }
    }
}

extension CompiledModel {
    /// Runs whole sequences, with so many bytes of memory at most where a bound is given.
    func run(_ data: BoundData, pool: ThreadPool, within bound: Int?) throws(DiagnosticList) -> ModelResults {
        guard bound != nil else {
            return try run(inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengthsOfPlan(), pool: pool, into: data.destinations)
        }
        let needs = try MemoryPlan.fitting(
            bound, code.facts, batch: data.batch, extents: data.extents, workers: pool.count, leastWork: pool.leastWork)
        return try run(inputs: data.inputs, batch: data.batch, extents: data.extents, lengths: data.lengthsOfPlan(), pool: pool, memory: needs, into: data.destinations)
    }
}
