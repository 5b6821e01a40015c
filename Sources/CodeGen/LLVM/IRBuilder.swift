import CLLVM

/// A value of the emitted code.
typealias IRValue = LLVMValueRef

/// Emits instructions at the end of a basic block. Types of one module and one real type (`f32` or `f64`).
final class IRBuilder {
    let module: LLVMModule
    let builder: LLVMBuilderRef
    let precision: Precision
    private(set) var function: LLVMValueRef

    let real: LLVMTypeRef
    let i1: LLVMTypeRef
    let i8: LLVMTypeRef
    let i16: LLVMTypeRef
    let i32: LLVMTypeRef
    let i64: LLVMTypeRef
    let pointer: LLVMTypeRef

    /// A builder for a new function of the module; its entry block is where emission starts.
    init(module: LLVMModule, function name: String, parameters: [LLVMTypeRef], result: LLVMTypeRef?, precision: Precision,
        target: HostTarget, isInternal: Bool = false) {
        self.module = module
        self.precision = precision
        let context = module.context
        builder = LLVMCreateBuilderInContext(context)
        real = precision == .f32 ? LLVMFloatTypeInContext(context) : LLVMDoubleTypeInContext(context)
        i1 = LLVMInt1TypeInContext(context)
        i8 = LLVMInt8TypeInContext(context)
        i16 = LLVMInt16TypeInContext(context)
        i32 = LLVMInt32TypeInContext(context)
        i64 = LLVMInt64TypeInContext(context)
        pointer = LLVMPointerTypeInContext(context, 0)
        var types: [LLVMTypeRef?] = parameters
        let type = LLVMFunctionType(result ?? LLVMVoidTypeInContext(context), &types, UInt32(types.count), 0)
        function = LLVMAddFunction(module.module, name, type)
        func attribute(_ key: String, _ value: String) {
            let made = LLVMCreateStringAttribute(context, key, UInt32(key.utf8.count), value, UInt32(value.utf8.count))
            LLVMAddAttributeAtIndex(function, UInt32(bitPattern: Int32(LLVMAttributeFunctionIndex)), made)
        }
        attribute("target-cpu", target.cpu)
        attribute("target-features", target.features)
        attribute("prefer-vector-width", "\(8 * target.vectorBytes)")
        attribute("min-legal-vector-width", "\(8 * target.vectorBytes)")
        let kind = LLVMGetEnumAttributeKindForName("nounwind", 8)
        LLVMAddAttributeAtIndex(
            function, UInt32(bitPattern: Int32(LLVMAttributeFunctionIndex)), LLVMCreateEnumAttribute(context, kind, 0))
        if isInternal { LLVMSetLinkage(function, LLVMInternalLinkage) }
        LLVMPositionBuilderAtEnd(builder, LLVMAppendBasicBlockInContext(context, function, "entry"))
    }

    deinit { LLVMDisposeBuilder(builder) }

    func parameter(_ index: Int) -> IRValue { LLVMGetParam(function, UInt32(index)) }

    // MARK: Types and constants

    func vector(_ element: LLVMTypeRef, _ lanes: Int) -> LLVMTypeRef {
        lanes == 1 ? element : LLVMVectorType(element, UInt32(lanes))
    }

    func type(of value: IRValue) -> LLVMTypeRef { LLVMTypeOf(value) }

    func lanes(of value: IRValue) -> Int {
        let type = LLVMTypeOf(value)
        return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? Int(LLVMGetVectorSize(type)) : 1
    }

    func int(_ value: Int) -> IRValue { LLVMConstInt(i64, UInt64(bitPattern: Int64(value)), 1) }
    func bool(_ value: Bool) -> IRValue { LLVMConstInt(i1, value ? 1 : 0, 0) }
    /// A constant that is f64 whatever the precision.
    func double(_ value: Double) -> IRValue { LLVMConstReal(LLVMDoubleTypeInContext(module.context), value) }
    func number(_ value: Double) -> IRValue { LLVMConstReal(real, value) }

    /// A constant of the element type of `type`, in every lane.
    func constant(_ value: Double, like type: LLVMTypeRef) -> IRValue {
        guard LLVMGetTypeKind(type) == LLVMVectorTypeKind else { return LLVMConstReal(type, value) }
        var lanes = [LLVMValueRef?](
            repeating: LLVMConstReal(LLVMGetElementType(type), value), count: Int(LLVMGetVectorSize(type)))
        return LLVMConstVector(&lanes, UInt32(lanes.count))
    }

    func constant(_ value: Int, like type: LLVMTypeRef) -> IRValue {
        guard LLVMGetTypeKind(type) == LLVMVectorTypeKind else {
            return LLVMConstInt(type, UInt64(bitPattern: Int64(value)), 1)
        }
        let element = LLVMConstInt(LLVMGetElementType(type), UInt64(bitPattern: Int64(value)), 1)
        var lanes = [LLVMValueRef?](repeating: element, count: Int(LLVMGetVectorSize(type)))
        return LLVMConstVector(&lanes, UInt32(lanes.count))
    }

    func vectorConstant(_ values: [Int], of element: LLVMTypeRef) -> IRValue {
        var lanes: [LLVMValueRef?] = values.map { LLVMConstInt(element, UInt64(bitPattern: Int64($0)), 1) }
        return LLVMConstVector(&lanes, UInt32(lanes.count))
    }

    // MARK: Integers and addresses

    func add(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildAdd(builder, a, b, "") }
    func subtract(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildSub(builder, a, b, "") }
    func multiply(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildMul(builder, a, b, "") }
    func remainder(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildURem(builder, a, b, "") }
    func quotient(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildUDiv(builder, a, b, "") }
    func shiftLeft(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildShl(builder, a, b, "") }
    /// Fills with the sign.
    func shiftRight(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildAShr(builder, a, b, "") }
    func and(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildAnd(builder, a, b, "") }
    func or(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildOr(builder, a, b, "") }
    func not(_ a: IRValue) -> IRValue { LLVMBuildNot(builder, a, "") }
    func compare(_ predicate: LLVMIntPredicate, _ a: IRValue, _ b: IRValue) -> IRValue {
        LLVMBuildICmp(builder, predicate, a, b, "")
    }
    func select(_ condition: IRValue, _ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildSelect(builder, condition, a, b, "") }
    func minimum(_ a: IRValue, _ b: IRValue) -> IRValue { select(compare(LLVMIntSLT, a, b), a, b) }
    func maximum(_ a: IRValue, _ b: IRValue) -> IRValue { select(compare(LLVMIntSGT, a, b), a, b) }

    /// `base + index` elements of `type`.
    func element(_ base: IRValue, _ index: IRValue, of type: LLVMTypeRef) -> IRValue {
        var indices: [LLVMValueRef?] = [index]
        return LLVMBuildGEP2(builder, type, base, &indices, 1, "")
    }

    // MARK: Reals

    // Each operation is rounded as it stands: LLVM may fuse nothing, so that a number has the same bits wherever it is computed.
    func fadd(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildFAdd(builder, a, b, "") }
    func fsub(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildFSub(builder, a, b, "") }
    func fmul(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildFMul(builder, a, b, "") }
    func fdiv(_ a: IRValue, _ b: IRValue) -> IRValue { LLVMBuildFDiv(builder, a, b, "") }
    func fneg(_ a: IRValue) -> IRValue { LLVMBuildFNeg(builder, a, "") }
    func fcompare(_ predicate: LLVMRealPredicate, _ a: IRValue, _ b: IRValue) -> IRValue {
        LLVMBuildFCmp(builder, predicate, a, b, "")
    }

    func intrinsic(_ name: String, overloads: [LLVMTypeRef], _ arguments: [IRValue]) -> IRValue {
        let id = LLVMLookupIntrinsicID(name, name.utf8.count)
        var types: [LLVMTypeRef?] = overloads
        let declaration = LLVMGetIntrinsicDeclaration(module.module, id, &types, types.count)
        let functionType = LLVMIntrinsicGetType(module.context, id, &types, types.count)
        var values: [LLVMValueRef?] = arguments
        return LLVMBuildCall2(builder, functionType, declaration, &values, UInt32(values.count), "")
    }

    func fma(_ a: IRValue, _ b: IRValue, _ c: IRValue) -> IRValue { intrinsic("llvm.fma", overloads: [type(of: a)], [a, b, c]) }

    // MARK: Vectors

    /// The f32 numbers whose upper halves these 16-bit words are; their lower halves are zero.
    func upperHalves(_ words: IRValue) -> IRValue {
        let count = lanes(of: words)
        let wide: IRValue = LLVMBuildZExt(builder, words, vector(i32, count), "")
        let bits = shiftLeft(wide, constant(16, like: vector(i32, count)))
        return LLVMBuildBitCast(builder, bits, vector(LLVMFloatTypeInContext(module.context), count), "")
    }

    func splat(_ scalar: IRValue, _ lanes: Int) -> IRValue {
        guard lanes > 1 else { return scalar }
        let type = vector(LLVMTypeOf(scalar), lanes)
        let first = LLVMBuildInsertElement(builder, LLVMGetPoison(type), scalar, LLVMConstInt(i32, 0, 0), "")
        var zeros = [LLVMValueRef?](repeating: LLVMConstInt(i32, 0, 0), count: lanes)
        return LLVMBuildShuffleVector(builder, first, LLVMGetPoison(type), LLVMConstVector(&zeros, UInt32(lanes)), "")
    }

    /// Lanes of two vectors, as numbered through both.
    func shuffle(_ a: IRValue, _ b: IRValue, _ indices: [Int]) -> IRValue {
        LLVMBuildShuffleVector(builder, a, b, vectorConstant(indices, of: i32), "")
    }

    /// Memory for a value of this type while the function runs.
    func scratch(_ type: LLVMTypeRef) -> IRValue {
        let entry = LLVMGetEntryBasicBlock(function)
        let present = currentBlock
        if let first = entry.flatMap(LLVMGetFirstInstruction) {
            LLVMPositionBuilderBefore(builder, first)
        } else {
            LLVMPositionBuilderAtEnd(builder, entry)
        }
        let memory: IRValue = LLVMBuildAlloca(builder, type, "")
        position(at: present)
        return memory
    }

    /// Memory for so many reals while the function runs, aligned to cache lines.
    func scratch(of count: Int) -> IRValue { scratch(arrayOf: real, count) }

    /// Memory for so many addresses while the function runs.
    func scratch(ofPointers count: Int) -> IRValue { scratch(arrayOf: pointer, count) }

    private func scratch(arrayOf type: LLVMTypeRef, _ count: Int) -> IRValue {
        let memory = scratch(LLVMArrayType2(type, UInt64(count)))
        LLVMSetAlignment(memory, 64)
        return memory
    }

    /// As many vectors as each has lanes, a power of two: lane `j` of vector `i` becomes lane `i` of vector `j`.
    func transposed(_ square: [IRValue]) -> [IRValue] {
        var rows = square
        var distance = 1
        while distance < rows.count {
            let lanes = Array(0..<rows.count)
            for low in lanes where low & distance == 0 {
                let (a, b) = (rows[low], rows[low + distance])
                rows[low] = shuffle(a, b, lanes.map { $0 & distance == 0 ? $0 : rows.count + $0 - distance })
                rows[low + distance] = shuffle(a, b, lanes.map { $0 & distance == 0 ? $0 + distance : rows.count + $0 })
            }
            distance *= 2
        }
        return rows
    }

    func extract(_ vector: IRValue, _ lane: Int) -> IRValue {
        LLVMBuildExtractElement(builder, vector, LLVMConstInt(i32, UInt64(lane), 0), "")
    }

    func insert(_ vector: IRValue, _ value: IRValue, _ lane: Int) -> IRValue {
        LLVMBuildInsertElement(builder, vector, value, LLVMConstInt(i32, UInt64(lane), 0), "")
    }

    // MARK: Memory

    func load(_ type: LLVMTypeRef, _ address: IRValue, alignment: Int) -> IRValue {
        let value: LLVMValueRef = LLVMBuildLoad2(builder, type, address, "")
        LLVMSetAlignment(value, UInt32(alignment))
        return value
    }

    func store(_ value: IRValue, _ address: IRValue, alignment: Int) {
        LLVMSetAlignment(LLVMBuildStore(builder, value, address), UInt32(alignment))
    }

    /// Loads what other threads write.
    func load(_ type: LLVMTypeRef, _ address: IRValue, alignment: Int, ordering: LLVMAtomicOrdering) -> IRValue {
        let value = load(type, address, alignment: alignment)
        LLVMSetOrdering(value, ordering)
        return value
    }

    /// Stores what other threads read.
    func store(_ value: IRValue, _ address: IRValue, alignment: Int, ordering: LLVMAtomicOrdering) {
        let made: LLVMValueRef = LLVMBuildStore(builder, value, address)
        LLVMSetAlignment(made, UInt32(alignment))
        LLVMSetOrdering(made, ordering)
    }

    /// Loads the lanes whose mask bit is set; the others are zero.
    func maskedLoad(_ type: LLVMTypeRef, _ address: IRValue, mask: IRValue, alignment: Int) -> IRValue {
        intrinsic(
            "llvm.masked.load", overloads: [type, pointer],
            [address, LLVMConstInt(i32, UInt64(alignment), 0), mask, LLVMConstNull(type)])
    }

    /// Loads the lanes whose mask bit is set from `address` moved by so many elements each; the others are zero.
    func maskedGather(_ type: LLVMTypeRef, _ address: IRValue, offsets: [Int], mask: IRValue, alignment: Int) -> IRValue {
        let pointers = element(address, vectorConstant(offsets, of: i64), of: LLVMGetElementType(type))
        return intrinsic(
            "llvm.masked.gather", overloads: [type, self.type(of: pointers)],
            [pointers, LLVMConstInt(i32, UInt64(alignment), 0), mask, LLVMConstNull(type)])
    }

    func maskedStore(_ value: IRValue, _ address: IRValue, mask: IRValue, alignment: Int) {
        _ = intrinsic(
            "llvm.masked.store", overloads: [type(of: value), pointer],
            [value, address, LLVMConstInt(i32, UInt64(alignment), 0), mask])
    }

    /// Asks for a cache line that is going to be used.
    func prefetch(_ address: IRValue, forWriting: Bool = false) {
        func flag(_ value: UInt64) -> IRValue { LLVMConstInt(i32, value, 0) }
        _ = intrinsic("llvm.prefetch", overloads: [pointer], [address, flag(forWriting ? 1 : 0), flag(3), flag(1)])
    }

    // MARK: Control flow

    func block(_ name: String) -> LLVMBasicBlockRef { LLVMAppendBasicBlockInContext(module.context, function, name) }
    func position(at block: LLVMBasicBlockRef) { LLVMPositionBuilderAtEnd(builder, block) }
    var currentBlock: LLVMBasicBlockRef { LLVMGetInsertBlock(builder) }
    func branch(_ block: LLVMBasicBlockRef) { LLVMBuildBr(builder, block) }
    func branch(_ condition: IRValue, _ yes: LLVMBasicBlockRef, _ no: LLVMBasicBlockRef) {
        LLVMBuildCondBr(builder, condition, yes, no)
    }
    func returnVoid() { LLVMBuildRetVoid(builder) }
    func returnValue(_ value: IRValue) { LLVMBuildRet(builder, value) }

    func phi(_ type: LLVMTypeRef) -> IRValue { LLVMBuildPhi(builder, type, "") }
    func addIncoming(_ phi: IRValue, _ value: IRValue, from block: LLVMBasicBlockRef) {
        var values: [LLVMValueRef?] = [value]
        var blocks: [LLVMBasicBlockRef?] = [block]
        LLVMAddIncoming(phi, &values, &blocks, 1)
    }

    /// A loop from `start` up to `end` (exclusive) by `step`, with values carried from turn to turn; returns what they
    /// are after it. The body gets the counter and the carried values, and returns their next ones.
    @discardableResult
    func loop(
        from start: IRValue, to end: IRValue, by step: Int = 1, carrying initial: [IRValue] = [],
        _ body: (IRValue, [IRValue]) -> [IRValue]
    ) -> [IRValue] {
        let before = currentBlock
        let head = block("loop")
        let inside = block("body")
        let after = block("done")
        branch(head)
        position(at: head)
        let counter = phi(i64)
        let carried = initial.map { phi(type(of: $0)) }
        addIncoming(counter, start, from: before)
        for (value, first) in zip(carried, initial) { addIncoming(value, first, from: before) }
        branch(compare(LLVMIntSLT, counter, end), inside, after)
        position(at: inside)
        let next = body(counter, carried)
        let advanced = add(counter, int(step))
        let last = currentBlock
        addIncoming(counter, advanced, from: last)
        for (value, following) in zip(carried, next) { addIncoming(value, following, from: last) }
        branch(head)
        position(at: after)
        return carried
    }

    func ifThen(_ condition: IRValue, _ body: () -> Void) {
        let inside = block("then")
        let after = block("next")
        branch(condition, inside, after)
        position(at: inside)
        body()
        branch(after)
        position(at: after)
    }

    func call(_ callee: LLVMValueRef, _ arguments: [IRValue]) -> IRValue {
        var values: [LLVMValueRef?] = arguments
        return LLVMBuildCall2(builder, LLVMGlobalGetValueType(callee), callee, &values, UInt32(values.count), "")
    }

    /// Calls a function without parameters of the C library.
    func callExternal(_ name: String, result: LLVMTypeRef) -> IRValue {
        let type = LLVMFunctionType(result, nil, 0, 0)
        let function = LLVMGetNamedFunction(module.module, name) ?? LLVMAddFunction(module.module, name, type)
        return LLVMBuildCall2(builder, type, function, nil, 0, "")
    }
}
