/// How the states after a step follow from those before: the structure of the linear map, or of the Jacobian.
package enum Transition: Equatable, Sendable {
    /// What stands on the diagonal of a map with low-rank parts.
    package enum Diagonal: Equatable, Sendable {
        case zero, identity, scalar
        /// The factor varies along these axes.
        case axes([String])
    }

    /// Each element from itself alone.
    case diagonal(Diagonal)
    /// Pairs of elements as complex numbers, each times a factor: a rotation and a scaling.
    case complexDiagonal
    /// Two states that turn into each other as the parts of a complex number do.
    case rotation
    /// A state from its own last `order` values.
    case companion(order: Int)
    /// A diagonal and a sum of `rank` outer products, kept as factors.
    case lowRank(Diagonal, rank: Int)
    /// For each element a block over `size` states, and a sum of `rank` outer products over the elements; along `axes` no
    /// element meets another.
    case lowRankBlocks(size: Int, rank: Int, over: [String])
    /// Each element is another element before or something new, so that nothing is kept for more than `steps` steps.
    case delays(steps: Int)
    /// Elements follow from others in one direction alone: nothing is kept for more than `steps` steps.
    case nilpotent(steps: Int)
    /// Blocks of `size` elements that meet each other.
    case blocks(size: Int)
    /// Elements meet along other axes than these.
    case blocksOver([String])
    /// Each element from itself and its neighbours up to `width` away.
    case banded(width: Int)
    case dense
}

extension Transition: CustomStringConvertible {
    package var description: String {
        switch self {
        case .diagonal(let diagonal): diagonal.description
        case .complexDiagonal: "complex-diagonal"
        case .rotation: "rotation (2×2 blocks)"
        case .companion(let order): "companion(\(order))"
        case .lowRank(.zero, let rank): "low-rank(\(rank))"
        case .lowRank(.axes, let rank): "diagonal + low-rank(\(rank))"
        case .lowRank(let diagonal, let rank): "\(diagonal) + low-rank(\(rank))"
        case .lowRankBlocks(let size, let rank, let axes):
            "\(axes.isEmpty ? "" : "block-diagonal over \(axes.joined(separator: ", ")), ")\(size)×\(size) blocks + low-rank(\(rank))"
        case .delays(let steps): "shift register: delays of 1 to \(steps) steps"
        case .nilpotent(let steps): "nilpotent: nothing stays longer than \(steps) steps"
        case .blocks(let size): "block-diagonal(\(size)): \(size)×\(size) blocks"
        case .blocksOver(let axes): "block-diagonal over \(axes.joined(separator: ", "))"
        case .banded(let width): "banded(\(width))"
        case .dense: "dense"
        }
    }

    /// The structure of a Jacobian: the factors change with the state, so their own structure is of no use.
    package var jacobianDescription: String {
        if case .diagonal = self { return "Jacobian diagonal" }
        return "Jacobian \(self)"
    }

    /// Whether every element follows from elements with its own index alone, though perhaps of several states.
    package var isElementwise: Bool {
        switch self {
        case .diagonal, .complexDiagonal, .rotation, .companion: true
        case .lowRank, .lowRankBlocks, .delays, .nilpotent, .blocks, .blocksOver, .banded, .dense: false
        }
    }
}

extension Transition.Diagonal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .zero: "zero"
        case .identity: "identity"
        case .scalar: "scalar"
        case .axes(let names): "diagonal[\(names.joined(separator: ","))]"
        }
    }
}
