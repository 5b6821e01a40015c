import Rec
import RecStream
import RecTensors

/// The data of a case: every tensor follows from its name, so that it stays when the rest of the program changes.
struct CaseData {
    let item: FuzzCase
    let size: FuzzCase.RunSize

    /// The data of one of the runs of a case.
    init(_ item: FuzzCase, run: Int = 0) {
        self.item = item
        size = item.runs[run]
    }

    /// Data for a graph, which may have more inputs than the program: cotangents, directions.
    ///
    /// - Parameter program: the graph of the whole program, where `graph` may lack tables that it indexes.
    func bound(for graph: StreamGraph, within program: StreamGraph? = nil) -> BoundData {
        let extents = graph.axes.enumerated().map { $1.length ?? ($0 == 0 ? size.length : size.secondLength) }
        var data = BoundData(
            batch: size.batch, extents: extents, lengths: graph.dataAxes.count == 1 ? size.lengths : nil, inputs: [:], parameters: [:])
        let tables = graph.tableSizes.merging(program?.tableSizes ?? [:]) { min($0, $1) }
        for value in graph.values {
            switch value.operation {
            case .input(let name, _):
                var shape = value.variance.batch ? [size.batch] : []
                for (axis, extent) in extents.enumerated() where value.variance.varies(over: axis) { shape.append(extent) }
                data.inputs[name] = tensor(name, value, shape, below: tables[name])
            case .parameter(let info): data.parameters[info.path] = tensor(info.path, value, [], below: nil)
            case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad,
                .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        return data
    }

    private func tensor(_ name: String, _ value: Value, _ outer: [Int], below bound: Int?) -> Tensor {
        let shape = outer + value.shape.sizes + (value.element == .complex ? [2] : [])
        let count = shape.reduce(1, *)
        var dice = Dice(seed: item.dataSeed, for: name)
        switch value.element {
        case .bool: return Tensor((0..<count).map { _ in dice.below(2) }, shape: shape)
        case .int: return Tensor((0..<count).map { _ in bound.map { dice.below($0) } ?? dice.number(in: -1...3) }, shape: shape)
        case .real, .complex:
            let isWeight = outer.isEmpty && shape.count > 1
            return Tensor((0..<count).map { _ in number(&dice, isWeight) }, shape: shape)
        }
    }

    /// Every number is one of f32, so that both precisions get the same.
    private func number(_ dice: inout Dice, _ isWeight: Bool) -> Double {
        let usual = Double(Float((isWeight ? 0.4 : 0.8) * dice.normal()))
        switch item.values {
        case .usual: return usual
        case .whole: return Double(dice.number(in: -2...2)) * (isWeight ? 0.25 : 1)
        case .zeros: return dice.chance(25) ? dice.pick([0.0, -0.0, 1, 1, -1]) : usual
        case .notFinite: return !isWeight && dice.chance(4) ? dice.pick([Double.nan, .infinity, -.infinity]) : usual
        case .huge: return !isWeight && dice.chance(6) ? dice.pick([1e30, -1e30, 1e-30, -1e-30, 1e9, -1e9, 1e4]).asFloat : usual
        }
    }
}

extension Double {
    fileprivate var asFloat: Double { Double(Float(self)) }
}

extension StreamGraph {
    /// How many rows the smallest table has that each input indexes, directly or through a view.
    fileprivate var tableSizes: [String: Int] {
        var sizes: [String: Int] = [:]
        for value in values {
            guard case .gather(let table, let index) = value.operation else { continue }
            var id = index
            while true {
                if case .input(let name, _) = self[id].operation { sizes[name] = min(sizes[name] ?? .max, self[table].shape[0].size) }
                guard let next = self[id].operation.operands.first, self[id].operation.isView else { break }
                id = next
            }
        }
        return sizes
    }
}

extension Operation {
    fileprivate var isView: Bool {
        switch self {
        case .rename, .broadcast, .reshape, .slice: true
        case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .concat, .pad, .window, .gather, .scatter, .delay,
            .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            false
        }
    }
}
