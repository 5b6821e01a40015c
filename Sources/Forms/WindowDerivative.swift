import RecDifferentiation
import RecSource
import RecStream

/// The steps of a window, and how what they carry at its end changes with what they began with.
///
/// The derivative follows the steps in forward mode, along several directions at once. Where the elements of a step do not meet there is
/// one direction for each value that is carried, which moves all of its elements: the derivative is diagonal, or one small block for each
/// element. Else there is one for each element, and the derivative is a matrix.
package struct WindowDerivative: Sendable {
    /// A real value that is carried from step to step, by the name that it has as an input and as a state.
    package struct Line: Sendable {
        package let name: String
        package let elementCount: Int
        /// The input that says how it is moved at the beginning of a window, `[batch, dims…, directions]`.
        package var direction: String { "tangent.\(name)" }
        /// The state that says how it has moved then.
        package var derivative: String { "derivative.\(name)" }
    }

    /// Steps without outputs, with the states of the recurrence and the derivatives. The axis of directions is the last one of those; there
    /// is none where there is one direction.
    package let steps: StreamGraph
    package let lines: [Line]
    package let directions: Int
    /// Whether the elements of a step do not meet.
    package let isDiagonal: Bool

    /// More directions than these cost more than windows gain.
    package static let mostDirections = 16

    /// Whether an input says how something is moved.
    package static func isDirection(_ name: String) -> Bool { name.hasPrefix("tangent.") }

    /// - Parameter cell: the steps of a recurrence, whose states may be given (`CarriedState`).
    /// - Throws: where there is no such derivative, or it has too many directions.
    package init(_ cell: StreamGraph) throws(FormRefusal) {
        var system = cell
        system.ownGradients = []
        // What nothing is to pass through has a derivative all the same.
        for id in system.ids { if case .unary(.stop, let operand) = system[id].operation { system[id].operation = .rename(operand) } }
        let carried = cell.states.filter { $0.name.hasPrefix(CarriedState.prefix) && cell[$0.value].element == .real }
        guard !carried.isEmpty else { throw FormRefusal(reason: "what its steps carry are no real numbers, and have no derivative", span: nil) }
        lines = carried.map { Line(name: $0.name, elementCount: cell[$0.value].shape.elementCount) }
        system.outputs = carried.map { StreamGraph.Output(name: $0.name, value: $0.value) }
        system = system.ordered()
        var tangents = system
        do throws(DiagnosticList) { tangents = try tangent(of: system, along: carried.map { .input($0.name) }, assumingFinite: true) } catch {
            let problem = error.diagnostics.first
            throw FormRefusal(reason: problem?.message ?? "its steps have no derivative", span: problem?.span)
        }
        for line in lines {
            guard let output = tangents.outputs.first(where: { $0.name == line.direction }) else { continue }
            tangents.states.append(StreamGraph.State(name: line.derivative, value: output.value, initial: nil, span: nil))
        }
        tangents.outputs = []
        tangents = tangents.ordered()
        let starts = zip(tangents.ids, tangents.values).filter { if case .input(let name, _) = $1.operation { Self.isDirection(name) } else { false } }
        let moved = tangents.following(Set(starts.map(\.0)))
        let sizes = Set(lines.map(\.elementCount))
        isDiagonal = sizes.count == 1 && moved.allSatisfy { id in
            let value = tangents[id]
            return value.operation.keepsPlaces && sizes.contains(value.shape.elementCount)
        }
        directions = isDiagonal ? lines.count : lines.reduce(0) { $0 + $1.elementCount }
        guard directions <= Self.mostDirections else {
            throw FormRefusal(reason: "its derivative has \(directions) directions, more than \(Self.mostDirections)", span: nil)
        }
        if directions > 1 {
            tangents = try tangents.widened(along: Dim("directions", directions), tangents.ids.map(moved.contains)) { name in name.hasPrefix("derivative.") }
        }
        steps = tangents
    }
}

extension Operation {
    /// Whether each element of the result follows from the elements at its place.
    fileprivate var keepsPlaces: Bool {
        switch self {
        case .input, .parameter, .constant, .unary, .binary, .select, .rename, .delay: true
        case .broadcast, .contract, .reduce, .reshape, .slice, .concat, .pad, .window, .gather, .scatter, .overTime, .overBatch, .along, .distance,
            .chunks, .steps, .runningAffine, .solve:
            false
        }
    }
}
