import RecStream

/// Operations that need their operands at the present step alone.
///
/// Loops are with `while`: tests spend much of their time here, and in a build for debugging `for` costs ten times what the loop does.
extension Evaluation {
    func computeWithinStep(_ id: ValueID) {
        let value = graph[id]
        let out = memory.row(id)
        let count = value.shape.elementCount
        let isComplex = value.element == .complex
        switch value.operation {
        case .input, .parameter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps:
            break
        case .constant(let scalar):
            switch scalar {
            case .real(let number): out[0] = number
            case .int(let number): out.setInt(0, number)
            case .bool(let truth): out[0] = truth ? 1 : 0
            case .complex(let real, let imaginary): (out[0], out[1]) = (real, imaginary)
            }
        case .unary(let function, let a):
            let x = memory.row(a)
            if isComplex || graph[a].element == .complex {
                complexUnary(function, x, out, count, isComplex: graph[a].element == .complex)
                return
            }
            switch (graph[a].element, value.element) {
            case (.int, .int) where function == .numbered: for k in 0..<count { out.setInt(k, x.int(k) &+ memory.step[0]) }
            case (.int, .int): for k in 0..<count { out.setInt(k, intUnary(function, x.int(k))) }
            case (.int, _): for k in 0..<count { out[k] = Double(x.int(k)) }
            case (_, .int): for k in 0..<count { out.setInt(k, Int(nearest: x[k])) }
            case (_, _):
                var k = 0
                while k < count {
                    out[k] = realUnary(function, x[k])
                    k += 1
                }
            }
        case .binary(let function, let a, let b):
            let (x, y) = (memory.row(a), memory.row(b))
            if isComplex || graph[a].element == .complex {
                complexBinary(function, x, y, out, count)
            } else if graph[a].element == .int {
                for k in 0..<count { out[k] = intBinary(function, x.int(k), y.int(k)) }
            } else {
                var k = 0
                while k < count {
                    out[k] = realBinary(function, x[k], y[k])
                    k += 1
                }
            }
        case .select(let condition, let a, let b):
            let (c, x, y) = (memory.row(condition), memory.row(a), memory.row(b))
            let parts = isComplex ? 2 : 1
            var k = 0
            while k < count * parts {
                out[k] = c[k / parts] != 0 ? x[k] : y[k]
                k += 1
            }
        case .contract(let contraction):
            contract(pattern(of: id), memory.row(contraction.left), memory.row(contraction.right), out, value.element)
        case .reduce(let kind, let a, _):
            reduce(kind, pattern(of: id), memory.row(a), out, graph[a].element)
        case .rename(let a), .reshape(let a):
            out.update(from: memory.row(a), count: memory.width(of: id))
        case .broadcast(let a, _), .slice(let a, _, _, _), .window(let a, _, _), .pad(let a, _, _, _, _):
            pick(pattern(of: id).first, memory.row(a), out, isComplex)
        case .concat(let parts, let axis):
            concat(parts, axis, out, isComplex)
        case .gather(let table, let index):
            let (source, places) = (memory.row(table), memory.row(index))
            let last = graph[table].shape[0].size - 1
            let width = memory.width(of: table) / (last + 1)
            for k in 0..<graph[index].shape.elementCount {
                let row = min(max(places.int(k), 0), last)
                (out + k * width).update(from: source + row * width, count: width)
            }
        case .scatter(let updates, let index, let rows):
            let (source, places) = (memory.row(updates), memory.row(index))
            let width = memory.width(of: id) / rows
            out.update(repeating: 0, count: rows * width)
            for k in 0..<graph[index].shape.elementCount {
                let row = min(max(places.int(k), 0), rows - 1)
                add(source + k * width, to: out + row * width, width, value.element)
            }
        case .runningAffine(let factor, let term, let axis, let isReversed):
            runningAffine(memory.row(factor), memory.row(term), out, value.shape, axis, isReversed)
        case .solve(let matrix, let right, let isTransposed):
            solve(memory.row(matrix), graph[matrix].shape, memory.row(right), out, count, isTransposed)
        }
    }

    private func pick(_ sources: [Int], _ x: Row, _ out: Row, _ isComplex: Bool) {
        sources.withUnsafeBufferPointer { buffer in
            guard let sources = buffer.baseAddress else { return }
            var k = 0
            while k < buffer.count {
                let source = sources[k]
                if isComplex {
                    out[2 * k] = source < 0 ? 0 : x[2 * source]
                    out[2 * k + 1] = source < 0 ? 0 : x[2 * source + 1]
                } else {
                    out[k] = source < 0 ? 0 : x[source]
                }
                k += 1
            }
        }
    }

    private func concat(_ parts: [ValueID], _ axis: Int, _ out: Row, _ isComplex: Bool) {
        guard let first = parts.first else { return }
        let blocks = graph[first].shape[..<axis].reduce(1) { $0 * $1.size }
        var next = out
        for block in 0..<blocks {
            for part in parts {
                let width = memory.width(of: part) / blocks
                next.update(from: memory.row(part) + block * width, count: width)
                next += width
            }
        }
    }

    /// Adds a row to another.
    func add(_ source: Row, to out: Row, _ width: Int, _ element: ElementType) {
        if element == .int {
            for k in 0..<width { out.setInt(k, out.int(k) &+ source.int(k)) }
        } else {
            for k in 0..<width { out[k] += source[k] }
        }
    }

    private func contract(_ pattern: AccessPattern, _ x: Row, _ y: Row, _ out: Row, _ element: ElementType) {
        let (isInt, isComplex) = (element == .int, element == .complex)
        pattern.firstTerms.withUnsafeBufferPointer { left in
            pattern.secondTerms.withUnsafeBufferPointer { right in
                guard let firstTerms = left.baseAddress, let secondTerms = right.baseAddress else {
                    out.update(repeating: 0, count: pattern.first.count * (isComplex ? 2 : 1))
                    return
                }
                for (r, (a, b)) in zip(pattern.first, pattern.second).enumerated() {
                    var (real, imaginary, int) = (0.0, 0.0, 0)
                    var s = 0
                    while s < left.count {
                        let i = a + firstTerms[s]
                        let j = b + secondTerms[s]
                        s += 1
                        if isInt {
                            int &+= x.int(i) &* y.int(j)
                        } else if isComplex {
                            real += x[2 * i] * y[2 * j] - x[2 * i + 1] * y[2 * j + 1]
                            imaginary += x[2 * i] * y[2 * j + 1] + x[2 * i + 1] * y[2 * j]
                        } else {
                            real += x[i] * y[j]
                        }
                    }
                    switch element {
                    case .int: out.setInt(r, int)
                    case .complex: (out[2 * r], out[2 * r + 1]) = (real, imaginary)
                    case .real, .bool: out[r] = real
                    }
                }
            }
        }
    }

    private func reduce(_ kind: ReduceKind, _ pattern: AccessPattern, _ x: Row, _ out: Row, _ element: ElementType) {
        let parts = element == .complex ? 2 : 1
        for (r, start) in pattern.first.enumerated() {
            if element == .int {
                out.setInt(r, reduced(kind, pattern.firstTerms.map { x.int(start + $0) }))
                continue
            }
            if kind == .argmax {
                out.setInt(r, argmax(pattern.firstTerms.map { x[start + $0] }))
                continue
            }
            for part in 0..<parts {
                out[r * parts + part] = reduced(kind, pattern.firstTerms.map { x[(start + $0) * parts + part] })
            }
        }
    }
}

/// The index of the first NaN; where there is none, of the first largest.
func argmax(_ terms: [Double]) -> Int {
    if let first = terms.firstIndex(where: \.isNaN) { return first }
    return terms.indices.reduce(0) { terms[$1] > terms[$0] ? $1 : $0 }
}

/// `min`, `max` and `logsumexp` give NaN where a term is NaN.
func reduced(_ kind: ReduceKind, _ terms: [Double]) -> Double {
    switch kind {
    case .sum: return terms.reduce(0, +)
    case .product: return terms.reduce(1, *)
    case .min: return terms.reduce(.infinity, Double.smallest)
    case .max: return terms.reduce(-.infinity, Double.largest)
    // Gives an int, which goes another way.
    case .argmax: return .nan
    case .logsumexp:
        let largest = terms.reduce(-.infinity, Double.largest)
        // Without a finite largest term there is nothing to scale by, and ∞ − ∞ would spoil the result.
        let shift = largest.isFinite ? largest : 0
        return logarithm(terms.reduce(0) { $0 + exponential($1 - shift) }) + shift
    }
}
