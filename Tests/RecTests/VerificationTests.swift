import Foundation
import Rec
import TestSupport
import Testing

/// What `recc verify` promises: it compares something, says what, and is as strict as the reference allows.
@Suite struct VerificationTests {
    private static let program = """
        model M(D) {
          input x: [D]
          input h0: [D] once = 0
          param a: [D]
          state h: [D] = h0
          h = a * h[t-1] + x
          output h
          output m = mean[t](h)
          loss l = mean[t](sum(h * h))
        }
        """

    private let model: Model
    private let data: ModelData

    init() throws {
        model = try Model(Program(text: Self.program), dims: ["D": 2])
        data = ModelData(
            inputs: ["x": Tensor([1.0, 2, 3, 4, 5, 6], shape: [1, 3, 2])], parameters: ["a": Tensor([0.5, 0.25], shape: [2])])
    }

    private let right = [1.0, 2, 3.5, 4.5, 6.75, 7.125]

    private func verified(_ outputs: [(String, Tensor)], engines: [Engine] = [.interpreter, .compiled(.f32), .compiled(.f64)]) throws -> Verification {
        try Verification(
            model, CaseFile(data, outputs: outputs.map { NamedTensor(name: $0.0, tensor: $0.1) }), engines: engines)
    }

    @Test func nothingComparedIsAFailure() throws {
        let none = try verified([])
        #expect(!none.isWithin && none.rows.isEmpty && none.verdict.hasPrefix("failed: nothing was compared"))
        #expect(none.missing == ["output h", "output m", "loss l"])
        let unknown = try verified([("k", Tensor(right, shape: [1, 3, 2]))])
        #expect(!unknown.isWithin && unknown.unknown == ["output k"] && unknown.verdict.contains("output k"), "\(unknown.verdict)")
        let empty = try Model(Program(text: "model E {\n input x: real\n output y = x\n}\n"))
        let nothing = Tensor([Double](), shape: [1, 0])
        let file = CaseFile(ModelData(inputs: ["x": nothing]), outputs: [NamedTensor(name: "y", tensor: nothing)])
        #expect(try !Verification(empty, file, engines: [.interpreter]).isWithin)
    }

    /// A failed verification names what failed, and not what is furthest off within what it is allowed.
    @Test func theWorstIsOneThatFails() throws {
        let mean = [3.75 * (1 + 1e-8), (2 + 4.5 + 7.125) / 3]
        let verification = try verified([("h", Tensor(right, shape: [1, 3, 2])), ("m", Tensor(mean, shape: [1, 2]))], engines: [.compiled(.f32), .compiled(.f64)])
        #expect(!verification.isWithin && verification.verdict.contains("(output m, "))
    }

    /// A form that the source does not allow is left out, not asked for.
    @Test func chunksThatAreNotAllowedAreLeftOut() throws {
        let text = "model M(K) {\n input k, q: [K]\n state S: [K]\n S = 0.5 * S[t-1] + k\n output o = sum[K](q * S)\n require plan(S) in (sequential, scan)\n}\n"
        let allowed = text.replacing("sequential, scan", with: "sequential, scan, chunkwise")
        let ones = Tensor([Double](repeating: 1, count: 6), shape: [1, 3, 2])
        for (text, plans) in [(text, 2), (allowed, 3)] {
            let file = CaseFile(ModelData(inputs: ["k": ones, "q": ones]), outputs: [NamedTensor(name: "o", tensor: Tensor([2.0, 3, 3.5], shape: [1, 3]))])
            let verification = try Verification(Model(Program(text: text), dims: ["K": 2]), file, engines: [.compiled(.f64)])
            #expect(verification.isWithin && verification.rows.count == plans, "\(verification.rows.map(\.how))")
        }
    }

    /// No row asks for a form that the source does not allow.
    @Test func requiredChunksAreVerified() throws {
        let text = """
            model M(K, V) {
              input k: [K]
              input v: [V]
              state S: [K, V]
              state n: real
              S = 0.5 * S[t-1] + outer(k, v)
              n = 0.5 * n[t-1] + sum(v)
              require plan(S) in (chunkwise)
              output o = k @ S + n
            }
            """
        let model = try Model(Program(text: text), dims: ["K": 2, "V": 3])
        let random = RandomCase(for: model, batch: 2, length: 40, seed: 3)
        let expected = try model.run(random.data, on: .interpreter)
        let file = CaseFile(random.data, outputs: expected.outputs)
        let verification = try Verification(model, file, engines: [.interpreter, .compiled(.f64)])
        #expect(verification.isWithin && verification.rows.count >= 3)
    }

    @Test func whatTheFileLacksIsSaid() throws {
        let some = try verified([("h", Tensor(right, shape: [1, 3, 2]))])
        #expect(some.isWithin && some.missing == ["output m", "loss l"])
        #expect(some.verdict.hasPrefix("verified: 1 tensor on 5 engines and plans, worst "), "\(some.verdict)")
    }

    @Test func oneUnknownResultFails() throws {
        let some = try verified([("h", Tensor(right, shape: [1, 3, 2])), ("hh", Tensor(right, shape: [1, 3, 2]))])
        #expect(!some.isWithin && some.verdict.hasPrefix("failed: ") && some.verdict.contains("output hh"))
    }

    /// Numbers that were computed in f32 are right in f64 too.
    @Test func theReferenceSetsTheTolerance() throws {
        let near = right.map { Float($0 * (1 + 3e-6)) }
        #expect(try verified([("h", Tensor(near, shape: [1, 3, 2]))]).isWithin)
        #expect(try !verified([("h", Tensor(near.map(Double.init), shape: [1, 3, 2]))]).isWithin)
        let far = right.map { Float($0 * (1 + 3e-5)) }
        #expect(try !verified([("h", Tensor(far, shape: [1, 3, 2]))]).isWithin)
        for engine in [Engine.interpreter, .compiled(.f32), .compiled(.f64)] {
            #expect(Verification.tolerance(of: engine, against: .f32) == 1e-5 && Verification.gradientTolerance(of: engine, against: .f32) == 1e-4)
        }
        #expect(Verification.tolerance(of: .compiled(.f64)) == 1e-11 && Verification.gradientTolerance(of: .interpreter) == 1e-9)
        // What is written in half precision is rounded to that.
        let half = Tensor(type: .bf16, shape: [1, 3, 2]) { bytes in
            for (k, number) in right.enumerated() {
                bytes.storeBytes(of: UInt16(truncatingIfNeeded: Float(number).bitPattern >> 16), toByteOffset: 2 * k, as: UInt16.self)
            }
        }
        #expect(try verified([("h", half)]).isWithin)
    }

    @Test func placesAndShapesAreNamed() throws {
        var wrong = right
        wrong[3] = 7
        let verification = try verified([("h", Tensor(wrong, shape: [1, 3, 2]))], engines: [.interpreter])
        #expect(verification.rows[0].note == "farthest at [0, 1, 1]: 4.5 for 7.0" && verification.verdict.hasPrefix("failed: 1 of 1 tensor"))
        let turned = try verified([("h", Tensor(right, shape: [1, 2, 3]))], engines: [.interpreter])
        #expect(!turned.isWithin && turned.rows[0].note?.contains("[1, 2, 3]") == true)
        // A batch of one needs no axis.
        #expect(try verified([("h", Tensor(right, shape: [3, 2]))]).isWithin)
    }

    @Test func numbersWhereNaNIsExpectedFail() throws {
        var odd = right
        odd[2] = .nan
        #expect(try !verified([("h", Tensor(odd, shape: [1, 3, 2]))]).isWithin)
        let logarithms = try Model(Program(text: "model L {\n input x: real\n output y = log(x)\n}\n"))
        let x = Tensor([-1.0, 0, 1], shape: [1, 3])
        func holds(_ expected: [Double]) throws -> Bool {
            let file = CaseFile(ModelData(inputs: ["x": x]), outputs: [NamedTensor(name: "y", tensor: Tensor(expected, shape: [1, 3]))])
            return try Verification(logarithms, file, engines: [.interpreter, .compiled(.f32), .compiled(.f64)]).isWithin
        }
        #expect(try holds([.nan, -.infinity, 0]))
        #expect(try !holds([0, -.infinity, 0]) && !holds([.nan, .infinity, 0]) && !holds([.nan, -.infinity, .nan]))
    }

    /// f32 cannot hold every reference; where it cannot, it is not held against it, and that is said.
    @Test func whatLeavesTheRangeOfSinglesIsNotCompared() throws {
        let square = try Model(Program(text: "model S {\n input x: real\n param p: real\n output y = x * p * p\n}\n"))
        func verification(_ p: Double, _ expected: [Double], _ engines: [Engine] = [.interpreter, .compiled(.f32), .compiled(.f64)]) throws -> Verification {
            let data = ModelData(inputs: ["x": Tensor([1.0, 2], shape: [1, 2])], parameters: ["p": Tensor([p], shape: [])])
            return try Verification(
                square, CaseFile(data, outputs: [NamedTensor(name: "y", tensor: Tensor(expected, shape: [1, 2]))]), engines: engines)
        }
        let huge = try verification(1e100, [1e200, 2e200])
        #expect(huge.isWithin && huge.rows.filter { !$0.isCompared }.map(\.how) == ["compiled f32"] && huge.verdict.contains("not compared: output y"))
        #expect(try !verification(1e100, [1e200, 2e200], [.compiled(.f32)]).isWithin)
        #expect(try verification(1e-100, [1e-200, 2e-200]).isWithin && !verification(1e-100, [1e-200, 3e-200]).isWithin)
        // f32 can hold this, and does not come to it.
        #expect(try !verification(1e18, [1e36, 3e36]).isWithin)
    }
}
