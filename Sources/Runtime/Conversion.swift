import RecCodeGen
import RecStream
import RecTensors

extension ElementType {
    /// The type of a tensor that holds such elements.
    package func tensorType(_ precision: Precision) -> TensorType {
        switch self {
        case .real, .complex: precision == .f32 ? .f32 : .f64
        case .int: .i64
        case .bool: .bool
        }
    }
}

/// A tensor in the form that compiled code reads: as it is where its type fits, else converted.
package func resident(_ tensor: Tensor, as element: ElementType, _ precision: Precision) -> Tensor {
    let wanted = element.tensorType(precision)
    guard tensor.type != wanted else { return tensor }
    return Tensor(type: wanted, shape: tensor.shape) { bytes in
        switch wanted {
        case .f32: tensor.forEach { k, value in bytes.storeBytes(of: Float(value), toByteOffset: 4 * k, as: Float.self) }
        case .f64: tensor.forEach { k, value in bytes.storeBytes(of: value, toByteOffset: 8 * k, as: Double.self) }
        case .i64: tensor.forEach { k, value in bytes.storeBytes(of: Int64(Int(nearest: value)), toByteOffset: 8 * k, as: Int64.self) }
        case .bool: tensor.forEach { k, value in bytes[k] = value == 0 ? 0 : 1 }
        case .f16, .bf16, .i32, .u8: break
        }
    }
}
