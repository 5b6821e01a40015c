import RecAnalysis
import RecStream

/// A reshape in which every axis of the operand is one or more neighbouring axes of the result: then an index of the result is
/// an index of the operand without division, and the operand can be computed or read in place.
struct Regrouping {
    /// For each axis of the operand the axes of the result, each with its stride within.
    private let parts: [[(axis: Int, stride: Int)]]

    /// Nil where an axis of the operand would be cut.
    init?(from operand: Shape, to result: Shape) {
        var parts: [[(axis: Int, stride: Int)]] = []
        var next = 0
        for dim in operand {
            var group: [(axis: Int, stride: Int)] = []
            var count = 1
            while count < dim.size {
                guard next < result.count else { return nil }
                count *= result[next].size
                if result[next].size > 1 { group.append((next, 0)) }
                next += 1
            }
            guard count == dim.size else { return nil }
            var stride = 1
            for k in group.indices.reversed() {
                group[k].stride = stride
                stride *= result[group[k].axis].size
            }
            parts.append(group)
        }
        self.parts = parts
    }

    /// The index in the operand of what has this index in the result.
    func index(_ index: [Affine]) -> [Affine] {
        parts.map { group in group.reduce(Affine()) { $0 + index[$1.axis] * $1.stride } }
    }
}

extension StreamGraph {
    /// Whether a value is a reshape through which its operand can be read wherever that lies.
    func isRegrouping(_ id: ValueID) -> Bool {
        guard case .reshape(let operand) = self[id].operation else { return false }
        return Regrouping(from: self[operand].shape, to: self[id].shape) != nil
    }
}
