import RecStream

/// How workers share every step of a sequential stage: each item is divided among them, and all wait for each other where
/// one reads what another wrote.
///
/// A row of a buffer is looked at as a matrix with rows of `period` elements. Of those a worker has the columns
/// `start ..< end`, the same ones in every item with that period: what it reads at its own columns it has written itself,
/// so that nobody waits. The gates of a cell, one behind the other in a row, and its state have the state's period.
package struct RowSharing: Hashable, Encodable, Sendable {
    /// A worker's part of an item.
    package enum Part: Hashable, Encodable, Sendable {
        /// Turns of a loop of the nest, each of which stands for `stride` elements of a row.
        case loop(variable: Int, stride: Int, period: Int)
        /// Columns of a product.
        case columns(period: Int)
        /// Some of the matrices of a product with shared labels, each of which gives `stride` elements of a row.
        case batches(stride: Int, period: Int)
        /// Every worker does all of it, in memory of its own.
        case repeated
        /// One worker does all of it.
        case alone
    }

    /// Where shares of a period may begin.
    package struct Grain: Hashable, Encodable, Sendable {
        package var period: Int
        /// Shares begin at multiples of so many elements.
        package var multiple: Int
        /// Whether single elements are divided, so that shares should be whole vectors.
        package var isOfElements: Bool
    }

    /// What is divided where both can be done.
    package enum Manner: Hashable, CaseIterable, Sendable {
        /// Everything that can be, so that the work is least.
        case divided
        /// Less, where every worker can spare a barrier by computing for itself what all of them need.
        case repeated
    }

    /// By item.
    package internal(set) var parts: [Part]
    /// Items before which all workers wait for each other, ascending; 0 stands for the beginning of a step.
    package internal(set) var barriers: [Int]
    /// Buffers of which every worker has one of its own, the first worker that of the run.
    package internal(set) var ownBuffers: [BufferID]
    /// Buffers of a step that keep two of them, so that one can be written while the other is read.
    package internal(set) var alternating: [BufferID]
    /// By ascending period.
    package internal(set) var grains: [Grain]
}

extension RowSharing.Part {
    /// The period of a divided item.
    package var period: Int? {
        switch self {
        case .loop(_, _, let period), .columns(let period), .batches(_, let period): period
        case .repeated, .alone: nil
        }
    }

    /// Elements of a row that are never divided.
    var stride: Int? {
        switch self {
        case .loop(_, let stride, _), .batches(let stride, _): stride
        case .columns: 1
        case .repeated, .alone: nil
        }
    }
}

extension RowSharing.Grain {
    /// Elements of a share but for the last: whole vectors where single elements are divided.
    ///
    /// - Parameter vector: elements that code takes at a time.
    package func unit(vector: Int) -> Int {
        guard isOfElements else { return multiple }
        return multiple * vector / Self.greatestDivisor(multiple, vector)
    }

    static func greatestDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestDivisor(b, a % b) }
}

extension Plan {
    /// Segments in which workers can share the rows of some stage.
    package var segmentsThatCanShareRows: [Int] {
        segments.indices.filter { segment in
            guard case .sweep = segments[segment].kind else { return false }
            return segments[segment].stages.contains { RowSharing($0, buffers: buffers, .divided) != nil }
        }
    }

    /// The same plan with the rows of each step shared by workers wherever that can be done.
    package func sharingRows(_ manner: RowSharing.Manner = .divided) -> Plan {
        sharingRows(in: segmentsThatCanShareRows.reduce(into: [:]) { $0[$1] = manner })
    }

    /// The same plan with the rows of each step shared by workers in these segments, wherever that can be done.
    package func sharingRows(in chosen: [Int: RowSharing.Manner]) -> Plan {
        var plan = self
        for (segment, manner) in chosen {
            for k in segments[segment].stages.indices {
                var stage = segments[segment].stages[k]
                guard let rows = RowSharing(stage, buffers: buffers, manner) else { continue }
                stage.rows = rows
                for (item, part) in rows.parts.enumerated() {
                    if case .columns(let period) = part, case .product(var product) = stage.items[item] {
                        product.groups = product.columnCount / period
                        stage.items[item] = .product(product)
                    }
                }
                plan.segments[segment].stages[k] = stage
                plan.buffers = plan.buffers.alternating(rows.alternating)
            }
        }
        return plan
    }
}
