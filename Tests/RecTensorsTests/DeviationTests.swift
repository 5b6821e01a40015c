import RecTensors
import Testing

/// The error of a result: neither too small nor too large numbers hide a difference, or make one.
@Suite struct DeviationTests {
    private func error(_ got: [Double], _ expected: [Double]) -> Double {
        relativeError(Tensor(got, shape: [got.count]), Tensor(expected, shape: [expected.count]))
    }

    @Test(arguments: [0x1p-1060, 1e-300, 1e-200, 1e-160, 1e-30, 1, 1e30, 1e160, 1e200, 1e300, 8e307])
    func noSizeMatters(scale: Double) {
        #expect(abs(error([1 * scale, 1 * scale], [1 * scale, 2 * scale]) - (1 / 5.0).squareRoot()) < 1e-3)
        #expect(error([scale, -scale], [scale, -scale]) == 0)
        #expect(error([0, 0], [scale, scale]) == 1)
        #expect(error([-scale], [scale]) == 2)
    }

    @Test func smallDifferencesOfLargeNumbersCount() {
        #expect(abs(error([1e200 * (1 + 1e-14), 2e200], [1e200, 2e200]) - 4.5e-15) < 1e-16)
        #expect(abs(error([3e-200, 1e-200], [3e-200, 3e-200]) - 2 / 18.0.squareRoot()) < 1e-14)
    }

    @Test func whereZeroIsExpectedTheErrorIsAbsolute() {
        #expect(error([3e-9, 4e-9], [0, 0]) == 5e-9)
        #expect(error([0, -0.0], [0, 0]) == 0)
        #expect(abs(error([3e200, 4e200], [0, 0]) - 5e200) < 1e186)
        // A zero among numbers counts with them.
        #expect(error([1e-3, 1], [0, 1]) == 1e-3)
    }

    @Test func whatIsNotFiniteMustBeTheSame() {
        #expect(error([.nan, 1, .infinity, -.infinity], [.nan, 1, .infinity, -.infinity]) == 0)
        #expect(error([.nan], [.nan]) == 0)
        for (got, expected) in [(Double.nan, 1.0), (1, .nan), (.infinity, 1), (1, .infinity), (.infinity, -.infinity), (.nan, .infinity), (.infinity, .nan), (.nan, 0)] {
            #expect(error([5, got], [5, expected]) == .infinity)
        }
        // The rest is still held against what is expected.
        #expect(error([.nan, 2], [.nan, 1]) == 1)
        #expect(error([1, 2], [1]) == .infinity)
    }

    @Test func theLargestDifferenceIsNamed() throws {
        let deviation = Deviation(of: Tensor([1.0, 2, 3.5, 4.25], shape: [4]), from: Tensor([1.0, 2, 3, 4], shape: [4]))
        let worst = try #require(deviation.worst)
        #expect(worst.index == 2 && worst.got == 3.5 && worst.expected == 3)
        let bad = Deviation(of: Tensor([9.0, .nan], shape: [2]), from: Tensor([1.0, 2], shape: [2]))
        #expect(bad.worst?.index == 1 && bad.worst?.expected == 2)
        #expect(Deviation(of: Tensor([1.0], shape: [1]), from: Tensor([1.0], shape: [1])).worst == nil)
    }
}
