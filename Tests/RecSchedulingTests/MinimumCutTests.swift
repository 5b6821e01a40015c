import Testing

@testable import RecScheduling

/// Cuts of small networks against all ways to cut them.
@Suite struct MinimumCutTests {
    private struct Network {
        var vertexCount: Int
        var edges: [(from: Int, to: Int, capacity: Int)]

        var cut: [Bool] {
            var cut = MinimumCut(vertexCount: vertexCount, source: 0, sink: vertexCount - 1)
            for edge in edges { cut.connect(edge.from, edge.to, edge.capacity) }
            return cut.sinkSide()
        }

        func cost(_ isBehind: (Int) -> Bool) -> Int {
            edges.reduce(0) { $0 + (!isBehind($1.from) && isBehind($1.to) ? $1.capacity : 0) }
        }
    }

    @Test func aChainIsCutWhereItIsThinnest() {
        let network = Network(vertexCount: 4, edges: [(0, 1, 5), (1, 2, 2), (2, 3, 7)])
        #expect(network.cut == [false, false, true, true])
    }

    @Test func equalCutsLeaveTheSinkAlone() {
        let network = Network(vertexCount: 4, edges: [(0, 1, 3), (1, 2, 3), (2, 3, 3)])
        #expect(network.cut == [false, false, false, true])
    }

    @Test func whatIsNotConnectedNeedsNoCut() {
        let network = Network(vertexCount: 3, edges: [(0, 1, MinimumCut.infinite)])
        #expect(network.cut == [false, false, true])
    }

    @Test(arguments: 0..<200) func noCutIsCheaper(seed: Int) {
        var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
        func random(below bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        let count = 3 + random(below: 5)
        let edges = (0..<count * 2).map { _ -> (from: Int, to: Int, capacity: Int) in
            (random(below: count), random(below: count), random(below: 8) == 0 ? 1000 : random(below: 10))
        }
        let network = Network(vertexCount: count, edges: edges)
        let side = network.cut
        let found = network.cost { side[$0] }
        let best = (0..<1 << (count - 2)).map { bits in
            network.cost { $0 == count - 1 || ($0 > 0 && bits >> ($0 - 1) & 1 == 1) }
        }.min()
        #expect(!side[0] && side[count - 1])
        #expect(found == best)
    }
}
