import CRecc
import Rec

/// What goes into a model or comes out.
struct Port {
    var name: String
    /// -1 for what data say.
    var shape: [Int]
    var axes: [String]
    var type: TensorType
    var flags: Int

    /// - Parameter isLoss: whether it is reported as one number, the mean over the batch, in f64.
    init(_ name: String, _ value: Value, of graph: StreamGraph, _ precision: Precision, flags: Int = 0, isLoss: Bool = false) {
        self.name = name
        (shape, axes) = ([], [])
        self.flags = flags | (value.variance.isStream ? RECC_STREAM : 0) | (value.element == .complex ? RECC_COMPLEX : 0)
        type = isLoss ? .f64 : TensorType(value.element, precision)
        if isLoss { return }
        if value.variance.batch {
            shape.append(-1)
            axes.append("batch")
        }
        for (k, axis) in graph.axes.enumerated() where value.variance.varies(over: k) {
            shape.append(axis.length ?? -1)
            axes.append(axis.name)
        }
        addStep(of: value)
    }

    /// A port of a stream: one step of one sequence.
    init(stepOf value: Value, _ name: String, bytes: Int, _ precision: Precision) {
        self.name = name
        (shape, axes) = ([], [])
        flags = (value.variance.isStream ? RECC_STREAM : 0) | (value.element == .complex ? RECC_COMPLEX : 0)
        type = TensorType(value.element, precision)
        addStep(of: value)
        // A second axis lies within the step.
        let count = bytes / type.byteCount / max(1, shape.reduce(1, *))
        if count > 1 {
            shape.insert(count, at: 0)
            axes.insert("step", at: 0)
        }
    }

    private mutating func addStep(of value: Value) {
        for dim in value.shape {
            shape.append(dim.size)
            axes.append(dim.name)
        }
        if value.element == .complex {
            shape.append(2)
            axes.append("2")
        }
    }
}

extension TensorType {
    init(_ element: ElementType, _ precision: Precision) {
        self =
            switch element {
            case .real, .complex: precision == .f32 ? .f32 : .f64
            case .int: .i64
            case .bool: .bool
            }
    }
}

/// Ports as C has them.
final class PortList: @unchecked Sendable {
    // Sendable because the memory is not written after it is made.
    let ports: [Port]
    private let names: CStrings
    private let axisNames: [CStrings]
    private let axes: [UnsafeMutablePointer<UnsafePointer<CChar>?>]
    private let shapes: [UnsafeMutablePointer<Int64>]

    init(_ ports: [Port]) {
        self.ports = ports
        names = CStrings(ports.map(\.name))
        shapes = ports.map { sizes($0.shape) }
        let axisNames = ports.map { CStrings($0.axes) }
        self.axisNames = axisNames
        axes = ports.enumerated().map { k, port in
            let memory = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: max(1, port.axes.count))
            for axis in port.axes.indices { memory[axis] = axisNames[k][axis] }
            return memory
        }
    }

    deinit {
        for shape in shapes { shape.deallocate() }
        for list in axes { list.deallocate() }
    }

    func port(_ index: Int64) throws(DiagnosticList) -> recc_port {
        let k = try element(ports, index, "port")
        return recc_port(
            name: names[k], shape: UnsafePointer(shapes[k]), axes: UnsafePointer(axes[k]), rank: Int32(ports[k].shape.count),
            type: ports[k].type.number, flags: Int32(ports[k].flags))
    }
}
