/// Operations on all steps of an axis at once, along a first dim.
extension AxisUnfolding {
    /// Says how the rows of a value are computed.
    mutating func defineRows(_ id: ValueID) {
        let value = source[id]
        let place = places[id.index][0]
        switch value.operation {
        case .input:
            guard let chunks else {
                replace(place, by: value.operation)
                return
            }
            let stream = builder.declare(ValueType(value.element, value.shape, variance(value.variance)), name: value.name)
            replace(stream, by: value.operation)
            replace(place, by: .chunks(stream, axis: chunks, fill: 0))
        case .delay(let operand, let offsets, let initial):
            let moved = shifted(id, operand, by: offsets[axis], initial)
            let rest = others(of: offsets)
            replace(place, by: rest.allSatisfy { $0 == 0 } ? .rename(moved) : .delay(moved, offsets: rest, initial: initial.map { rows($0) }))
        case .unary(let function, let a):
            replace(place, by: .unary(function, rows(a)))
        case .binary(let function, let a, let b):
            replace(place, by: .binary(function, rows(a), rows(b)))
        case .select(let condition, let a, let b):
            replace(place, by: .select(rows(condition), then: rows(a), otherwise: rows(b)))
        case .contract(let contraction):
            replace(place, by: .contract(withRows(contraction)))
        case .reduce(let kind, let a, let axes):
            replace(place, by: .reduce(kind, rows(a), axes: axes.map { $0 + 1 }))
        case .broadcast(let a, let from):
            replace(place, by: .broadcast(rows(a), from: [0] + from.map { $0.map { $0 + 1 } }))
        case .rename(let a):
            replace(place, by: .rename(rows(a)))
        case .reshape(let a):
            replace(place, by: .reshape(rows(a)))
        case .slice(let a, let dim, let start, let stride):
            replace(place, by: .slice(rows(a), axis: dim + 1, start: start, stride: stride))
        case .concat(let parts, let dim):
            var all: [ValueID] = []
            for part in parts { all.append(rows(part)) }
            replace(place, by: .concat(all, axis: dim + 1))
        case .pad(let a, let dim, let before, let after, let mode):
            replace(place, by: .pad(rows(a), axis: dim + 1, before: before, after: after, mode: mode))
        case .window(let a, let dim, let stride):
            replace(place, by: .window(rows(a), axis: dim + 1, stride: stride))
        case .gather(let table, let index):
            replace(place, by: .gather(table: apart(table), index: rows(index)))
        case .overTime(let kind, let a, let other):
            replace(place, by: .overTime(kind, rows(a), axis: moved(other)))
        case .along(let a, let other):
            replace(place, by: .along(rows(a), axis: moved(other)))
        case .runningAffine(let a, let b, let dim, let isReversed):
            replace(place, by: .runningAffine(rows(a), rows(b), axis: dim + 1, isReversed: isReversed))
        case .solve(let a, let b, let isTransposed):
            replace(place, by: .solve(rows(a), rows(b), isTransposed: isTransposed))
        case .parameter, .constant, .scatter, .overBatch, .distance, .chunks, .steps:
            preconditionFailure("\(value.operation) does not vary over an axis that is unfolded, or stands for each step")
        }
    }

    /// A product for all steps: what varies over them has their label in front.
    private mutating func withRows(_ contraction: Contraction) -> Contraction {
        let label = 1 + (contraction.leftLabels + contraction.rightLabels).reduce(-1, max)
        func varies(_ id: ValueID) -> Bool { forms[id] != .apart }
        var result = contraction
        if varies(contraction.left) {
            result.left = rows(contraction.left)
            result.leftLabels.insert(label, at: 0)
        } else { result.left = apart(contraction.left) }
        if varies(contraction.right) {
            result.right = rows(contraction.right)
            result.rightLabels.insert(label, at: 0)
        } else { result.right = apart(contraction.right) }
        result.resultLabels.insert(label, at: 0)
        return result
    }

    /// The rows some steps away along the axis, and what stands outside of it.
    private mutating func shifted(_ id: ValueID, _ operand: ValueID, by distance: Int, _ initial: ValueID?) -> ValueID {
        let all = rows(operand)
        guard distance != 0 else { return all }
        let far = min(count, abs(distance))
        let own = outside(id, initial)
        let shape = source[id].shape
        let beyond = builder.broadcast(own, to: [Dim("\(far)", far)] + shape, from: [nil] + shape.indices.map { $0 })
        guard far < count else { return builder.rename(beyond, to: [dim] + shape) }
        let rest = builder.slice(all, axis: 0, start: distance < 0 ? 0 : far, count: count - far)
        return builder.concat(distance < 0 ? [beyond, rest] : [rest, beyond], axis: 0, named: dim.name)
    }

    /// A reduction over the axis.
    ///
    /// - Parameter type: of the result, as the source has it.
    mutating func reduction(_ kind: TimeReduceKind, _ operand: ValueID, _ type: ValueType) -> Operation {
        switch kind {
        case .first: return .rename(step(operand, 0))
        case .last: return .rename(step(operand, count - 1))
        case .sum: return .reduce(.sum, rows(operand), axes: [0])
        case .max: return .reduce(.max, rows(operand), axes: [0])
        case .min: return .reduce(.min, rows(operand), axes: [0])
        case .mean:
            let total = builder.reduce(.sum, rows(operand), axes: [0])
            let number: Scalar = type.element == .complex ? .complex(Double(count), 0) : .real(Double(count))
            return .binary(.divide, total, builder.constant(number, type.shape))
        }
    }
}
