import CLLVM
import RecSchedule
import RecStream

/// Nests whose results are joined along their last loops.
extension ScheduleNestEmitter {
    func reduceLoops(_ over: ArraySlice<Int>, carrying start: IRValue, _ body: (IRValue) -> IRValue) -> IRValue {
        reduceLoops(over, carrying: [start]) { [body($0[0])] }[0]
    }

    private func reduceLoops(_ over: ArraySlice<Int>, carrying start: [IRValue], _ body: ([IRValue]) -> [IRValue]) -> [IRValue] {
        guard let variable = over.first else { return body(start) }
        return builder.loop(from: builder.int(0), to: builder.int(extents[variable]), carrying: start) { index, carried in
            var next = carried
            self.open(variable, at: index) { next = self.reduceLoops(over.dropFirst(), carrying: carried, body) }
            return next
        }
    }

    /// One loop of a reduction runs in lanes, which are joined at the end.
    func reduceInLanes(_ kind: ReduceKind, _ inner: [Int], _ along: Int, _ result: Int) -> IRValue {
        let native = frame.lanes
        let extent = extents[along]
        let whole = extent / native * native
        var lanes = 1
        while lanes < min(extent, native) { lanes *= 2 }
        let neutral = builder.splat(identity(kind), lanes)
        let others = inner.filter { $0 != along }
        var total = reduceLoops(others[...], carrying: neutral) { carried in
            self.vectorLoop = along
            self.lanes = lanes
            var sum = carried
            if whole > 0 {
                self.present = lanes
                sum = self.builder.loop(from: self.builder.int(0), to: self.builder.int(whole), by: lanes, carrying: [sum]) { index, carried in
                    var next = carried[0]
                    self.open(along, at: index) { next = self.combine(kind, carried[0], self.wide(result)) }
                    return [next]
                }[0]
            }
            if extent > whole {
                self.present = extent - whole
                self.open(along, at: self.builder.int(whole)) {
                    let mask = self.builder.vectorConstant((0..<lanes).map { $0 < self.present ? 1 : 0 }, of: self.builder.i1)
                    sum = self.combine(kind, sum, self.builder.select(mask, self.wide(result), neutral))
                }
            }
            self.vectorLoop = nil
            (self.lanes, self.present) = (1, 1)
            return sum
        }
        while lanes > 1 {
            lanes /= 2
            let (low, high) = (builder.shuffle(total, total, Array(0..<lanes)), builder.shuffle(total, total, Array(lanes..<2 * lanes)))
            total = combine(kind, low, high)
        }
        return builder.lanes(of: total) == 1 && LLVMGetTypeKind(builder.type(of: total)) == LLVMVectorTypeKind ? builder.extract(total, 0) : total
    }

    /// The loop whose results lie side by side, where as many rows as a vector has lanes can be joined at once.
    func neighbouringRows(_ nest: Schedule.Nest, _ inner: [Int], _ along: Int) -> Int? {
        guard inner == [along], extents[along] % frame.lanes == 0 else { return nil }
        return extents.indices.last { loop in
            loop < inner[0] && loop != nest.stepLoop && extents[loop] > 1 && extents[loop] % frame.lanes == 0 && stride(nest.target, loop) == 1
        }
    }

    /// As many rows as a vector has lanes, each with sums of its own; the square of them is turned, so that lanes of all rows are joined at
    /// once, in the order of `reduceInLanes`.
    func emitRows(_ nest: Schedule.Nest, _ kind: ReduceKind, rows: Int, along: Int) {
        let native = frame.lanes
        loops(extents.indices.filter { $0 != rows && $0 != along }, nest.stepLoop) {
            self.builder.loop(from: self.builder.int(0), to: self.builder.int(self.extents[rows]), by: native) { row, _ in
                let neutral = self.builder.splat(self.identity(kind), native)
                let start = [IRValue](repeating: neutral, count: native)
                var joined = self.builder.loop(from: self.builder.int(0), to: self.builder.int(self.extents[along]), by: native, carrying: start) { index, carried in
                    self.vectorLoop = along
                    (self.lanes, self.present) = (native, native)
                    var next = carried
                    for k in 0..<native {
                        self.open(rows, at: self.builder.add(row, self.builder.int(k))) {
                            self.open(along, at: index) { next[k] = self.combine(kind, carried[k], self.wide(nest.result)) }
                        }
                    }
                    self.vectorLoop = nil
                    (self.lanes, self.present) = (1, 1)
                    return next
                }
                joined = self.builder.transposed(joined)
                while joined.count > 1 {
                    let half = joined.count / 2
                    joined = (0..<half).map { self.combine(kind, joined[$0], joined[$0 + half]) }
                }
                self.vectorLoop = rows
                (self.lanes, self.present) = (native, native)
                self.variables[rows] = row
                self.store(joined[0], nest.target)
                self.variables[rows] = nil
                self.vectorLoop = nil
                (self.lanes, self.present) = (1, 1)
                return []
            }
        }
    }

    // MARK: Columns

    /// How many vectors of results are joined at once, so that none waits for the last step of itself.
    func vectorsTogether(_ inLanes: Int, _ nest: Schedule.Nest) -> Int? {
        let vectors = extents[inLanes] / frame.lanes
        guard extents[inLanes] % frame.lanes == 0, inLanes != nest.stepLoop, stride(nest.target, inLanes) == 1 else { return nil }
        return [8, 4, 2].first { vectors % $0 == 0 }
    }

    /// Several vectors of results, each with what is joined side by side.
    func emitColumns(_ nest: Schedule.Nest, _ kind: ReduceKind, _ inner: [Int], along inLanes: Int, vectors: Int) {
        let native = frame.lanes
        loops(extents.indices.filter { $0 != inLanes && !inner.contains($0) }, nest.stepLoop) {
            self.builder.loop(from: self.builder.int(0), to: self.builder.int(self.extents[inLanes]), by: native * vectors) { column, _ in
                let places = (0..<vectors).map { self.builder.add(column, self.builder.int($0 * native)) }
                let start = [IRValue](repeating: self.builder.splat(self.identity(kind), native), count: vectors)
                let joined = self.reduceLoops(inner[...], carrying: start) { carried in
                    self.vectorLoop = inLanes
                    (self.lanes, self.present) = (native, native)
                    var next = carried
                    for k in 0..<vectors { self.open(inLanes, at: places[k]) { next[k] = self.combine(kind, carried[k], self.wide(nest.result)) } }
                    self.vectorLoop = nil
                    (self.lanes, self.present) = (1, 1)
                    return next
                }
                self.vectorLoop = inLanes
                (self.lanes, self.present) = (native, native)
                for k in 0..<vectors {
                    self.variables[inLanes] = places[k]
                    self.store(joined[k], nest.target)
                }
                self.variables[inLanes] = nil
                self.vectorLoop = nil
                (self.lanes, self.present) = (1, 1)
                return []
            }
        }
    }

    func identity(_ kind: ReduceKind) -> IRValue {
        switch kind {
        case .sum: builder.number(0)
        case .product: builder.number(1)
        case .min: builder.number(.infinity)
        case .max, .logsumexp, .argmax: builder.number(-.infinity)
        }
    }

    func combine(_ kind: ReduceKind, _ a: IRValue, _ b: IRValue) -> IRValue {
        switch kind {
        case .sum: frame.math.binary(.add, a, b, of: .real)
        case .product: frame.math.binary(.multiply, a, b, of: .real)
        case .min: frame.math.binary(.min, a, b, of: .real)
        case .max, .logsumexp, .argmax: frame.math.binary(.max, a, b, of: .real)
        }
    }
}
