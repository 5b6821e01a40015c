import CRecc
import Rec

/// `recc_results`: what a run gave, where the run wrote it.
final class ResultsHandle: Handle {
    private let lists: [Int: TensorList]
    let state: ModelState?

    init(_ results: ModelResults, gradients: [NamedTensor]? = nil) {
        var lists = [
            RECC_OUTPUTS: TensorList(results.outputs), RECC_LOSSES: TensorList(results.losses), RECC_STATES: TensorList(results.finalStates),
        ]
        lists[RECC_GRADIENTS] = gradients.map { TensorList($0) }
        self.lists = lists
        state = results.state
    }

    func list(_ kind: Int32) -> TensorList? { lists[Int(kind)] }

    func given(_ kind: Int32) throws(DiagnosticList) -> TensorList {
        guard let list = list(kind) else {
            throw .badCall(Int(kind) == RECC_GRADIENTS ? "a run without gradients has none" : "\(kind) is no kind of results")
        }
        return list
    }

    /// A tensor by name; an output may be a loss as well.
    func tensor(_ kind: Int32, named name: String) throws(DiagnosticList) -> recc_tensor {
        let list = try given(kind)
        if Int(kind) == RECC_OUTPUTS, let losses = lists[RECC_LOSSES], losses.tensors.contains(where: { $0.name == name }) {
            return try losses.tensor(named: name, what: "loss")
        }
        let what = switch Int(kind) {
        case RECC_LOSSES: "loss"
        case RECC_STATES: "state"
        case RECC_GRADIENTS: "gradient"
        default: "output or loss"
        }
        return try list.tensor(named: name, what: what)
    }
}

/// See `recc.h`.
@_cdecl("recc_run") public func run(
    _ model: OpaquePointer?, _ data: UnsafePointer<recc_tensor>?, _ count: Int64, _ state: OpaquePointer?, _ threads: Int32,
    _ results: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    making(results, error) {
        let model = try ModelHandle.given(model, "model")
        let start = state == nil ? nil : try StateHandle.given(state, "state").state
        return ResultsHandle(try model.run(model.data(data, count).data, start, threads: model.threads(threads)))
    }
}

/// See `recc.h`.
@_cdecl("recc_results_free") public func resultsFree(_ results: OpaquePointer?) { Handle.free(results) }

/// See `recc.h`.
@_cdecl("recc_results_count") public func resultsCount(_ results: OpaquePointer?, _ kind: Int32) -> Int64 {
    Int64(ResultsHandle.found(results)?.list(kind)?.tensors.count ?? -1)
}

/// See `recc.h`.
@_cdecl("recc_results_tensor") public func resultsTensor(
    _ results: OpaquePointer?, _ kind: Int32, _ index: Int64, _ tensor: UnsafeMutablePointer<recc_tensor>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    filling(tensor, error) { try ResultsHandle.given(results, "results").given(kind).tensor(index) }
}

/// See `recc.h`.
@_cdecl("recc_results_find") public func resultsFind(
    _ results: OpaquePointer?, _ kind: Int32, _ name: UnsafePointer<CChar>?, _ tensor: UnsafeMutablePointer<recc_tensor>?,
    _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    filling(tensor, error) { try ResultsHandle.given(results, "results").tensor(kind, named: text(name, "name")) }
}

/// See `recc.h`.
@_cdecl("recc_results_state") public func resultsState(
    _ results: OpaquePointer?, _ state: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    making(state, error) {
        guard let state = try ResultsHandle.given(results, "results").state else {
            throw DiagnosticList.badCall("the results have no state", help: "a run that is given a state, at first that of the beginning, has one at its end")
        }
        return StateHandle(state)
    }
}
