/// How far states are from what their equations give, for some steps of a sequence.
package struct StepResidual {
    package enum Outcome { case within, beyond, notANumber }

    /// Numbers of a step.
    let width: Int
    /// The first step, among those of all sequences.
    let first: Int
    let count: Int

    package init(width: Int, first: Int, count: Int) {
        self.width = width
        self.first = first
        self.count = count
    }

    /// Units in the last place that a state may differ by from what its equation gives.
    private static let units = 4
    /// They are those of the largest number in so many steps.
    private static let stepsAround = 64

    /// Holds states against what their equations give; whole numbers and bools must be the same, and NaN is the same as nothing.
    ///
    /// Both have one type and one shape.
    package func compare(_ states: Tensor, _ given: Tensor) -> Outcome {
        guard count > 0, width > 0 else { return .within }
        return states.withUnsafeBytes { own in
            given.withUnsafeBytes { theirs in
                switch states.type {
                case .f64: compare(own.bindMemory(to: Double.self), theirs.bindMemory(to: Double.self))
                case .f32: compare(own.bindMemory(to: Float.self), theirs.bindMemory(to: Float.self))
                case .f16, .bf16, .i64, .i32, .u8, .bool:
                    own[bytes(states.type)].elementsEqual(theirs[bytes(states.type)]) ? .within : .beyond
                }
            }
        }
    }

    private func bytes(_ type: TensorType) -> Range<Int> { first * width * type.byteCount..<(first + count) * width * type.byteCount }

    private func compare<Number: BinaryFloatingPoint>(_ states: UnsafeBufferPointer<Number>, _ given: UnsafeBufferPointer<Number>) -> Outcome {
        var outcome = Outcome.within
        let end = (first + count) * width
        for start in stride(from: first * width, to: end, by: Self.stepsAround * width) {
            let places = start..<min(start + Self.stepsAround * width, end)
            var largest: Number = 0
            for k in places {
                if states[k].isNaN || given[k].isNaN { return .notANumber }
                largest = max(largest, abs(states[k]), abs(given[k]))
            }
            guard outcome == .within else { continue }
            let allowed = largest.isFinite ? Number(Self.units) * largest.ulp : 0
            // Infinities of one sign are the same, and have no difference.
            for k in places where !(states[k] == given[k] || abs(states[k] - given[k]) <= allowed) { outcome = .beyond }
        }
        return outcome
    }
}
