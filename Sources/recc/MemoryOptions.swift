import ArgumentParser
import Rec

/// A number of bytes on the command line: `512MB`.
struct MemorySize: ExpressibleByArgument {
    var bytes: Int

    init?(argument: String) {
        guard let bytes = ByteCount.parse(argument) else { return nil }
        self.bytes = bytes
    }
}

/// What commands that run compiled code have in common.
struct MemoryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The most that a run may have in memory, as in 512MB. Streams that do not fit are computed again, chunk by chunk.",
            valueName: "size"))
    var memory: MemorySize?

    var bound: Int? { memory?.bytes }
}
