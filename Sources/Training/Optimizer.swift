/// How parameters follow their gradients.
///
/// Every element is updated by itself. Numbers are f64 whatever the precision of the run, so that small updates are not
/// lost in rounding.
public enum Optimizer: Hashable, Sendable {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2, arXiv:1711.05101); `decay` is multiplied
    /// by the learning rate, as in PyTorch.
    case adamW(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, decay: Double = 0.01)
    /// Gradient descent; `v = momentum * v + gradient + decay * parameter`, and the parameter moves by `-rate * v`.
    case sgd(momentum: Double = 0.9, decay: Double = 0)

    /// How many numbers are kept for each element of a parameter.
    package var momentCount: Int {
        switch self {
        case .adamW: 2
        case .sgd: 1
        }
    }

    /// What differs from one optimizer to another, in words, for checkpoints.
    var description: String {
        switch self {
        case .adamW(let beta1, let beta2, let epsilon, let decay): "adamw \(beta1) \(beta2) \(epsilon) decay \(decay)"
        case .sgd(let momentum, let decay): "sgd \(momentum) decay \(decay)"
        }
    }

    /// Takes one step.
    ///
    /// - Parameters:
    ///   - gradient: as many numbers as the parameter has.
    ///   - scale: what gradients are multiplied by first (clipping).
    ///   - rate: the learning rate of this step.
    ///   - step: the number of this step; the first is 1.
    package func update(_ parameter: inout TrainedParameter, gradient: [Double], scale: Double = 1, rate: Double, step: Int) {
        precondition(gradient.count == parameter.values.count, "a gradient has the shape of its parameter")
        switch self {
        case .adamW(let beta1, let beta2, let epsilon, let decay):
            // Both moments start at zero; dividing by these takes the bias out (Kingma and Ba 2015, §3).
            let first = 1 - power(beta1, step)
            let second = 1 - power(beta2, step)
            for k in gradient.indices {
                let g = scale * gradient[k]
                let m = beta1 * parameter.moments[0][k] + (1 - beta1) * g
                let v = beta2 * parameter.moments[1][k] + (1 - beta2) * g * g
                parameter.moments[0][k] = m
                parameter.moments[1][k] = v
                parameter.values[k] =
                    (1 - rate * decay) * parameter.values[k] - rate * (m / first) / ((v / second).squareRoot() + epsilon)
            }
        case .sgd(let momentum, let decay):
            for k in gradient.indices {
                let v = momentum * parameter.moments[0][k] + scale * gradient[k] + decay * parameter.values[k]
                parameter.moments[0][k] = v
                parameter.values[k] -= rate * v
            }
        }
    }

    /// By repeated squaring: the same bits on every system, which `pow` does not promise.
    private func power(_ base: Double, _ exponent: Int) -> Double {
        var (result, factor, rest) = (1.0, base, exponent)
        while rest > 0 {
            if rest & 1 == 1 { result *= factor }
            factor *= factor
            rest >>= 1
        }
        return result
    }
}

/// A parameter in training: its numbers, and what the optimizer keeps of its gradients.
package struct TrainedParameter: Sendable {
    package let path: String
    /// As the gradient's; a complex parameter has a last axis of two.
    package let shape: [Int]
    /// In row-major order.
    package internal(set) var values: [Double]
    /// One array for each number that the optimizer keeps, in the order of `values`.
    package internal(set) var moments: [[Double]]

    /// A parameter before its first step.
    package init(path: String, shape: [Int], values: [Double], momentCount: Int) {
        precondition(values.count == shape.reduce(1, *), "as many values as the shape holds")
        self.path = path
        self.shape = shape
        self.values = values
        moments = [[Double]](repeating: [Double](repeating: 0, count: values.count), count: momentCount)
    }
}
