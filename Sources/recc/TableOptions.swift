import ArgumentParser
import RecTraining

/// What is taken from a table, and what is to be predicted.
struct TableOptions: ParsableArguments {
    @Option(help: "A column of a table to leave out, or several with commas between; dates and times that are no numbers are left out anyway.")
    var skip: [String] = []

    @Option(help: "What is to be predicted: an input, or a column of the table, which the input without data takes some steps ahead; target=x says which input.")
    var predict: String?

    @Option(help: "With --predict: how many steps ahead.")
    var ahead = 1

    func validate() throws {
        if predict == nil, ahead != 1 { throw ValidationError("--ahead belongs to --predict") }
        guard (1...1 << 20).contains(ahead) else { throw ValidationError("--ahead is from 1 to 1048576") }
    }

    /// Whether something is asked for.
    var areGiven: Bool { predict != nil || !skip.isEmpty }

    /// What reads tables and inputs as these options say.
    func inputs(areStreams: Bool, allowsUnused: Bool) -> GivenInputs {
        GivenInputs(areStreams: areStreams, skipping: skip, prediction: predict.map { Prediction($0, ahead: ahead) }, allowsUnused: allowsUnused)
    }
}
