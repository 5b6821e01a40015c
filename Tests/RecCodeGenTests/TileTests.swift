import Testing

@testable import RecCodeGen

@Suite struct TileTests {
    /// Whatever its shape, a tile has whole sums at its own places.
    @Test(arguments: TileProbe.shapes + TileProbe.shapesOfPanels) func tilesOfEveryShapeSum(shape: TileProbe.Shape) throws {
        let probe = try TileProbe(shape, depth: 40)
        probe.run(turns: 2)
        #expect(probe.result.allSatisfy { $0 == 5 })
    }

    /// The chosen shape leaves room for a row of the panel and a spread element.
    @Test(arguments: [Precision.f32, .f64]) func chosenTilesFitTheRegisters(precision: Precision) {
        let machine = HostMachine()
        let shape = TileShape(machine: machine, precision: precision)
        let registers = machine.vectorBytes == 64 || machine.architecture == .arm ? 32 : 16
        #expect(shape.rows * shape.vectors + shape.vectors + 1 <= registers)
    }
}
