import CRecc
import Rec

/// A list of texts that ends with a null pointer.
public typealias TextList = UnsafePointer<UnsafePointer<CChar>?>

/// Makes a model of a program that `body` reads.
private func loading(
    _ options: TextList?, _ parameters: UnsafePointer<recc_tensor>?, _ count: Int64, _ model: HandlePlace?, _ error: HandlePlace?,
    _ program: () throws(DiagnosticList) -> Program
) -> Int32 {
    making(model, error) {
        let options = try Options(texts(options, "option") ?? [])
        let given = try tensors(parameters, count) { _ in true }
        return try ModelHandle(program(), options, given)
    }
}

/// See `recc.h`.
@_cdecl("recc_load") public func load(
    _ path: UnsafePointer<CChar>?, _ options: TextList?, _ parameters: UnsafePointer<recc_tensor>?, _ count: Int64,
    _ model: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    loading(options, parameters, count, model, error) { () throws(DiagnosticList) in try Program(path: text(path, "path")) }
}

/// See `recc.h`.
@_cdecl("recc_compile") public func compile(
    _ source: UnsafePointer<CChar>?, _ name: UnsafePointer<CChar>?, _ options: TextList?, _ parameters: UnsafePointer<recc_tensor>?,
    _ count: Int64, _ model: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    loading(options, parameters, count, model, error) { () throws(DiagnosticList) in
        try Program(text: text(source, "text of the program"), path: name == nil ? "program.rec" : text(name, "name of the program"))
    }
}

/// See `recc.h`.
@_cdecl("recc_model_free") public func modelFree(_ model: OpaquePointer?) { Handle.free(model) }

/// See `recc.h`.
@_cdecl("recc_model_with_parameters") public func modelWithParameters(
    _ model: OpaquePointer?, _ parameters: UnsafePointer<recc_tensor>?, _ count: Int64, _ other: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    making(other, error) { try ModelHandle.given(model, "model").withParameters(tensors(parameters, count) { _ in true }) }
}

/// See `recc.h`.
@_cdecl("recc_model_save") public func modelSave(
    _ model: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    reporting(error) {
        let model = try ModelHandle.given(model, "model").model
        try model.archive(of: model.parameters).write(to: text(path, "path"))
    }
}

/// See `recc.h`.
@_cdecl("recc_model_name") public func modelName(_ model: OpaquePointer?) -> UnsafePointer<CChar>? { ModelHandle.found(model)?.name ?? noText }

/// See `recc.h`.
@_cdecl("recc_model_dim_count") public func modelDimCount(_ model: OpaquePointer?) -> Int64 { Int64(ModelHandle.found(model)?.dimCount ?? -1) }

/// See `recc.h`.
@_cdecl("recc_model_dim") public func modelDim(
    _ model: OpaquePointer?, _ index: Int64, _ name: UnsafeMutablePointer<UnsafePointer<CChar>?>?, _ size: UnsafeMutablePointer<Int64>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    clear(name)
    clear(size)
    return reporting(error) {
        let dim = try ModelHandle.given(model, "model").dim(index)
        name?.pointee = dim.name
        size?.pointee = dim.size
    }
}

/// See `recc.h`.
@_cdecl("recc_model_port_count") public func modelPortCount(_ model: OpaquePointer?, _ kind: Int32) -> Int64 {
    Int64(ModelHandle.found(model)?.ports(of: kind)?.ports.count ?? -1)
}

/// See `recc.h`.
@_cdecl("recc_model_port") public func modelPort(
    _ model: OpaquePointer?, _ kind: Int32, _ index: Int64, _ port: UnsafeMutablePointer<recc_port>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    filling(port, error) {
        guard let ports = try ModelHandle.given(model, "model").ports(of: kind) else { throw DiagnosticList.badCall("\(kind) is no kind of ports of a model") }
        return try ports.port(index)
    }
}

/// See `recc.h`.
@_cdecl("recc_model_parameter") public func modelParameter(
    _ model: OpaquePointer?, _ index: Int64, _ tensor: UnsafeMutablePointer<recc_tensor>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    filling(tensor, error) { try ModelHandle.given(model, "model").parameter(index) }
}
