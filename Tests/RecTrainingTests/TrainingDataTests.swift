import Foundation
import Rec
@testable import RecTraining
import Testing

/// Windows, minibatches, and data that do not fit.
@Suite struct TrainingDataTests {
    private let stream = Tensor(Array(0..<50), shape: [50])

    private func windows(_ window: Int = 8) throws -> TrainingData {
        try TrainingData(ModelData(inputs: ["token": stream]), for: smallModel(), window: window)
    }

    @Test func targetsAreTheNextTokens() throws {
        let batch = try windows().minibatch(at: [0, 41])
        #expect(batch.inputs["token"]?.shape == [2, 8])
        #expect(batch.inputs["token"]?.doubles() == (Array(0..<8) + Array(41..<49)).map(Double.init))
        #expect(batch.inputs["target"]?.doubles() == (Array(1..<9) + Array(42..<50)).map(Double.init))
    }

    @Test func windowsStayWithinTheStream() throws {
        let data = try windows()
        #expect(data.positionCount == 42 && data.coveringPositions == [0, 8, 16, 24, 32, 40])
        var order = MinibatchOrder(data, seed: 1, batch: 200)
        let positions = order.positions(of: 3)
        #expect(positions.allSatisfy((0..<42).contains) && positions.contains(0) && positions.contains(41))
        let (training, heldOut) = try data.holdingOut(0.4)
        #expect(training.range == 0..<30 && heldOut.range == 30..<50)
        #expect(training.coveringPositions.last == 16 && heldOut.coveringPositions == [30, 38])
    }

    @Test func everySequenceComesOnceInATurn() throws {
        let program = Program(text: "model M {\n input x: real\n param a: real\n loss l = mean[t](a * x)\n}\n")
        let model = try Model(program)
        let data = try TrainingData(
            ModelData(inputs: ["x": Tensor((0..<14).map(Double.init), shape: [7, 2])], lengths: [1, 2, 1, 2, 1, 2, 1]), for: model)
        var order = MinibatchOrder(data, seed: 5, batch: 3)
        let all = (1...7).flatMap { order.positions(of: $0) }
        for turn in 0..<3 { #expect(all[7 * turn..<7 * turn + 7].sorted() == Array(0..<7)) }
        #expect(Array(all[0..<7]) != Array(all[7..<14]))
        // The number of the step says it all.
        var other = MinibatchOrder(data, seed: 5, batch: 3)
        #expect(other.positions(of: 6) == Array(all[15..<18]))
        #expect(data.minibatch(at: [3, 0]).lengths == [2, 1] && data.minibatch(at: [3, 0]).inputs["x"]?.doubles() == [6, 7, 0, 1])
    }

    /// Whichever number of however many is another, the data are others.
    @Test(arguments: [1000, 40_000, 160_001])
    func everyByteCounts(count: Int) throws {
        let model = try Model(Program(text: "model M {\n input x: real\n param a: real\n loss l = mean[t](a * x)\n}\n"))
        func fingerprint(_ numbers: [Double], lengths: [Int]? = nil) throws -> UInt64 {
            try TrainingData(ModelData(inputs: ["x": Tensor(numbers, shape: [1, count])], lengths: lengths), for: model).fingerprint
        }
        let numbers = (0..<count).map { Double($0).squareRoot() }
        let first = try fingerprint(numbers)
        #expect(try fingerprint(numbers) == first)
        for place in [0, 1, 8, 511, count / 2, count - 2, count - 1] {
            var changed = numbers
            changed[place].negate()
            if place == 0 { changed[place] = .leastNonzeroMagnitude }
            #expect(try fingerprint(changed) != first, "\(place)")
        }
        #expect(try fingerprint(Array(numbers[1...]) + [numbers[0]]) != first && fingerprint(numbers, lengths: [count]) != first)
    }

    @Test func dataThatDoNotFitAreRefused() throws {
        let model = try smallModel()
        func id(_ inputs: [String: Tensor], _ window: Int?, lengths: [Int]? = nil) -> String {
            do throws(DiagnosticList) {
                _ = try TrainingData(ModelData(inputs: inputs, lengths: lengths), for: model, window: window)
                return "fits"
            } catch { return error.diagnostics[0].id.rawValue }
        }
        #expect(id(["token": stream], 8) == "fits")
        #expect(id(["token": stream], nil) == "missing-tensor")
        #expect(id([:], 8) == "missing-tensor")
        #expect(id(["token": stream], 50) == "bad-data" && id(["token": stream], 49) == "fits")
        #expect(id(["token": stream], Int.max) == "bad-data")
        #expect(id(["token": stream.reshaped([5, 10])], 8) == "misshapen-tensor")
        #expect(id(["token": stream, "target": Tensor(Array(0..<9), shape: [9])], 8) == "misshapen-tensor")
        #expect(id(["token": stream], 8, lengths: [3]) == "unsupported")
        #expect(id(["token": Tensor([Int](), shape: [0, 4]), "target": Tensor([Int](), shape: [0, 4])], nil) == "misshapen-tensor")
    }
}
