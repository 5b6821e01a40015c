import CLLVM
import RecSchedule
import RecSource

/// The machine code of a schedule.
///
/// Sendable because nothing of it changes.
package final class CompiledSchedule: @unchecked Sendable {
    /// Arguments (see `arguments`), first turn, last turn (exclusive), workspace; 0 where all numbers are finite that are written to streams
    /// or by nests that are checked.
    package typealias Function = @convention(c) (UnsafeRawPointer, Int, Int, UnsafeMutableRawPointer) -> Int

    package let schedule: Schedule
    package let precision: Precision
    package let function: Function
    /// Bytes of the workspace of a worker.
    package let workspaceBytes: Int
    private let code: LoadedCode

    package init(_ schedule: Schedule, precision: Precision, context: CompileContext = CompileContext()) throws {
        self.schedule = schedule
        self.precision = precision
        workspaceBytes = try Self.workspaceBytes(of: schedule, precision)
        code = try context.code({ KernelKey(schedule.withoutNames, precision: precision, effort: context.effort) }) { target in
            try Self.module(schedule, precision, target)
        } link: { try LoadedCode($0) }
        function = unsafeBitCast(try code.function(Self.name), to: Function.self)
    }

    /// The code of another schedule, from which this one differs in names alone.
    private init(_ schedule: Schedule, like other: CompiledSchedule) {
        self.schedule = schedule
        precision = other.precision
        workspaceBytes = other.workspaceBytes
        code = other.code
        function = other.function
    }

    /// The code of several schedules. Those that differ in names alone, as the traversals of equal layers, have one.
    package static func all(_ schedules: [(schedule: Schedule, precision: Precision)], context: CompileContext = CompileContext()) throws -> [CompiledSchedule] {
        struct Key: Hashable {
            var bytes: [UInt8]
            var precision: Precision
        }
        var known: [Key: CompiledSchedule] = [:]
        return try schedules.map { schedule, precision in
            let key = Key(bytes: try CanonicalBytes.of(schedule.withoutNames), precision: precision)
            if let code = known[key] { return CompiledSchedule(schedule, like: code) }
            let code = try CompiledSchedule(schedule, precision: precision, context: context)
            known[key] = code
            return code
        }
    }

    private static let mostWorkspaceBytes = 1 << 30

    /// Bytes of the workspace of a worker.
    ///
    /// - Throws: where they are more than are allowed.
    package static func workspaceBytes(of schedule: Schedule, _ precision: Precision) throws(Diagnostic) -> Int {
        let bytes = max(64, WorkspaceLayout(schedule).count * precision.byteCount)
        guard bytes <= mostWorkspaceBytes else {
            throw Diagnostic(
                .planRefused, "chunks of \(schedule.count) steps take \(bytes >> 20) MB for each thread, and \(mostWorkspaceBytes >> 20) are allowed",
                at: nil, help: "take shorter ones, as in --plan S=chunkwise(\(max(1, schedule.count / 4)))")
        }
        return bytes
    }

    private static let name = "traversal"

    private static func module(_ schedule: Schedule, _ precision: Precision, _ target: HostTarget) throws -> LLVMModule {
        let module = try LLVMModule(name: schedule.name, target: target)
        let products = MatmulKernels(module: module, precision: precision, target: target)
        _ = ScheduleEmitter(schedule, named: name, in: module, precision: precision, target: target, products: products)
        try module.verify()
        return module
    }

    /// The code as LLVM IR, assembly text or an object file.
    package static func listing(_ form: CompiledPlan.Listing, of schedule: Schedule, precision: Precision) throws -> [UInt8] {
        let target = try HostTarget()
        let module = try module(schedule, precision, target)
        try module.optimize(for: target)
        switch form {
        case .llvm: return Array(module.text.utf8)
        case .assembly: return try module.emitted(.assembly, for: target)
        case .object: return try module.emitted(.object, for: target)
        }
    }

    /// The words that the function is called with.
    ///
    /// - Parameters:
    ///   - lengths: of each sequence.
    ///   - steps: of the longest sequence.
    ///   - progress: where it is counted how many blocks have added to each chunk, 0 at first; for schedules in which blocks do.
    ///   - buffers: the addresses of the caller's buffers, in the order of the schedule.
    package static func arguments(
        lengths: UnsafePointer<Int>, steps: Int, places: Int, progress: UnsafeRawPointer, buffers: [UnsafeRawPointer]
    ) -> [Int] { [Int(bitPattern: lengths), steps, places, Int(bitPattern: progress)] + buffers.map { Int(bitPattern: $0) } }
}

extension Schedule {
    /// What code depends on.
    fileprivate var withoutNames: Schedule {
        var schedule = self
        schedule.name = ""
        for k in schedule.buffers.indices { schedule.buffers[k].name = "" }
        for k in schedule.parallel.indices { schedule.parallel[k].name = "" }
        return schedule
    }
}
