/// The same program with less data, or simpler ones.
enum SmallerData {
    static func candidates(_ item: FuzzCase) -> [FuzzCase] {
        var result: [FuzzCase] = []
        func add(_ change: (inout FuzzCase) -> Void) {
            var smaller = item
            change(&smaller)
            if smaller != item { result.append(smaller) }
        }
        for run in item.runs.indices where item.runs.count > 1 { add { $0.runs = [item.runs[run]] } }
        for (k, run) in item.runs.enumerated() {
            for smaller in candidates(run) { add { $0.runs[k] = smaller } }
        }
        for values in [FuzzCase.Values.whole, .usual] where item.values != .whole && item.values != values { add { $0.values = values } }
        return result
    }

    private static func candidates(_ run: FuzzCase.RunSize) -> [FuzzCase.RunSize] {
        var result: [FuzzCase.RunSize] = []
        func add(_ change: (inout FuzzCase.RunSize) -> Void) {
            var smaller = run
            change(&smaller)
            if let lengths = smaller.lengths {
                smaller.lengths = (0..<smaller.batch).map { min($0 < lengths.count ? lengths[$0] : smaller.length, smaller.length) }
            }
            if smaller != run { result.append(smaller) }
        }
        add { $0.lengths = nil }
        for batch in [1, run.batch - 1] where batch >= 1 && batch < run.batch { add { $0.batch = batch } }
        for length in [1, 2, 3, run.length / 2, run.length - 1] where length >= 1 && length < run.length { add { $0.length = length } }
        for length in [1, 2] where length < run.secondLength { add { $0.secondLength = length } }
        return result
    }
}
