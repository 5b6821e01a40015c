import RecCodeGen
import RecRuntime
import RecStream

/// The code of a library for a kind of processors, with the constants that it reads.
struct LibraryVariant {
    let target: CodeTarget
    let functions: LibraryFunctions
    let constants: ModelConstants
    let needs: ProcessorNeeds
    /// An object file.
    let object: [UInt8]
    /// What constants must agree in with the code.
    let identity: UInt64
    /// Of a library with gradients.
    var gradient: Gradient?

    /// The code of gradients.
    struct Gradient {
        let functions: LibraryFunctions
        /// The words of a frame that point to parameters, and where those lie among the constants.
        let places: [(word: Int, offset: Int)]
        let packing: WeightPacking
        /// An object file.
        let object: [UInt8]
    }

    /// What stands before constants in a file of their own, which keeps their alignment.
    static let headerBytes = 64

    var weightsHeader: [UInt8] {
        func bytes(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
        let fields = Array("RECWGHTS".utf8) + bytes(1) + bytes(identity) + bytes(UInt64(constants.bytes.count))
        return fields + [UInt8](repeating: 0, count: Self.headerBytes - fields.count)
    }

    /// A file with the constants.
    var weightsFile: [UInt8] { weightsHeader + constants.bytes }
}
