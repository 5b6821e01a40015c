/// What a derivative of the steps of windows is made of.
package struct DerivativeForm: Sendable {
    /// A real value that is carried from step to step.
    package struct Line: Sendable {
        /// Its name as an input and as a state.
        package var name: String
        package var elementCount: Int
        /// The input that says how it is moved at the beginning of a window, `[batch, dims…, directions]`.
        package var direction: String
        /// The state that says how it has moved then.
        package var derivative: String

        package init(name: String, elementCount: Int, direction: String, derivative: String) {
            (self.name, self.elementCount, self.direction, self.derivative) = (name, elementCount, direction, derivative)
        }
    }

    package var lines: [Line]
    package var directions: Int
    /// Whether elements do not meet: there is a direction for each line then, else for each element of each line.
    package var isDiagonal: Bool

    package init(lines: [Line], directions: Int, isDiagonal: Bool) {
        (self.lines, self.directions, self.isDiagonal) = (lines, directions, isDiagonal)
    }

    /// How a line is moved at the beginning of a window: `[elements, directions]`.
    func beginning(of line: Int) -> [Double] {
        let before = lines[..<line].reduce(0) { $0 + $1.elementCount }
        return (0..<lines[line].elementCount).flatMap { element in
            (0..<directions).map { $0 == (isDiagonal ? line : before + element) ? 1 : 0 }
        }
    }
}

/// How the ends of windows change with their beginnings, as a sweep has found it, and beginnings that are corrected by that.
///
/// These are the corrections of multiple shooting: Newton's method on the states between windows alone (Bock & Plitt 1984, "A multiple
/// shooting algorithm for direct solution of optimal control problems").
struct WindowDerivatives: Sendable {
    private let form: DerivativeForm
    /// By line of the form: of each window `[elements, directions]`.
    private var matrices: [[Double]]

    /// States of elements that meet may move further apart at first. What is larger than this has grown, and corrections lead astray.
    private static let mostGrowth = 64.0

    /// - Parameter states: the derivatives that the steps end with.
    init(_ form: DerivativeForm, _ states: WindowStates) {
        self.form = form
        matrices = form.lines.map { line in
            switch states.lines.first(where: { $0.name == line.derivative })?.elements {
            case .reals(let elements): elements
            case .whole, nil: []
            }
        }
    }

    /// The same with some windows as another sweep has found them.
    mutating func replace(_ windows: Range<Int>, from other: WindowDerivatives) {
        for k in matrices.indices {
            let width = form.lines[k].elementCount * form.directions
            let places = windows.lowerBound * width..<windows.upperBound * width
            matrices[k].replaceSubrange(places, with: other.matrices[k][places])
        }
    }

    /// Whether states of most of these windows do not move further apart from beginning to end.
    func areBounded(in windows: Range<Int>) -> Bool {
        let bounded = windows.count { window in
            zip(form.lines, matrices).allSatisfy { line, matrix in
                (window * line.elementCount..<(window + 1) * line.elementCount).allSatisfy { row in
                    // NaN is not bounded.
                    matrix[row * form.directions..<(row + 1) * form.directions].reduce(0) { $0 + abs($1) } <= Self.mostGrowth
                }
            }
        }
        return 2 * bounded > windows.count
    }

    /// Lets each window of a sequence begin where the one before should end when it begins where it is to.
    ///
    /// A correction that is not finite, or larger than the states that it is made of, is left out.
    ///
    /// - Parameters:
    ///   - starts: where the windows began; where they are to begin when this is done.
    ///   - ends: where they ended.
    /// - Returns: how far beginnings have moved, measured by the largest element of any; NaN where one is not finite.
    func correct(_ starts: inout WindowStates, _ ends: WindowStates, in windows: Range<Int>) -> Double {
        /// Of each line its place among the states.
        let places = form.lines.map { line in starts.lines.firstIndex { $0.name == line.name } }
        let largest = places.map { place in
            place.map { max(starts.largest($0, in: windows), ends.largest($0, in: windows)) } ?? .nan
        }
        guard largest.allSatisfy(\.isFinite) else { return .nan }
        var moved = form.lines.map { [Double](repeating: 0, count: $0.elementCount) }
        var furthest = 0.0
        for window in windows.dropLast() {
            let corrections = corrections(of: window, moved)
            let isFit = zip(corrections, largest).allSatisfy { corrections, largest in corrections.allSatisfy { abs($0) <= largest } }
            let before = zip(form.lines, places).map { line, place in (0..<line.elementCount).map { starts.real(place ?? 0, window + 1, $0) } }
            starts.copy(window, of: ends, to: window + 1)
            for (k, line) in form.lines.enumerated() {
                guard let place = places[k] else { return .nan }
                for e in 0..<line.elementCount {
                    if isFit { starts.move(place, window + 1, e, by: corrections[k][e]) }
                    moved[k][e] = starts.real(place, window + 1, e) - before[k][e]
                    if moved[k][e] != 0 { furthest = max(furthest, abs(moved[k][e]) / largest[k]) }
                }
            }
        }
        return furthest
    }

    /// How the end of a window moves with its beginning, by line.
    private func corrections(of window: Int, _ moved: [[Double]]) -> [[Double]] {
        let directions = form.directions
        let all = form.isDiagonal ? [] : moved.flatMap { $0 }
        return zip(form.lines, matrices).map { line, matrix in
            (0..<line.elementCount).map { element in
                let row = (window * line.elementCount + element) * directions
                return (0..<directions).reduce(0) { $0 + matrix[row + $1] * (form.isDiagonal ? moved[$1][element] : all[$1]) }
            }
        }
    }
}
