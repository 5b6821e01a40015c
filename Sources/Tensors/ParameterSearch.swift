import RecSource

/// What data have that was most likely meant for a parameter that they lack.
package struct ParameterSearch {
    /// Tensors that no parameter takes, by name.
    package let unused: [(name: String, shape: [Int])]

    /// More than anyone reads.
    private static let mostShown = 6

    /// - Parameters:
    ///   - given: parameters by path or by the name of their tensor, with `param.` or `const.` in front or without.
    ///   - used: the names under which parameters are found.
    package init(_ given: [String: Tensor], used: Set<String>) {
        func plain(_ name: String) -> String? {
            for kind in ["param.", "const."] where name.hasPrefix(kind) { return String(name.dropFirst(kind.count)) }
            return nil
        }
        unused = given.filter { name, _ in !used.contains(name) && plain(name).map { given[$0] == nil } ?? true }
            .sorted { $0.key < $1.key }.map { ($0.key, $0.value.shape) }
    }

    /// `there is 'lstm.w' [16, 3], which nothing uses`; nil where nothing is like it.
    ///
    /// - Parameters:
    ///   - names: the path, and the name of the tensor.
    ///   - sizes: the shape; nil where it is not known.
    package func likely(_ names: [String], _ sizes: [Int]?) -> String? {
        let fitting = unused.filter { $0.shape == sizes }
        let turned = unused.filter { Self.fitsTransposed($0.shape, sizes) }
        let found =
            closest(names, fitting, sharing: 1) ?? closest(names, turned, sharing: 1) ?? closest(names, unused, sharing: 2)
            ?? (fitting.count == 1 ? fitting.first : fitting.isEmpty && turned.count == 1 ? turned.first : nil)
        guard let found else { return nil }
        let text = "there is '\(found.name)' \(found.shape), which nothing uses"
        if found.shape == sizes { return "\(text): it fits" }
        return Self.fitsTransposed(found.shape, sizes) ? "\(text): it fits when transposed" : text
    }

    /// `unused: 'a' [2], 'b' [3, 2]`; nil where there are none.
    package var unusedText: String? {
        guard !unused.isEmpty else { return nil }
        let shown = unused.prefix(Self.mostShown).map { "'\($0.name)' \($0.shape)" }.joined(separator: ", ")
        return "unused: \(shown)" + (unused.count > Self.mostShown ? " and \(unused.count - Self.mostShown) more" : "")
    }

    /// Whether a matrix of another shape has the sizes that are expected in the other order.
    package static func fitsTransposed(_ shape: [Int], _ sizes: [Int]?) -> Bool {
        guard let sizes, sizes.count == 2 else { return false }
        return shape != sizes && shape == sizes.reversed()
    }

    /// The tensor with the nearest name, else that with so many last parts of a name the same, or more.
    private func closest(_ names: [String], _ pool: [(name: String, shape: [Int])], sharing least: Int) -> (name: String, shape: [Int])? {
        for name in names {
            if let near = nearest(name, among: pool.map(\.name)) { return pool.first { $0.name == near } }
        }
        func shared(_ a: String, _ b: String) -> Int {
            zip(a.split(separator: ".").reversed(), b.split(separator: ".").reversed()).prefix { $0 == $1 }.count
        }
        let counts = pool.map { item in names.map { shared($0, item.name) }.max() ?? 0 }
        guard let most = counts.max(), most >= least else { return nil }
        return counts.firstIndex(of: most).map { pool[$0] }
    }
}
