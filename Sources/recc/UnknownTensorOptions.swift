import ArgumentParser

/// What commands do that read tensors from files.
struct UnknownTensorOptions: ParsableArguments {
    @Flag(help: "Passes over tensors of files that the model has no use for, as of weights of which it takes a part.")
    var allowUnused = false
}
