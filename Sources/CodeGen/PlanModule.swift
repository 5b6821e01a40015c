import CLLVM
import RecScheduling

/// The LLVM module of a plan's functions.
struct PlanModule {
    let module: LLVMModule

    /// The code that runs here: each function takes a table behind the frame, whether it needs one or not.
    init(_ functions: PlanFunctions, named name: String, precision: Precision, weights: WeightFormat, target: HostTarget) throws {
        module = try LLVMModule(name: name, target: target)
        let emitter = Emitter(module, precision, weights, target)
        for function in functions.functions { _ = emitter.emit(function, takesTable: true) }
        try module.verify()
    }

    /// The code of a library, of which the program sees one function a stage, without a table. What stages share is called by them.
    init(
        library functions: PlanFunctions, named name: String, precision: Precision, weights: WeightFormat, target: HostTarget
    ) throws {
        module = try LLVMModule(name: name, target: target)
        let emitter = Emitter(module, precision, weights, target)
        let emitted = functions.functions.map { emitter.emit($0, takesTable: $0.places == nil) }
        for function in emitted { LLVMSetVisibility(function, LLVMHiddenVisibility) }
        for call in functions.calls where functions.functions[call.function].places == nil {
            let function = module.call(
                of: emitted[call.function], with: call.table, named: call.name, precision: precision, target: target)
            LLVMSetVisibility(function, LLVMHiddenVisibility)
        }
        try module.verify()
    }

    private struct Emitter {
        let module: LLVMModule
        let precision: Precision
        let target: HostTarget
        let products: ProductKernels
        let totals: TotalKernels

        init(_ module: LLVMModule, _ precision: Precision, _ weights: WeightFormat, _ target: HostTarget) {
            (self.module, self.precision, self.target) = (module, precision, target)
            let tiles = TileKernels(module: module, precision: precision, target: target)
            products = ProductKernels(module: module, precision: precision, target: target, tiles: tiles, weights: weights)
            totals = TotalKernels(module: module, precision: precision, target: target, tiles: tiles)
        }

        func emit(_ function: PlanFunctions.Function, takesTable: Bool) -> LLVMValueRef {
            StageEmitter(
                function.shape, at: function.places, takesTable: takesTable, named: function.name, in: module, precision: precision,
                target: target, products: products, totals: totals
            ).builder.function
        }
    }
}

extension LLVMModule {
    /// Emits the function of a stage that calls what it shares with others, with a table of where its own descriptors are.
    fileprivate func call(
        of shared: LLVMValueRef, with places: [Int], named name: String, precision: Precision, target: HostTarget
    ) -> LLVMValueRef {
        let word = LLVMInt64TypeInContext(context)
        let address = LLVMPointerTypeInContext(context, 0)
        let parameters = [address, word, word, word, word, word, word].compactMap { $0 }
        let builder = IRBuilder(
            module: self, function: name, parameters: parameters, result: nil, precision: precision, target: target)
        let own = parameters.indices.map { builder.parameter($0) }
        _ = builder.call(shared, [own[0], words(places, named: "\(name)_places")] + own.dropFirst())
        builder.returnVoid()
        return builder.function
    }

    /// A table of 64-bit words that nobody writes.
    private func words(_ values: [Int], named name: String) -> LLVMValueRef {
        let word: LLVMTypeRef = LLVMInt64TypeInContext(context)
        var elements: [LLVMValueRef?] = values.map { LLVMConstInt(word, UInt64(bitPattern: Int64($0)), 1) }
        let table: LLVMValueRef = LLVMAddGlobal(module, LLVMArrayType2(word, UInt64(values.count)), name)
        LLVMSetInitializer(table, LLVMConstArray2(word, &elements, UInt64(elements.count)))
        LLVMSetGlobalConstant(table, 1)
        LLVMSetLinkage(table, LLVMPrivateLinkage)
        LLVMSetAlignment(table, 8)
        return table
    }
}
