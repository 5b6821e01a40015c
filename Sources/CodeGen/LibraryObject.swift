import CLLVM
import RecScheduling
import RecSource

/// The functions of a plan that a library takes, and their names: those of libraries meet in one program.
package struct LibraryFunctions: Sendable {
    package var prefix: String
    package var segments: Set<Int>

    package init(prefix: String, segments: Set<Int>) {
        self.prefix = prefix
        self.segments = segments
    }

    package func stageName(_ segment: Int, _ stage: Int) -> String { "\(prefix)_stage_\(segment)_\(stage)" }
    package var constantsName: String { "\(prefix)_constants" }
}

extension CompiledPlan {
    /// Constants of a library lie within reach of its code.
    package static let mostConstantBytes = 1 << 30

    /// An object file with some functions of a plan for a target, hidden outside the program or library that it is linked into.
    ///
    /// - Parameter constants: what becomes `constantsName`, aligned to 64 bytes; nil for none.
    package static func libraryObject(
        _ plan: Plan, precision: Precision, weights: WeightFormat, target: CodeTarget, functions: LibraryFunctions, constants: [UInt8]?
    ) throws -> [UInt8] {
        try weights.check(precision)
        let target = try HostTarget(target)
        let code = try PlanModule(
            library: PlanFunctions(plan, library: functions), named: plan.graph.name, precision: precision, weights: weights, target: target)
        try code.module.optimize(for: target)
        if let constants { try code.module.add(constants, named: functions.constantsName) }
        return try code.module.emitted(.object, for: target)
    }
}

extension LLVMModule {
    /// Adds bytes that nobody writes.
    fileprivate func add(_ constants: [UInt8], named name: String) throws {
        guard let length = UInt32(exactly: constants.count) else { throw LLVMError("\(constants.count) bytes of constants are too many") }
        let value = constants.withUnsafeBytes { bytes in
            LLVMConstStringInContext(context, bytes.bindMemory(to: CChar.self).baseAddress, length, 1)
        }
        guard let value, let global = LLVMAddGlobal(module, LLVMTypeOf(value), name) else { throw LLVMError("no constants") }
        LLVMSetInitializer(global, value)
        LLVMSetGlobalConstant(global, 1)
        LLVMSetAlignment(global, 64)
        LLVMSetVisibility(global, LLVMHiddenVisibility)
    }
}
