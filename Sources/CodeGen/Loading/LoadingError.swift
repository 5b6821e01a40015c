/// Why an object file cannot be loaded.
struct LoadingError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = "machine code cannot be loaded: \(description)" }
}
