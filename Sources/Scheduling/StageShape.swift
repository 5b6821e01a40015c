import RecAnalysis
import RecStream

/// What the code of a stage depends on, and nothing else of its plan. Buffers are numbered in the order in which the stage names
/// them, so that the stages of equal layers have equal shapes; they share one function, which is told where its buffers are.
package struct StageShape: Hashable, Encodable, Sendable {
    /// Without what only the runtime looks at.
    package var stage: Stage
    /// Of these, too, only what code looks at.
    package var buffers: [Buffer]
    /// The axes that the steps run over, and in which order.
    package var axes: [Int]
    package var order: LoopOrder
    /// Axes of the graph.
    package var axisCount: Int

    package subscript(_ id: BufferID) -> Buffer { buffers[id.index] }
}

/// The shape of a stage, and the buffers of its plan that stand behind the shape's numbers.
package struct PlacedStage: Equatable, Sendable {
    package var shape: StageShape
    package var buffers: [BufferID]

    package init(_ stage: Stage, of segment: Segment, in plan: Plan) {
        var stage = stage
        stage.scan = nil
        stage.wavefront = nil
        stage.rows?.ownBuffers = []
        stage.rows?.alternating = []
        stage.forgetValues()
        var numbers: [BufferID: BufferID] = [:]
        var named: [BufferID] = []
        stage.renameBuffers { id in
            if let known = numbers[id] { return known }
            let number = BufferID(named.count)
            numbers[id] = number
            named.append(id)
            return number
        }
        buffers = named
        let (axes, order): ([Int], LoopOrder) =
            switch segment.kind {
            case .static, .once, .joined: ([], LoopOrder(loops: []))
            case .sweep(let axes, let order): (axes, order)
            }
        shape = StageShape(
            stage: stage, buffers: named.map { plan[$0].forCode }, axes: axes, order: order, axisCount: plan.graph.axes.count)
    }
}

extension Buffer {
    /// What code looks at: how rows are found, and whether they are those of whole streams.
    fileprivate var forCode: Buffer {
        var buffer = self
        buffer.name = ""
        switch kind {
        case .input, .output, .full, .block: buffer.kind = .full
        case .parameter, .static, .once, .accumulator, .zero: buffer.kind = .once
        case .step: break
        case .ring(var ring):
            ring.initial = nil
            buffer.kind = .ring(ring)
        }
        return buffer
    }
}

extension Stage {
    /// Gives every buffer that code of the stage names another number, in an order that its structure alone decides.
    fileprivate mutating func renameBuffers(_ number: (BufferID) -> BufferID) {
        for k in items.indices { items[k].renameBuffers(number) }
        switch form {
        case .map, .sequential, .totals: break
        case .lanes(var carries):
            for k in carries.indices { carries[k].ring = number(carries[k].ring) }
            form = .lanes(carries)
        case .registers(var scan):
            scan.flat.nest.renameBuffers(number)
            for k in scan.maps.indices { scan.maps[k].rings = scan.maps[k].rings.map(number) }
            scan.steps.nest.renameBuffers(number)
            for k in scan.steps.carries.indices { scan.steps.carries[k].ring = number(scan.steps.carries[k].ring) }
            form = .registers(scan)
        }
    }

    /// Leaves out which values of the graph it computes.
    fileprivate mutating func forgetValues() {
        for k in items.indices { items[k].forgetValues() }
        if case .registers(var scan) = form {
            scan.flat.nest.values = []
            scan.steps.nest.values = []
            form = .registers(scan)
        }
    }
}

extension Item {
    fileprivate mutating func renameBuffers(_ number: (BufferID) -> BufferID) {
        switch self {
        case .nest(var nest):
            nest.renameBuffers(number)
            self = .nest(nest)
        case .product(var product):
            product.input.renameBuffers(number)
            product.output = number(product.output)
            product.weight = number(product.weight)
            self = .product(product)
        case .total(var total):
            total.left.renameBuffers(number)
            total.right.renameBuffers(number)
            total.output = number(total.output)
            self = .total(total)
        }
    }

    fileprivate mutating func forgetValues() {
        switch self {
        case .nest(var nest):
            nest.values = []
            self = .nest(nest)
        case .product(var product):
            product.value = ValueID(0)
            // Code reads packed weights.
            product.weight = product.output
            product.weightOffset = 0
            self = .product(product)
        case .total(var total):
            total.value = ValueID(0)
            self = .total(total)
        }
    }
}

extension Nest {
    fileprivate mutating func renameBuffers(_ number: (BufferID) -> BufferID) {
        for k in nodes.indices {
            switch nodes[k].operation {
            case .load(var access):
                access.renameBuffers(number)
                nodes[k].operation = .load(access)
            case .gather(var access, let index, let stride, let count):
                access.renameBuffers(number)
                nodes[k].operation = .gather(access, index: index, stride: stride, count: count)
            case .constant, .unary, .binary, .select, .reduce, .position, .carried, .scanned: break
            }
        }
        for k in stores.indices { stores[k].buffer = number(stores[k].buffer) }
    }
}

extension Access {
    fileprivate mutating func renameBuffers(_ number: (BufferID) -> BufferID) {
        buffer = number(buffer)
        fallback = fallback.map(number)
    }
}
