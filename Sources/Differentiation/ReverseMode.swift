import RecStream

/// The work of reverse mode: walks the graph from its results to its targets and gives each operand its share of the adjoint.
struct ReverseMode {
    let primal: StreamGraph
    let request: Differentiation
    let activity: Activity
    /// Values that may be infinite where they are looked at.
    let poles: Poles
    /// Where slopes count, and the masks made of it.
    var liveness: Liveness
    var masks = LiveMasks()
    /// For each value the recurrence that it is part of.
    let recurrence: [Int]
    /// The graph in the making; it begins with all values of `primal`.
    var builder: GraphBuilder
    /// What the users of each value have given it so far.
    private var shares: [[ValueID]]
    /// The same from slices.
    private var slicedShares: [[SlicedShare]]
    /// Shares in the value of each state before its first step, by the state's value.
    private(set) var initialShares: [ValueID: [ValueID]]
    private(set) var adjoints: [ValueID?]
    /// Mirror images whose operand, the adjoint of a delay, is still to come.
    var mirrors: [MirrorImage] = []
    /// Those that look at an adjoint in the mirror image of another.
    var furtherMirrors: [MirrorImage] = []
    let delays: [ValueID: [ValueID]]
    /// Calls of functions with gradients of their own.
    let own: [ValueID: StreamGraph.OwnGradient]
    let reversed: Set<ValueID>

    init(_ request: Differentiation) {
        self.request = request
        primal = request.primal
        let graph = request.primal
        var delays: [ValueID: [ValueID]] = [:]
        for id in graph.ids {
            if case .delay(let operand, _, _) = graph[id].operation { delays[operand, default: []].append(id) }
        }
        self.delays = delays
        own = graph.ownGradientsByValue
        initialShares = [:]
        var starts: [ValueID] = []
        for target in request.targets {
            guard case .initialState = target.target else {
                starts += target.values
                continue
            }
            for value in target.values {
                initialShares[value] = []
                starts += delays[value] ?? []
            }
        }
        var seeds = request.seeds.flatMap(\.values)
        for seed in request.seeds {
            // Without a step a state ends as it begins.
            if case .finalState = seed.seed { seeds += graph.states.filter { seed.values.contains($0.value) }.compactMap(\.initial) }
        }
        activity = Activity(graph, targets: starts, seeds: seeds)
        poles = request.boundsFactors ? Poles(graph) : Poles.none(in: graph)
        liveness = Liveness(graph, activity, seeds: seeds, isMasked: request.masksUnchosen)
        recurrence = graph.recurrenceNumbers
        builder = GraphBuilder(continuing: graph)
        shares = [[ValueID]](repeating: [], count: graph.values.count)
        slicedShares = [[SlicedShare]](repeating: [], count: graph.values.count)
        adjoints = [ValueID?](repeating: nil, count: graph.values.count)
        reversed = graph.loopNests.reduce(into: Set<ValueID>()) { $0.formUnion($1.reversedValues) }
    }

    mutating func run() -> StreamGraph {
        for seed in request.seeds { plant(seed.seed, seed.values, isPair: seed.isPair) }
        for id in primal.ids.reversed() where activity.isActive(id) {
            builder.span = primal[id].span
            for delay in delays[id] ?? [] where activity.isActive(delay) { giveMirror(of: delay, to: id) }
            let sliced = builder.joined(slicedShares[id.index], in: primal[id].shape)
            guard let adjoint = builder.sum(shares[id.index] + sliced) else { continue }
            adjoints[id.index] = adjoint
            let isNew = adjoint.index >= primal.values.count && builder[adjoint].name == nil
            if isNew, let name = primal[id].name { builder.name(adjoint, "grad.\(name)") }
            propagate(adjoint, from: id)
        }
        closeMirrors()
        builder.span = nil
        nameRecurrences(closeMasks())
        for target in request.targets { builder.output(target.target.gradientName, result(target)) }
        if !request.boundsSlopes { builder.unbound(from: primal.values.count) }
        return builder.graph
    }

    // MARK: Shares

    /// Adds to the adjoint of `operand` what its user `id` gives it: a value of the operand's sizes, for each place where the
    /// user is. The user may be at more places than the operand: shares are added up over them.
    mutating func give(_ share: ValueID, to operand: ValueID, from id: ValueID) {
        guard activity.isActive(operand) else { return }
        add(share, to: operand, over: primal[id].variance)
    }

    /// The same for a slice without gaps.
    mutating func give(_ share: ValueID, toSliceOf operand: ValueID, axis: Int, start: Int, from id: ValueID) {
        guard activity.isActive(operand) else { return }
        let whole = builder.total(share, over: primal[id].variance, leaving: primal[operand].variance)
        slicedShares[operand.index].append(
            SlicedShare(axis: axis, start: start, count: primal[id].shape[axis].size, share: whole))
    }

    /// The same for what a user that varies over `variance` gives.
    mutating func add(_ share: ValueID, to operand: ValueID, over variance: Variance) {
        let whole = builder.total(share, over: variance, leaving: primal[operand].variance)
        let shape = primal[operand].shape
        shares[operand.index].append(builder[whole].shape == shape ? whole : builder.rename(whole, to: shape))
    }

    /// Adds to what a state is before its first step.
    mutating func addInitial(_ share: ValueID, to state: ValueID, over variance: Variance) {
        guard initialShares[state] != nil else { return }
        let whole = builder.total(share, over: variance, leaving: .once)
        let shape = primal[state].shape
        initialShares[state]?.append(builder[whole].shape == shape ? whole : builder.rename(whole, to: shape))
    }

    // MARK: Results

    private mutating func result(_ target: (target: GradientRequest.Target, values: [ValueID], isPair: Bool)) -> ValueID {
        let parts = target.values.map { id -> ValueID in
            let value = primal[id]
            let found: ValueID?
            var variance = value.variance
            if let shares = initialShares[id], case .initialState = target.target {
                found = builder.sum(shares)
                variance = .once
            } else {
                found = adjoints[id.index]
            }
            let gradient = found ?? builder.zeros(value.shape)
            return builder[gradient].variance == variance ? gradient : builder.rename(gradient, over: variance)
        }
        return target.isPair ? builder.pair(parts) : parts[0]
    }
}

extension StreamGraph {
    /// For each value the number of the strongly connected component that it is in.
    var recurrenceNumbers: [Int] {
        var numbers = [Int](repeating: -1, count: values.count)
        for (number, found) in components(of: self).enumerated() {
            for member in found.members { numbers[member.index] = number }
        }
        return numbers
    }
}
