import CLLVM
import RecAnalysis
import RecScheduling
import RecStream

/// Loads, gathers and stores of a nest at the present row and lanes.
extension NestEmitter {
    func rowAddress(_ access: Access) -> IRValue {
        let key = RowKey(buffer: access.buffer, offsets: access.offsets, fallback: access.fallback)
        if let address = rowAddresses[key] { return address }
        let address = stage.address(access, at: row)
        rowAddresses[key] = address
        return address
    }

    /// `offset + Σ coefficient · variable` for the opened variables; the vector variable stands for its first lane.
    private func index(_ position: Affine) -> IRValue {
        var result = builder.int(position.offset)
        for term in position.terms {
            guard let variable = variables[term.variable] else { preconditionFailure("a variable is used in its loop") }
            result = builder.add(result, builder.multiply(variable, builder.int(term.coefficient)))
        }
        return result
    }

    /// Loop variables as an int, in each lane its own.
    func position(_ affine: Affine, isVector: Bool) -> IRValue {
        guard isVector, lanes > 1, let vectorVariable else { return index(affine) }
        let stride = affine.coefficient(of: vectorVariable)
        return builder.add(
            builder.splat(index(affine), lanes), builder.vectorConstant((0..<lanes).map { $0 * stride }, of: builder.i64))
    }

    private func elementAddress(_ base: IRValue, _ position: Affine, _ element: ElementType) -> IRValue {
        builder.element(base, index(position), of: stage.memoryType(of: element))
    }

    func load(_ base: IRValue, _ position: Affine, _ element: ElementType, isVector: Bool) -> IRValue {
        let type = stage.memoryType(of: element)
        let alignment = stage.byteCount(of: element)
        let address = elementAddress(base, position, element)
        guard isVector, lanes > 1, let vectorVariable else {
            return truth(builder.load(type, address, alignment: alignment), element)
        }
        let vectorType = builder.vector(type, lanes)
        let stride = position.coefficient(of: vectorVariable)
        if stride == 1 {
            let loaded =
                mask.map { builder.maskedLoad(vectorType, address, mask: $0, alignment: alignment) }
                ?? builder.load(vectorType, address, alignment: alignment)
            return truth(loaded, element)
        }
        let offsets = builder.vectorConstant((0..<lanes).map { $0 * stride }, of: builder.i64)
        return truth(gatherLanes(address, offsets, vectorType, type, alignment), element)
    }

    private func gatherLanes(
        _ address: IRValue, _ offsets: IRValue, _ vectorType: LLVMTypeRef, _ type: LLVMTypeRef, _ alignment: Int
    ) -> IRValue {
        let pointers = builder.element(address, offsets, of: type)
        let all = mask ?? builder.vectorConstant([Int](repeating: 1, count: lanes), of: builder.i1)
        return builder.intrinsic(
            "llvm.masked.gather", overloads: [vectorType, builder.type(of: pointers)],
            [pointers, LLVMConstInt(builder.i32, UInt64(alignment), 0), all, LLVMConstNull(vectorType)])
    }

    func gather(
        _ access: Access, _ index: IRValue, _ stride: Int, _ element: ElementType, isVector: Bool, indexIsVector: Bool
    ) -> IRValue {
        let base = rowAddress(access)
        guard indexIsVector, lanes > 1, let vectorVariable else {
            let scalar = builder.lanes(of: index) == 1 ? index : builder.extract(index, 0)
            let moved = builder.element(
                base, builder.multiply(scalar, builder.int(stride)), of: stage.memoryType(of: element))
            return load(moved, access.position, element, isVector: isVector)
        }
        let type = stage.memoryType(of: element)
        let own = access.position.coefficient(of: vectorVariable)
        let steps = builder.vectorConstant((0..<lanes).map { $0 * own }, of: builder.i64)
        let offsets = builder.add(
            builder.multiply(index, builder.constant(stride, like: builder.type(of: index))), steps)
        return truth(
            gatherLanes(
                elementAddress(base, access.position, element), offsets, builder.vector(type, lanes), type,
                stage.byteCount(of: element)),
            element)
    }

    /// Bools are bytes in memory and bits in registers.
    private func truth(_ value: IRValue, _ element: ElementType) -> IRValue {
        guard element == .bool else { return value }
        return builder.compare(LLVMIntNE, value, LLVMConstNull(builder.type(of: value)))
    }

    func emitStores() {
        for item in nest.stores {
            let element = nest.nodes[item.node].element
            var base = stage.address(item.buffer, at: row)
            if let scatter = item.scatter {
                let index = clamp(value(scatter.index), scatter.count)
                base = builder.element(base, builder.multiply(index, builder.int(scatter.stride)), of: stage.memoryType(of: element))
            }
            var isVector = false
            if let vectorVariable { isVector = item.position.coefficient(of: vectorVariable) != 0 }
            var result = value(item.node)
            if isVector { result = spread(result, item.node) }
            if case .accumulate(let kind, let axis) = item.mode {
                let old = load(base, item.position, element, isVector: isVector)
                result = kind == .sum || kind == .mean
                    ? fused(old, plus: item.node, isVector: isVector) ?? accumulate(kind, axis: axis, old, result, element)
                    : accumulate(kind, axis: axis, old, result, element)
            }
            store(result, base, item.position, element, isVector: isVector)
        }
    }

    private func accumulate(_ kind: TimeReduceKind, axis: Int, _ old: IRValue, _ new: IRValue, _ element: ElementType) -> IRValue {
        let at = axis == 0 ? row.first : row.second
        switch kind {
        case .sum, .mean: return stage.math.binary(.add, old, new, of: element)
        case .max: return stage.math.binary(.max, old, new, of: element)
        case .min: return stage.math.binary(.min, old, new, of: element)
        case .first: return builder.select(builder.compare(LLVMIntEQ, at, builder.int(0)), new, old)
        case .last:
            let final = builder.subtract(stage.length(axis: axis, row), builder.int(1))
            return builder.select(builder.compare(LLVMIntEQ, at, final), new, old)
        }
    }

    func store(_ value: IRValue, _ base: IRValue, _ position: Affine, _ element: ElementType, isVector: Bool) {
        let type = stage.memoryType(of: element)
        let alignment = stage.byteCount(of: element)
        let address = elementAddress(base, position, element)
        var value = value
        if element == .bool {
            value = LLVMBuildZExt(builder.builder, value, builder.vector(type, builder.lanes(of: value)), "")
        }
        guard isVector, lanes > 1, let vectorVariable else { return builder.store(value, address, alignment: alignment) }
        let stride = position.coefficient(of: vectorVariable)
        if stride == 1 {
            if let mask {
                builder.maskedStore(value, address, mask: mask, alignment: alignment)
            } else {
                builder.store(value, address, alignment: alignment)
            }
            return
        }
        let offsets = builder.vectorConstant((0..<lanes).map { $0 * stride }, of: builder.i64)
        let pointers = builder.element(address, offsets, of: type)
        let all = mask ?? builder.vectorConstant([Int](repeating: 1, count: lanes), of: builder.i1)
        _ = builder.intrinsic(
            "llvm.masked.scatter", overloads: [builder.type(of: value), builder.type(of: pointers)],
            [value, pointers, LLVMConstInt(builder.i32, UInt64(alignment), 0), all])
    }
}
