import CRecc
import Rec

/// `recc_state`: from what a run or a stream goes on.
final class StateHandle: Handle {
    let state: ModelState
    let list: TensorList

    init(_ state: ModelState) {
        self.state = state
        list = TensorList(state.tensors)
    }
}

/// See `recc.h`.
@_cdecl("recc_state_begin") public func stateBegin() -> OpaquePointer? { StateHandle(ModelState()).retained }

/// See `recc.h`.
@_cdecl("recc_state_load") public func stateLoad(
    _ path: UnsafePointer<CChar>?, _ state: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    making(state, error) { StateHandle(try ModelState(path: text(path, "path"))) }
}

/// See `recc.h`.
@_cdecl("recc_state_save") public func stateSave(
    _ state: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    reporting(error) { try StateHandle.given(state, "state").state.write(to: text(path, "path")) }
}

/// See `recc.h`.
@_cdecl("recc_state_count") public func stateCount(_ state: OpaquePointer?) -> Int64 { Int64(StateHandle.found(state)?.list.tensors.count ?? -1) }

/// See `recc.h`.
@_cdecl("recc_state_tensor") public func stateTensor(
    _ state: OpaquePointer?, _ index: Int64, _ tensor: UnsafeMutablePointer<recc_tensor>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    filling(tensor, error) { try StateHandle.given(state, "state").list.tensor(index) }
}

/// See `recc.h`.
@_cdecl("recc_state_free") public func stateFree(_ state: OpaquePointer?) { Handle.free(state) }
