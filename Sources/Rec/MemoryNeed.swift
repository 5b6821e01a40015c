import Foundation
import RecSource
import RecStream
import RecTensors
import RecTyping

extension Model {
    /// Refuses what cannot fit into this machine's memory: the parameters, and what a run over so many steps takes in and
    /// gives (in the interpreter also every value between).
    package func checkMemory(batch: Int = 1, extents: [Int] = [], on engine: Engine = .compiled(.f32)) throws(DiagnosticList) {
        func bytes(_ value: Value) -> Double {
            var count = value.shape.sizes.reduce(1.0) { $0 * Double($1) } * (value.element == .complex ? 2 : 1)
            if value.variance.batch { count *= Double(batch) }
            for (axis, extent) in extents.enumerated() where value.variance.varies(over: axis) { count *= Double(extent) }
            return 8 * count
        }
        let results = Set(graph.outputs.map(\.value))
        var need = 0.0
        for (index, value) in graph.values.enumerated() {
            switch value.operation {
            // Numbers in f64 for a moment, and a copy in the precision of the code.
            case .parameter: need += 2 * bytes(value)
            case .input: if !extents.isEmpty { need += bytes(value) }
            case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
                .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                if !extents.isEmpty, engine == .interpreter || results.contains(ValueID(index)) { need += bytes(value) / 2 }
            }
        }
        if !extents.isEmpty { need += 8 * Double(batch) }
        let memory = Double(ProcessInfo.processInfo.physicalMemory)
        guard need > memory else { return try checkSize(batch: batch, extents: extents) }
        let gigabytes = (need * 1e-9).rounded()
        throw DiagnosticList([
            Diagnostic(
                .tooLarge, "the tensors of this run take about \(gigabytes < 1e15 ? "\(Int(gigabytes))" : "\(gigabytes)") GB, and this machine has \(Int(memory * 1e-9))",
                at: nil, help: "make the batch, the length or the dims smaller")
        ])
    }
}

extension Model {
    /// Refuses work whose sizes cannot be computed with: they are added and multiplied without a thought of overflow.
    package func checkSize(batch: Int, extents: [Int]) throws(DiagnosticList) {
        let row = graph.values.reduce(8.0) { sum, value in
            guard value.variance.batch || value.variance.isStream else { return sum }
            return sum + value.shape.sizes.reduce(8.0) { $0 * Double($1) } * (value.element == .complex ? 2 : 1)
        }
        let steps = extents.reduce(Double(max(batch, 1))) { $0 * Double(max($1, 1)) }
        guard steps * row <= 0x1p50 else {
            throw DiagnosticList(
                .tooLarge, "a batch of \(batch) over \(extents.map(String.init).joined(separator: " × ")) steps is too large",
                help: "make the batch, the length or the dims smaller")
        }
    }
}

extension TypedModel {
    /// Parameters that data lack, some of them, where not even the dims are known.
    func missingParameters(_ data: ModelData, lookUp: (String) -> TypedModel?) -> [Diagnostic] {
        let names = tensorNames(lookUp: lookUp)
        let found = names.map { [$0.path, $0.name].first { data.parameters[$0] != nil } }
        let search = ParameterSearch(data.parameters, used: Set(found.compactMap { $0 }))
        let missing = zip(names, found).filter { $1 == nil }.map(\.0).prefix(4)
        return missing.enumerated().map { k, item in
            let looked = item.path == item.name ? "" : "; looked for '\(item.name)' and '\(item.path)'"
            let help = [search.likely([item.path, item.name], nil), k == missing.count - 1 ? search.unusedText : nil].compactMap { $0 }
            return Diagnostic(
                .missingTensor, "the parameter '\(item.path)', which may tell dims, is missing\(looked)", at: nil,
                help: help.isEmpty ? nil : help.joined(separator: "; "))
        }
    }

    /// Inputs that data lack and that would tell dims which nothing else does.
    func missingInputs(_ data: ModelData, telling unknown: [String]) -> [Diagnostic] {
        inputs.compactMap { input in
            let value = self[input.value]
            guard data.inputs[input.name] == nil, case .primitive(.input(_, nil)) = value.operation else { return nil }
            let told = unknown.filter { name in value.shape.contains { $0.size.symbols.contains(name) } }
            guard !told.isEmpty else { return nil }
            return Diagnostic(.missingTensor, "the input '\(input.name)', which would tell \(told.joined(separator: " and ")), is missing", at: nil)
        }
    }

    /// What keeps dims from being read off the data: an input with too few axes, too many, or an empty one.
    func misfits(_ data: ModelData) -> [Diagnostic] {
        inputs.compactMap { input in
            guard let tensor = data.inputs[input.name] else { return nil }
            let value = self[input.value]
            var names = axes.indices.filter { value.variance.varies(over: $0) }.map { axes[$0].name } + value.shape.map(\.name)
            if value.element == .complex { names.append("2") }
            let expected = "expected [\((["batch"] + names).joined(separator: ", "))]"
            guard (names.count...names.count + 1).contains(tensor.shape.count) else {
                return Diagnostic(.misshapenTensor, "'\(input.name)' has the shape \(tensor.shape), \(expected)", at: nil)
            }
            guard tensor.shape.suffix(value.shape.count).allSatisfy({ $0 > 0 }) || value.shape.isEmpty else {
                return Diagnostic(
                    .misshapenTensor, "'\(input.name)' has the shape \(tensor.shape), \(expected); dims are 1 or more", at: nil)
            }
            return nil
        }
    }
}
