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
        for total in totals {
            let zero = builder.int(0)
            forEachPlace(of: total.groups[...], Place(left: zero, right: zero, output: zero)) { place in
                self.emit(total, at: place, lists, kernels)
            }
        }
    }

    /// Where a place of all groups begins in the operands and in the output.
    private struct Place {
        var left: IRValue
        var right: IRValue
        var output: IRValue
    }

    private func forEachPlace(of groups: ArraySlice<Total.Group>, _ place: Place, _ body: (Place) -> Void) {
        guard let group = groups.first else { return body(place) }
        builder.loop(from: builder.int(0), to: builder.int(group.extent)) { index, _ in
            func moved(_ start: IRValue, by stride: Int) -> IRValue {
                self.builder.add(start, self.builder.multiply(index, self.builder.int(stride)))
            }
            let inner = Place(
                left: moved(place.left, by: group.left), right: moved(place.right, by: group.right),
                output: moved(place.output, by: group.output))
            self.forEachPlace(of: groups.dropFirst(), inner, body)
            return []
        }
    }

    private func emit(_ total: Total, at place: Place, _ lists: [IRValue], _ kernels: TotalKernels) {
        let kernel = kernels.kernel(
            TotalKernels.Kernel(leftStride: total.leftStride, rightStride: total.rightStride, columns: total.columns, rowStride: total.rowStride))
        let zero = builder.int(0)
        let firstRow = builder.minimum(firstLane, builder.int(total.rows))
        let lastRow = builder.minimum(lastLane, builder.int(total.rows))
        func outputStart(_ row: Row) -> IRValue { builder.element(address(total.output, at: row), place.output, of: builder.real) }
        func flush(_ count: IRValue, into output: IRValue) {
            _ = builder.call(kernel, [lists[0], lists[1], count, output, firstRow, lastRow])
        }
        let left = builder.loop(from: firstSequence, to: lastSequence, carrying: [zero]) { sequence, listed in
            let start = Row(sequence: sequence, first: zero, second: zero)
            let output = outputStart(start)
            let end = self.builder.minimum(self.lastStep, self.length(of: sequence))
            let counts = self.builder.loop(from: self.firstStep, to: end, carrying: listed) { step, listed in
                let row = Row(sequence: sequence, first: step, second: zero)
                let rows = [(total.left, place.left), (total.right, place.right)].map { access, start in
                    self.builder.element(
                        self.address(access, at: row), self.builder.add(start, self.builder.int(access.position.offset)), of: self.builder.real)
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
            guard self.shape[total.output].variance.batch else { return counts }
            flush(counts[0], into: output)
            return [zero]
        }
        guard !shape[total.output].variance.batch else { return }
        flush(left[0], into: outputStart(Row(sequence: zero, first: zero, second: zero)))
    }
}
