import RecStream

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

typealias Row = UnsafeMutablePointer<Double>

extension Evaluation {
    /// Computes one row of a value from the rows of its operands.
    func evaluate(_ id: ValueID, at step: Step) {
        let value = graph[id]
        let out = row(id, at: step)
        let count = value.shape.elementCount
        switch value.operation {
        case .input, .parameter:
            break
        case .constant(let scalar):
            switch scalar {
            case .real(let number): out[0] = number
            case .int(let number): out[0] = Double(number)
            case .bool(let truth): out[0] = truth ? 1 : 0
            case .complex(let real, let imaginary): (out[0], out[1]) = (real, imaginary)
            }
        case .unary(let function, let a):
            let isComplex = graph[a].element == .complex || value.element == .complex
            if isComplex {
                complexUnary(function, row(a, at: step), out, count, isComplex: graph[a].element == .complex)
            } else {
                let x = row(a, at: step)
                for k in 0..<count { out[k] = realUnary(function, x[k]) }
            }
        case .binary(let function, let a, let b):
            let (x, y) = (row(a, at: step), row(b, at: step))
            if graph[a].element == .complex {
                complexBinary(function, x, y, out, count)
            } else if function == .complex {
                for k in 0..<count { (out[2 * k], out[2 * k + 1]) = (x[k], y[k]) }
            } else {
                for k in 0..<count { out[k] = realBinary(function, x[k], y[k]) }
            }
        case .select(let condition, let a, let b):
            let (c, x, y) = (row(condition, at: step), row(a, at: step), row(b, at: step))
            let parts = value.element == .complex ? 2 : 1
            for k in 0..<count * parts { out[k] = c[k / parts] != 0 ? x[k] : y[k] }
        case .contract(let contraction):
            contract(contraction, id, out, at: step)
        case .reduce(let kind, let a, let axes):
            reduce(kind, a, axes, id, out, at: step)
        case .rename(let a), .reshape(let a):
            out.update(from: row(a, at: step), count: width(of: id))
        case .broadcast(let a, let from):
            let strides = graph[a].shape.strides
            let moves = from.map { $0.map { strides[$0] } ?? 0 }
            copyElements(from: a, to: id, at: step, value.shape.sizes, start: 0, moves)
        case .slice(let a, let axis, let start, let stride):
            var moves = graph[a].shape.strides
            let first = start * moves[axis]
            moves[axis] *= stride
            copyElements(from: a, to: id, at: step, value.shape.sizes, start: first, moves)
        case .window(let a, let axis, let stride):
            var moves = graph[a].shape.strides
            let one = moves[axis]
            moves[axis] = one * stride
            moves.insert(one, at: axis + 1)
            copyElements(from: a, to: id, at: step, value.shape.sizes, start: 0, moves)
        case .concat(let parts, let axis):
            concat(parts, axis, id, out, at: step)
        case .pad(let a, let axis, let before, _, let mode):
            pad(a, axis, before, mode, id, out, at: step)
        case .gather(let table, let index):
            let at = row(index, at: step)
            let rows = graph[table].shape[0].size
            let rowWidth = width(of: table) / max(rows, 1)
            for k in 0..<graph[index].shape.elementCount {
                let chosen = min(max(at[k], 0), Double(rows - 1))
                (out + k * rowWidth).update(from: row(table, at: step) + Int(chosen) * rowWidth, count: rowWidth)
            }
        case .delay(let a, let offsets, let initial):
            delay(a, offsets, initial, out, at: step)
        case .overTime(let kind, let a, let axis):
            overTime(kind, a, axis, out, count: width(of: id), at: step)
        }
    }

    private func copyElements(from a: ValueID, to id: ValueID, at step: Step, _ sizes: [Int], start: Int, _ moves: [Int]) {
        let (source, out) = (row(a, at: step), row(id, at: step))
        let parts = graph[id].element == .complex ? 2 : 1
        var next = 0
        forEachIndex(sizes) { index in
            var at = start
            for (k, position) in index.enumerated() { at += position * moves[k] }
            for part in 0..<parts { out[next * parts + part] = source[at * parts + part] }
            next += 1
        }
    }

    private func delay(_ a: ValueID, _ offsets: [Int], _ initial: ValueID?, _ out: Row, at step: Step) {
        var source = step
        var isInside = true
        for (axis, offset) in offsets.enumerated() where offset != 0 {
            source.index[axis] += offset
            // Padding behind a sequence is outside, too.
            if source.index[axis] < 0 || source.index[axis] >= length(of: step.sequence, axis: axis) { isInside = false }
        }
        let count = width(of: a)
        if isInside {
            out.update(from: row(a, at: source), count: count)
        } else if let initial {
            out.update(from: row(initial, at: step), count: count)
        } else {
            out.update(repeating: 0, count: count)
        }
    }

    private func overTime(_ kind: TimeReduceKind, _ a: ValueID, _ axis: Int, _ out: Row, count: Int, at step: Step) {
        let length = length(of: step.sequence, axis: axis)
        var source = step
        func at(_ position: Int) -> Row {
            source.index[axis] = position
            return row(a, at: source)
        }
        switch kind {
        case .sum, .mean: out.update(repeating: 0, count: count)
        case .max: out.update(repeating: -.infinity, count: count)
        case .min: out.update(repeating: .infinity, count: count)
        case .first, .last:
            if length == 0 { out.update(repeating: 0, count: count) } else {
                out.update(from: at(kind == .first ? 0 : length - 1), count: count)
            }
            return
        }
        for position in 0..<length {
            let x = at(position)
            for k in 0..<count {
                switch kind {
                case .sum, .mean: out[k] += x[k]
                case .max: out[k] = realBinary(.max, out[k], x[k])
                case .min: out[k] = realBinary(.min, out[k], x[k])
                case .first, .last: break
                }
            }
        }
        if kind == .mean { for k in 0..<count { out[k] /= Double(length) } }
    }

    private func concat(_ parts: [ValueID], _ axis: Int, _ id: ValueID, _ out: Row, at step: Step) {
        let strides = graph[id].shape.strides
        let components = graph[id].element == .complex ? 2 : 1
        var start = 0
        for part in parts {
            let source = row(part, at: step)
            var next = 0
            forEachIndex(graph[part].shape.sizes) { index in
                var at = start * strides[axis]
                for (k, position) in index.enumerated() { at += position * strides[k] }
                for component in 0..<components { out[at * components + component] = source[next * components + component] }
                next += 1
            }
            start += graph[part].shape[axis].size
        }
    }

    private func pad(_ a: ValueID, _ axis: Int, _ before: Int, _ mode: PadMode, _ id: ValueID, _ out: Row, at step: Step) {
        let source = row(a, at: step)
        let strides = graph[a].shape.strides
        let size = graph[a].shape[axis].size
        var next = 0
        forEachIndex(graph[id].shape.sizes) { index in
            var position = index[axis] - before
            var isZero = false
            if position < 0 || position >= size {
                switch mode {
                case .zero: isZero = true
                case .edge: position = position < 0 ? 0 : size - 1
                case .reflect: position = position < 0 ? -position : 2 * (size - 1) - position
                }
            }
            var at = 0
            for k in index.indices { at += (k == axis ? position : index[k]) * strides[k] }
            out[next] = isZero ? 0 : source[at]
            next += 1
        }
    }

    private func contract(_ contraction: Contraction, _ id: ValueID, _ out: Row, at step: Step) {
        let (left, right) = (graph[contraction.left], graph[contraction.right])
        var extents: [Int: Int] = [:]
        for (label, dim) in zip(contraction.leftLabels, left.shape) { extents[label] = dim.size }
        for (label, dim) in zip(contraction.rightLabels, right.shape) { extents[label] = dim.size }
        let summed = extents.keys.filter { !contraction.resultLabels.contains($0) }.sorted()
        let labels = contraction.resultLabels + summed
        func moves(_ operand: [Int], _ strides: [Int]) -> [Int] {
            labels.map { label in operand.firstIndex(of: label).map { strides[$0] } ?? 0 }
        }
        let leftMoves = moves(contraction.leftLabels, left.shape.strides)
        let rightMoves = moves(contraction.rightLabels, right.shape.strides)
        let (x, y) = (row(contraction.left, at: step), row(contraction.right, at: step))
        let isComplex = graph[id].element == .complex
        let sumCount = summed.reduce(1) { $0 * (extents[$1] ?? 1) }
        out.update(repeating: 0, count: width(of: id))
        var next = 0
        forEachIndex(labels.map { extents[$0] ?? 1 }) { index in
            var (a, b) = (0, 0)
            for k in index.indices {
                a += index[k] * leftMoves[k]
                b += index[k] * rightMoves[k]
            }
            let at = next / sumCount
            if isComplex {
                out[2 * at] += x[2 * a] * y[2 * b] - x[2 * a + 1] * y[2 * b + 1]
                out[2 * at + 1] += x[2 * a] * y[2 * b + 1] + x[2 * a + 1] * y[2 * b]
            } else {
                out[at] += x[a] * y[b]
            }
            next += 1
        }
    }

    private func reduce(_ kind: ReduceKind, _ a: ValueID, _ axes: [Int], _ id: ValueID, _ out: Row, at step: Step) {
        let shape = graph[a].shape
        let kept = shape.indices.filter { !axes.contains($0) }
        let strides = shape.strides
        let x = row(a, at: step)
        let parts = graph[id].element == .complex ? 2 : 1
        var result = 0
        forEachIndex(kept.map { shape[$0].size }) { outer in
            var base = 0
            for (k, axis) in kept.enumerated() { base += outer[k] * strides[axis] }
            var terms: [Double] = []
            for part in 0..<parts {
                terms.removeAll(keepingCapacity: true)
                forEachIndex(axes.map { shape[$0].size }) { inner in
                    var at = base
                    for (k, axis) in axes.enumerated() { at += inner[k] * strides[axis] }
                    terms.append(x[at * parts + part])
                }
                out[result * parts + part] = Self.reduce(kind, terms)
            }
            result += 1
        }
    }

    static func reduce(_ kind: ReduceKind, _ terms: [Double]) -> Double {
        switch kind {
        case .sum: return terms.reduce(0, +)
        case .product: return terms.reduce(1, *)
        case .min: return terms.reduce(.infinity) { realBinary(.min, $0, $1) }
        case .max: return terms.reduce(-.infinity) { realBinary(.max, $0, $1) }
        case .argmax:
            var best = 0
            for k in terms.indices where terms[k] > terms[best] { best = k }
            return Double(best)
        case .logsumexp:
            let largest = terms.reduce(-.infinity) { realBinary(.max, $0, $1) }
            let shift = largest.isInfinite ? 0 : largest
            return log(terms.reduce(0) { $0 + exp($1 - shift) }) + shift
        }
    }

    /// Every index of a shape in row-major order.
    private func forEachIndex(_ sizes: [Int], _ body: ([Int]) -> Void) {
        let count = sizes.reduce(1, *)
        var index = [Int](repeating: 0, count: sizes.count)
        for _ in 0..<count {
            body(index)
            var axis = sizes.count - 1
            while axis >= 0 {
                index[axis] += 1
                if index[axis] < sizes[axis] { break }
                index[axis] = 0
                axis -= 1
            }
        }
    }
}

// MARK: Scalar functions

func realUnary(_ function: UnaryOperator, _ x: Double) -> Double {
    switch function {
    case .negate: -x
    case .abs: Swift.abs(x)
    case .sign: x > 0 ? 1 : x < 0 ? -1 : x
    case .floor: x.rounded(.down)
    case .not: x == 0 ? 1 : 0
    case .exp: exp(x)
    case .log: log(x)
    case .log1p: log1p(x)
    case .expm1: expm1(x)
    case .sqrt: x.squareRoot()
    case .rsqrt: 1 / x.squareRoot()
    case .sin: sin(x)
    case .cos: cos(x)
    case .tanh: tanh(x)
    case .sigmoid: sigmoid(x)
    case .logsigmoid: -softplus(-x)
    // NaN passes through.
    case .relu: x < 0 ? 0 : x
    case .gelu: x == -.infinity ? -0.0 : 0.5 * x * erfc(-x / 2.0.squareRoot())
    case .silu: x == -.infinity ? -0.0 : x * sigmoid(x)
    case .softplus: softplus(x)
    case .step: x > 0 ? 1 : 0
    case .re, .conj, .stop, .toReal, .toComplex: x
    case .im: 0
    case .cis: x
    case .toInt: x.isNaN ? 0 : min(max(x.rounded(.towardZero), -0x1p63), 0x1p63)
    }
}

private func sigmoid(_ x: Double) -> Double {
    if x >= 0 { return 1 / (1 + exp(-x)) }
    let e = exp(x)
    return e / (1 + e)
}

private func softplus(_ x: Double) -> Double { x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)) }

/// `min` and `max` give NaN where either operand is NaN.
func realBinary(_ function: BinaryOperator, _ a: Double, _ b: Double) -> Double {
    switch function {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    case .divide: a / b
    case .power: pow(a, b)
    case .min: a.isNaN || b.isNaN ? .nan : Swift.min(a, b)
    case .max: a.isNaN || b.isNaN ? .nan : Swift.max(a, b)
    case .logaddexp:
        if a == b, a.isInfinite { a } else { Swift.max(a, b) + log1p(exp(-Swift.abs(a - b))) }
    case .less: a < b ? 1 : 0
    case .lessOrEqual: a <= b ? 1 : 0
    case .equal: a == b ? 1 : 0
    case .notEqual: a != b ? 1 : 0
    case .greaterOrEqual: a >= b ? 1 : 0
    case .greater: a > b ? 1 : 0
    case .and: a != 0 && b != 0 ? 1 : 0
    case .or: a != 0 || b != 0 ? 1 : 0
    case .complex: a
    }
}

func complexUnary(_ function: UnaryOperator, _ x: Row, _ out: Row, _ count: Int, isComplex: Bool) {
    for k in 0..<count {
        let (a, b) = isComplex ? (x[2 * k], x[2 * k + 1]) : (x[k], 0)
        switch function {
        case .negate: (out[2 * k], out[2 * k + 1]) = (-a, -b)
        case .conj: (out[2 * k], out[2 * k + 1]) = (a, -b)
        case .exp: (out[2 * k], out[2 * k + 1]) = (exp(a) * cos(b), exp(a) * sin(b))
        case .stop: (out[2 * k], out[2 * k + 1]) = (a, b)
        case .toComplex: (out[2 * k], out[2 * k + 1]) = (a, 0)
        case .cis: (out[2 * k], out[2 * k + 1]) = (cos(a), sin(a))
        case .re: out[k] = a
        case .im: out[k] = b
        case .abs: out[k] = hypot(a, b)
        // Typing allows none of these on complex values.
        case .sign, .floor, .not, .log, .log1p, .expm1, .sqrt, .rsqrt, .sin, .cos, .tanh, .sigmoid, .logsigmoid, .relu,
            .gelu, .silu, .softplus, .step, .toReal, .toInt:
            (out[2 * k], out[2 * k + 1]) = (.nan, .nan)
        }
    }
}

func complexBinary(_ function: BinaryOperator, _ x: Row, _ y: Row, _ out: Row, _ count: Int) {
    for k in 0..<count {
        let (a, b, c, d) = (x[2 * k], x[2 * k + 1], y[2 * k], y[2 * k + 1])
        switch function {
        case .add: (out[2 * k], out[2 * k + 1]) = (a + c, b + d)
        case .subtract: (out[2 * k], out[2 * k + 1]) = (a - c, b - d)
        case .multiply: (out[2 * k], out[2 * k + 1]) = (a * c - b * d, a * d + b * c)
        case .divide:
            let square = c * c + d * d
            (out[2 * k], out[2 * k + 1]) = ((a * c + b * d) / square, (b * c - a * d) / square)
        case .equal: out[k] = a == c && b == d ? 1 : 0
        case .notEqual: out[k] = a == c && b == d ? 0 : 1
        // Typing allows none of these on complex values.
        case .power, .min, .max, .logaddexp, .less, .lessOrEqual, .greaterOrEqual, .greater, .and, .or, .complex:
            (out[2 * k], out[2 * k + 1]) = (.nan, .nan)
        }
    }
}
