import RecScheduling

/// The functions that a plan's code is made of. Stages of equal shape, as those of equal layers, have one: it is called with a table
/// of where the descriptors of the stage are.
struct PlanFunctions {
    /// What code depends on, beside the target and the arithmetic.
    struct Function: Hashable, Encodable {
        var name: String
        var shape: StageShape
        /// The words of the frame where descriptors are; nil where a table says.
        var places: [Int]?
    }

    /// How the code of a stage, or of what computes the maps of its time blocks, is called.
    struct Call: Hashable {
        /// Of the stage.
        var name: String
        /// By index.
        var function: Int
        /// What the table of a shared function holds; empty for others.
        var table: [Int]
    }

    private(set) var functions: [Function] = []
    private(set) var calls: [Call] = []

    static func stageName(_ segment: Int, _ stage: Int) -> String { "stage.\(segment).\(stage)" }
    static func summaryName(of stage: String) -> String { "\(stage).summary" }

    /// - Parameters:
    ///   - library: what is wanted of the plan where it becomes part of a library; all of it where it runs here.
    ///   - sharing: whether stages of equal shape share a function.
    init(_ plan: Plan, library: LibraryFunctions? = nil, sharing: Bool = true) {
        let works = Self.works(of: plan, library)
        var counts: [StageShape: Int] = [:]
        if sharing { for work in works { counts[work.shape, default: 0] += 1 } }
        var shared: [StageShape: Int] = [:]
        for work in works {
            guard counts[work.shape, default: 1] > 1 else {
                calls.append(Call(name: work.name, function: functions.count, table: []))
                functions.append(Function(name: work.name, shape: work.shape, places: work.places))
                continue
            }
            let function = shared[work.shape] ?? functions.count
            if function == functions.count {
                let name = library.map { "\($0.prefix)_shared_\(shared.count)" } ?? "shared.\(shared.count)"
                functions.append(Function(name: name, shape: work.shape))
                shared[work.shape] = function
            }
            calls.append(Call(name: work.name, function: function, table: work.places))
        }
    }

    /// A stage with the words of the frame where its descriptors are.
    private struct Work {
        var name: String
        var shape: StageShape
        var places: [Int]
    }

    private static func works(of plan: Plan, _ library: LibraryFunctions?) -> [Work] {
        var works: [Work] = []
        var product = 0
        for (s, segment) in plan.segments.enumerated() {
            for (k, stage) in segment.stages.enumerated() {
                let first = product
                product += stage.products.count
                if let library, !library.segments.contains(s) { continue }
                func add(_ stage: Stage, named name: String) {
                    let placed = PlacedStage(stage, of: segment, in: plan)
                    let buffers = placed.buffers.map { FrameLayout.descriptor(of: $0) }
                    let products = stage.products.indices.map { FrameLayout.descriptor(ofProduct: first + $0, in: plan) }
                    works.append(Work(name: name, shape: placed.shape, places: buffers + products))
                }
                let name = library?.stageName(s, k) ?? stageName(s, k)
                add(stage, named: name)
                if library == nil, let scan = stage.scan { add(scan.summary, named: summaryName(of: name)) }
            }
        }
        return works
    }
}
