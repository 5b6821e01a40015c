import RecStream
import RecTyping

extension TypedModel {
    /// Indices of the values so that instant operands come first. Typing has found that there is no instant cycle within
    /// the model; what passes through layers is looked at in the graph.
    var order: [Int] {
        var order: [Int] = []
        var state = [UInt8](repeating: 0, count: values.count)
        for root in values.indices where state[root] == 0 {
            var stack = [(root, false)]
            while let (index, isDone) = stack.popLast() {
                if isDone {
                    order.append(index)
                    continue
                }
                guard state[index] == 0 else { continue }
                state[index] = 1
                stack.append((index, true))
                for operand in instantOperands(of: values[index]).reversed() where state[operand.index] == 0 {
                    stack.append((operand.index, false))
                }
            }
        }
        return order
    }

    private func instantOperands(of value: TypedValue) -> [ValueID] {
        switch value.operation {
        case .primitive(let operation): operation.instantOperands
        case .parameter, .dim, .adjoint, .step, .distance, .draw: []
        case .along(let operand, _): [operand]
        case .own(let inner, let gradient):
            [inner] + ownGradients[gradient].arguments + ownGradients[gradient].shares.compactMap { $0 }
        case .training(let a, let b): [a, b]
        case .slice(let operand, _, _, _), .pad(let operand, _, _, _, _): [operand]
        case .pick(let rows, let index): [rows, index]
        case .derivative(let result, let place): [result, place]
        case .window(let operand, let window): (window.mayBeHere ? [operand] : []) + (window.initial.map { [$0] } ?? [])
        case .callOutput(let call, _): calls[call].inputs.values.sorted()
        }
    }
}
