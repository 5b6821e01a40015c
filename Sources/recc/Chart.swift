import Rec

/// A stream of numbers drawn over time with block characters.
enum Chart {
    private static let height = 8
    private static let widest = 132
    private static let eighths = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

    /// The first sequence of an output with one number a step; nil for other shapes.
    static func text(_ item: NamedTensor) -> String? {
        let shape = item.tensor.shape
        guard shape.count >= 2, shape.dropFirst(2).allSatisfy({ $0 == 1 }), shape[0] > 0, shape[1] > 0 else { return nil }
        let numbers = Array(item.tensor.doubles().prefix(shape[1]))
        let finite = numbers.filter(\.isFinite)
        guard let low = finite.min(), let high = finite.max() else { return nil }
        // Probabilities and the like keep their own scale.
        let bottom = low >= 0 && high <= 1 ? 0 : low
        let top = low >= 0 && high <= 1 ? 1 : high
        let columns = min(widest, numbers.count)
        let levels = (0..<columns).map { column -> Int in
            let range = numbers.count * column / columns..<max(numbers.count * column / columns + 1, numbers.count * (column + 1) / columns)
            let largest = numbers[range].filter(\.isFinite).max() ?? bottom
            // Halves, as the whole range may be beyond the largest number.
            let share = top > bottom ? (largest / 2 - bottom / 2) / (top / 2 - bottom / 2) : 0
            return Int((share * Double(height * 8)).rounded())
        }
        var lines: [String] = []
        for row in (0..<height).reversed() {
            let label = row == height - 1 ? short(top) : row == 0 ? short(bottom) : ""
            let bars = levels.map { eighths[min(8, max(0, $0 - row * 8))] }.joined()
            lines.append("\(label.leftPadded(8)) │\(bars)")
        }
        lines.append(String(repeating: " ", count: 9) + "└" + String(repeating: "─", count: columns))
        lines.append(String(repeating: " ", count: 10) + "\(item.name) over \(numbers.count) steps")
        return lines.joined(separator: "\n")
    }

    private static func short(_ number: Double) -> String {
        guard abs(number) < 1e9 else { return "\(number)" }
        let rounded = (number * 1000).rounded() / 1000
        return "\(rounded)"
    }
}

extension String {
    fileprivate func leftPadded(_ width: Int) -> String {
        count >= width ? self : String(repeating: " ", count: width - count) + self
    }
}
