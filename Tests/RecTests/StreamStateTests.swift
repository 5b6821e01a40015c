import Rec
import Testing

/// What the library's streams do with their state.
@Suite struct StreamStateTests {
    private let source = "model M {\n input x: real\n input h0: real once = 2\n state h: real = h0\n state n: int\n n = n[t-1] + 1\n h = tanh(h[t-1] - 0.5 * h[t-3] + x[t-2])\n output y = h + h[t-2] + real(n)\n}\n"

    private func numbers(_ count: Int) -> [Float] { (0..<count).map { Float(($0 * 5) % 11) / 11 - 0.4 } }

    @Test(arguments: [0, 1, 2, 3, 4]) func draftsAreAcceptedAsFarAsWanted(count: Int) throws {
        let model = try Model(Program(text: source))
        let x = numbers(12)
        let plain = try model.stream(batch: 2)
        let tried = try model.stream(batch: 2, capacity: 4, state: ModelState())
        func frame(_ k: Int) -> [String: [Float]] { ["x": [x[k], -x[k]]] }
        for k in 0..<3 { #expect(try plain.step(frame(k))["y"] == tried.step(frame(k))["y"]) }
        let before = try tried.state()
        let drafts = Array(x[3..<7])
        let results = try tried.verify(["x": drafts + drafts.map { -$0 }])
        #expect(tried.stepCount == 7)
        for k in 3..<7 where k < 3 + count { #expect(try plain.step(frame(k))["y"] == results[k - 3]["y"]) }
        let behind = count == 0 ? before : try tried.state(after: count)
        try tried.accept(count)
        #expect(tried.stepCount == 3 + count)
        for (a, b) in zip(try tried.state().tensors, behind.tensors) { #expect(a.name == b.name && a.tensor.doubles() == b.tensor.doubles()) }
        // A stream from the state goes on like the one that was taken back, and like one that never tried.
        let fresh = try model.stream(batch: 2, state: behind)
        for k in 7..<12 {
            let expected = try plain.step(frame(k))["y"]
            #expect(try tried.step(frame(k))["y"] == expected && fresh.step(frame(k))["y"] == expected)
        }
        let back = try model.run(ModelData(inputs: ["x": Tensor([Float](), shape: [2, 0])]), state: behind)
        #expect(back.state?.tensors.map(\.name) == behind.tensors.map(\.name))
    }

    @Test(arguments: [false, true]) func snapshotsAreGoneBackTo(carries: Bool) throws {
        let model = try Model(Program(text: source))
        let x = numbers(10)
        let stream = try model.stream(capacity: 3, state: carries ? ModelState() : nil)
        for start in [0, 1, 4] {
            while stream.stepCount < start { try stream.step(["x": [x[stream.stepCount]]]) }
            let (here, saved) = (stream.snapshot(), stream.savedState())
            func rest() throws -> [[Float]] { try (start..<start + 5).map { try stream.step(["x": [x[$0]]])["y"] } }
            let expected = try rest()
            try stream.restore(here)
            #expect(stream.stepCount == start && here.stepCount == start)
            #expect(try rest() == expected)
            try stream.restore(saved)
            #expect(try rest() == expected)
            try stream.restore(here)
            if carries, start > 0 {
                let state = try stream.state()
                try stream.resume(from: ModelState())
                try stream.step(["x": [0.3]])
                try stream.resume(from: state)
                #expect(try rest() == expected)
                try stream.restore(here)
            }
        }
    }
}
