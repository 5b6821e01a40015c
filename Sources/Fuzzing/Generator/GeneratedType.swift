import RecStream

/// An axis of a generated value, as the compiler knows it.
struct GeneratedAxis: Hashable {
    /// The name by which axes are lined up.
    var name: String
    /// What stands in a type.
    var text: String
    var size: Int
}

/// What a generated expression is: no name stands twice in its shape.
struct GeneratedType: Hashable {
    var element: ElementType
    var shape: [GeneratedAxis]

    init(_ element: ElementType, _ shape: [GeneratedAxis] = []) {
        self.element = element
        self.shape = shape
    }

    static let real = GeneratedType(.real)

    var elementCount: Int { shape.reduce(1) { $0 * $1.size } }
    var names: Set<String> { Set(shape.map(\.name)) }

    /// `[A, B]`, `int`, `complex[A]`
    var text: String {
        let dims = shape.isEmpty ? "" : "[\(shape.map(\.text).joined(separator: ", "))]"
        return element == .real && !shape.isEmpty ? dims : element.rawValue + dims
    }

    func of(_ element: ElementType) -> GeneratedType { GeneratedType(element, shape) }

    func with(_ axis: GeneratedAxis, at place: Int) -> GeneratedType {
        var result = self
        result.shape.insert(axis, at: place)
        return result
    }

    func replacing(_ place: Int, by axis: GeneratedAxis) -> GeneratedType {
        var result = self
        result.shape[place] = axis
        return result
    }
}

/// A named value that expressions may use.
struct Atom {
    var name: String
    var type: GeneratedType
    /// The axes of time over which it varies, by position.
    var axes: Set<Int>
    /// The group of recurrences in which it is defined; those of earlier groups may be looked at in every direction.
    var level: Int
    /// False for a state whose equation is still to come: it is known at earlier steps alone.
    var isDefined = true
}
