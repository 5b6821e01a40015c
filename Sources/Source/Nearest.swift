/// The candidate that `name` most likely meant: few letters changed, added, lost or swapped; nil where none is close.
package func nearest(_ name: String, among candidates: some Sequence<String>) -> String? {
    guard !name.isEmpty, name.utf8.count <= longestName else { return nil }
    // Another single letter is another name, not a slip.
    let limit = name.utf8.count == 1 ? 0 : max(1, name.utf8.count / 3)
    let wanted = Array(name.lowercased().utf8)
    var best: (name: String, distance: Int)?
    for candidate in candidates where candidate != name {
        guard candidate.utf8.count <= longestName, abs(candidate.utf8.count - name.utf8.count) <= limit, !candidate.isEmpty else { continue }
        let distance = editDistance(wanted, Array(candidate.lowercased().utf8))
        if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    return best?.name
}

/// Longer ones nobody types, and comparing them takes the product of their lengths.
private let longestName = 200

/// Optimal string alignment distance (Damerau 1964).
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforePrevious = [Int](repeating: 0, count: b.count + 1)
    var previous = Array(0...b.count)
    for i in 1..<a.count + 1 where !a.isEmpty {
        var row = [i] + [Int](repeating: 0, count: b.count)
        for j in 1..<b.count + 1 where !b.isEmpty {
            row[j] = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
            if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { row[j] = min(row[j], beforePrevious[j - 2] + 1) }
        }
        (beforePrevious, previous) = (previous, row)
    }
    return previous[b.count]
}
