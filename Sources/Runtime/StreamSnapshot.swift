import RecSource
import RecTensors

/// All that the next step of a stream depends on, in memory.
public struct StreamSnapshot: Sendable {
    /// How many steps had been taken.
    public let stepCount: Int
    let position: Int
    let present: Int
    let regions: [[UInt8]]
    let state: ModelState?
    let model: CompiledModel
}

extension StreamSession {
    /// What `restore` goes back to.
    public func snapshot() -> StreamSnapshot {
        StreamSnapshot(
            stepCount: stepCount, position: position, present: presentCount,
            regions: regions().map { Array(UnsafeRawBufferPointer(start: $0.start, count: $0.count)) }, state: try? state(), model: model)
    }

    /// Goes back to where this stream was.
    ///
    /// - Throws: where the snapshot is of another stream; this one is then as it was.
    public func restore(_ snapshot: StreamSnapshot) throws(DiagnosticList) {
        let regions = regions()
        guard snapshot.model === model, regions.map(\.count) == snapshot.regions.map(\.count) else {
            throw DiagnosticList(.badCall, "the snapshot is of another stream", help: "'state()' and 'resume(from:)' pass a state to another stream")
        }
        for (region, bytes) in zip(regions, snapshot.regions) {
            bytes.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { region.start.copyMemory(from: base, byteCount: region.count) }
            }
        }
        restored(position: snapshot.position, of: snapshot.stepCount, present: snapshot.present, state: snapshot.state)
    }
}
