import Foundation

/// Another process that checks cases: it may trap or hang without harm.
package final class WorkerProcess {
    private let program: URL
    /// Seconds of processor time after which a case counts as one that hangs. On a machine with other work all else takes longer.
    private let patience: Double
    private var running: (process: Process, input: FileHandle, output: FileHandle)?
    private var received: [UInt8] = []

    package init(program: URL, patience: Double) {
        self.program = program
        self.patience = patience
    }

    deinit { stop() }

    /// What comes of a case, be it the end of the process.
    package func check(_ request: WorkRequest) -> Outcome {
        guard let line = try? JSONEncoder().encode(request) else { return failed("error", "a request that cannot be written") }
        guard let worker = start() else { return failed("error", "no process can be started") }
        do { try worker.input.write(contentsOf: line + [UInt8(ascii: "\n")]) } catch { return ended(worker.process) }
        let begin = processorSeconds(of: worker.process)
        // What waits for ever takes no processor time.
        var (used, deadline) = (0.0, Date(timeIntervalSinceNow: 10 * patience))
        while true {
            if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
                let reply = try? JSONDecoder().decode(WorkReply.self, from: Data(received[..<end]))
                received.removeSubrange(...end)
                return reply?.outcome ?? failed("error", "a reply that cannot be read")
            }
            var ready = pollfd(fd: worker.output.fileDescriptor, events: Int16(POLLIN), revents: 0)
            let now = processorSeconds(of: worker.process) - begin
            if now > used + 0.01 { (used, deadline) = (now, Date(timeIntervalSinceNow: 10 * patience)) }
            guard used < patience, deadline.timeIntervalSinceNow > 0 else {
                stop()
                return failed("hang", "no end after \(Int(used)) seconds of processor time")
            }
            guard poll(&ready, 1, Int32(patience * 100) + 1) > 0 else { continue }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = read(worker.output.fileDescriptor, &chunk, chunk.count)
            guard count > 0 else { return ended(worker.process) }
            received += chunk[..<count]
        }
    }

    /// The processor time of all threads of a process so far.
    private func processorSeconds(of process: Process) -> Double {
        var (clock, time) = (clockid_t(), timespec())
        guard clock_getcpuclockid(process.processIdentifier, &clock) == 0, clock_gettime(clock, &time) == 0 else { return 0 }
        return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }

    private func failed(_ check: String, _ detail: String) -> Outcome {
        var outcome = Outcome()
        outcome.failure = Failure(check, detail)
        return outcome
    }

    private func ended(_ process: Process) -> Outcome {
        process.waitUntilExit()
        let detail = "\(process.terminationReason == .uncaughtSignal ? "signal" : "exit code") \(process.terminationStatus)"
        running = nil
        received = []
        return failed("trap", detail)
    }

    private func start() -> (process: Process, input: FileHandle, output: FileHandle)? {
        if let running { return running }
        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        process.executableURL = program
        process.arguments = ["--worker"]
        process.standardInput = input
        process.standardOutput = output
        // What a trap says of itself is told by running its case again.
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        // Else its end would not be seen.
        try? output.fileHandleForWriting.close()
        received = []
        running = (process, input.fileHandleForWriting, output.fileHandleForReading)
        return running
    }

    package func stop() {
        guard let worker = running else { return }
        running = nil
        received = []
        kill(worker.process.processIdentifier, SIGKILL)
        worker.process.waitUntilExit()
    }
}
