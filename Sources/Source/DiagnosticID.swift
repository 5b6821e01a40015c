/// The stable name of a kind of message; users search for it in `docs/errors.md`.
package enum DiagnosticID: String, CaseIterable, Sendable {
    // Text
    case unexpectedCharacter = "unexpected-character"
    case unterminatedText = "unterminated-text"
    case malformedNumber = "malformed-number"
    case unexpectedToken = "unexpected-token"
    case nestingTooDeep = "nesting-too-deep"
    // Names
    case unknownName = "unknown-name"
    case duplicateDefinition = "duplicate-definition"
    case wrongArgument = "wrong-argument"
    case notAStream = "not-a-stream"
    // Types
    case shapeMismatch = "shape-mismatch"
    case wrongElementType = "wrong-element-type"
    case ambiguousDim = "ambiguous-dim"
    case unknownDim = "unknown-dim"
    case unsolvableDim = "unsolvable-dim"
    case badSlice = "bad-slice"
    // Time
    case instantCycle = "instant-cycle"
    case stateWithoutEquation = "state-without-equation"
    case undeclaredState = "undeclared-state"
    case bothDirections = "both-directions"
    case delayNotConstant = "delay-not-constant"
    case onceNeedsConstant = "once-expected"
    // Files and structure
    case importNotFound = "import-not-found"
    case circularImport = "circular-import"
    case circularModel = "circular-model"
    case circularFunction = "circular-function"
    case noMainModel = "no-main-model"
    case falseMonoid = "false-monoid"
    case requireFailed = "require-failed"
    case exampleFailed = "example-failed"
    case unsupported = "unsupported"
    case tooLarge = "too-large"
    case llvmMissing = "llvm-missing"
    // Data
    case fileProblem = "file-problem"
    case missingTensor = "missing-tensor"
    case unknownTensor = "unknown-tensor"
    case misshapenTensor = "misshapen-tensor"
    case badData = "bad-data"
    case planRefused = "plan-refused"
    case memoryBound = "memory-bound"
    case weightsRefused = "weights-refused"
    case badCall = "bad-call"
    // Training
    case notFinite = "not-finite"
    case checkpointMismatch = "checkpoint-mismatch"
}
