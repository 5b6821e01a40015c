import CLLVM
import RecSchedule

/// Where the elements of a nest of a schedule stand in memory, and their loads and stores.
extension ScheduleNestEmitter {
    /// A place along a dim, of one lane or of all.
    func place(_ index: Schedule.Index, isVector: Bool = false, lane: Int = 0) -> IRValue {
        guard let variable = index.variable else { return builder.int(index.offset) }
        var value = variable < 0 ? frame.parallelPlace(-1 - variable) : variables[variable] ?? builder.int(0)
        if variable == vectorLoop {
            if isVector {
                value = builder.add(builder.splat(value, lanes), builder.vectorConstant(Array(0..<lanes), of: builder.i64))
            } else if lane > 0 {
                value = builder.add(value, builder.int(lane))
            }
        }
        let type = builder.type(of: value)
        if index.scale != 1 { value = builder.multiply(value, builder.constant(index.scale, like: type)) }
        if index.offset != 0 { value = builder.add(value, builder.constant(index.offset, like: type)) }
        if let bounds = index.bounds {
            value = builder.maximum(value, builder.constant(bounds.lowerBound, like: type))
            value = builder.minimum(value, builder.constant(bounds.upperBound, like: type))
        }
        return value
    }

    private func address(_ view: Schedule.View, lane: Int = 0) -> IRValue {
        var offset = builder.int(0)
        if let step = view.step {
            offset = builder.multiply(frame.row(place(step, lane: lane), of: view.buffer), builder.int(frame.schedule[view.buffer].count))
        }
        for term in view.terms { offset = builder.add(offset, builder.multiply(place(term.index, lane: lane), builder.int(term.stride))) }
        return builder.element(frame.base(view.buffer, view.slot), offset, of: builder.real)
    }

    private var mask: IRValue? {
        present == lanes ? nil : builder.vectorConstant((0..<lanes).map { $0 < present ? 1 : 0 }, of: builder.i1)
    }

    func load(_ view: Schedule.View, isVector: Bool) -> IRValue {
        let size = builder.precision.byteCount
        guard isVector, lanes > 1, let vectorLoop else { return builder.load(builder.real, address(view), alignment: size) }
        let type = builder.vector(builder.real, lanes)
        if stride(view, vectorLoop) == 1 {
            let address = address(view)
            prefetch(view, address)
            guard let mask else { return builder.load(type, address, alignment: size) }
            return builder.maskedLoad(type, address, mask: mask, alignment: size)
        }
        var result: IRValue = LLVMGetPoison(type)
        for lane in 0..<lanes {
            // What is not there is read where the last one is.
            let scalar = builder.load(builder.real, address(view, lane: min(lane, present - 1)), alignment: size)
            result = builder.insert(result, scalar, lane)
        }
        return result
    }

    /// The same place of the next chunk, where that is in memory of the caller: its rows lie too far apart for the processor to foresee.
    private func prefetch(_ view: Schedule.View, _ address: IRValue, forWriting: Bool = false) {
        switch frame.schedule[view.buffer].role {
        case .stream, .sum: guard view.step != nil, prefetches else { return }
        case .block, .once, .shared, .kept, .carried, .scratch: return
        }
        builder.prefetch(builder.element(address, builder.int(frame.distanceToNextChunk(view.buffer)), of: builder.real), forWriting: forWriting)
    }

    func store(_ value: IRValue, _ view: Schedule.View) {
        let size = builder.precision.byteCount
        let role = frame.schedule[view.buffer].role
        if isChecked || role == .stream(isResult: true) || role == .sum { frame.finite.note(value, present: present) }
        guard lanes > 1, let vectorLoop else { return builder.store(value, address(view), alignment: size) }
        if stride(view, vectorLoop) == 1 {
            let address = address(view)
            prefetch(view, address, forWriting: true)
            if let mask { builder.maskedStore(value, address, mask: mask, alignment: size) } else {
                builder.store(value, address, alignment: size)
            }
            return
        }
        for lane in 0..<present { builder.store(builder.extract(value, lane), address(view, lane: lane), alignment: size) }
    }
}
