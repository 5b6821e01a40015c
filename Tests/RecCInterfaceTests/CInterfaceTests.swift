import CRecc
import Foundation
import RecCInterface
import TestSupport
import Testing

/// The C interface, called as C calls it.
@Suite struct CInterfaceTests {
    @Test func aProgramRuns() throws {
        #expect(recc_interface_version() == RECC_INTERFACE_VERSION)
        let model = try CModel(sum)
        #expect(String(cString: recc_model_name(model.pointer)) == "Sum")
        let results = try model.run([CTensor("x", [1, 2, 3.5], [3])])
        #expect(try results.floats("y") == [1, 3, 6.5] && results.floats("s", RECC_STATES) == [6.5])
        #expect(recc_results_count(results.pointer, Int32(RECC_OUTPUTS)) == 2 && recc_results_count(results.pointer, Int32(RECC_LOSSES)) == 0)
        #expect(recc_results_count(results.pointer, Int32(RECC_GRADIENTS)) == -1)
    }

    /// What programs import of the library is within this one.
    @Test func programsImportModules() throws {
        let model = try CModel("import std.mingru\nmodel M(D) {\n input x: [D]\n layer g = MinGRU(D, D)\n output y = g(x)\n}\n", ["dim.D=2", "seed=1"])
        #expect(try model.run([CTensor("x", [1, 2, 3, 4, 5, 6], [3, 2])]).floats("y").count == 6)
        expectReported(RECC_PROBLEM, "import-not-found", "did you mean 'std.mingru'?") { _ = try CModel("import std.minigru\nmodel M { input x: real\n output x }\n") }
    }

    /// Inputs are read where they lie, and nothing of them is kept.
    @Test func resultsDoNotLieOverInputs() throws {
        for options in [[], ["engine=interpreter"], ["precision=f64"]] {
            let model = try CModel(sum, options)
            let x = options.isEmpty ? CTensor("x", [1, 2, 3.5], [3]) : CTensor("x", [1.0, 2, 3.5] as [Double], [3], type: RECC_F64)
            let results = try model.run([x])
            x.numbers.initializeMemory(as: UInt8.self, repeating: 0xff)
            var z = recc_tensor()
            try call { recc_results_find(results.pointer, Int32(RECC_OUTPUTS), "z", &z, $0) }
            let data = try #require(z.data)
            let first = options.isEmpty ? Double(data.load(as: Float.self)) : data.load(as: Double.self)
            #expect(first == 1 && data != UnsafeRawPointer(x.numbers.baseAddress))
            #expect(try model.run([CTensor("x", [2, 2], [2])]).pointer != results.pointer)
        }
    }

    @Test func portsSayWhatThereIs() throws {
        let model = try CModel(everything, ["dim.D=3", "dim.H=4", "seed=1"])
        func ports(_ kind: Int) throws -> [String] {
            try (0..<recc_model_port_count(model.pointer, Int32(kind))).map { k in
                var port = recc_port()
                try call { recc_model_port(model.pointer, Int32(kind), k, &port, $0) }
                let sizes = (0..<Int(port.rank)).map { axis in "\(port.axes[axis].map { String(cString: $0) } ?? "")=\(port.shape[axis])" }
                return "\(String(cString: port.name)) \(sizes.joined(separator: ",")) \(port.type) \(port.flags)"
            }
        }
        #expect(try ports(RECC_INPUTS) == ["x batch=-1,t=-1,D=3 1 1", "k batch=-1,t=-1 4 1", "on batch=-1,t=-1 7 1", "h0 batch=-1,H=4 1 2"])
        #expect(try Set(ports(RECC_PARAMETERS)) == ["W H=4,D=3 1 4", "U H=4,H=4 1 4", "table 5=5,H=4 1 4"])
        #expect(try ports(RECC_OUTPUTS) == ["h batch=-1,t=-1,H=4 1 1"] && ports(RECC_LOSSES) == ["size  0 0"] && ports(RECC_STATES) == ["h batch=-1,H=4 1 0"])
        var name: UnsafePointer<CChar>?
        var size: Int64 = 0
        try call { recc_model_dim(model.pointer, 1, &name, &size, $0) }
        #expect(recc_model_dim_count(model.pointer) == 2 && name.map { String(cString: $0) } == "H" && size == 4)
    }

    private var data: [CTensor] {
        [
            CTensor("x", (0..<30).map { Float($0 % 7) / 7 - 0.4 }, [2, 5, 3]), CTensor("k", (0..<10).map { Int64($0 % 5) }, [2, 5], type: RECC_I64),
            CTensor("on", (0..<10).map { UInt8($0 % 3 == 0 ? 0 : 1) }, [2, 5], type: RECC_BOOL),
        ]
    }

    @Test func gradientsAreThoseOfDifferences() throws {
        let model = try CModel(everything, ["dim.D=3", "dim.H=4", "seed=1"])
        let gradient = try withTexts(["W", "h0"]) { targets in try made { recc_gradient_open(model.pointer, nil, targets, 0, $0, $1) } }
        defer { recc_gradient_free(gradient) }
        let h0 = CTensor("h0", [Float](repeating: 0.1, count: 8), [2, 4])
        func run(_ parameters: [CTensor] = []) throws -> CResults {
            CResults(try withTensors(data + [h0] + parameters) { list, count in try made { recc_gradient_run(gradient, list, count, 2, $0, $1) } })
        }
        let results = try run()
        var w = recc_tensor()
        let parameters = (0..<recc_model_port_count(model.pointer, Int32(RECC_PARAMETERS)))
        for k in parameters {
            try call { recc_model_parameter(model.pointer, k, &w, $0) }
            if String(cString: w.name) == "W" { break }
        }
        #expect(Int(w.type) == RECC_F32)
        var weights = Array(UnsafeBufferPointer(start: w.data?.assumingMemoryBound(to: Float.self), count: 12))
        let slope = try results.floats("W", RECC_GRADIENTS)
        #expect(slope.count == 12 && recc_results_count(results.pointer, Int32(RECC_GRADIENTS)) == 2)
        let before = try results.floats("size")[0]
        weights[5] += 1e-2
        let moved = try run([CTensor("W", weights, [4, 3])])
        let (after, next) = (try moved.floats("size")[0], try moved.floats("W", RECC_GRADIENTS))
        #expect(abs((after - before) / 1e-2 - (slope[5] + next[5]) / 2) < 1e-3)
        // Of one output, with a cotangent; what it does not depend on has zeros.
        let part = try withTexts(["z"]) { of in
            try withTexts(["x"]) { targets in
                let model = try CModel(sum)
                return try made { recc_gradient_open(model.pointer, of, targets, 0, $0, $1) }
            }
        }
        defer { recc_gradient_free(part) }
        let pulled = CResults(
            try withTensors([CTensor("x", [1, 2], [2]), CTensor("cotangent.z", [3, 4], [2])]) { list, count in
                try made { recc_gradient_run(part, list, count, 0, $0, $1) }
            })
        #expect(try pulled.floats("x", RECC_GRADIENTS) == [3, 4])
        let apart = try CModel("model M {\n  input a: real\n  input b: real\n  param w, v: real = ones\n  output y = w * a\n  output z = v * b\n}\n", ["seed=1"])
        let some = try withTexts(["y"]) { of in
            try withTexts(["w", "v", "b", "a"]) { targets in try made { recc_gradient_open(apart.pointer, of, targets, 0, $0, $1) } }
        }
        defer { recc_gradient_free(some) }
        let zeros = CResults(
            try withTensors([CTensor("a", [1, 2], [2]), CTensor("b", [1, 2], [2]), CTensor("cotangent.y", [3, 4], [2])]) { list, count in
                try made { recc_gradient_run(some, list, count, 0, $0, $1) }
            })
        #expect(try zeros.floats("w", RECC_GRADIENTS) == [11] && zeros.floats("v", RECC_GRADIENTS) == [0])
        #expect(try zeros.floats("b", RECC_GRADIENTS) == [0, 0] && zeros.floats("a", RECC_GRADIENTS) == [3, 4])
    }

    @Test func streamsStep() throws {
        let model = try CModel(sum)
        let start = try #require(recc_state_begin())
        defer { recc_state_free(start) }
        let stream = try made { recc_stream_open(model.pointer, nil, 0, 2, 3, start, $0, $1) }
        defer { recc_stream_free(stream) }
        func step(_ sequences: [[Float]]) throws -> [[Float]] {
            for (sequence, numbers) in sequences.enumerated() {
                var (memory, bytes): (UnsafeMutableRawPointer?, Int64) = (nil, 0)
                try call { recc_stream_input(stream, "x", Int64(sequence), &memory, &bytes, $0) }
                #expect(bytes == 4)
                for (k, number) in numbers.enumerated() { memory?.storeBytes(of: number, toByteOffset: 4 * k, as: Float.self) }
            }
            try call { recc_stream_step(stream, Int64(sequences[0].count), $0) }
            return try sequences.enumerated().map { sequence, numbers in
                var (memory, bytes): (UnsafeRawPointer?, Int64) = (nil, 0)
                try call { recc_stream_output(stream, "y", Int64(sequence), &memory, &bytes, $0) }
                return Array(UnsafeBufferPointer(start: memory?.assumingMemoryBound(to: Float.self), count: numbers.count))
            }
        }
        #expect(try step([[1, 2, 3], [10, 20, 30]]) == [[1, 3, 6], [10, 30, 60]])
        let snapshot = try made { recc_stream_snapshot(stream, $0, $1) }
        defer { recc_snapshot_free(snapshot) }
        let state = try made { recc_stream_state(stream, $0, $1) }
        defer { recc_state_free(state) }
        #expect(recc_state_count(state) == 1)
        #expect(try step([[1], [2]]) == [[7], [62]])
        try call { recc_stream_restore(stream, snapshot, $0) }
        #expect(try recc_stream_step_count(stream) == 3 && step([[0], [0]]) == [[6], [60]])
        try call { recc_stream_reset(stream, $0) }
        #expect(try recc_stream_step_count(stream) == 0 && step([[1], [2]]) == [[1], [2]])
        try call { recc_stream_resume(stream, state, $0) }
        #expect(try step([[1], [2]]) == [[7], [62]])
        let run = try model.run([CTensor("x", [1, 2], [2, 1])], state: state)
        #expect(try run.floats("y") == [7, 62])
        let end = try made { recc_results_state(run.pointer, $0, $1) }
        let folder = try TemporaryFolder()
        try call { recc_state_save(end, folder.path("s.safetensors"), $0) }
        recc_state_free(end)
        let read = try made { recc_state_load(folder.path("s.safetensors"), $0, $1) }
        defer { recc_state_free(read) }
        #expect(try model.run([CTensor("x", [1, 2], [2, 1])], state: read).floats("y") == [8, 64])
        var port = recc_port()
        try call { recc_stream_port(stream, Int32(RECC_OUTPUTS), 1, &port, $0) }
        #expect(String(cString: port.name) == "z" && port.rank == 0 && recc_stream_port_count(stream, Int32(RECC_INPUTS)) == 1)
        expectReported(RECC_BAD_CALL) { try call { recc_stream_step(stream, 4, $0) } }
        expectReported(RECC_BAD_CALL) { try call { recc_stream_step(stream, -1, $0) } }
        expectReported(RECC_BAD_CALL) { try call { recc_stream_input(stream, "x", 2, nil, nil, $0) } }
        expectReported(RECC_BAD_CALL) { try call { recc_stream_input(stream, "x", -1, nil, nil, $0) } }
        expectReported(RECC_PROBLEM, "unknown-name") { try call { recc_stream_output(stream, "x", 0, nil, nil, $0) } }
        let other = try made { recc_stream_open(model.pointer, nil, 0, 1, 1, nil, $0, $1) }
        defer { recc_stream_free(other) }
        expectReported(RECC_BAD_CALL) { try call { recc_stream_restore(other, snapshot, $0) } }
        expectReported(RECC_BAD_CALL) { _ = try made { recc_stream_state(other, $0, $1) } }
        for (batch, capacity) in [(0, 1), (1, 0), (-1, 1), (1, -1), (Int64.max, 1), (1, Int64.max), (.min, .min)] as [(Int64, Int64)] {
            #expect(throws: Reported.self) { try made { recc_stream_open(model.pointer, nil, 0, batch, capacity, nil, $0, $1) } }
        }
    }

    @Test func textsExplain() throws {
        let model = try CModel(everything, ["dim.D=3", "dim.H=4"])
        let gradient = try made { recc_gradient_open(model.pointer, nil, nil, 0, $0, $1) }
        defer { recc_gradient_free(gradient) }
        for (gradient, json, part) in [(nil, 0, "recurrence of h"), (gradient, 0, "recurrence of grad.h"), (nil, 1, "\"recurrences\"")] as [(OpaquePointer?, Int32, String)] {
            var text: UnsafeMutablePointer<CChar>?
            try call { recc_explain(model.pointer, gradient, 1, 64, 1, json, &text, $0) }
            #expect(try String(cString: #require(text)).contains(part), "\(part)")
            recc_text_free(text)
        }
        var text: UnsafeMutablePointer<CChar>?
        for (batch, length, threads) in [(0, 1, 1), (1, -1, 1), (.min, 1, 1), (1, .max, 1), (1, 1, -1), (1, 1, 5000)] as [(Int64, Int64, Int32)] {
            #expect(throws: Reported.self) { try call { recc_explain(model.pointer, nil, batch, length, threads, 0, &text, $0) } }
        }
    }

    @Test func parametersAreGivenAndWritten() throws {
        let folder = try TemporaryFolder()
        let model = try CModel(everything, ["dim.D=3", "dim.H=4", "seed=1"])
        let expected = try model.run(data).floats("h")
        try call { recc_model_save(model.pointer, folder.path("w.safetensors"), $0) }
        // The weights tell the dims.
        let read = try CModel(everything, ["params=" + folder.path("w.safetensors")])
        #expect(try read.run(data, threads: 2).floats("h") == expected)
        let w = CTensor("W", [Float](repeating: 0, count: 12), [4, 3])
        let other = try withTensors([w]) { list, count in try made { recc_model_with_parameters(read.pointer, list, count, $0, $1) } }
        defer { recc_model_free(other) }
        let changed = try withTensors(data) { list, count in CResults(try made { recc_run(other, list, count, nil, 0, $0, $1) }) }
        #expect(try changed.floats("h") == read.run(data + [w]).floats("h") && changed.floats("h") != expected)
        expectReported(RECC_PROBLEM, "unknown-name", "did you mean 'W'?") {
            try withTensors([CTensor("w", [0], [1])]) { list, count in _ = try made { recc_model_with_parameters(read.pointer, list, count, $0, $1) } }
        }
        #expect(throws: Reported.self) { try CModel(everything, ["dim.D=3", "dim.H=4"]).run(data) }
    }
}
