import RecStream

/// A variable must be split before an index can be taken apart: `variable = factor · high + low`.
struct SplitRequest: Error {
    var variable: Int
    var factor: Int
}

/// Index arithmetic of reshapes: elements keep their place in row-major order.
enum IndexDigits {
    /// The index in a shape with sizes `sizes` of the element that has `index` in a shape with sizes `shape`; nil where
    /// that is no affine function of the variables.
    ///
    /// - Throws: `SplitRequest` where it would be one if a variable were two.
    static func reshaped(
        _ index: [Affine], from shape: [Int], to sizes: [Int], extents: [Int]
    ) throws(SplitRequest) -> [Affine]? {
        let position = Affine.linear(index, strides: strides(shape))
        let target = strides(sizes)
        guard position.offset >= 0 else { return nil }
        var digits: [Affine] = []
        var rest = position.offset
        for stride in target {
            digits.append(Affine(offset: rest / max(stride, 1)))
            rest %= max(stride, 1)
        }
        for term in position.terms {
            guard let axis = target.indices.first(where: { sizes[$0] > 1 && target[$0] <= term.coefficient }),
                term.coefficient % target[axis] == 0
            else {
                // A variable that is always zero counts nowhere.
                if extents[term.variable] == 1 { continue }
                return nil
            }
            let unit = term.coefficient / target[axis]
            let room = sizes[axis] / unit
            if extents[term.variable] <= room {
                digits[axis] = digits[axis] + Affine(terms: [Affine.Term(variable: term.variable, coefficient: unit)])
            } else {
                guard sizes[axis] % unit == 0, room > 1, extents[term.variable] % room == 0 else { return nil }
                throw SplitRequest(variable: term.variable, factor: room)
            }
        }
        // No digit may run over into the next.
        for (axis, digit) in digits.enumerated() {
            let most = digit.terms.reduce(digit.offset) { $0 + $1.coefficient * (extents[$1.variable] - 1) }
            guard most < sizes[axis], digit.terms.allSatisfy({ $0.coefficient > 0 }) else { return nil }
        }
        return digits
    }

    private static func strides(_ sizes: [Int]) -> [Int] { sizes.map { Dim("", $0) }.strides }
}
