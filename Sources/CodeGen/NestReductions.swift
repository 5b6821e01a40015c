import CLLVM
import RecScheduling
import RecStream

/// Reductions within a step: in loops, or with their last variable in lanes.
extension NestEmitter {
    func reduce(
        _ kind: ReduceKind, _ body: Nest.NodeID, _ over: [Int], _ element: ElementType, isVector: Bool
    ) -> IRValue {
        let bodyElement = nest.nodes[body].element
        if vectorVariable == nil, kind != .argmax, let last = over.last, nest.extents[last] > 1 {
            return reduceInLanes(kind, body, over, bodyElement)
        }
        let width = isVector ? lanes : 1
        if kind == .argmax { return argmax(body, over, width) }
        let start = builder.splat(identity(kind, bodyElement), width)
        return reduceLoops(over[...], carrying: [start]) { carried in
            if kind == .sum, let sum = self.fused(carried[0], plus: body, isVector: isVector) { return [sum] }
            let term = isVector ? self.spread(self.value(body), body) : self.value(body)
            return [self.combine(kind, carried[0], term, bodyElement)]
        }[0]
    }

    /// Loops over the variables, innermost last, carrying values through all of them.
    private func reduceLoops(
        _ over: ArraySlice<Int>, carrying start: [IRValue], _ body: ([IRValue]) -> [IRValue]
    ) -> [IRValue] {
        guard let variable = over.first else { return body(start) }
        return builder.loop(from: builder.int(0), to: builder.int(nest.extents[variable]), carrying: start) { index, carried in
            var next: [IRValue] = []
            self.open(variable, at: index) { next = self.reduceLoops(over.dropFirst(), carrying: carried, body) }
            return next
        }
    }

    /// The last variable runs in lanes, which are added up at the end.
    private func reduceInLanes(_ kind: ReduceKind, _ body: Nest.NodeID, _ over: [Int], _ element: ElementType) -> IRValue {
        let last = over[over.count - 1]
        let extent = nest.extents[last]
        let lanes = Self.lanes(for: extent, native: nativeLanes, vectors: Self.vectors(for: nest))
        let whole = extent / lanes * lanes
        // A sum that ends in one number is where cancellation hurts most: in f32 it is taken in f64, products exactly.
        let isWide = kind == .sum && element == .real && builder.precision == .f32
        let neutral = isWide ? builder.double(0) : identity(kind, element)
        func term() -> IRValue { isWide ? wideValue(body) : spread(value(body), body) }
        func joined(_ sum: IRValue) -> IRValue {
            if isWide, let (a, b) = wideFactors(body) { return builder.fma(a, b, sum) }
            if kind == .sum, !isWide, let fused = fused(sum, plus: body, isVector: true) { return fused }
            return combine(kind, sum, term(), element)
        }
        let outer = reduceLoops(over.dropLast(), carrying: [builder.splat(neutral, lanes)]) { carried in
            self.vectorVariable = last
            self.lanes = lanes
            var sum = carried
            if whole > 0 {
                sum = self.builder.loop(from: self.builder.int(0), to: self.builder.int(whole), by: lanes, carrying: sum) { index, carried in
                    var next = carried[0]
                    self.open(last, at: index) { next = joined(carried[0]) }
                    return [next]
                }
            }
            if extent > whole {
                let mask = self.builder.vectorConstant((0..<lanes).map { $0 < extent - whole ? 1 : 0 }, of: self.builder.i1)
                self.mask = mask
                self.open(last, at: self.builder.int(whole)) {
                    let present = self.builder.select(mask, term(), self.builder.splat(neutral, lanes))
                    sum = [self.combine(kind, sum[0], present, element)]
                }
                self.mask = nil
            }
            self.vectorVariable = nil
            self.lanes = 1
            return sum
        }
        let total = horizontal(kind, outer[0], lanes, element)
        return isWide ? LLVMBuildFPTrunc(builder.builder, total, builder.real, "") : total
    }

    /// The value of a node in f64 lanes; a product of two f32 numbers is exact there.
    private func wideValue(_ node: Nest.NodeID) -> IRValue {
        if let (a, b) = wideFactors(node) { return builder.fmul(a, b) }
        return wide(node)
    }

    /// The factors of a product in f64 lanes, where its own rounding does not count.
    private func wideFactors(_ node: Nest.NodeID) -> (IRValue, IRValue)? {
        guard case .binary(.multiply, let a, let b) = nest.nodes[node].operation, !nest.nodes[node].isRounded else { return nil }
        return (wide(a), wide(b))
    }

    private func wide(_ node: Nest.NodeID) -> IRValue {
        let value = spread(value(node), node)
        let double: LLVMTypeRef = LLVMDoubleTypeInContext(builder.module.context)
        return LLVMBuildFPExt(builder.builder, value, builder.vector(double, builder.lanes(of: value)), "")
    }

    private func horizontal(_ kind: ReduceKind, _ vector: IRValue, _ lanes: Int, _ element: ElementType) -> IRValue {
        var vector = vector
        var lanes = lanes
        while lanes > 1 {
            lanes /= 2
            func half(_ start: Int) -> IRValue {
                let indices = builder.vectorConstant(Array(start..<start + lanes), of: builder.i32)
                return LLVMBuildShuffleVector(builder.builder, vector, LLVMGetPoison(builder.type(of: vector)), indices, "")
            }
            vector = lanes == 1
                ? combine(kind, builder.extract(vector, 0), builder.extract(vector, 1), element)
                : combine(kind, half(0), half(lanes), element)
        }
        return vector
    }

    private func identity(_ kind: ReduceKind, _ element: ElementType) -> IRValue {
        switch element {
        case .real, .complex:
            switch kind {
            case .sum: builder.number(0)
            case .product: builder.number(1)
            case .min: builder.number(.infinity)
            case .max, .logsumexp, .argmax: builder.number(-.infinity)
            }
        case .int:
            switch kind {
            case .sum: builder.int(0)
            case .product: builder.int(1)
            case .min: builder.int(.max)
            case .max, .logsumexp, .argmax: builder.int(.min)
            }
        case .bool:
            builder.bool(kind == .min || kind == .product)
        }
    }

    private func combine(_ kind: ReduceKind, _ a: IRValue, _ b: IRValue, _ element: ElementType) -> IRValue {
        switch kind {
        case .sum: stage.math.binary(.add, a, b, of: element)
        case .product: stage.math.binary(.multiply, a, b, of: element)
        case .min: stage.math.binary(.min, a, b, of: element)
        case .max, .logsumexp, .argmax: stage.math.binary(.max, a, b, of: element)
        }
    }

    /// The index of the first NaN, else of the first largest element.
    private func argmax(_ body: Nest.NodeID, _ over: [Int], _ width: Int) -> IRValue {
        let element = nest.nodes[body].element
        let best = builder.splat(identity(.max, element), width)
        let index = builder.splat(builder.int(0), width)
        let variable = over[over.count - 1]
        return reduceLoops(over[...], carrying: [best, index]) { carried in
            let term = width > 1 ? self.spread(self.value(body), body) : self.value(body)
            var isLarger = self.stage.math.binary(.greater, term, carried[0], of: element)
            if element == .real {
                // What is not ordered is larger, unless NaN has been found.
                isLarger = self.builder.and(
                    self.builder.fcompare(LLVMRealORD, carried[0], carried[0]), self.builder.fcompare(LLVMRealUGT, term, carried[0]))
            }
            let at = self.builder.splat(self.variables[variable] ?? self.builder.int(0), width)
            return [
                self.builder.select(isLarger, term, carried[0]), self.builder.select(isLarger, at, carried[1]),
            ]
        }[1]
    }
}
