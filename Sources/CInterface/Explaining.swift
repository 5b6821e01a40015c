import CRecc
import Foundation
import Rec

/// See `recc.h`.
@_cdecl("recc_explain") public func explain(
    _ model: OpaquePointer?, _ gradient: OpaquePointer?, _ batch: Int64, _ length: Int64, _ threads: Int32, _ json: Int32,
    _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    text?.pointee = nil
    return filling(text, error) {
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
@_cdecl("recc_text_free") public func textFree(_ text: UnsafeMutablePointer<CChar>?) { free(text) }
