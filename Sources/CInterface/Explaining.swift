import CRecc
import Foundation
import Rec

/// See `recc.h`.
@_cdecl("recc_explain") public func explain(
    _ model: OpaquePointer?, _ gradient: OpaquePointer?, _ batch: Int64, _ length: Int64, _ threads: Int32, _ json: Int32,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    filling(text, error) {
        let model = try ModelHandle.given(model, "model")
        let options = model.options
        let explanation =
            gradient == nil
            ? try Explanation(
                model.model, batch: Int(batch), length: Int(length), threads: model.threads(threads), forcing: options.forms, within: options.memory)
            : try Explanation(
                GradientHandle.given(gradient, "gradient").gradients, batch: Int(batch), length: Int(length), threads: model.threads(threads),
                forcing: options.forms, within: options.memory)
        return strdup(json == 0 ? explanation.text : explanation.json)
    }
}

/// See `recc.h`.
@_cdecl("recc_verify") public func verify(
    _ path: UnsafePointer<CChar>?, _ data: UnsafePointer<CChar>?, _ options: TextList?, _ tolerance: Double,
    _ verified: UnsafeMutablePointer<Int32>?, _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    clear(text)
    clear(verified)
    return reporting(error) {
        guard tolerance >= 0 else { throw DiagnosticList.badCall("the tolerance is 0 or more, and not \(tolerance)") }
        let options = try Options(texts(options, "option") ?? [])
        let program = try Program(path: RecCInterface.text(path, "path"))
        try reportingProblems(in: program.sources) {
            let files = try DataFiles(
                case: RecCInterface.text(data, "path of the case"), weights: options.weightFiles, for: program.model(named: options.model))
            let model = try files.model(program, named: options.model, dims: options.dims, passingOverUnknown: false, usingResults: true)
                .storingWeights(as: options.weights)
            let verification = try Verification(
                model, files.file, engines: model.comparedEngines(in: options.statedPrecision), tolerance: tolerance == 0 ? nil : tolerance,
                threads: options.threads)
            verified?.pointee = verification.isWithin ? 1 : 0
            text?.pointee = strdup(verification.text)
        }
    }
}

/// See `recc.h`.
@_cdecl("recc_text_free") public func textFree(_ text: UnsafeMutablePointer<CChar>?) { free(text) }
