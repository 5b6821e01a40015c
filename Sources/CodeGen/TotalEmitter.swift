import CLLVM
import RecScheduling
import RecStream

extension StageEmitter {
    /// Adds the steps of the call to totals, for rows of the total between the lane bounds.
    ///
    /// The rows of both operands are put on a list, sequence after sequence and step after step; a kernel takes whole
    /// lists. A total over the batch fills its lists through all sequences, so that few steps a sequence are enough.
    func emitTotals(_ totals: [Total], kernels: TotalKernels) {
        guard !totals.isEmpty else { return }
        let lists = [builder.scratch(ofPointers: kernels.depth), builder.scratch(ofPointers: kernels.depth)]
        for total in totals { emit(total, lists, kernels) }
    }

    private func emit(_ total: Total, _ lists: [IRValue], _ kernels: TotalKernels) {
        let kernel = kernels.kernel(
            TotalKernels.Kernel(leftStride: total.leftStride, rightStride: total.rightStride, columns: total.columns))
        let zero = builder.int(0)
        let firstRow = builder.minimum(firstLane, builder.int(total.rows))
        let lastRow = builder.minimum(lastLane, builder.int(total.rows))
        func flush(_ count: IRValue, into output: IRValue) {
            _ = builder.call(kernel, [lists[0], lists[1], count, output, firstRow, lastRow])
        }
        let left = builder.loop(from: firstSequence, to: lastSequence, carrying: [zero]) { sequence, listed in
            let start = Row(sequence: sequence, first: zero, second: zero)
            let output = self.address(total.output, at: start)
            let end = self.builder.minimum(self.lastStep, self.length(of: sequence))
            let counts = self.builder.loop(from: self.firstStep, to: end, carrying: listed) { step, listed in
                let row = Row(sequence: sequence, first: step, second: zero)
                let rows = [total.left, total.right].map { access in
                    self.builder.element(
                        self.address(access, at: row), self.builder.int(access.position.offset), of: self.builder.real)
                }
                return self.builder.loop(from: zero, to: self.builder.int(total.shared.extent), carrying: listed) { shared, listed in
                    for (k, stride) in [total.shared.left, total.shared.right].enumerated() {
                        let moved = self.builder.element(
                            rows[k], self.builder.multiply(shared, self.builder.int(stride)), of: self.builder.real)
                        self.builder.store(
                            moved, self.builder.element(lists[k], listed[0], of: self.builder.pointer), alignment: 8)
                    }
                    let count = self.builder.add(listed[0], self.builder.int(1))
                    let isFull = self.builder.compare(LLVMIntEQ, count, self.builder.int(kernels.depth))
                    self.builder.ifThen(isFull) { flush(count, into: output) }
                    return [self.builder.select(isFull, zero, count)]
                }
            }
            guard self.plan[total.output].variance.batch else { return counts }
            flush(counts[0], into: output)
            return [zero]
        }
        guard !plan[total.output].variance.batch else { return }
        flush(left[0], into: address(total.output, at: Row(sequence: zero, first: zero, second: zero)))
    }
}
