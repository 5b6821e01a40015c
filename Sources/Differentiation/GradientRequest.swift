import RecStream

/// What is differentiated, and with respect to what.
package struct GradientRequest: Hashable, Sendable {
    /// A number to differentiate, or a share in one; the sum of all is differentiated.
    package enum Seed: Hashable, Sendable {
        /// The loss as it is reported: the mean over the batch.
        case loss(String)
        /// `sum(output * cotangent)`; the cotangent is an input `cotangent.NAME` of the output's shape and variance.
        case output(String)
        /// The same for a state after its last step, with the once input `cotangent.final.NAME`.
        case finalState(String)
    }

    /// What a gradient is taken with respect to.
    package enum Target: Hashable, Sendable {
        /// `grad.PATH`, in the parameter's shape.
        case parameter(String)
        /// `grad.NAME`, as the input lies: `[batch, axes…, dims…]`, or `[batch, dims…]` for one given once.
        case input(String)
        /// `grad.initial.NAME`: the state's value before the first step, `[batch, dims…]`, where it is declared and where it is 0.
        case initialState(String)
    }

    /// What is added up and differentiated.
    package var seeds: [Seed]
    /// In the order in which gradients are given.
    package var targets: [Target]
    /// Gradients do not pass between blocks of so many steps along the first axis; nil for no bound.
    package var truncation: Int?
    /// Whether all numbers are taken to be finite: then nothing has to be kept from a gradient that has no part in it, as 0 · x is 0. What
    /// comes out is to be looked at: where it is not finite, it may be so for that reason alone.
    package var assumesFinite = false

    /// A request by name; what the names stand for is looked up when a graph is differentiated.
    package init(seeds: [Seed], targets: [Target], truncation: Int? = nil) {
        self.seeds = seeds
        self.targets = targets
        self.truncation = truncation
    }

    /// The losses, or every real or complex output where there are none; with respect to every trained parameter and every
    /// real or complex input.
    package init(of graph: StreamGraph, truncation: Int? = nil) {
        func isContinuous(_ value: Value) -> Bool { value.element == .real || value.element == .complex }
        var targets: [Target] = []
        for value in graph.values where isContinuous(value) {
            switch value.operation {
            case .parameter(let info): if info.isTrained { targets.append(.parameter(info.path)) }
            case .input(let name, _): targets.append(.input(name))
            case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat,
                .pad, .window, .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                break
            }
        }
        let outputs = graph.outputs.filter { isContinuous(graph[$0.value]) }.map { Seed.output($0.name) }
        self.init(
            seeds: graph.losses.isEmpty ? outputs : graph.losses.map { .loss($0.name) }, targets: targets, truncation: truncation)
    }
}

extension GradientRequest.Target {
    /// `grad.W`
    package var gradientName: String {
        switch self {
        case .parameter(let name), .input(let name): "grad.\(name)"
        case .initialState(let name): "grad.initial.\(name)"
        }
    }
}

extension GradientRequest.Seed {
    /// What a cotangent of this name belongs to: `y`, `final.h`.
    package init(cotangent name: String) {
        let final = "final."
        self = name.hasPrefix(final) ? .finalState(String(name.dropFirst(final.count))) : .output(name)
    }

    /// The input that holds the cotangent; nil for a loss, which has none.
    package var cotangentName: String? {
        switch self {
        case .loss: nil
        case .output(let name): "cotangent.\(name)"
        case .finalState(let name): "cotangent.final.\(name)"
        }
    }
}
