import CRecc
import Foundation
import Rec

/// `recc_stream`: a session, which one thread at a time may use.
final class StreamHandle: Handle {
    private let session: StreamSession
    private let start: StreamSnapshot
    private let inputs: PortList
    private let outputs: PortList
    private let turn = NSLock()

    init(_ handle: ModelHandle, once: [String: Tensor], batch: Int64, capacity: Int64, state: ModelState?) throws(DiagnosticList) {
        let (model, options) = (handle.model, handle.options)
        guard options.forms.isEmpty else {
            throw DiagnosticList(.planRefused, "a stream takes one step after another", help: "leave the option 'plan' out of the model that streams")
        }
        let session = try model.stream(
            batch: Int(batch), capacity: Int(capacity), once: once, state: state, precision: options.precision, context: options.context)
        self.session = session
        start = session.snapshot()
        let graph = model.graph
        func port(_ name: String, _ value: Value?) throws(DiagnosticList) -> Port? {
            guard let value else { return nil }
            return Port(stepOf: value, name, bytes: try session.stepByteCount(name), options.precision)
        }
        var (inputs, outputs): ([Port], [Port]) = ([], [])
        for name in model.streamNames where session.inputNames.contains(name) {
            let value = graph.values.first { if case .input(name, _) = $0.operation { true } else { false } }
            if let port = try port(name, value) { inputs.append(port) }
        }
        for name in session.outputNames {
            if let port = try port(name, graph.outputs.first { $0.name == name }.map { graph[$0.value] }) { outputs.append(port) }
        }
        self.inputs = PortList(inputs)
        self.outputs = PortList(outputs)
    }

    func ports(of kind: Int32) -> PortList? { Int(kind) == RECC_INPUTS ? inputs : Int(kind) == RECC_OUTPUTS ? outputs : nil }

    /// Lets `body` have the session; others wait until then.
    func with<R>(_ body: (StreamSession) throws -> R) rethrows -> R {
        try turn.withLock { try body(session) }
    }

    func reset() throws { try with { try $0.restore(start) } }
}

/// `recc_snapshot`: where a stream was.
final class SnapshotHandle: Handle {
    let snapshot: StreamSnapshot
    init(_ snapshot: StreamSnapshot) { self.snapshot = snapshot }
}

/// See `recc.h`.
@_cdecl("recc_stream_open") public func streamOpen(
    _ model: OpaquePointer?, _ once: UnsafePointer<recc_tensor>?, _ count: Int64, _ batch: Int64, _ capacity: Int64, _ state: OpaquePointer?,
    _ stream: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    making(stream, error) {
        let model = try ModelHandle.given(model, "model")
        var given: [String: Tensor] = [:]
        // They are there for as long as the stream.
        for (name, tensor) in try tensors(once, count, copying: { _ in true }) { given[name] = tensor }
        let start = state == nil ? nil : try StateHandle.given(state, "state").state
        return try StreamHandle(model, once: given, batch: batch, capacity: capacity, state: start)
    }
}

/// See `recc.h`.
@_cdecl("recc_stream_free") public func streamFree(_ stream: OpaquePointer?) { Handle.free(stream) }

/// See `recc.h`.
@_cdecl("recc_stream_port_count") public func streamPortCount(_ stream: OpaquePointer?, _ kind: Int32) -> Int64 {
    Int64(StreamHandle.found(stream)?.ports(of: kind)?.ports.count ?? -1)
}

/// See `recc.h`.
@_cdecl("recc_stream_port") public func streamPort(
    _ stream: OpaquePointer?, _ kind: Int32, _ index: Int64, _ port: UnsafeMutablePointer<recc_port>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    filling(port, error) {
        guard let ports = try StreamHandle.given(stream, "stream").ports(of: kind) else { throw DiagnosticList.badCall("\(kind) is no kind of ports of a stream") }
        return try ports.port(index)
    }
}

/// See `recc.h`.
@_cdecl("recc_stream_input") public func streamInput(
    _ stream: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ sequence: Int64, _ memory: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _ bytes: UnsafeMutablePointer<Int64>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    finding(memory, bytes, error, stream, name) { session, name in try session.withInput(name, sequence: Int(sequence)) { $0.baseAddress } }
}

/// See `recc.h`.
@_cdecl("recc_stream_output") public func streamOutput(
    _ stream: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ sequence: Int64, _ memory: UnsafeMutablePointer<UnsafeRawPointer?>?,
    _ bytes: UnsafeMutablePointer<Int64>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    finding(memory, bytes, error, stream, name) { session, name in try session.withOutput(name, sequence: Int(sequence)) { $0.baseAddress } }
}

/// Writes where the port of that name has the numbers of a step, and how many bytes they take.
private func finding<Place>(
    _ memory: UnsafeMutablePointer<Place?>?, _ bytes: UnsafeMutablePointer<Int64>?, _ error: UnsafeMutablePointer<OpaquePointer?>?,
    _ stream: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ place: (StreamSession, String) throws -> Place?
) -> Int32 {
    clear(memory)
    clear(bytes)
    return reporting(error) {
        let name = try text(name, "name")
        try StreamHandle.given(stream, "stream").with { session in
            // Ports of a session keep their memory.
            let place = try place(session, name)
            memory?.pointee = place
            bytes?.pointee = Int64(try session.stepByteCount(name))
        }
    }
}

/// See `recc.h`.
@_cdecl("recc_stream_step") public func streamStep(
    _ stream: OpaquePointer?, _ steps: Int64, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    reporting(error) { try StreamHandle.given(stream, "stream").with { try $0.advance(Int(steps)) } }
}

/// See `recc.h`.
@_cdecl("recc_stream_draft") public func streamDraft(
    _ stream: OpaquePointer?, _ steps: Int64, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    reporting(error) { try StreamHandle.given(stream, "stream").with { try $0.draft(Int(steps)) } }
}

/// See `recc.h`.
@_cdecl("recc_stream_accept") public func streamAccept(
    _ stream: OpaquePointer?, _ count: Int64, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    reporting(error) { try StreamHandle.given(stream, "stream").with { try $0.accept(Int(count)) } }
}

/// See `recc.h`.
@_cdecl("recc_stream_step_count") public func streamStepCount(_ stream: OpaquePointer?) -> Int64 {
    StreamHandle.found(stream)?.with { Int64($0.stepCount) } ?? -1
}

/// See `recc.h`.
@_cdecl("recc_stream_reset") public func streamReset(_ stream: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?) -> Int32 {
    reporting(error) { try StreamHandle.given(stream, "stream").reset() }
}

/// See `recc.h`.
@_cdecl("recc_stream_snapshot") public func streamSnapshot(
    _ stream: OpaquePointer?, _ snapshot: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    making(snapshot, error) { SnapshotHandle(try StreamHandle.given(stream, "stream").with { $0.snapshot() }) }
}

/// See `recc.h`.
@_cdecl("recc_stream_restore") public func streamRestore(
    _ stream: OpaquePointer?, _ snapshot: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    reporting(error) {
        let snapshot = try SnapshotHandle.given(snapshot, "snapshot").snapshot
        try StreamHandle.given(stream, "stream").with { try $0.restore(snapshot) }
    }
}

/// See `recc.h`.
@_cdecl("recc_snapshot_free") public func snapshotFree(_ snapshot: OpaquePointer?) { Handle.free(snapshot) }

/// See `recc.h`.
@_cdecl("recc_stream_state") public func streamState(
    _ stream: OpaquePointer?, _ state: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    making(state, error) { StateHandle(try StreamHandle.given(stream, "stream").with { try $0.state() }) }
}

/// See `recc.h`.
@_cdecl("recc_stream_resume") public func streamResume(
    _ stream: OpaquePointer?, _ state: OpaquePointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    reporting(error) {
        let state = try StateHandle.given(state, "state").state
        try StreamHandle.given(stream, "stream").with { try $0.resume(from: state) }
    }
}
