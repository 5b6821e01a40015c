import CLLVM
import RecScheduling
import RecStream

extension StageEmitter {
    /// Adds the steps of the call to totals, for rows of the total between the lane bounds.
    func emitTotals(_ totals: [Total], kernels: TotalKernels) {
        for total in totals {
            builder.loop(from: firstSequence, to: lastSequence) { sequence, _ in
                self.emit(total, sequence, kernels)
                return []
            }
        }
    }

    private func emit(_ total: Total, _ sequence: IRValue, _ kernels: TotalKernels) {
        let length = length(of: sequence)
        let end = builder.maximum(builder.minimum(lastStep, length), firstStep)
        // Steps at which either operand lies outside the sequence are taken one by one.
        var inside = (first: firstStep, last: end)
        for access in [total.left, total.right] where access.fallback != nil {
            let offset = access.offsets.first ?? 0
            inside.first = builder.maximum(inside.first, builder.int(max(0, -offset)))
            inside.last = builder.minimum(inside.last, builder.subtract(length, builder.int(max(0, offset))))
        }
        let first = builder.minimum(inside.first, end)
        let last = builder.maximum(builder.minimum(inside.last, end), first)
        func run(at step: IRValue, count: IRValue) {
            let row = Row(sequence: sequence, first: step, second: builder.int(0))
            func start(_ access: Access) -> IRValue {
                builder.element(address(access, at: row), builder.int(access.position.offset), of: builder.real)
            }
            kernels.emit(
                total,
                TotalKernels.Run(
                    left: start(total.left), leftStep: stepStride(total.left.buffer), right: start(total.right),
                    rightStep: stepStride(total.right.buffer), output: address(total.output, at: row), count: count,
                    firstRow: builder.minimum(firstLane, builder.int(total.rows)),
                    lastRow: builder.minimum(lastLane, builder.int(total.rows))),
                in: builder)
        }
        func single(from start: IRValue, to end: IRValue) {
            builder.loop(from: start, to: end) { step, _ in
                run(at: step, count: self.builder.int(1))
                return []
            }
        }
        single(from: firstStep, to: first)
        builder.loop(from: first, to: last, by: TotalKernels.runSteps) { step, _ in
            run(at: step, count: self.builder.minimum(self.builder.subtract(last, step), self.builder.int(TotalKernels.runSteps)))
            return []
        }
        single(from: last, to: end)
    }
}
