import RecStream
import Testing

/// Each rule of the verifier, broken in a graph that keeps all others.
@Suite struct VerifierTests {
    private func graph(_ line: String) throws -> StreamGraph {
        try StreamGraph(
            text: """
                graph "G" over t, k: 3 {
                  %0 "x" = input "x" : real["H": 4] batch, t, k
                  %1 "n" = input "n" : int batch, t, k
                  %2 "c" = input "c" : real["H": 4] batch
                  %3 "W" = param "W" zeros : real["H": 4, "D": 2]
                  %4 "z" = input "z" : complex["H": 4] batch, t, k
                  %5 = less %0, %2 : bool["H": 4] batch, t, k
                  \(line)
                }
                """)
    }

    private let over = "batch, t, k"

    @Test(arguments: [
        "%6 = exp %0 : real[\"H\": 4] batch, t, k", "%6 = delay %2 [-1, 0] : real[\"H\": 4] batch, t",
        "%6 = rename %2 : real[\"K\": 4] batch, t", "%6 = delay %0 [1, -2] from %2 : real[\"H\": 4] batch, t, k",
        "%6 = delay %6 [-1, 0] : real[\"H\": 4] batch, t", "%6 = scatter %0, %1 to 3 : real[\"V\": 3, \"H\": 4] batch, t, k",
        "%6 = batch.sum %2 : real[\"H\": 4]",
    ])
    func soundValuesPass(line: String) throws { #expect(try graph(line).violations() == []) }

    @Test(arguments: [
        // Order and operands
        ("%6 = exp %6 : real[\"H\": 4] batch, t, k", "does not come first"),
        ("%6 = exp %9 : real[\"H\": 4] batch, t, k", "not in the graph"),
        // Types
        ("%6 = exp %0 : real[\"H\": 3] batch, t, k", "the shape is"),
        ("%6 = exp %0 : real[\"G\": 4] batch, t, k", "the shape is"),
        ("%6 = exp %0 : complex[\"H\": 4] batch, t, k", "complex, not real"),
        ("%6 = exp %0 : real[\"H\": 4] batch, t", "varies over batch,t, its operands over batch,t,k"),
        ("%6 = exp %2 : real[\"H\": 4] batch, t", "varies over batch,t, its operands over batch"),
        ("%6 = constant 1.0 : real batch", "varies over"),
        ("%6 = input \"y\" : real t", "varies over the batch"),
        ("%6 = param \"V\" zeros : real[\"H\": 0]", "sizes are 1 or more"),
        ("%6 = param \"V\" zeros : real[\"H\": 9223372036854775807, \"G\": 3]", "sizes are 1 or more"),
        ("%6 = add %0, %1 : real[\"H\": 4] batch, t, k", "%0 is real[H=4], %1 is int"),
        ("%6 = tanh %4 : complex[\"H\": 4] batch, t, k", "'tanh' is not defined on complex"),
        ("%6 = less %4, %4 : bool[\"H\": 4] batch, t, k", "'less' is not defined on complex"),
        ("%6 = divide %1, %1 : int batch, t, k", "'divide' is not defined on int"),
        ("%6 = select %0, %0, %0 : real[\"H\": 4] batch, t, k", "no bool"),
        ("%6 = select %5, %0, %4 : real[\"H\": 4] batch, t, k", "%4 is complex"),
        // Axes
        ("%6 = contract %3 [0, 1], %0 [1] -> [0] : real[\"H\": 4] batch, t, k", "differ in size"),
        ("%6 = contract %3 [0, 0], %0 [0] -> [0] : real[\"H\": 4] batch, t, k", "repeat"),
        ("%6 = contract %3 [0], %0 [0] -> [0] : real[\"H\": 4] batch, t, k", "1 labels for 2 axes"),
        ("%6 = contract %3 [0, 1], %0 [0] -> [2] : real[\"H\": 4] batch, t, k", "no operand has the label 2"),
        ("%6 = contract %4 [0], %0 [0] -> [] : complex batch, t, k", "a contraction of complex with real"),
        ("%6 = reduce.sum %0 [1] : real batch, t, k", "no ascending axes"),
        ("%6 = reduce.sum %3 [1, 0] : real", "no ascending axes"),
        ("%6 = reduce.argmax %3 [0, 1] : int", "one axis"),
        ("%6 = reduce.max %4 [0] : complex batch, t, k", "'max' is not defined"),
        ("%6 = broadcast %0 [_] : real[\"H\": 4] batch, t, k", "occurs once"),
        ("%6 = broadcast %0 [0] : real[\"H\": 5] batch, t, k", "does not become"),
        ("%6 = rename %0 : real[\"H\": 5] batch, t, k", "sizes"),
        ("%6 = reshape %0 : real[\"D\": 5] batch, t, k", "elements"),
        ("%6 = slice %0 axis 0 from 3 by 1 : real[\"H\": 2] batch, t, k", "do not lie within"),
        ("%6 = slice %0 axis 0 from 1 by 9223372036854775807 : real[\"H\": 2] batch, t, k", "do not lie within"),
        ("%6 = slice %0 axis 1 from 0 by 1 : real[\"H\": 2] batch, t, k", "axis 1"),
        ("%6 = concat [] axis 0 : real[\"H\": 4]", "nothing to join"),
        ("%6 = concat [%0, %3] axis 0 : real[\"H\": 8] batch, t, k", "axes"),
        ("%6 = concat [%0, %4] axis 0 : real[\"H\": 8] batch, t, k", "element type"),
        ("%6 = pad.reflect %0 axis 0 4, 0 : real[\"H\": 8] batch, t, k", "reflect padding"),
        ("%6 = pad.zero %0 axis 0 -1, 0 : real[\"H\": 3] batch, t, k", "zero padding"),
        ("%6 = window %0 axis 0 by 2 : real[\"L\": 2, \"K\": 3] batch, t, k", "do not lie within"),
        ("%6 = gather %3, %0 : real[\"D\": 2] batch, t, k", "no int"),
        ("%6 = gather %3, %1 : real[\"D\": 3] batch, t, k", "rows of"),
        ("%6 = gather %1, %1 : int batch, t, k", "has no axis"),
        ("%6 = scatter %0, %0 to 3 : real[\"V\": 3] batch, t, k", "no int"),
        ("%6 = scatter %5, %1 to 3 : bool[\"V\": 3, \"H\": 4] batch, t, k", "not added up"),
        ("%6 = scatter %0, %1 to 3 : real[\"V\": 2, \"H\": 4] batch, t, k", "3 rows of"),
        ("%6 = scatter %0, %1 to 0 : real[\"V\": 1, \"H\": 4] batch, t, k", "there are 0 rows"),
        ("%6 = batch.sum %0 : real[\"H\": 4]", "not given once per sequence"),
        ("%6 = batch.sum %3 : real[\"H\": 4, \"D\": 2]", "not given once per sequence"),
        ("%6 = batch.sum %2 : real[\"H\": 4] batch", "varies over batch, its operands over nothing"),
        // Time
        ("%6 = delay %0 [-1] : real[\"H\": 4] batch, t, k", "offsets"),
        ("%6 = delay %0 [0, 0] : real[\"H\": 4] batch, t, k", "offsets"),
        ("%6 = delay %0 [-9223372036854775808, 0] : real[\"H\": 4] batch, t, k", "too large"),
        ("%6 = delay %2 [-1, 0] : real[\"H\": 4] batch", "varies over"),
        ("%6 = delay %0 [-1, 0] from %0 : real[\"H\": 4] batch, t, k", "varies over time"),
        ("%6 = delay %0 [-1, 0] from %4 : real[\"H\": 4] batch, t, k", "varies over time"),
        ("%6 = delay %0 [-1, 0] from %3 : real[\"H\": 4] batch, t, k", "the initial value %3"),
        ("%6 = time.sum %2 axis 0 : real[\"H\": 4] batch", "does not vary over axis 0"),
        ("%6 = time.sum %0 axis 0 : real[\"H\": 4] batch, t, k", "varies over"),
        ("%6 = time.mean %1 axis 0 : int batch, k", "'mean' is not defined"),
        // Names and what points into the graph
        ("%6 = input \"x\" : real batch", "two inputs are called 'x'"),
        ("%6 = param \"W\" ones : real", "two parameters are called 'W'"),
        ("output \"o\" %6", "not in the graph"),
        ("output \"o\" %0\n loss \"o\" %2", "two results are called 'o'"),
        ("loss \"l\" %2", "no real number"),
        ("state \"s\" %0\n state \"s\" %2", "two states are called 's'"),
        ("state \"s\" %0 from %0", "varies over time"),
        ("state \"s\" %0 from %3", "its start"),
        ("require affine \"s\"", "no state 's'"),
        // Recurrences
        ("%6 = delay %7 [-1, 0] : real[\"H\": 4] batch, t, k\n %7 = delay %6 [1, 0] : real[\"H\": 4] batch, t, k\n state \"s\" %7", "'s' have no order"),
        ("%6 = delay %8 [-1, 0] : real[\"H\": 4] batch, t, k\n %7 = time.last %6 axis 0 : real[\"H\": 4] batch, k\n %8 = add %7, %6 : real[\"H\": 4] batch, t, k", "have no order"),
    ])
    func brokenRulesAreNamed(line: String, fault: String) throws {
        let violations = try graph(line).violations()
        #expect(violations.contains { $0.contains(fault) }, "\(violations)")
    }

    @Test func axesAreFewAndNamed() {
        var graph = StreamGraph(name: "G", axes: (0..<9).map { StreamAxis(name: "a\($0)") })
        #expect(graph.violations().contains { $0.contains("at most 8") })
        graph.axes = [StreamAxis(name: "t"), StreamAxis(name: "t", length: -1)]
        #expect(graph.violations() == ["two axes are called 't'", "the axis 't' has the length -1"])
        graph = StreamGraph(name: "G", axes: [])
        graph.values = [Value(.input(name: "x", fallback: nil), element: .real, shape: [], variance: Variance(batch: true, axes: 4))]
        #expect(graph.violations() == ["%0: varies over an axis that the graph does not have"])
    }

    @Test func foldsAgreeWithTheirOperator() {
        let sound = Graphs.fold()
        var graph = sound
        graph.folds[0].states = []
        #expect(graph.violations().contains { $0.contains("has 1 fields") })
        graph = sound
        graph.folds[0].identity = [.int(0)]
        #expect(graph.violations().contains { $0.contains("the identity of 'm' is no real") })
        graph = sound
        graph.folds[0].fields = ["q"]
        #expect(graph.violations().contains { $0.contains("'a.m' is not one of its fields") })
        graph = sound
        graph.folds[0].combine.axes = [StreamAxis(name: "t")]
        #expect(!graph.violations().isEmpty)
        graph = sound
        graph.folds[0].elements = [ValueID(99)]
        #expect(graph.violations().contains { $0.contains("not in the graph") })
    }
}
