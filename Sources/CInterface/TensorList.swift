import CRecc
import Rec

extension TensorType {
    /// As `recc.h` counts them.
    private static let numbers: [(type: TensorType, number: Int)] = [
        (.f64, RECC_F64), (.f32, RECC_F32), (.f16, RECC_F16), (.bf16, RECC_BF16), (.i64, RECC_I64), (.i32, RECC_I32), (.u8, RECC_U8), (.bool, RECC_BOOL),
    ]

    init?(number: Int32) {
        guard let known = Self.numbers.first(where: { $0.number == Int(number) }) else { return nil }
        self = known.type
    }

    var number: Int32 { Int32(Self.numbers.first { $0.type == self }?.number ?? -1) }
}

extension Tensor {
    /// The most axes that a tensor of C may have: more are most likely a pointer gone astray.
    private static let mostAxes = 32

    /// A tensor that C has given.
    ///
    /// - Parameter copying: whether it outlives the call; else it lies over the memory of the caller where that is aligned.
    /// - Throws: where a pointer is null that must not be, or type, rank or a size is none.
    init(_ given: recc_tensor, called name: String, copying: Bool) throws(DiagnosticList) {
        guard let type = TensorType(number: given.type) else { throw .badCall("'\(name)' has the type \(given.type), which is none") }
        guard (0...Int32(Self.mostAxes)).contains(given.rank) else { throw .badCall("'\(name)' has the rank \(given.rank)", help: "from 0 to \(Self.mostAxes)") }
        guard given.rank == 0 || given.shape != nil else { throw .badCall("the shape of '\(name)' is null") }
        let shape = given.shape.map { shape in (0..<Int(given.rank)).map { Int(shape[$0]) } } ?? []
        guard let count = elementCount(shape) else {
            throw .badCall("'\(name)' has the shape \(shape), which \(shape.contains { $0 < 0 } ? "has a negative size" : "is too large")")
        }
        guard count > 0 else {
            self.init(type: type, shape: shape) { _ in }
            return
        }
        guard let data = given.data else { throw .badCall("the numbers of '\(name)' are null") }
        let bytes = UnsafeRawBufferPointer(start: data, count: count * type.byteCount)
        if copying || Int(bitPattern: data) % type.byteCount != 0 {
            self.init(type: type, shape: shape) { $0.copyMemory(from: bytes) }
        } else {
            self.init(type: type, shape: shape, adopting: UnsafeMutableRawPointer(mutating: data)) {}
        }
    }
}

/// Tensors that C has given, by name.
///
/// - Throws: where the list or a name is null, a name is there twice, or a tensor is none.
func tensors(
    _ list: UnsafePointer<recc_tensor>?, _ count: Int64, copying: (String) -> Bool
) throws(DiagnosticList) -> [(name: String, tensor: Tensor)] {
    guard count >= 0 else { throw .badCall("there are \(count) tensors") }
    guard count > 0 else { return [] }
    guard let list else { throw .badCall("the list of \(count) tensors is null") }
    var names: Set<String> = []
    var result: [(name: String, tensor: Tensor)] = []
    for k in 0..<Int(count) {
        let name = try text(list[k].name, "name of tensor \(k)")
        guard names.insert(name).inserted else { throw .badCall("'\(name)' is given twice") }
        result.append((name, try Tensor(list[k], called: name, copying: copying(name))))
    }
    return result
}

/// Tensors with their names and shapes as C has them.
final class TensorList: @unchecked Sendable {
    // Sendable because the shapes are not written after they are made.
    let tensors: [NamedTensor]
    private let names: CStrings
    private let shapes: [UnsafeMutablePointer<Int64>]

    init(_ tensors: [NamedTensor]) {
        self.tensors = tensors
        names = CStrings(tensors.map(\.name))
        shapes = tensors.map { sizes($0.tensor.shape) }
    }

    deinit { for shape in shapes { shape.deallocate() } }

    func tensor(_ index: Int64) throws(DiagnosticList) -> recc_tensor { tensor(at: try element(tensors, index, "tensor")) }

    /// - Throws: where there is none of this name.
    func tensor(named name: String, what: String) throws(DiagnosticList) -> recc_tensor {
        guard let k = tensors.firstIndex(where: { $0.name == name }) else {
            _ = try tensors.tensor(named: name, what: what)
            throw .badCall("there is no \(what) '\(name)'")
        }
        return tensor(at: k)
    }

    private func tensor(at k: Int) -> recc_tensor {
        let tensor = tensors[k].tensor
        // The bytes stay where they are as long as the tensor is here.
        return recc_tensor(
            name: names[k], data: tensor.withUnsafeBytes { $0.baseAddress }, shape: UnsafePointer(shapes[k]), rank: Int32(tensor.shape.count),
            type: tensor.type.number)
    }
}

/// Sizes in memory that is to be deallocated.
func sizes(_ shape: [Int]) -> UnsafeMutablePointer<Int64> {
    let memory = UnsafeMutablePointer<Int64>.allocate(capacity: max(1, shape.count))
    for (k, size) in shape.enumerated() { memory[k] = Int64(size) }
    return memory
}
