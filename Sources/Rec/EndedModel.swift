import RecStream
import RecTensors

/// Sequences of different length along several axes. Plans know the lengths along one axis alone; over several, lengths are inputs of a graph
/// that sees nothing behind the ends.
extension Model {
    /// The axes along which data have lengths that a plan cannot have.
    func axesToEnd(_ data: BoundData) -> [Int] {
        guard graph.dataAxes.count > 1 else { return [] }
        return graph.dataAxes.filter { data.lengths(along: $0) != nil }
    }

    /// The same model with the lengths along some axes as inputs.
    func ending(along axes: [Int]) -> Model {
        code.part(ModelCode.Part(selection: Selection(all: graph), endedAxes: axes), of: self) { () throws(Never) in graph.ending(along: axes) }
    }
}

extension ModelData {
    /// The same data with lengths as inputs.
    func endingByInputs(_ bound: BoundData, along axes: [Int], of graph: StreamGraph) -> ModelData {
        var result = self
        (result.lengths, result.lengthsByAxis) = (nil, [:])
        for axis in axes {
            guard let lengths = bound.lengths(along: axis) else { continue }
            result.inputs[graph.lengthsName(of: axis)] = Tensor(lengths, shape: [lengths.count])
        }
        return result
    }
}
