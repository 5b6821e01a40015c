/// What is wrong with a graph's text, and where.
package struct GraphTextError: Error, Equatable, CustomStringConvertible {
    package var line: Int
    package var message: String
    package var description: String { "line \(line): \(message)" }
}

extension StreamGraph {
    /// Reads a graph from its text, whose comments run from `#` to the end of a line. Spans are not part of it; whether the
    /// graph is sound is for `violations()` to say.
    ///
    /// - Throws: what the text should have had instead, and the line.
    package init(text: String) throws(GraphTextError) {
        var parser = GraphTextParser(text)
        self = try parser.graph(depth: 0)
        try parser.expectEnd()
    }
}

/// Reads the words of a graph's text one after another.
private struct GraphTextParser {
    private let words: [GraphWord]
    private var position = 0

    init(_ text: String) { words = GraphWord.all(in: text) }

    // MARK: Words

    private var next: String { position < words.count ? words[position].text : "" }

    private func problem(_ message: String) -> GraphTextError {
        GraphTextError(line: position < words.count ? words[position].line : words.last?.line ?? 1, message: message)
    }

    private mutating func take() -> String {
        defer { position += 1 }
        return next
    }

    private mutating func accept(_ word: String) -> Bool {
        guard next == word else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ word: String) throws(GraphTextError) {
        guard accept(word) else { throw problem("expected '\(word)', found '\(next)'") }
    }

    func expectEnd() throws(GraphTextError) {
        guard position >= words.count else { throw problem("expected nothing behind the graph, found '\(next)'") }
    }

    /// A name, in quotes where it does not look like one.
    private mutating func word() throws(GraphTextError) -> String {
        if position < words.count, words[position].quoted != nil { return try quoted() }
        guard position < words.count, !["[", "]", "(", ")", "{", "}", ":", ",", "="].contains(next) else {
            throw problem("expected a name, found '\(next)'")
        }
        return take()
    }

    private mutating func quoted() throws(GraphTextError) -> String {
        guard position < words.count, let content = words[position].quoted else {
            throw problem("expected a text in quotes, found '\(next)'")
        }
        position += 1
        return content
    }

    private mutating func integer() throws(GraphTextError) -> Int {
        guard let value = Int(next) else { throw problem("expected a whole number, found '\(next)'") }
        position += 1
        return value
    }

    private mutating func real() throws(GraphTextError) -> Double {
        guard let value = Double(next) else { throw problem("expected a number, found '\(next)'") }
        position += 1
        return value
    }

    private mutating func id() throws(GraphTextError) -> ValueID {
        guard next.hasPrefix("%"), let index = Int(next.dropFirst()), index >= 0 else { throw problem("expected a value, found '\(next)'") }
        position += 1
        return ValueID(index)
    }

    private mutating func list<T>(_ item: (inout GraphTextParser) throws(GraphTextError) -> T) throws(GraphTextError) -> [T] {
        try expect("[")
        var items: [T] = []
        while next != "]" {
            items.append(try item(&self))
            guard accept(",") else { break }
        }
        try expect("]")
        return items
    }

    private mutating func integers() throws(GraphTextError) -> [Int] {
        try list { parser throws(GraphTextError) in try parser.integer() }
    }

    // MARK: Graphs

    /// Operators are graphs within a graph, and no deeper.
    mutating func graph(depth: Int) throws(GraphTextError) -> StreamGraph {
        guard depth < 4 else { throw problem("graphs are nested too deeply") }
        try expect("graph")
        let name = try quoted()
        try expect("over")
        var axes: [StreamAxis] = []
        while next != "{", position < words.count {
            axes.append(try axis(behind: axes))
            guard accept(",") else { break }
        }
        guard axes.count <= 8 else { throw problem("a graph has at most 8 axes") }
        var graph = StreamGraph(name: name, axes: axes)
        try expect("{")
        while next.hasPrefix("%") { try value(into: &graph) }
        while !accept("}") { try item(into: &graph, depth: depth) }
        return graph
    }

    private mutating func axis(behind axes: [StreamAxis]) throws(GraphTextError) -> StreamAxis {
        let name = try word()
        let length = accept(":") ? try integer() : nil
        guard accept("=") else { return StreamAxis(name: name, length: length) }
        let whole = try word()
        guard let of = axes.firstIndex(where: { $0.name == whole }) else { throw problem("there is no axis '\(whole)'") }
        if accept("again") { return StreamAxis(name: name, length: length, again: of) }
        try expect("by")
        let count = try integer()
        return StreamAxis(name: name, length: length, chunks: StreamAxis.Chunks(of: of, count: count, isReversed: accept("reversed"), isWhole: accept("whole")))
    }

    private mutating func item(into graph: inout StreamGraph, depth: Int) throws(GraphTextError) {
        switch next {
        case "state":
            position += 1
            let name = try quoted()
            let value = try id()
            graph.states.append(StreamGraph.State(name: name, value: value, initial: accept("from") ? try id() : nil))
        case "output":
            position += 1
            graph.outputs.append(StreamGraph.Output(name: try quoted(), value: try id()))
        case "loss":
            position += 1
            graph.losses.append(StreamGraph.Output(name: try quoted(), value: try id()))
        case "require":
            position += 1
            graph.requirements.append(try requirement())
        case "fold":
            position += 1
            graph.folds.append(try fold(depth: depth))
        case "gradient":
            position += 1
            let function = try quoted()
            try expect("of")
            let value = try id()
            try expect("by")
            let arguments = try list { parser throws(GraphTextError) in try parser.id() }
            try expect("rule")
            graph.ownGradients.append(
                StreamGraph.OwnGradient(function: function, value: value, arguments: arguments, rule: try self.graph(depth: depth + 1)))
        default:
            throw problem("expected a state, output, loss, require, fold, gradient or '}', found '\(next)'")
        }
    }

    private mutating func requirement() throws(GraphTextError) -> StreamGraph.Requirement {
        let property: StreamGraph.Requirement.Property
        switch take() {
        case "affine": property = .affine
        case "diagonal": property = .diagonal
        case "plan":
            try expect("(")
            var choices: [String] = []
            while next != ")", position < words.count {
                choices.append(try word())
                guard accept(",") else { break }
            }
            try expect(")")
            property = .plan(choices)
        default: throw problem("expected affine, diagonal or plan")
        }
        return StreamGraph.Requirement(property: property, state: try quoted())
    }

    private mutating func fold(depth: Int) throws(GraphTextError) -> StreamGraph.Fold {
        let monoid = try quoted()
        let fields = try list { parser throws(GraphTextError) in try parser.quoted() }
        try expect("elements")
        let elements = try list { parser throws(GraphTextError) in try parser.id() }
        try expect("states")
        let states = try list { parser throws(GraphTextError) in try parser.id() }
        try expect("identity")
        let identity = try list { parser throws(GraphTextError) in try parser.scalar() }
        try expect("combine")
        return StreamGraph.Fold(
            monoid: monoid, fields: fields, elements: elements, states: states, combine: try graph(depth: depth + 1),
            identity: identity)
    }

    private mutating func scalar() throws(GraphTextError) -> Scalar {
        if accept("int") { return .int(try integer()) }
        if accept("true") { return .bool(true) }
        if accept("false") { return .bool(false) }
        if accept("complex") { return .complex(try real(), try real()) }
        return .real(try real())
    }

    // MARK: Values

    private mutating func value(into graph: inout StreamGraph) throws(GraphTextError) {
        guard try id().index == graph.values.count else { throw problem("values are numbered in order") }
        let name = position < words.count && words[position].quoted != nil ? try quoted() : nil
        try expect("=")
        let operation = try operation()
        try expect(":")
        guard let element = ElementType(rawValue: next) else { throw problem("expected an element type, found '\(next)'") }
        position += 1
        var shape: Shape = []
        if next == "[" {
            shape = try list { parser throws(GraphTextError) in
                let name = try parser.quoted()
                try parser.expect(":")
                return Dim(name, try parser.integer())
            }
        }
        var variance = Variance.none
        if accept("batch") {
            variance.batch = true
            _ = accept(",")
        }
        while position < words.count, words[position].line == words[position - 1].line, next != "}" {
            let place = position
            let name = try word()
            guard let axis = graph.axes.firstIndex(where: { $0.name == name }) else {
                position = place
                throw problem("there is no axis '\(name)'")
            }
            variance.axes |= 1 << UInt8(axis)
            guard accept(",") else { break }
        }
        graph.values.append(Value(operation, element: element, shape: shape, variance: variance, name: name))
    }

    private mutating func operation() throws(GraphTextError) -> Operation {
        let word = take()
        if let function = UnaryOperator(rawValue: word) { return .unary(function, try id()) }
        if let function = BinaryOperator(rawValue: word), next.hasPrefix("%") {
            let a = try id()
            try expect(",")
            return .binary(function, a, try id())
        }
        let parts = word.split(separator: ".", maxSplits: 1).map(String.init)
        let kind = parts.count > 1 ? parts[1] : ""
        switch parts.first ?? "" {
        case "input": return .input(name: try quoted(), fallback: accept("default") ? try real() : nil)
        case "param", "const":
            let path = try quoted()
            let initializer = try initializer()
            let tensorName = accept("from") ? try quoted() : nil
            let fillsItself = accept("unless")
            if fillsItself { try expect("given") }
            return .parameter(
                ParameterInfo(
                    path: path, isTrained: word == "param", initializer: initializer, tensorName: tensorName, fillsItself: fillsItself))
        case "constant": return .constant(try scalar())
        case "select":
            let condition = try id()
            try expect(",")
            let yes = try id()
            try expect(",")
            return .select(condition, then: yes, otherwise: try id())
        case "contract":
            let left = try id()
            let leftLabels = try integers()
            try expect(",")
            let right = try id()
            let rightLabels = try integers()
            try expect("->")
            return .contract(
                Contraction(left: left, right: right, leftLabels: leftLabels, rightLabels: rightLabels, resultLabels: try integers()))
        case "reduce":
            guard let reduction = ReduceKind(rawValue: kind) else { throw problem("there is no reduction '\(kind)'") }
            return .reduce(reduction, try id(), axes: try integers())
        case "broadcast":
            let operand = try id()
            return .broadcast(operand, from: try list { parser throws(GraphTextError) in parser.accept("_") ? nil : try parser.integer() })
        case "rename": return .rename(try id())
        case "reshape": return .reshape(try id())
        case "slice":
            let operand = try id()
            try expect("axis")
            let axis = try integer()
            try expect("from")
            let start = try integer()
            try expect("by")
            return .slice(operand, axis: axis, start: start, stride: try integer())
        case "concat":
            let operands = try list { parser throws(GraphTextError) in try parser.id() }
            try expect("axis")
            return .concat(operands, axis: try integer())
        case "pad":
            guard let mode = PadMode(rawValue: kind) else { throw problem("there is no padding '\(kind)'") }
            let operand = try id()
            try expect("axis")
            let axis = try integer()
            let before = try integer()
            try expect(",")
            return .pad(operand, axis: axis, before: before, after: try integer(), mode: mode)
        case "window":
            let operand = try id()
            try expect("axis")
            let axis = try integer()
            try expect("by")
            return .window(operand, axis: axis, stride: try integer())
        case "gather":
            let table = try id()
            try expect(",")
            return .gather(table: table, index: try id())
        case "scatter":
            let updates = try id()
            try expect(",")
            let index = try id()
            try expect("to")
            return .scatter(updates, index: index, count: try integer())
        case "delay":
            let operand = try id()
            let offsets = try integers()
            return .delay(operand, offsets: offsets, initial: accept("from") ? try id() : nil)
        case "time":
            guard let reduction = TimeReduceKind(rawValue: kind) else { throw problem("there is no reduction '\(kind)'") }
            let operand = try id()
            try expect("axis")
            return .overTime(reduction, operand, axis: try integer())
        case "batch":
            guard kind == TimeReduceKind.sum.rawValue else { throw problem("there is no reduction '\(kind)' over the batch") }
            return .overBatch(try id())
        case "along":
            let operand = try id()
            try expect("axis")
            return .along(operand, axis: try integer())
        case "distance":
            try expect("axis")
            return .distance(axis: try integer())
        case "chunks":
            let operand = try id()
            try expect("axis")
            let axis = try integer()
            try expect("else")
            return .chunks(operand, axis: axis, fill: try real())
        case "steps":
            let operand = try id()
            try expect("axis")
            return .steps(operand, axis: try integer())
        case "running":
            guard kind == "affine" else { throw problem("there is no running '\(kind)'") }
            let factor = try id()
            try expect(",")
            let term = try id()
            try expect("axis")
            let axis = try integer()
            return .runningAffine(factor, term, axis: axis, isReversed: accept("reversed"))
        case "solve":
            let matrix = try id()
            try expect(",")
            let right = try id()
            return .solve(matrix, right, isTransposed: accept("transposed"))
        default:
            throw problem("there is no operation '\(word)'")
        }
    }

    private mutating func initializer() throws(GraphTextError) -> Initializer {
        let word = take()
        var numbers: [Double] = []
        if accept("(") {
            while next != ")", position < words.count {
                numbers.append(try real())
                guard accept(",") else { break }
            }
            try expect(")")
        }
        switch (word, numbers.count) {
        case ("zeros", 0): return .zeros
        case ("ones", 0): return .ones
        case ("constant", 1): return .constant(numbers[0])
        case ("uniform", 2): return .uniform(numbers[0], numbers[1])
        case ("normal", 1): return .normal(numbers[0])
        case ("glorot", 0): return .glorot
        case ("orthogonal", 0): return .orthogonal
        case ("linspace", 2): return .linspace(numbers[0], numbers[1])
        case ("hippo", 0): return .hippo
        default: throw problem("there is no initialiser '\(word)' of \(numbers.count) numbers")
        }
    }
}
