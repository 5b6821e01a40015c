import RecTensors

/// The states of a recurrence between the windows of its sequences: of each, the elements window by window.
package struct WindowStates: Sendable {
    /// One state; its elements are `[batch, windows, width]`.
    struct Line: Sendable {
        var name: String
        /// Of one window.
        var shape: [Int]
        var type: TensorType
        var elements: Elements
        var width: Int { shape.reduce(1, *) }
    }

    enum Elements: Sendable {
        case reals([Double])
        case whole([Int])
    }

    var lines: [Line]
    private let layout: WindowLayout

    /// - Parameter tensors: `[rows, dims…, lanes]`, without the last axis where there is one lane.
    init(_ tensors: [NamedTensor], _ layout: WindowLayout) {
        self.layout = layout
        lines = tensors.sorted { $0.name < $1.name }.map { named in
            var shape = Array(named.tensor.shape.dropFirst())
            if layout.lanes > 1 { shape.removeLast() }
            let width = shape.reduce(1, *)
            func ordered<Element>(_ given: [Element]) -> [Element] {
                guard layout.lanes > 1 else { return given }
                var result = given
                Self.forEachPlace(layout, width) { place, own in result[place] = given[own] }
                return result
            }
            let elements: Elements = named.tensor.type.isFloating ? .reals(ordered(named.tensor.doubles())) : .whole(ordered(named.tensor.ints()))
            return Line(name: named.name, shape: shape, type: named.tensor.type, elements: elements)
        }
    }

    /// For each element its place window by window, and where it lies in memory.
    private static func forEachPlace(_ layout: WindowLayout, _ width: Int, _ body: (_ place: Int, _ own: Int) -> Void) {
        for row in 0..<layout.rows {
            for lane in 0..<layout.lanes {
                let window = row * layout.lanes + lane
                for element in 0..<width { body(window * width + element, (row * width + element) * layout.lanes + lane) }
            }
        }
    }

    /// As code takes them: `[rows, dims…, lanes]`.
    func tensors(_ isWanted: (String) -> Bool) -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for line in lines where isWanted(line.name) {
            let shape = [layout.rows] + line.shape + (layout.lanes > 1 ? [layout.lanes] : [])
            func placed<Element>(_ elements: [Element]) -> [Element] {
                guard layout.lanes > 1 else { return elements }
                var result = elements
                Self.forEachPlace(layout, line.width) { place, own in result[own] = elements[place] }
                return result
            }
            switch line.elements {
            case .reals(let elements): result[line.name] = Self.tensor(placed(elements), line.type, shape)
            case .whole(let elements): result[line.name] = Self.tensor(placed(elements), line.type, shape)
            }
        }
        return result
    }

    private static func tensor(_ elements: [Double], _ type: TensorType, _ shape: [Int]) -> Tensor {
        type == .f32 ? Tensor(elements.map { Float($0) }, shape: shape) : Tensor(elements, shape: shape)
    }

    private static func tensor(_ elements: [Int], _ type: TensorType, _ shape: [Int]) -> Tensor {
        guard type == .bool else { return Tensor(elements, shape: shape) }
        return Tensor(type: .bool, shape: shape) { bytes in for (k, element) in elements.enumerated() { bytes[k] = element == 0 ? 0 : 1 } }
    }

    /// Each window with the state at the end of the one before it. The first of a sequence has 0, which is what a state without an
    /// initial value begins from; the others take theirs where nothing is given.
    func shifted() -> WindowStates {
        var result = self
        for k in lines.indices {
            let width = lines[k].width
            func moved<Element: ExpressibleByIntegerLiteral>(_ elements: [Element]) -> [Element] {
                var result = elements
                for sequence in 0..<layout.batch {
                    let first = sequence * layout.windows * width
                    for at in first..<first + width { result[at] = 0 }
                    for at in first + width..<first + layout.windows * width { result[at] = elements[at - width] }
                }
                return result
            }
            switch lines[k].elements {
            case .reals(let elements): result.lines[k].elements = .reals(moved(elements))
            case .whole(let elements): result.lines[k].elements = .whole(moved(elements))
            }
        }
        return result
    }

    /// The same with some windows as another has them.
    func replacing(_ windows: some Sequence<Int>, from other: WindowStates) -> WindowStates {
        var result = self
        for k in lines.indices {
            let width = lines[k].width
            switch (lines[k].elements, other.lines[k].elements) {
            case (.reals(var own), .reals(let theirs)):
                for window in windows { for at in window * width..<(window + 1) * width { own[at] = theirs[at] } }
                result.lines[k].elements = .reals(own)
            case (.whole(var own), .whole(let theirs)):
                for window in windows { for at in window * width..<(window + 1) * width { own[at] = theirs[at] } }
                result.lines[k].elements = .whole(own)
            case (.reals, .whole), (.whole, .reals): break
            }
        }
        return result
    }

    /// A real element of a line.
    func real(_ line: Int, _ window: Int, _ element: Int) -> Double {
        switch lines[line].elements {
        case .reals(let elements): elements[window * lines[line].width + element]
        case .whole: .nan
        }
    }

    /// The largest real element of a line in some windows; NaN where one is NaN.
    func largest(_ line: Int, in windows: Range<Int>) -> Double {
        guard case .reals(let elements) = lines[line].elements else { return .nan }
        let width = lines[line].width
        return elements[windows.lowerBound * width..<windows.upperBound * width].reduce(0) { $1.isNaN ? .nan : $0.isNaN ? $0 : max($0, abs($1)) }
    }

    /// Adds to a real element, which stays a number of its type.
    mutating func move(_ line: Int, _ window: Int, _ element: Int, by change: Double) {
        let place = window * lines[line].width + element
        guard case .reals(var elements) = lines[line].elements else { return }
        lines[line].elements = .whole([])
        let sum = elements[place] + change
        elements[place] = lines[line].type == .f32 ? Double(Float(sum)) : sum
        lines[line].elements = .reals(elements)
    }

    /// Takes the states of a window from where another has them.
    mutating func copy(_ window: Int, of other: WindowStates, to own: Int) {
        for k in lines.indices {
            let width = lines[k].width
            let (from, to) = (window * width..<(window + 1) * width, own * width..<(own + 1) * width)
            switch (lines[k].elements, other.lines[k].elements) {
            case (.reals(var elements), .reals(let theirs)):
                lines[k].elements = .whole([])
                elements.replaceSubrange(to, with: theirs[from])
                lines[k].elements = .reals(elements)
            case (.whole(var elements), .whole(let theirs)):
                lines[k].elements = .whole([])
                elements.replaceSubrange(to, with: theirs[from])
                lines[k].elements = .whole(elements)
            case (.reals, .whole), (.whole, .reals): break
            }
        }
    }

    /// How far the states of a window are apart, each measured by the largest of its elements, in `others` too; 0 where they are the same,
    /// 1 or more where whole numbers differ, NaN where something is NaN.
    func distance(to other: WindowStates, at window: Int, by others: [WindowStates] = []) -> Double {
        var result = 0.0
        for (line, (own, theirs)) in zip(lines, other.lines).enumerated() {
            let places = window * own.width..<(window + 1) * own.width
            switch (own.elements, theirs.elements) {
            case (.reals(let a), .reals(let b)):
                var largest = others.reduce(0) { max($0, $1.largest(line, in: window..<window + 1)) }
                var apart = 0.0
                for k in places where a[k] != b[k] {
                    largest = max(largest, abs(a[k]), abs(b[k]))
                    apart = apart.isNaN ? apart : max(apart, abs(a[k] - b[k]))
                    if a[k].isNaN || b[k].isNaN { apart = .nan }
                }
                if apart != 0 { result += apart / largest }
            case (.whole(let a), .whole(let b)): for k in places where a[k] != b[k] { result += 1 }
            case (.reals, .whole), (.whole, .reals): return .nan
            }
        }
        return result
    }

    /// Some windows, one for each of so many sequences: `[windows.count, dims…]`.
    func tensors(at windows: [Int]) -> [NamedTensor] {
        lines.map { line in
            let shape = [windows.count] + line.shape
            func picked<Element>(_ elements: [Element]) -> [Element] { windows.flatMap { elements[$0 * line.width..<($0 + 1) * line.width] } }
            switch line.elements {
            case .reals(let elements): return NamedTensor(name: line.name, tensor: Self.tensor(picked(elements), line.type, shape))
            case .whole(let elements): return NamedTensor(name: line.name, tensor: Self.tensor(picked(elements), line.type, shape))
            }
        }
    }

    /// Whether a window has the same states in both, bit by bit but for the sign of zero; NaN is the same as nothing.
    func isSame(_ other: WindowStates, at window: Int) -> Bool { isWithin(0, of: other, at: window) }

    /// Whether the states of a window differ by no more than so many units in the last place of the largest of their elements.
    ///
    /// Whole numbers and bools must be the same. `other` has the same lines.
    func isWithin(_ units: Double, of other: WindowStates, at window: Int, from otherWindow: Int? = nil) -> Bool {
        let from = otherWindow ?? window
        for (own, theirs) in zip(lines, other.lines) {
            let (at, there) = (window * own.width, from * own.width)
            switch (own.elements, theirs.elements) {
            case (.reals(let a), .reals(let b)):
                var largest = 0.0
                if units > 0 { for k in 0..<own.width { largest = max(largest, abs(a[at + k]), abs(b[there + k])) } }
                let ulp = own.type == .f32 ? Double(Float(largest).ulp) : largest.ulp
                let allowed = units > 0 && largest.isFinite ? units * ulp : 0
                for k in 0..<own.width {
                    let (x, y) = (a[at + k], b[there + k])
                    // Infinities of one sign are the same, and have no difference.
                    if !(x == y || abs(x - y) <= allowed) { return false }
                }
            case (.whole(let a), .whole(let b)):
                for k in 0..<own.width where a[at + k] != b[there + k] { return false }
            case (.reals, .whole), (.whole, .reals): return false
            }
        }
        return true
    }
}
