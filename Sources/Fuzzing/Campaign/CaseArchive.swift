import Rec
import RecStream
import RecTensors

/// The data of a case as `recc verify` reads them.
enum CaseArchive {
    /// Nil where the text is no program.
    static func archive(of item: FuzzCase) -> TensorArchive? {
        guard let model = try? Model(Program(text: item.text)) else { return nil }
        let data = CaseData(item).bound(for: model.graph)
        var tensors: [NamedTensor] = []
        for value in model.graph.values {
            switch value.operation {
            case .input(let name, _):
                guard let tensor = data.inputs[name] else { continue }
                tensors.append(NamedTensor(name: (value.variance.isStream ? "input." : "once.") + name, tensor: tensor))
            case .parameter(let info):
                guard let tensor = data.parameters[info.path] else { continue }
                tensors.append(NamedTensor(name: (info.isTrained ? "param." : "const.") + info.path, tensor: tensor))
            case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
                .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        if let lengths = data.lengths { tensors.append(NamedTensor(name: "lengths", tensor: Tensor(lengths, shape: [lengths.count]))) }
        return TensorArchive(tensors: tensors)
    }
}
