import RecSource
import RecStream

/// Data that have been checked against a graph: every input and parameter is there and has its shape.
package struct BoundData: Sendable {
    /// What to do about parameters that are missing, where there are none that could be meant.
    package static let adviceOnMissing = "give it with --params"

    package var batch: Int
    /// The length of each axis of the graph.
    package var extents: [Int]
    /// The length of each sequence along the first axis; nil where all have the full length.
    package var lengths: [Int]?
    /// The same along other axes of data.
    package var furtherLengths: [Int: [Int]] = [:]
    /// `[batch, axes…, dims…]` for streams, `[batch, dims…]` for once inputs.
    package var inputs: [String: Tensor]
    package var parameters: [String: Tensor]
    /// Where outputs are to lie, by name, as large as they are.
    package var destinations = Destinations()

    /// Memory of a caller's, who keeps it there and from others while a run lasts.
    package struct Destinations: @unchecked Sendable {
        package var memory: [String: UnsafeMutableRawBufferPointer] = [:]
        package init() {}
    }

    /// Data known to fit.
    package init(batch: Int, extents: [Int], lengths: [Int]?, inputs: [String: Tensor], parameters: [String: Tensor]) {
        self.batch = batch
        self.extents = extents
        self.lengths = lengths
        self.inputs = inputs
        self.parameters = parameters
    }
}

extension BoundData {
    /// Checks data against a graph.
    ///
    /// A tensor without a batch axis stands for a batch of one. Parameters are looked up by path, then by the name that
    /// the source gives (`from "…"`); constants that fill themselves may be missing. Names that the graph does not know are
    /// left alone.
    ///
    /// - Parameter openBatch: for streams, which have no length: how many sequences there are where no input says so.
    /// - Throws: a list of everything that is missing or misshapen.
    package init(_ data: ModelData, for graph: StreamGraph, openBatch: Int? = nil) throws(DiagnosticList) {
        var check = BindingCheck(data, graph)
        check.batch = openBatch ?? 1
        check.findExtents(isOpen: openBatch != nil)
        check.bindInputs()
        check.bindParameters()
        if check.problems.isEmpty { check.checkIndices() }
        if !check.problems.isEmpty { throw DiagnosticList(check.problems) }
        self = BoundData(
            batch: check.batch, extents: check.extents, lengths: check.lengths, inputs: check.inputs,
            parameters: check.parameters)
        furtherLengths = check.furtherLengths
    }

    /// The lengths along an axis of data; nil where all sequences have the full length.
    package func lengths(along axis: Int) -> [Int]? { axis == 0 ? lengths : furtherLengths[axis] }

    /// The lengths that a plan can have: those along the first axis.
    ///
    /// - Throws: where there are others, which must be inputs (`StreamGraph.ending`).
    package func lengthsOfPlan() throws(DiagnosticList) -> [Int]? {
        guard furtherLengths.isEmpty else { throw DiagnosticList(.badCall, "a plan knows lengths along one axis, and here are others") }
        return lengths
    }

    /// The lengths along axes behind the first, by name.
    package func lengthsByAxis(of graph: StreamGraph) -> [String: [Int]] {
        Dictionary(furtherLengths.map { (graph.axes[$0.key].name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
}

extension BoundData {
    /// The parameters of a graph, looked up by path and by the name that the source gives.
    ///
    /// - Throws: a list of everything that is missing or misshapen.
    package static func parameters(_ given: [String: Tensor], for graph: StreamGraph) throws(DiagnosticList) -> [String: Tensor] {
        var check = BindingCheck(ModelData(parameters: given), graph)
        check.bindParameters()
        if !check.problems.isEmpty { throw DiagnosticList(check.problems) }
        return check.parameters
    }
}

/// The work of checking data against a graph.
private struct BindingCheck {
    let data: ModelData
    let graph: StreamGraph
    var problems: [Diagnostic] = []
    var batch = 1
    var extents: [Int]
    var lengths: [Int]?
    var furtherLengths: [Int: [Int]] = [:]
    var inputs: [String: Tensor] = [:]
    var parameters: [String: Tensor] = [:]
    /// Whether an input that says how many sequences there are is missing or misshapen, and none of the others says it.
    private var isBatchOpen = false
    /// The axes of which an input that says how long they are is missing or misshapen, and none of the others says it.
    private var openAxes: Set<Int> = []

    init(_ data: ModelData, _ graph: StreamGraph) {
        self.data = data
        self.graph = graph
        extents = graph.axes.map { $0.length ?? -1 }
    }

    private var inputValues: [(name: String, value: Value, fallback: Double?)] {
        graph.values.compactMap { value in
            if case .input(let name, let fallback) = value.operation { (name, value, fallback) } else { nil }
        }
    }

    /// `[batch, t, H=64]`, for messages.
    private func expectation(_ value: Value) -> String {
        var parts: [String] = value.variance.batch ? ["batch"] : []
        for (k, axis) in graph.axes.enumerated() where value.variance.varies(over: k) {
            parts.append(axis.length.map { "\(axis.name)=\($0)" } ?? axis.name)
        }
        parts += value.shape.map { $0.name == "\($0.size)" ? $0.name : "\($0.name)=\($0.size)" }
        if value.element == .complex { parts.append("2") }
        return "[\(parts.joined(separator: ", "))]"
    }

    private func stepSizes(_ value: Value) -> [Int] { value.shape.sizes + (value.element == .complex ? [2] : []) }

    private mutating func problem(_ id: DiagnosticID, _ message: String, help: String? = nil) {
        problems.append(Diagnostic(id, message, at: nil, help: help))
    }

    /// Reads batch and lengths off the first tensors that have them.
    mutating func findExtents(isOpen: Bool) {
        // A stream has as many sequences as it was opened with.
        var batchFrom = isOpen ? "" : nil
        for (name, value, fallback) in inputValues {
            let axes = graph.axes.indices.filter { value.variance.varies(over: $0) }
            let rank = axes.count + stepSizes(value).count
            guard let tensor = data.inputs[name], tensor.shape.count == rank || tensor.shape.count == rank + 1 else {
                // That is a mistake of its own, unless the input may be left out.
                if data.inputs[name] != nil || fallback == nil && name != DrawSeed.name {
                    isBatchOpen = true
                    openAxes.formUnion(axes)
                }
                continue
            }
            let hasBatch = tensor.shape.count == rank + 1
            if hasBatch, batchFrom == nil {
                batch = tensor.shape[0]
                batchFrom = name
            }
            for (k, axis) in axes.enumerated() where extents[axis] < 0 { extents[axis] = tensor.shape[k + (hasBatch ? 1 : 0)] }
        }
        if batchFrom != nil { isBatchOpen = false }
        openAxes = openAxes.filter { extents[$0] < 0 }
        for k in extents.indices { if let first = graph.axes[k].again { extents[k] = extents[first] } }
        for k in extents.indices where extents[k] < 0 {
            // Nothing runs over the axis from outside: there is nothing to say how long it is.
            if !isOpen, graph.axes[k].again == nil, !inputValues.contains(where: { $0.value.variance.isStream }) {
                problem(.missingTensor, "no input says how long the axis '\(graph.axes[k].name)' is")
            }
            extents[k] = 0
        }
        lengths = data.lengths.flatMap { checked($0, along: 0, named: "lengths") }
        for (name, given) in data.lengthsByAxis.sorted(by: { $0.key < $1.key }) {
            guard let axis = graph.dataAxes.first(where: { graph.axes[$0].name == name }) else {
                let known = graph.dataAxes.map { graph.axes[$0].name }
                problem(
                    .unknownName, "there are lengths along '\(name)', and no axis of that name",
                    help: nearest(name, among: known).map { "did you mean 'lengths.\($0)'?" } ?? "the axes are \(known.joined(separator: ", "))")
                continue
            }
            let own = checked(given, along: axis, named: "lengths.\(name)")
            if axis > 0 {
                furtherLengths[axis] = own
            } else if data.lengths == nil {
                lengths = own
            } else {
                problem(.badData, "there are lengths along '\(name)' twice", help: "give either 'lengths' or 'lengths.\(name)'")
            }
        }
    }

    private mutating func checked(_ given: [Int], along axis: Int, named name: String) -> [Int]? {
        if given.count != batch, !isBatchOpen {
            problem(.misshapenTensor, "'\(name)' has \(given.count) entries for a batch of \(batch)")
        } else if let bad = given.first(where: { $0 < 0 || $0 > extents[axis] }), !openAxes.contains(axis) {
            problem(.badData, "'\(name)' has a length of \(bad), which does not lie within 0 … \(extents[axis])")
        } else {
            return given
        }
        return nil
    }

    mutating func bindInputs() {
        for (name, value, fallback) in inputValues {
            let axes = graph.axes.indices.filter { value.variance.varies(over: $0) }
            let expected = (value.variance.batch ? [batch] : []) + axes.map { extents[$0] } + stepSizes(value)
            guard let tensor = data.inputs[name] else {
                if name == DrawSeed.name {
                    inputs[name] = Tensor(DrawSeed.values(0, batch: batch), shape: expected)
                    continue
                }
                if let fallback {
                    guard let count = elementCount(expected), 8 * count <= PhysicalMemory.bytes else {
                        problem(.tooLarge, "'\(name)' \(expected) does not fit into memory")
                        continue
                    }
                    // The imaginary part of a default is 0.
                    let numbers = (0..<count).map { value.isComplex && $0 % 2 == 1 ? 0 : fallback }
                    inputs[name] = Tensor(numbers, shape: expected)
                    continue
                }
                let kind = value.variance.isStream ? "input" : "once input"
                problem(
                    .missingTensor, "the \(kind) '\(name)' is missing; expected \(expectation(value))",
                    help: nearest(name, among: data.inputs.keys.sorted()).map { "there is a tensor '\($0)'" })
                continue
            }
            if tensor.shape == expected {
                inputs[name] = tensor
            } else if batch == 1, [1] + tensor.shape == expected {
                inputs[name] = tensor.reshaped(expected)
            } else {
                problem(.misshapenTensor, "'\(name)' has the shape \(tensor.shape), expected \(expectation(value)) = \(expected)")
                continue
            }
            check(tensor, holds: value.element, name)
        }
    }

    private mutating func check(_ tensor: Tensor, holds element: ElementType, _ name: String) {
        switch element {
        case .real, .complex: return
        case .int:
            guard tensor.type.isFloating else { return }
            if let bad = tensor.doubles().first(where: { $0 != $0.rounded() || abs($0) > 0x1p53 }) {
                problem(.badData, "'\(name)' holds ints, and \(bad) is none")
            }
        case .bool:
            let bad =
                tensor.type == .bool
                ? tensor.withUnsafeBytes { bytes in bytes.first { $0 > 1 }.map(Double.init) } : tensor.doubles().first { $0 != 0 && $0 != 1 }
            if let bad { problem(.badData, "'\(name)' holds bools, and \(bad) is neither 0 nor 1") }
        }
    }

    mutating func bindParameters() {
        var missing: [Value] = []
        var used: Set<String> = []
        for value in graph.values {
            guard case .parameter(let info) = value.operation else { continue }
            let names = info.names.filter { data.parameters[$0] != nil }
            used.formUnion(names)
            var given = names.first.flatMap { data.parameters[$0] }
            if given == nil, info.fillsItself { given = info.initialTensor(shape: stepSizes(value), seed: 0) }
            guard let tensor = given else {
                missing.append(value)
                continue
            }
            let expected = stepSizes(value)
            guard tensor.shape == expected || tensor.count == 1 && expected.isEmpty else {
                let isTurned = ParameterSearch.fitsTransposed(tensor.shape, expected)
                let isFlat = tensor.shape.filter { $0 != 1 } == expected.filter { $0 != 1 }
                problem(
                    .misshapenTensor,
                    "the parameter '\(info.path)'\(names.last.map { $0 == info.path ? "" : ", \"\($0)\"," } ?? "") has the shape \(tensor.shape), expected \(expectation(value)) = \(expected)",
                    help: isTurned
                        ? "it fits when transposed: declare it [\(value.shape.reversed().map(\.name).joined(separator: ", "))], and write \(info.ownName).T"
                        : isFlat ? "it differs in axes of size 1 alone: declare it \(tensor.shape), and reshape it where it is used" : nil)
                continue
            }
            check(tensor, holds: value.element, info.path)
            parameters[info.path] = tensor.shape == expected ? tensor : tensor.reshaped(expected)
        }
        report(missing, ParameterSearch(data.parameters, used: used))
    }

    /// Says of parameters that are missing what was looked for, and what there is instead.
    private mutating func report(_ missing: [Value], _ search: ParameterSearch) {
        for (k, value) in missing.enumerated() {
            guard case .parameter(let info) = value.operation else { continue }
            var help = [search.likely(info.names, stepSizes(value))].compactMap { $0 }
            if k == missing.count - 1 {
                if help.isEmpty { help = [BoundData.adviceOnMissing] }
                help += [search.unusedText].compactMap { $0 }
            }
            let names = info.tensorName.map { "; looked for '\($0)' and '\(info.path)'" } ?? ""
            problem(
                .missingTensor, "the parameter '\(info.path)' is missing; expected \(expectation(value))\(names)",
                help: help.isEmpty ? nil : help.joined(separator: "; "))
        }
    }

    /// Inputs that index a table directly must lie within it.
    mutating func checkIndices() {
        for value in graph.values {
            guard case .gather(let table, let index) = value.operation, case let source = source(of: index),
                case .input(let name, _) = graph[source].operation, let tensor = inputs[name]
            else { continue }
            let size = graph[table].shape[0].size
            for (k, number) in tensor.doubles().enumerated() where number < 0 || number >= Double(size) {
                // Padding is never looked up in earnest: indices are clamped.
                guard !isPadding(k, of: graph[source], tensor.shape) else { continue }
                problem(.badData, "'\(name)' holds \(Int(exactly: number).map(String.init) ?? "\(number)") at position \(k), and the table it indexes has \(size) rows (0 … \(size - 1))")
                break
            }
        }
    }

    /// Whether an element of an input stands behind the end of its sequence.
    private func isPadding(_ element: Int, of value: Value, _ shape: [Int]) -> Bool {
        let axes = graph.dataAxes.filter { value.variance.varies(over: $0) }
        guard value.variance.batch, shape.count > axes.count else { return false }
        var rest = element / shape.dropFirst(1 + axes.count).reduce(1, *)
        for (place, axis) in axes.enumerated().reversed() {
            let step = rest % max(1, shape[1 + place])
            rest /= max(1, shape[1 + place])
            let sequence = element / max(1, shape.dropFirst().reduce(1, *))
            let own = lengths(along: axis)
            if let own, own.indices.contains(sequence), step >= own[sequence] { return true }
        }
        return false
    }

    /// The lengths along an axis, also where they are an input.
    private func lengths(along axis: Int) -> [Int]? {
        (axis == 0 ? lengths : furtherLengths[axis]) ?? inputs[graph.lengthsName(of: axis)]?.ints()
    }

    /// Whether a condition says that a step lies before the end of its sequence, as lengths that are an input say.
    private func isEnd(_ condition: ValueID) -> Bool {
        let operation = graph[condition].operation
        if case .broadcast(let a, _) = operation { return isEnd(a) }
        if case .binary(.and, let a, let b) = operation { return isEnd(a) && isEnd(b) }
        guard case .binary(.less, _, let length) = operation, case .input(let name, _) = graph[length].operation else { return false }
        return graph.dataAxes.contains { graph.lengthsName(of: $0) == name }
    }

    private func source(of id: ValueID) -> ValueID {
        var id = id
        while true {
            switch graph[id].operation {
            case .rename(let operand), .broadcast(let operand, _), .reshape(let operand), .slice(let operand, _, _, _):
                id = operand
            case .select(let condition, let chosen, _) where isEnd(condition): id = chosen
            case .input, .parameter, .constant, .unary, .binary, .select, .contract, .reduce, .concat, .pad, .window,
                .gather, .scatter, .delay, .overTime, .overBatch, .along, .distance, .chunks, .steps, .runningAffine, .solve:
                return id
            }
        }
    }
}

extension Tensor {
    /// The same elements in another shape of as many.
    package func reshaped(_ shape: [Int]) -> Tensor {
        precondition(shape.reduce(1, *) == count, "a reshaped tensor has as many elements")
        return Tensor(type: type, shape: shape, storage: storage, byteOffset: byteOffset)
    }
}
