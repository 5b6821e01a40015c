import RecSource
import RecTensors

extension Model {
    /// Reads a program, fixes the dims of a model, and gives it its weights.
    ///
    /// - Parameters:
    ///   - path: the `.rec` file.
    ///   - name: which of its models; nil for the one that no other uses as a layer.
    ///   - dims: sizes by name; those that the weights tell may be left out.
    ///   - weights: a `.safetensors` or `.npz` file with a tensor for each parameter and constant, by path, with `param.` or `const.`
    ///     in front or without. Other tensors of the file are left alone.
    /// - Throws: where a file cannot be read, the program has errors, or dims or weights are missing or do not fit.
    public init(_ path: String, named name: String? = nil, dims: [String: Int] = [:], weights: String) throws(DiagnosticList) {
        let program = try Program(path: path)
        let files = try DataFiles(case: nil, weights: [weights], for: program.model(named: name))
        self = try files.model(program, named: name, dims: dims, passingOverUnknown: true).withParameters(files.file.data.parameters)
    }

    /// Reads a program and fixes the dims of a model, without weights: see `withParameters` and `initialized`.
    ///
    /// - Throws: where the file cannot be read, the program has errors, or dims are missing or impossible.
    public init(_ path: String, named name: String? = nil, dims: [String: Int] = [:]) throws(DiagnosticList) {
        try self.init(Program(path: path), named: name, dims: dims)
    }

    /// The same model with these parameters and constants.
    ///
    /// - Parameter parameters: by path, in the shapes of the source. Tensors that the model does not know are left alone.
    /// - Throws: where one is missing or misshapen.
    public func withParameters(_ parameters: [String: Tensor]) throws(DiagnosticList) -> Model {
        var result = apart
        do { result.parameters = try BoundData.parameters(parameters, for: graph) } catch { throw error.placed(in: program.sources) }
        return result
    }

    /// The same model with parameters and constants that start from the initialisers of the source.
    ///
    /// - Parameter seed: of the random ones; each depends on the seed and its path alone.
    /// - Throws: where they do not fit into memory.
    public func initialized(seed: UInt64 = 1) throws(DiagnosticList) -> Model {
        try checkMemory()
        return try withParameters(initialParameters(seed: seed))
    }
}
