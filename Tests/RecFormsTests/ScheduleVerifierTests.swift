import Rec
import RecForms
import RecSchedule
import RecStream
import Testing

/// What the verifier of schedules finds.
struct ScheduleVerifierTests {
    private func schedule() throws -> Schedule {
        let program = try #require(ChunkwiseProgram.all.first { $0.name == "Gated" })
        let parts = try ChunkPartition(Pipeline.prepare(program.graph().chunkwise(program.states, by: 8)))
        for case .traversal(let traversal) in parts.parts { return try Schedule(traversal, of: parts) }
        throw Missing()
    }

    private struct Missing: Error {
    }

    /// A schedule with its first leaf of a kind changed.
    private func changed(_ change: (inout Schedule.Leaf) -> Bool) throws -> [String] {
        var schedule = try schedule()
        let index = try #require(schedule.body.indices.first { k in
            var leaf = schedule.body[k]
            return change(&leaf)
        })
        _ = change(&schedule.body[index])
        return schedule.violations()
    }

    private func changedNest(_ change: @escaping (inout Schedule.Nest) -> Bool) throws -> [String] {
        try changed { leaf in
            guard case .nest(var nest) = leaf, change(&nest) else { return false }
            leaf = .nest(nest)
            return true
        }
    }

    private func changedProduct(_ change: @escaping (inout Schedule.Matmul) -> Void) throws -> [String] {
        try changed { leaf in
            guard case .matmul(var product) = leaf else { return false }
            change(&product)
            leaf = .matmul(product)
            return true
        }
    }

    @Test("schedules as they are built are sound") func sound() throws { #expect(try schedule().violations() == []) }

    @Test("a nest beyond the end of its buffers is found")
    func nestBeyondTheEnd() throws {
        let faults = try changedNest { nest in
            guard nest.stepLoop == nil, let last = nest.extents.indices.last, !nest.target.terms.isEmpty else { return false }
            nest.extents[last] += 100
            return true
        }
        #expect(faults.contains { $0.contains("places") })
    }

    @Test("a product beyond the end of its buffers is found")
    func productBeyondTheEnd() throws {
        let faults = try changedProduct { $0.rows[0].extent += 100 }
        #expect(faults.contains { $0.contains("places") })
    }

    @Test("a product over its own factor is found")
    func ownFactor() throws {
        let faults = try changedProduct { product in
            product.left = product.result.buffer
            product.leftSlot = product.result.slot
        }
        #expect(faults.contains { $0.contains("its own factor") })
    }

    @Test("an operand that comes later is found")
    func later() throws {
        let faults = try changedNest { nest in
            guard case .binary(let function, let a, _)? = nest.nodes.last else { return false }
            nest.nodes[nest.nodes.count - 1] = .binary(function, a, nest.nodes.count - 1)
            return true
        }
        #expect(faults.contains { $0.contains("does not come before it") })
    }

    @Test("a bool that is taken for a number is found")
    func kinds() throws {
        let faults = try changedNest { nest in
            guard let bool = nest.isBool.firstIndex(of: true), nest.nodes.count > bool + 1 else { return false }
            nest.nodes.append(.unary(.exp, bool))
            nest.isBool.append(false)
            return true
        }
        #expect(faults.contains { $0.contains("for a real") })
    }

    @Test("memory that is read before it is written is found")
    func order() throws {
        var schedule = try schedule()
        schedule.body.reverse()
        #expect(schedule.violations().contains { $0.contains("nothing has written it") })
    }

    @Test("what the caller gives is not written")
    func inputs() throws {
        let faults = try changedNest { nest in
            guard nest.stepLoop == nil else { return false }
            guard let load = nest.nodes.lazy.compactMap({ if case .load(let view) = $0, view.step != nil { view } else { nil } }).first else { return false }
            nest.target = load
            return true
        }
        #expect(faults.contains { $0.contains("is the caller's, and is written") })
    }

    @Test("sums of blocks where there are none, and chunks within them, are found")
    func blocks() throws {
        var schedule = try schedule()
        let result = try #require(schedule.buffers.firstIndex { $0.role == .stream(isResult: true) })
        schedule.buffers[result].role = .sum
        #expect(schedule.violations().contains { $0.contains("the schedule has none") })
        schedule = try self.schedule()
        schedule.inner = Schedule.Inner(least: 0, most: nil, body: schedule.body)
        #expect(schedule.violations() == ["chunks are within blocks, and the schedule has none"])
        schedule.inner?.body.reverse()
        #expect(schedule.violations().contains { $0.hasPrefix("inner") && $0.contains("nothing has written it") })
    }

    @Test("a product that is written over what it is added to is found")
    func added() throws {
        let faults = try changedProduct { product in
            product.blocks = []
            product.rows = Array(product.rows.prefix(1))
            product.columns = Array(product.columns.prefix(1))
            product.added = Schedule.Matmul.Added(buffer: product.result.buffer, slot: product.result.slot, factor: nil)
        }
        #expect(faults.contains { $0.contains("over what it is added to") })
    }

    @Test("steps beyond the chunk are found")
    func steps() throws {
        var schedule = try schedule()
        schedule.count = 4
        #expect(schedule.violations().contains { $0.contains("of a chunk of 4") })
    }

    @Test("buffers that are not there are found")
    func missing() throws {
        let faults = try changedProduct { $0.right = Schedule.BufferID(1000) }
        #expect(faults == ["there is no @1000"])
    }
}
