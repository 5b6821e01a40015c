import Rec
import RecDifferentiation
import RecForms
import RecSchedule
import RecStream
import Testing

/// Products that leave out what no step reads of later ones.
struct TriangleTests {
    private func products(_ name: String, gradient isGradient: Bool) throws -> [Schedule.Matmul] {
        let program = try #require(ChunkwiseProgram.all.first { $0.name == name })
        var graph = try program.graph().chunkwise(program.states, by: 8)
        if isGradient { graph = try gradient(of: graph, program.gradientRequest(of: program.graph())) }
        let parts = try ChunkPartition(Pipeline.prepare(graph))
        var found: [Schedule.Matmul] = []
        for case .traversal(let traversal) in parts.parts {
            for case .matmul(let product) in try Schedule(traversal, of: parts).body { found.append(product) }
        }
        return found
    }

    /// What a chunk reads of itself is a product for the weights, and one with the rows; the other two are with the state.
    @Test("half of what a chunk reads of itself is left out", arguments: ["NoDecay", "Scalar"])
    func forward(_ name: String) throws {
        let products = try products(name, gradient: false)
        #expect(products.count { !$0.triangles.isEmpty } == 2)
        for product in products where !product.triangles.isEmpty { #expect(product.share < 0.6, "\(product.triangles)") }
    }

    @Test("gradients leave out the same halves")
    func backward() throws {
        let triangles = try products("Scalar", gradient: true).flatMap(\.triangles)
        // Of results, of left factors, and of left factors that are turned over.
        #expect(triangles.contains { $0.larger == .row && $0.smaller == .column })
        #expect(triangles.contains { $0.larger == .row && $0.smaller == .sum })
        #expect(triangles.contains { $0.larger == .sum && $0.smaller == .row })
    }
}
