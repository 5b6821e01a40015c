import Testing

@testable import RecCodeGen

/// What keys of kept code are made of.
@Suite struct DigestTests {
    /// The examples of FIPS 180-4.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
    ])
    func hashesAreSHA256(text: String, expected: String) {
        let hex = SHA256.hash(Array(text.utf8)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        #expect(hex == expected)
    }

    private enum Choice: Encodable { case one, two(Int), three(a: [Int]) }
    private struct Pair: Encodable {
        var a: Int?
        var b: [[Int]]
    }

    @Test func bytesTellValuesApart() throws {
        let groups: [[any Encodable]] = [
            [[[1], [2]], [[1, 2]], [[1, 2], []], [[], [1, 2]], [[[1]], [[2]]], [[[1], [2]]] as [[[Int]]]],
            [Choice.one, Choice.two(0), Choice.two(1), Choice.three(a: []), Choice.three(a: [0])],
            [Pair(a: nil, b: []), Pair(a: 0, b: []), Pair(a: nil, b: [[]]), Pair(a: nil, b: [[], []])],
            [0.0, -0.0, Double.infinity, 1.0], ["", "a", "ab"], [["a", "b"], ["ab"], ["a", "b", ""]], [true, false],
            [[1, nil], [nil, 1], [1], [nil]] as [[Int?]],
        ]
        for group in groups {
            let bytes = try group.map { try CanonicalBytes.of($0) }
            #expect(Set(bytes).count == group.count, "\(group)")
        }
        #expect(try CanonicalBytes.of(Double.nan) == CanonicalBytes.of(Double.nan))
    }
}
