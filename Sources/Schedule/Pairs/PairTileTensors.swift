import RecStream

/// What tiles are made of that other parts compute, or the caller gives: tensors, and the numbers of steps.
extension PairTiles {
    /// A tensor of the caller's, or of another part.
    private mutating func tensor(_ name: String, _ shape: Shape, _ variance: Variance) -> Tile {
        let isOuter = variance.varies(over: outer)
        // One tensor may be read along both indices.
        let key = isOuter ? PairTensor.block + name : name
        if let known = tensors[key] { return known }
        let made: Tile
        if isOuter {
            made = Tile(id: builder.add(.input(name: key, fallback: nil), proposing: ValueType(.real, [outerDim] + shape, chunked)), hasOuter: true)
        } else if variance.varies(over: inner) {
            // What stands behind the end of a sequence is later than all of it.
            let fill = name == PairTensor.places ? 0x1p25 : 0
            made = Tile(id: builder.chunks(builder.input(name, shape, over: [0]), axis: 1, fill: fill, named: innerDim.name), hasInner: true)
        } else {
            // As what varies from chunk to chunk it is read where it is used.
            let whole = variance.batch ? builder.once(name, shape) : builder.parameter(name, shape)
            made = Tile(id: builder.rename(whole, over: chunked))
        }
        tensors[key] = made
        return made
    }

    private func name(of source: ValueID) -> String {
        switch graph[source].operation {
        case .input(let name, _): PairTensor.input(name)
        case .parameter(let info): PairTensor.parameter(info.path)
        case .constant, .unary, .binary, .select, .contract, .reduce, .broadcast, .rename, .reshape, .slice, .concat, .pad, .window, .gather,
            .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
            PairTensor(value: source, form: .plain).description
        }
    }

    /// What a value that is not one of pairs is read from.
    mutating func read(_ id: ValueID, _ form: PairTensor.Form = .plain) -> Tile {
        let (variance, shape) = (graph[id].variance, graph[id].shape)
        let source = graph.unindexed(id)
        if graph[id].element == .int, form == .plain { givenInts.insert(name(of: source)) }
        switch (graph[source].operation, form) {
        case (.input(let name, _), .plain): return tensor(PairTensor.input(name), shape, variance)
        case (.parameter(let info), .plain): return tensor(PairTensor.parameter(info.path), shape, variance)
        default:
            let own = PairTensor(value: source, form: form)
            wanted.insert(own)
            return tensor(own.description, shape, variance)
        }
    }

    /// Whether a step of the chunk, or of the block, is one of the sequence.
    mutating func isValid(_ side: Side) -> Tile {
        if let known = validity[side] { return known }
        let made: ValueID
        switch side {
        case .chunk:
            let ones = builder.rename(builder.constant(1), over: Variance(batch: true, axes: 1))
            made = builder.chunks(ones, axis: 1, named: innerDim.name)
        case .block:
            made = builder.add(.input(name: PairTensor.block + PairTensor.validity, fallback: nil), proposing: ValueType(.real, [outerDim], chunked))
        }
        let condition = builder.binary(.notEqual, made, builder.constant(.real(0), builder[made].shape))
        let tile = Tile(id: condition, hasOuter: side == .block, hasInner: side == .chunk)
        validity[side] = tile
        return tile
    }

    /// `t - s` as a real.
    mutating func distance() -> Tile {
        func places(_ axis: Int) -> Tile { tensor(PairTensor.places, [], Variance(batch: true, axes: 1 << UInt8(axis))) }
        let (own, other) = (places(outer), places(inner))
        return elementwise(graph.axes[outer].again != nil ? [other, own] : [own, other]) { $0.binary(.subtract, $1[0], $1[1]) }
    }

    /// A value that other parts compute.
    mutating func given(_ id: ValueID) throws(ScheduleRefusal) -> Tile {
        switch graph[id].element {
        case .int where holdsInts, .real: return read(id)
        case .bool: return elementwise([read(id, .truth)]) { $0.binary(.notEqual, $1[0], $0.constant(.real(0), $0[$1[0]].shape)) }
        case .int, .complex: throw refusal("they are \(graph[id].element.rawValue)s", id)
        }
    }
}
