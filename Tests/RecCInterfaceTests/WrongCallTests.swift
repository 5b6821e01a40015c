import CRecc
import Foundation
import RecCInterface
import TestSupport
import Testing

/// Whatever the interface is given, it reports what is wrong.
@Suite struct WrongCallTests {
    /// Every function with null for everything.
    @Test func nothingIsGiven() throws {
        let calls: [Call] = [
            { recc_load(nil, nil, nil, 0, nil, $0) }, { recc_compile(nil, nil, nil, nil, 0, nil, $0) },
            { recc_model_with_parameters(nil, nil, 0, nil, $0) }, { recc_model_save(nil, nil, $0) }, { recc_model_dim(nil, 0, nil, nil, $0) },
            { recc_model_port(nil, 0, 0, nil, $0) }, { recc_model_parameter(nil, 0, nil, $0) }, { recc_run(nil, nil, 0, nil, 0, nil, $0) },
            { recc_results_tensor(nil, 0, 0, nil, $0) }, { recc_results_find(nil, 0, nil, nil, $0) }, { recc_results_state(nil, nil, $0) },
            { recc_state_load(nil, nil, $0) }, { recc_state_save(nil, nil, $0) }, { recc_state_tensor(nil, 0, nil, $0) },
            { recc_stream_open(nil, nil, 0, 1, 1, nil, nil, $0) }, { recc_stream_port(nil, 0, 0, nil, $0) },
            { recc_stream_input(nil, nil, 0, nil, nil, $0) }, { recc_stream_output(nil, nil, 0, nil, nil, $0) }, { recc_stream_step(nil, 1, $0) },
            { recc_stream_reset(nil, $0) }, { recc_stream_snapshot(nil, nil, $0) }, { recc_stream_restore(nil, nil, $0) },
            { recc_stream_state(nil, nil, $0) }, { recc_stream_resume(nil, nil, $0) }, { recc_gradient_open(nil, nil, nil, 0, nil, $0) },
            { recc_gradient_run(nil, nil, 0, 0, nil, $0) }, { recc_explain(nil, nil, 1, 1, 1, 0, nil, $0) },
            { recc_stream_draft(nil, 1, $0) }, { recc_stream_accept(nil, 1, $0) }, { recc_verify(nil, nil, nil, 0, nil, nil, $0) },
        ]
        for one in calls { expectReported(RECC_BAD_CALL, "bad-call", "null") { try call(one) } }
        // Nobody asks what is wrong.
        #expect(recc_load(nil, nil, nil, 0, nil, nil) == RECC_BAD_CALL && recc_stream_step(nil, 1, nil) == RECC_BAD_CALL)
        for free in [recc_error_free, recc_model_free, recc_results_free, recc_state_free, recc_stream_free, recc_snapshot_free, recc_gradient_free] { free(nil) }
        recc_text_free(nil)
        #expect(String(cString: recc_error_text(nil)) == "" && recc_error_count(nil) == 0 && recc_error_problem(nil, 0, nil) == RECC_BAD_CALL)
        #expect(String(cString: recc_model_name(nil)) == "" && recc_model_dim_count(nil) == -1 && recc_model_port_count(nil, 0) == -1)
        #expect(recc_results_count(nil, 0) == -1 && recc_state_count(nil) == -1 && recc_stream_port_count(nil, 0) == -1 && recc_stream_step_count(nil) == -1)
    }

    @Test func handlesOfAnotherKind() throws {
        let model = try CModel(sum)
        let state = try #require(recc_state_begin())
        defer { recc_state_free(state) }
        expectReported(RECC_BAD_CALL, "bad-call", "another kind") { _ = try made { recc_run(state, nil, 0, nil, 0, $0, $1) } }
        expectReported(RECC_BAD_CALL, "bad-call", "another kind") { _ = try made { recc_run(model.pointer, nil, 0, model.pointer, 0, $0, $1) } }
        expectReported(RECC_BAD_CALL, "bad-call", "another kind") { try call { recc_stream_step(model.pointer, 1, $0) } }
        #expect(recc_model_port_count(state, 0) == -1 && recc_results_count(model.pointer, 0) == -1 && recc_error_count(state) == 0)
    }

    @Test func numbersThatAreNone() throws {
        let model = try CModel(sum)
        let results = try model.run([CTensor("x", [1], [1])])
        for index in [-1, 2, .min, .max] as [Int64] {
            var (port, tensor) = (recc_port(), recc_tensor())
            expectReported(RECC_BAD_CALL) { try call { recc_model_port(model.pointer, Int32(RECC_OUTPUTS), index, &port, $0) } }
            expectReported(RECC_BAD_CALL) { try call { recc_model_parameter(model.pointer, index, &tensor, $0) } }
            expectReported(RECC_BAD_CALL) { try call { recc_model_dim(model.pointer, index, nil, nil, $0) } }
            expectReported(RECC_BAD_CALL) { try call { recc_results_tensor(results.pointer, Int32(RECC_OUTPUTS), index, &tensor, $0) } }
        }
        for kind in [-1, 5, 6, .min, .max] as [Int32] {
            var (port, tensor) = (recc_port(), recc_tensor())
            #expect(recc_model_port_count(model.pointer, kind) == -1)
            expectReported(RECC_BAD_CALL) { try call { recc_model_port(model.pointer, kind, 0, &port, $0) } }
            expectReported(RECC_BAD_CALL) { try call { recc_results_tensor(results.pointer, kind, 0, &tensor, $0) } }
        }
        var tensor = recc_tensor()
        expectReported(RECC_PROBLEM, "unknown-name", "'y'") { try call { recc_results_find(results.pointer, Int32(RECC_OUTPUTS), "yy", &tensor, $0) } }
        expectReported(RECC_BAD_CALL, nil, "has one at its end") { _ = try made { recc_results_state(results.pointer, $0, $1) } }
        for threads in [-1, 1025, .min, .max] as [Int32] {
            expectReported(RECC_BAD_CALL, "bad-call", "threads") { _ = try model.run([CTensor("x", [1], [1])], threads: threads) }
        }
    }

    /// Places that a call does not fill hold nothing afterwards that could be taken for a result.
    @Test func whatIsNotGivenIsNull() throws {
        let model = try CModel(sum)
        let stream = try made { recc_stream_open(model.pointer, nil, 0, 1, 1, nil, $0, $1) }
        defer { recc_stream_free(stream) }
        let stray = try #require(UnsafeMutableRawPointer(bitPattern: 8))
        for sequence in [-1, 1] as [Int64] {
            var (input, output, bytes) = (Optional(stray), Optional(UnsafeRawPointer(stray)), Int64(7))
            expectReported(RECC_BAD_CALL) { try call { recc_stream_input(stream, "x", sequence, &input, &bytes, $0) } }
            #expect(input == nil && bytes == 0)
            bytes = 7
            expectReported(RECC_BAD_CALL) { try call { recc_stream_output(stream, "y", sequence, &output, &bytes, $0) } }
            #expect(output == nil && bytes == 0)
        }
        var (name, size) = (Optional(UnsafePointer(stray.assumingMemoryBound(to: CChar.self))), Int64(7))
        expectReported(RECC_BAD_CALL) { try call { recc_model_dim(model.pointer, 3, &name, &size, $0) } }
        #expect(name == nil && size == 0)
        var tensor = recc_tensor(name: name, data: stray, shape: nil, rank: 3, type: 1)
        expectReported(RECC_BAD_CALL) { try call { recc_model_parameter(model.pointer, 0, &tensor, $0) } }
        #expect(tensor.data == nil && tensor.rank == 0)
        var text: UnsafeMutablePointer<CChar>? = stray.assumingMemoryBound(to: CChar.self)
        expectReported(RECC_BAD_CALL) { try call { recc_explain(model.pointer, nil, 0, 1, 1, 0, &text, $0) } }
        #expect(text == nil)
    }

    @Test func tensorsThatAreNone() throws {
        let model = try CModel(sum)
        func expect(_ status: Int, _ part: String, _ location: SourceLocation = #_sourceLocation, _ change: (inout recc_tensor) -> Void) {
            let x = CTensor("x", [1, 2], [2])
            change(&x.tensor)
            expectReported(status, nil, part, location) { _ = try model.run([x]) }
        }
        expect(RECC_BAD_CALL, "null") { $0.name = nil }
        expect(RECC_BAD_CALL, "null") { $0.data = nil }
        expect(RECC_BAD_CALL, "null") { $0.shape = nil }
        for rank in [-1, 33, .min, .max] as [Int32] { expect(RECC_BAD_CALL, "rank") { $0.rank = rank } }
        for type in [-1, 8, .min, .max] as [Int32] { expect(RECC_BAD_CALL, "type") { $0.type = type } }
        for size in [-1, .min, .max, 1 << 50] as [Int64] {
            expectReported(RECC_BAD_CALL, "bad-call", "'x'") { _ = try model.run([CTensor("x", [1], [size])]) }
        }
        let broken: [CChar] = [120, -1, 0]
        broken.withUnsafeBufferPointer { broken in expect(RECC_BAD_CALL, "UTF-8") { $0.name = broken.baseAddress } }
        expectReported(RECC_PROBLEM, "unknown-name", "did you mean 'x'?") { _ = try model.run([CTensor("xx", [1], [1])]) }
        expectReported(RECC_PROBLEM, "missing-tensor") { _ = try model.run([]) }
        expectReported(RECC_PROBLEM, "misshapen-tensor") { _ = try model.run([CTensor("x", [1, 2], [1, 1, 2])]) }
        expectReported(RECC_BAD_CALL, nil, "twice") { _ = try model.run([CTensor("x", [1], [1]), CTensor("x", [1], [1])]) }
        expectReported(RECC_PROBLEM, "unknown-name") { _ = try model.run([CTensor("x", [1], [1]), CTensor("cotangent.y", [1], [1])]) }
        expectReported(RECC_BAD_CALL, nil, "lengths") { _ = try model.run([CTensor("x", [1], [1]), CTensor("lengths", [1], [1])]) }
        expectReported(RECC_PROBLEM, "bad-data") { _ = try model.run([CTensor("x", [1], [1]), CTensor("lengths", [2] as [Int64], [1], type: RECC_I64)]) }
        expectReported(RECC_BAD_CALL, nil, "null") { _ = try made { recc_run(model.pointer, nil, 1, nil, 0, $0, $1) } }
        for count in [-1, .min] as [Int64] { expectReported(RECC_BAD_CALL) { _ = try made { recc_run(model.pointer, nil, count, nil, 0, $0, $1) } } }
        // No elements, or numbers where no float may lie, are data all the same.
        #expect(try model.run([CTensor("x", [], [0])]).floats("y") == [])
        let odd = CTensor("x", [UInt8](repeating: 0, count: 12), [2], type: RECC_F32)
        odd.tensor.data = odd.tensor.data.map { $0 + 1 }
        #expect(try model.run([odd]).floats("y") == [0, 0])
    }

    @Test(arguments: [
        ("H", "KEY=VALUE"), ("", "KEY=VALUE"), ("precison=f64", "did you mean 'precision'?"), ("precision=f16", "f32 or f64"), ("engine=fast", "interpreter"),
        ("threads=0", "threads"), ("threads=x", "whole number"), ("seed=-1", "whole number"), ("plan.s=fast", "chunkwise(64)"), ("memory=much", "512MB"),
        ("weights=f8", "bf16"), ("dim.H=", "whole number"),
    ]) func optionsThatAreNone(option: String, part: String) {
        expectReported(RECC_BAD_CALL, "bad-call", part) { _ = try CModel(sum, [option]) }
        expectReported(RECC_BAD_CALL, "bad-call", "twice") { _ = try CModel(sum, ["seed=1", "seed=1"]) }
    }

    @Test func programsAndFilesThatAreNone() throws {
        expectReported(RECC_PROBLEM, "unknown-dim") { _ = try CModel(sum, ["dim.H=3"]) }
        expectReported(RECC_PROBLEM, "unsolvable-dim") { _ = try CModel(everything) }
        expectReported(RECC_PROBLEM, "unsolvable-dim") { _ = try CModel(everything, ["dim.D=-3", "dim.H=3"]) }
        expectReported(RECC_PROBLEM, "unknown-name") { _ = try CModel(sum, ["model=N"]) }
        expectReported(RECC_PROBLEM, "unknown-name") { _ = try CModel(sum, ["output=q"]) }
        expectReported(RECC_PROBLEM, "file-problem") { _ = try CModel(sum, ["params=/nowhere/w.npz"]) }
        expectReported(RECC_PROBLEM, "unknown-name") { _ = try CModel(everything, ["dim.D=3", "dim.H=4"], [CTensor("V", [1], [1])]) }
        expectReported(RECC_PROBLEM, "misshapen-tensor") { _ = try CModel(everything, ["dim.D=3", "dim.H=4", "seed=1"], [CTensor("W", [1], [1])]) }
        expectReported(RECC_PROBLEM, "file-problem") { _ = try made { recc_load("/nowhere/x.rec", nil, nil, 0, $0, $1) } }
        expectReported(RECC_PROBLEM, "file-problem") { _ = try made { recc_state_load("/nowhere/x.safetensors", $0, $1) } }
        do {
            _ = try CModel("model M(D, H) {\n  input x: [D]\n  param W: [H, H]\n  output y = W @ x\n}\n", ["dim.D=2", "dim.H=2"])
            Issue.record("nothing was reported")
        } catch let reported as Reported {
            #expect(reported.text.hasPrefix("m.rec:4:") && reported.text.contains("^") && reported.id == "shape-mismatch")
        }
        let model = try CModel(sum)
        expectReported(RECC_PROBLEM, "unknown-name") { _ = try withTexts(["q"]) { of in try made { recc_gradient_open(model.pointer, of, nil, 0, $0, $1) } } }
        expectReported(RECC_PROBLEM, "unknown-name") { _ = try withTexts(["q"]) { wrt in try made { recc_gradient_open(model.pointer, nil, wrt, 0, $0, $1) } } }
        expectReported(RECC_BAD_CALL) { _ = try withTexts([]) { of in try made { recc_gradient_open(model.pointer, of, nil, 0, $0, $1) } } }
        #expect(throws: Reported.self) { try made { recc_gradient_open(model.pointer, nil, nil, -1, $0, $1) } }
        expectReported(RECC_PROBLEM, "file-problem") { try call { recc_model_save(model.pointer, "/nowhere/w.safetensors", $0) } }
    }

    /// A stream that several threads use, one call at a time.
    @Test func threadsShareAStream() throws {
        let model = try CModel(sum)
        let stream = try made { recc_stream_open(model.pointer, nil, 0, 1, 1, nil, $0, $1) }
        defer { recc_stream_free(stream) }
        let address = UInt(bitPattern: stream)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<200 { _ = recc_stream_step(OpaquePointer(bitPattern: address), 1, nil) }
        }
        #expect(recc_stream_step_count(stream) == 1600)
    }
}
