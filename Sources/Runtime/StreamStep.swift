import RecCodeGen
import RecSource
import RecStream

extension StreamSession {
    /// What a step gives, by output.
    public struct StepResults: Sendable {
        /// By name: the numbers of each output in row-major order, of one sequence behind the other; complex ones as pairs.
        public let outputs: [String: [Float]]

        /// The numbers of an output.
        ///
        /// - Throws: where there is none of this name.
        public subscript(_ name: String) -> [Float] {
            get throws(DiagnosticList) {
                if let numbers = outputs[name] { return numbers }
                throw DiagnosticList(
                    .unknownName, "the stream has no output '\(name)'", help: "it has \(outputs.keys.sorted().joined(separator: ", "))")
            }
        }
    }

    /// Takes one step with arrays of numbers.
    ///
    /// - Parameter values: for each input the numbers of a step in row-major order, of one sequence of the batch behind the other;
    ///   complex ones as pairs, bools as 0 and 1.
    /// - Throws: where an input is missing, unknown, or has another number of values; the session is then as it was.
    @discardableResult
    public func step(_ values: [String: [Float]] = [:]) throws(DiagnosticList) -> StepResults {
        _ = try write(values, steps: 1)
        try advance()
        return try results(of: 0)
    }

    /// Takes any number of steps with arrays of numbers, as many at a time as there is room for; gives what the last one gives.
    ///
    /// - Parameter values: for each input the numbers of all steps in row-major order, of a stream of one sequence.
    /// - Throws: as `step(_:)`, and where there is no step.
    package func steps(_ values: [String: [Float]], count: Int) throws(DiagnosticList) -> StepResults {
        var taken = 0
        var last = 0
        while taken < count {
            last = min(capacity, count - taken)
            var piece: [String: [Float]] = [:]
            for (name, numbers) in values {
                let width = numbers.count / count
                piece[name] = Array(numbers[taken * width..<(taken + last) * width])
            }
            _ = try write(piece, steps: last)
            try advance(last)
            taken += last
        }
        guard last > 0 else { throw DiagnosticList(.badCall, "no step was given") }
        return try results(of: last - 1)
    }

    /// Writes the numbers of steps into the inputs, once all are found to fit; gives how many steps there are.
    ///
    /// - Parameter steps: how many there must be; nil for what the numbers tell.
    func write(_ values: [String: [Float]], steps wanted: Int?) throws(DiagnosticList) -> Int {
        for name in values.keys.sorted() { _ = try port(name, inputs, "input") }
        var steps = wanted
        for port in inputs {
            guard let given = values[port.name] else { throw DiagnosticList(.missingTensor, "the input '\(port.name)' is missing") }
            let count = batch * port.stepBytes / port.element.byteCount(model.precision)
            if steps == nil, given.count % count == 0 { steps = given.count / count }
            guard given.count == count * (steps ?? 0) else {
                let expected = steps == 1 || steps == nil ? "a step has \(count)" : "\(steps ?? 0) steps have \(count * (steps ?? 0))"
                throw DiagnosticList(.misshapenTensor, "'\(port.name)' has \(given.count) values, and \(expected)")
            }
            guard let bad = given.first(where: { !port.element.holds($0) }) else { continue }
            throw DiagnosticList(.badData, "'\(port.name)' holds \(port.element == .int ? "ints" : "bools"), and \(bad) is none")
        }
        guard let steps, steps >= 1, steps <= capacity else {
            throw DiagnosticList(.badCall, "the stream cannot take \(steps ?? 0) steps at a time", help: "from 1 to \(capacity), for which it has room")
        }
        for port in inputs {
            guard let given = values[port.name] else { continue }
            let count = given.count / batch
            for sequence in 0..<batch {
                try withInput(port.name, sequence: sequence) { bytes in
                    for k in 0..<count { port.element.store(given[sequence * count + k], in: bytes, at: k, model.precision) }
                }
            }
        }
        return steps
    }

    /// What the outputs hold of one of the last steps.
    func results(of step: Int) throws(DiagnosticList) -> StepResults {
        var results: [String: [Float]] = [:]
        for port in outputs {
            let count = port.stepBytes / port.element.byteCount(model.precision)
            // What does not vary over time lies there once.
            let first = model.plan[port.buffer].variance.isStream ? step * count : 0
            var numbers: [Float] = []
            numbers.reserveCapacity(batch * count)
            for sequence in 0..<batch {
                try withOutput(port.name, sequence: sequence) { bytes in
                    for k in 0..<count { numbers.append(port.element.load(from: bytes, at: first + k, model.precision)) }
                }
            }
            results[port.name] = numbers
        }
        return StepResults(outputs: results)
    }
}

extension ElementType {
    /// Whether a number is one of the type.
    fileprivate func holds(_ number: Float) -> Bool {
        switch self {
        case .real, .complex: true
        case .int: number == number.rounded() && abs(number) < 0x1p53
        case .bool: number == 0 || number == 1
        }
    }

    fileprivate func store(_ number: Float, in bytes: UnsafeMutableRawBufferPointer, at k: Int, _ precision: Precision) {
        switch self {
        case .bool: bytes[k] = number == 0 ? 0 : 1
        case .int: bytes.storeBytes(of: Int64(number), toByteOffset: 8 * k, as: Int64.self)
        case .real, .complex:
            switch precision {
            case .f32: bytes.storeBytes(of: number, toByteOffset: 4 * k, as: Float.self)
            case .f64: bytes.storeBytes(of: Double(number), toByteOffset: 8 * k, as: Double.self)
            }
        }
    }

    fileprivate func load(from bytes: UnsafeRawBufferPointer, at k: Int, _ precision: Precision) -> Float {
        switch self {
        case .bool: return Float(bytes[k])
        case .int: return Float(bytes.load(fromByteOffset: 8 * k, as: Int64.self))
        case .real, .complex:
            switch precision {
            case .f32: return bytes.load(fromByteOffset: 4 * k, as: Float.self)
            case .f64: return Float(bytes.load(fromByteOffset: 8 * k, as: Double.self))
            }
        }
    }
}
