import CHost
import Foundation
import RecSchedule
import RecScheduling

/// Names machine code by everything that it depends on: the plan, the precision, the machine, LLVM and recc itself.
struct KernelKey: Equatable, Sendable {
    /// A SHA-256 hash: two keys that collide by chance are not to be expected while there are computers.
    let bytes: [UInt8]

    /// The name of the file that keeps the code.
    var fileName: String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() + KernelCache.suffix
    }
}

extension KernelKey {
    /// What code depends on, beside what it computes.
    private struct Subject<Work: Encodable>: Encodable {
        var format: UInt32
        var compiler: String
        var llvm: String
        var architecture: String
        var processor: [UInt32]
        var precision: String
        var effort: CodeEffort
        var work: Work
    }

    /// What of a plan its code depends on: shapes of stages, and where descriptors are that no table gives.
    private struct PlanWork: Encodable {
        var weights: WeightFormat
        var functions: [PlanFunctions.Function]
    }

    /// Nil where this program cannot tell which version of it is running.
    init?(
        _ plan: PlanFunctions, precision: Precision, weights: WeightFormat = .full, effort: CodeEffort = .full,
        machine: HostMachine = .current
    ) {
        let work = PlanWork(weights: weights, functions: plan.functions)
        self.init(of: work, precision, effort, machine)
    }

    /// Nil where this program cannot tell which version of it is running.
    init?(_ schedule: Schedule, precision: Precision, effort: CodeEffort = .full, machine: HostMachine = .current) {
        self.init(of: schedule, precision, effort, machine)
    }

    private init?(of work: some Encodable, _ precision: Precision, _ effort: CodeEffort, _ machine: HostMachine) {
        guard let compiler = Self.compiler() else { return nil }
        let subject = Subject(
            format: KernelFile.format, compiler: compiler, llvm: LLVMLibrary.identity(), architecture: machine.architecture.rawValue,
            processor: machine.identity, precision: precision.rawValue, effort: effort, work: work)
        guard let bytes = try? CanonicalBytes.of(subject) else { return nil }
        self.bytes = SHA256.hash(bytes)
    }

    /// The build of recc that is running, whatever its file is called and where it lies. A number of a version would let code
    /// outlive a change to the code generator that nobody counted.
    static func compiler() -> String? {
        var identity = [UInt8](repeating: 0, count: Int(RECC_IDENTITY_BYTES))
        let count = Int(recc_image_identity(&identity))
        return count > 0 ? identity.prefix(count).map { String($0, radix: 16) }.joined(separator: ".") : nil
    }
}
