import CLLVM
import RecSchedule

/// Nests that are read along one loop and written along another.
extension ScheduleNestEmitter {
    /// A loop along which everything that is read lies side by side, where results lie side by side along another one and what is read
    /// does not.
    func transposedLoop(_ written: Int, _ nest: Schedule.Nest) -> Int? {
        guard nest.stepLoop == nil, stride(nest.target, written) == 1, extents[written] % frame.lanes == 0 else { return nil }
        let views = nodes.compactMap { node -> Schedule.View? in
            if case .load(let view) = node { view } else { nil }
        }
        guard views.contains(where: { stride($0, written).map { $0 > 1 } ?? true }) else { return nil }
        return extents.indices.last { loop in
            loop != written && extents[loop] % frame.lanes == 0
                && views.allSatisfy { view in stride(view, loop).map { $0 == 0 || $0 == 1 } ?? false }
        }
    }

    /// In squares of as many places as a vector has lanes: read along one loop, turned in registers, written along the other.
    func emitTransposed(_ nest: Schedule.Nest, reading: Int, writing: Int) {
        let native = frame.lanes
        loops(extents.indices.filter { $0 != reading && $0 != writing }, nil) {
            self.builder.loop(from: self.builder.int(0), to: self.builder.int(self.extents[writing]), by: native) { column, _ in
                self.builder.loop(from: self.builder.int(0), to: self.builder.int(self.extents[reading]), by: native) { row, _ in
                    self.vectorLoop = reading
                    (self.lanes, self.present) = (native, native)
                    var square: [IRValue] = []
                    for lane in 0..<native {
                        self.open(writing, at: self.builder.add(column, self.builder.int(lane))) {
                            self.open(reading, at: row) { square.append(self.wide(nest.result)) }
                        }
                    }
                    self.vectorLoop = writing
                    for (lane, vector) in self.builder.transposed(square).enumerated() {
                        self.variables[reading] = self.builder.add(row, self.builder.int(lane))
                        self.variables[writing] = column
                        self.store(vector, nest.target)
                    }
                    (self.variables[reading], self.variables[writing]) = (nil, nil)
                    self.vectorLoop = nil
                    (self.lanes, self.present) = (1, 1)
                    return []
                }
                return []
            }
        }
    }
}
