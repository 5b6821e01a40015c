import Foundation

/// Makes a failing case smaller for as long as it fails alike.
struct Shrinker {
    let kind: FuzzClass
    let check: String
    let worker: WorkerProcess
    let seconds: Double

    /// The smallest case that was found, and how it fails.
    func shrink(_ start: FuzzCase, _ failure: Failure) -> (FuzzCase, Failure) {
        let deadline = Date(timeIntervalSinceNow: seconds)
        var best = (item: start, failure: failure)
        // Only what failed is checked from here on, where that is enough to see it fail.
        var focused = start
        focused.focus = check
        if let again = worker.check(.given(focused, kind)).failure, isAlike(again.check) { best = (focused, again) }
        var tried: Set<FuzzCase> = []
        var isShrinking = true
        while isShrinking {
            isShrinking = false
            for candidate in smaller(best.item) where !tried.contains(candidate) {
                if Date() > deadline { return best }
                tried.insert(candidate)
                let outcome = worker.check(.given(candidate, kind))
                guard let again = outcome.failure, isAlike(again.check) else { continue }
                best = (candidate, again)
                isShrinking = true
                break
            }
        }
        return best
    }

    /// Names of forms may change on the way, as recurrences go.
    private func isAlike(_ other: String) -> Bool { Checker.family(other) == Checker.family(check) }

    /// First what makes trying fast, then parts of the program from large to small, then single expressions.
    private func smaller(_ item: FuzzCase) -> [FuzzCase] {
        SmallerData.candidates(item)
            + SourceEdits(item.text).candidates.map { text in
                var smaller = item
                smaller.text = text
                return smaller
            }
    }
}
