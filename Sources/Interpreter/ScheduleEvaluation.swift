import RecSchedule
import RecStream

/// Runs a schedule as it is written, element by element in f64: what tells a wrong schedule from wrong code.
package final class ScheduleEvaluation {
    private let schedule: Schedule
    private let size: ScheduleSize
    /// By buffer.
    package private(set) var memory: [[Double]]
    private var sequence = 0
    private var chunk = 0
    /// The first step of the present block, and the chunks that run.
    private var blockStart = 0
    private var running = 0..<0
    private var parallel: [Int] = []

    /// - Parameter tensors: of the caller, by the names of their buffers; results are left out.
    package init(_ schedule: Schedule, size: ScheduleSize, tensors: [String: [Double]]) {
        self.schedule = schedule
        self.size = size
        memory = schedule.buffers.map { buffer in
            // What nobody has written is no number; sums begin with 0.
            tensors[buffer.name]
                ?? [Double](repeating: buffer.role == .sum ? 0 : .nan, count: schedule.elements(of: buffer, for: size) ?? (buffer.role == .carried ? 2 : 1) * buffer.count)
        }
        run()
    }

    /// The tensors that were written, by name.
    package var results: [String: [Double]] {
        var found: [String: [Double]] = [:]
        for (buffer, numbers) in zip(schedule.buffers, memory) {
            switch buffer.role {
            case .stream(isResult: true), .block(isResult: true), .sum, .once(isResult: true), .kept: found[buffer.name] = numbers
            case .stream, .block, .once, .shared, .carried, .scratch: break
            }
        }
        return found
    }

    private var length: Int { size.lengths[sequence] }
    private var chunks: Int { (length + schedule.count - 1) / schedule.count }
    /// Of the steps of a chunk, or of a block, those of the sequence.
    private func validSteps(of id: Schedule.BufferID) -> Int {
        if case .block = schedule[id].role { min(schedule.steps(of: id), length - blockStart) } else { validSteps }
    }
    private var validSteps: Int { min(schedule.count, length - chunk * schedule.count) }

    private func run() {
        for turn in 0..<schedule.turns(for: size) {
            let count = schedule.blockCount(for: size)
            let block = schedule.block(ofTurn: turn % count, among: count)
            var rest = turn / count
            parallel = schedule.parallel.map { _ in 0 }
            for k in schedule.parallel.indices.reversed() {
                parallel[k] = rest % schedule.parallel[k].size
                rest /= schedule.parallel[k].size
            }
            sequence = rest
            running = 0..<chunks
            if let blocks = schedule.blocks {
                blockStart = block * blocks.count
                guard blockStart < length else { continue }
                running = blocks.chunks(of: schedule.count, from: blockStart, among: chunks)
            }
            // Streams end with the sequence.
            for leaf in schedule.before { run(leaf) }
            for k in running {
                chunk = schedule.isDescending ? chunks - 1 - k : k
                for leaf in isInner ? schedule.inner?.body ?? [] : schedule.body { run(leaf) }
            }
            for leaf in schedule.behind { run(leaf) }
        }
    }

    private var isInner: Bool {
        guard let inner = schedule.inner, let blocks = schedule.blocks, validSteps == schedule.count, blockStart + blocks.count <= length else { return false }
        let first = chunk * schedule.count
        return inner.holds(block: blockStart...blockStart + blocks.count - 1, chunk: first...first + schedule.count - 1)
    }

    // MARK: Places

    private func value(_ index: Schedule.Index, _ turns: [Int]) -> Int {
        let variable = index.variable.map { $0 < 0 ? parallel[-1 - $0] : turns[$0] } ?? 0
        let place = variable * index.scale + index.offset
        return index.bounds.map { min(max(place, $0.lowerBound), $0.upperBound) } ?? place
    }

    private func base(_ id: Schedule.BufferID, _ slot: Schedule.View.Slot) -> Int {
        let buffer = schedule[id]
        var base = 0
        var loop = 0
        while loop < parallel.count {
            base += parallel[loop] * buffer.parallelStrides[loop]
            loop += 1
        }
        switch buffer.role {
        case .stream, .block, .sum, .once, .shared, .scratch:
            if buffer.role == .once(isResult: false) || buffer.role == .once(isResult: true) { base += sequence * buffer.count }
        case .kept: base += (sequence * (size.chunks(of: schedule.count) + 1) + place(of: slot)) * buffer.count
        case .carried: base += place(of: slot) % 2 * buffer.count
        }
        return base
    }

    /// Between which chunks.
    private func place(of slot: Schedule.View.Slot) -> Int {
        switch slot {
        case .none: 0
        case .start: schedule.isDescending ? chunk + 1 : chunk
        case .end: schedule.isDescending ? chunk : chunk + 1
        case .first: schedule.isDescending ? chunks : running.lowerBound
        case .last: schedule.isDescending ? 0 : running.upperBound
        case .before: chunk
        case .behind: chunk + 1
        }
    }

    private func address(_ view: Schedule.View, _ turns: [Int]) -> Int {
        var at = base(view.buffer, view.slot)
        for term in view.terms { at += value(term.index, turns) * term.stride }
        if let step = view.step, case .block = schedule[view.buffer].role {
            let place = blockStart + min(value(step, turns), validSteps(of: view.buffer) - 1)
            at += (sequence * size.steps + place) * schedule[view.buffer].count
        } else if let step = view.step {
            // Behind the end any step will do: what is read there is not used.
            let place = min(value(step, turns), validSteps - 1) + chunk * schedule.count
            at += (sequence * size.steps + (schedule.isReversed ? length - 1 - place : place)) * schedule[view.buffer].count
        }
        return at
    }

    // MARK: Leaves

    private func run(_ leaf: Schedule.Leaf) {
        switch leaf {
        case .nest(let nest): run(nest)
        case .running(let running): run(running)
        case .matmul(let product): run(product)
        case .solve(let system): run(system)
        }
    }

    private func forEach(_ extents: [Int], _ body: ([Int]) -> Void) {
        var turns = extents.map { _ in 0 }
        guard extents.allSatisfy({ $0 > 0 }) else { return }
        while true {
            body(turns)
            var k = extents.count - 1
            while k >= 0 {
                turns[k] += 1
                if turns[k] < extents[k] { break }
                turns[k] = 0
                k -= 1
            }
            if k < 0 { return }
        }
    }

    private func evaluate(_ nodes: [Schedule.Node], _ turns: [Int]) -> [Double] {
        var values: [Double] = []
        values.reserveCapacity(nodes.count)
        for node in nodes {
            let value: Double
            switch node {
            case .constant(let number): value = number
            case .load(let view): value = memory[view.buffer.index][address(view, turns)]
            case .unary(let function, let a): value = realUnary(function, values[a])
            case .binary(let function, let a, let b): value = realBinary(function, values[a], values[b])
            case .select(let condition, let a, let b): value = values[condition] != 0 ? values[a] : values[b]
            case .isInside(let index, let range): value = range.contains(self.value(index, turns)) ? 1 : 0
            case .isStep(let index): value = self.value(index, turns) < validSteps ? 1 : 0
            case .isBlockStep(let index): value = blockStart + self.value(index, turns) < length ? 1 : 0
            case .isFirst: value = chunk == running.lowerBound ? 1 : 0
            case .isLast: value = chunk == running.upperBound - 1 ? 1 : 0
            }
            values.append(value)
        }
        return values
    }

    private func run(_ nest: Schedule.Nest) {
        switch nest.condition {
        case .always: break
        case .inFirst: guard chunk == running.lowerBound else { return }
        case .inLast: guard chunk == running.upperBound - 1 else { return }
        }
        let outer = nest.extents.count - (nest.reduction?.loops ?? 0)
        forEach(Array(nest.extents[..<outer])) { turns in
            if let loop = nest.stepLoop, turns[loop] >= validSteps(of: nest.target.buffer) { return }
            var result = 0.0
            if let reduction = nest.reduction {
                result = Self.identity(reduction.kind)
                forEach(Array(nest.extents[outer...])) { inner in
                    let term = evaluate(nest.nodes, turns + inner)[nest.result]
                    result = Self.joined(reduction.kind, result, term)
                }
            } else {
                result = evaluate(nest.nodes, turns)[nest.result]
            }
            memory[nest.target.buffer.index][address(nest.target, turns)] = result
        }
    }

    private static func identity(_ kind: ReduceKind) -> Double {
        switch kind {
        case .sum: 0
        case .product: 1
        case .min: .infinity
        case .max, .logsumexp, .argmax: -.infinity
        }
    }

    private static func joined(_ kind: ReduceKind, _ a: Double, _ b: Double) -> Double {
        switch kind {
        case .sum: a + b
        case .product: a * b
        case .min: realBinary(.min, a, b)
        case .max, .logsumexp, .argmax: realBinary(.max, a, b)
        }
    }

    private func run(_ running: Schedule.Running) {
        var outer = running.extents
        let count = outer[running.loop]
        outer[running.loop] = 1
        forEach(outer) { turns in
            var last = 0.0
            for k in 0..<count {
                var here = turns
                here[running.loop] = running.isReversed ? count - 1 - k : k
                let values = evaluate(running.nodes, here)
                last = values[running.factor] * last + values[running.term]
                memory[running.target.buffer.index][address(running.target, here)] = last
            }
        }
    }

    /// Where a factor of a product begins: of a stream at the first step of the chunk.
    private func factor(_ id: Schedule.BufferID, _ slot: Schedule.View.Slot) -> Int {
        guard case .stream = schedule[id].role else { return base(id, slot) }
        return base(id, slot) + (sequence * size.steps + chunk * schedule.count) * schedule[id].count
    }

    private func run(_ product: Schedule.Matmul) {
        let (left, right) = (factor(product.left, product.leftSlot), factor(product.right, product.rightSlot))
        let result = base(product.result.buffer, product.result.slot)
        let outer = product.blocks + product.rows + product.columns
        /// A side of a triangle has one loop.
        func place(_ side: Schedule.Matmul.Side, _ turns: [Int], _ inner: [Int]) -> Int {
            switch side {
            case .row: turns[product.blocks.count]
            case .column: turns[product.blocks.count + product.rows.count]
            case .sum: inner[0]
            }
        }
        forEach(outer.map(\.extent)) { turns in
            func at(_ start: Int, _ stride: (Schedule.Matmul.Loop) -> Int) -> Int { zip(outer, turns).reduce(start) { $0 + stride($1.0) * $1.1 } }
            let (a, b, c) = (at(left, \.left), at(right, \.right), at(result, \.result))
            var sum = 0.0
            forEach(product.sums.map(\.extent)) { inner in
                guard product.triangles.allSatisfy({ place($0.larger, turns, inner) - place($0.smaller, turns, inner) >= $0.distance }) else { return }
                let (x, y) = zip(product.sums, inner).reduce((a, b)) { ($0.0 + $1.0.left * $1.1, $0.1 + $1.0.right * $1.1) }
                sum += memory[product.left.index][x] * memory[product.right.index][y]
            }
            if let added = product.added {
                var before = memory[added.buffer.index][base(added.buffer, added.slot) + c - result]
                if let factor = added.factor { before *= memory[factor.buffer.index][base(factor.buffer, factor.slot) + factor.stride * turns[0]] }
                sum += before
            }
            memory[product.result.buffer.index][c] = sum
        }
    }

    private func run(_ system: Schedule.Solve) {
        let (l, b, x) = (system.matrix.index, system.right.index, system.result.index)
        for block in 0..<system.blocks {
            for k in 0..<system.size {
                let i = system.isTransposed ? system.size - 1 - k : k
                for v in 0..<system.width {
                    let at = (block * system.size + i) * system.width + v
                    var sum = memory[b][at]
                    for j in system.isTransposed ? i + 1..<system.size : 0..<i {
                        let (row, column) = system.isTransposed ? (j, i) : (i, j)
                        sum += memory[l][(block * system.size + row) * system.size + column] * memory[x][(block * system.size + j) * system.width + v]
                    }
                    memory[x][at] = sum
                }
            }
        }
    }
}
