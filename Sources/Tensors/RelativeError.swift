/// `‖got − expected‖ / ‖expected‖` in the Euclidean norm. Equal infinities agree; a NaN agrees with a NaN alone; tensors
/// of different size differ infinitely.
package func relativeError(_ got: Tensor, _ expected: Tensor) -> Double {
    let (a, b) = (got.doubles(), expected.doubles())
    guard a.count == b.count else { return .infinity }
    var difference = 0.0
    var size = 0.0
    for (x, y) in zip(a, b) {
        if x == y || (x.isNaN && y.isNaN) {
            if y.isFinite { size += y * y }
            continue
        }
        guard x.isFinite, y.isFinite else { return .infinity }
        difference += (x - y) * (x - y)
        size += y * y
    }
    if difference == 0 { return 0 }
    return size == 0 ? difference.squareRoot() : (difference / size).squareRoot()
}
