import ArgumentParser
import Rec

/// Ranges of generated data, of commands that make some.
struct RangeOptions: ParsableArguments {
    @Option(
        help: "Inputs that are uniform in a range, all as in --range 0.9,1, or one as in --range a=0.9,1; may be given several times. Other inputs are normal.")
    var range: [String] = []

    /// The numbers of `--range a=0.9,1` and `--range 0.9,1`.
    func ranges() throws -> InputRanges {
        var result = InputRanges()
        for text in range {
            let sides = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let ends = (sides.last ?? "").split(separator: ",", omittingEmptySubsequences: false).map { Double($0) ?? .nan }
            guard ends.count == 2, ends[0] <= ends[1], abs(ends[0]) < 1e9, abs(ends[1]) < 1e9, sides[0] != "" else {
                throw ValidationError("'\(text)' is no range: write --range 0.9,1 or --range a=0.9,1")
            }
            if sides.count == 1 {
                guard result.all == nil else { throw ValidationError("two ranges for all inputs: '\(text)' is the second") }
                result.all = ends[0]...ends[1]
            } else {
                guard result.byName.updateValue(ends[0]...ends[1], forKey: String(sides[0])) == nil else {
                    throw ValidationError("the range of '\(sides[0])' is given twice")
                }
            }
        }
        return result
    }
}
