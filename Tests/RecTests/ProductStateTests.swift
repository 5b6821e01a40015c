import Rec
import Testing

/// States that are products themselves, over sequences of different length: what follows the end of one must not reach it.
@Suite struct ProductStateTests {
    @Test(arguments: ["t-1", "t+1"])
    func endedSequencesKeepTheirState(place: String) throws {
        let program = Program(
            text: """
                model M(H) {
                  input x: [H]
                  param U: [H, H]
                  state h: [H]
                  h = U @ (h[\(place)] + x)
                  output h
                }
                """)
        let model = try Model(program, dims: ["H": 6])
        let data = generated(model, batch: 4, extents: [11], lengths: [11, 0, 4, 10])
        try expectAgreement(model, data, place)
    }
}
