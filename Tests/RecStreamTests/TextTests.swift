import RecSource
import RecStream
import Testing

@Suite struct TextTests {
    @Test func textReadsBack() throws {
        for graph in [Graphs.leaky(), Graphs.everything(), Graphs.fold(), Graphs.everything().splittingComplex()] {
            #expect(try StreamGraph(text: graph.text) == graph)
        }
    }

    @Test func namesMayHoldAnything() throws {
        for name in ["a \"b\" \\", "line\nbreak\r\t", "\u{301}x", "#", "", "{", "batch"] {
            var b = GraphBuilder(name, axes: [StreamAxis(name: name)])
            let x = b.input(name, [Dim(name, 2)])
            b.state(name, x)
            b.output(name, x)
            b.require(.plan([name]), of: name)
            #expect(try StreamGraph(text: b.graph.text) == b.graph, "\(name.debugDescription)")
        }
    }

    @Test func numbersAreExact() throws {
        var b = GraphBuilder()
        for number in [0.1, -0.0, .leastNonzeroMagnitude, .infinity, -.infinity, .pi, 1e300] { _ = b.constant(number) }
        for scalar in [Scalar.int(.min), .bool(true), .complex(0.1, -.infinity)] { _ = b.constant(scalar) }
        for initializer in [Initializer.constant(0.3), .uniform(-1e-9, 2), .normal(0.02), .linspace(0, 1), .hippo, .orthogonal] {
            _ = b.parameter("p\(b.graph.values.count)", initializer: initializer)
        }
        var graph = b.graph
        for tensorName in [nil, "w"] {
            let info = ParameterInfo(path: "c", isTrained: false, initializer: .ones, tensorName: tensorName, fillsItself: true)
            graph.values.append(Value(.parameter(info), element: .real, shape: [], variance: .none))
        }
        #expect(try StreamGraph(text: graph.text) == graph)
    }

    @Test func placesAreComments() throws {
        var graph = Graphs.leaky()
        graph.values[0].span = SourceSpan(file: FileID(0), start: 3, end: 4)
        let text = graph.text { "file.rec:\($0.start)" }
        #expect(text.contains("%0 \"x\" = input \"x\" : real[\"D\": 2] batch, t  # file.rec:3\n"))
        graph.values[0].span = nil
        #expect(try StreamGraph(text: text) == graph)
    }

    @Test func linesMayEndAsElsewhere() throws {
        #expect(try StreamGraph(text: Graphs.leaky().text.replacing("\n", with: "\r\n")) == Graphs.leaky())
    }

    @Test(arguments: [
        ("", 1, "expected 'graph', found ''"),
        ("graph G", 1, "expected a text in quotes, found 'G'"),
        ("graph \"G\" over t {\n}\n}", 3, "expected nothing behind the graph, found '}'"),
        ("graph \"G\" over t {\n  %1 = exp %0", 2, "values are numbered in order"),
        ("graph \"G\" over t {\n  %0 = fly %0 : real\n}", 2, "there is no operation 'fly'"),
        ("graph \"G\" over t {\n\n  %0 = constant 1x : real\n}", 3, "expected a number, found '1x'"),
        ("graph \"G\" over t {\n  %0 = constant 1 : reel\n}", 2, "expected an element type, found 'reel'"),
        ("graph \"G\" over t {\n  %0 = constant 1 : real batch, q\n}", 2, "there is no axis 'q'"),
        ("graph \"G\" over t {\n  %0 = constant 1 : real\n  result %0\n}", 3, "expected a state, output, loss, require, fold, gradient or '}', found 'result'"),
        ("graph \"G\" over t {\n  %0 = reduce.most %0 [0] : real\n}", 2, "there is no reduction 'most'"),
        ("graph \"G\" over t {\n  %0 = param \"p\" normal : real\n}", 2, "there is no initialiser 'normal' of 0 numbers"),
        ("graph \"G over t {\n}", 1, "expected a text in quotes, found '\"G over t {'"),
        ("graph \"G\" over a,b,c,d,e,f,g,h,i {}", 1, "a graph has at most 8 axes"),
    ])
    func errorsNameTheLine(text: String, line: Int, message: String) {
        do {
            _ = try StreamGraph(text: text)
            Issue.record("'\(text)' was read")
        } catch {
            #expect(error.line == line)
            #expect(error.message.hasPrefix(message), "\(error.message)")
        }
    }

    @Test func operatorsNestOnlySoDeep() {
        let fold = "fold \"M\" [] elements [] states [] identity [] combine graph \"G\" over {\n"
        let text = "graph \"G\" over {\n" + String(repeating: fold, count: 100_000)
        do {
            _ = try StreamGraph(text: text)
            Issue.record("that was read")
        } catch { #expect(error.message == "graphs are nested too deeply") }
    }

    /// Changes, drops and repeats bytes of sound texts: whatever comes of it, neither the parser nor the verifier traps.
    @Test(arguments: 0..<4)
    func mutatedTextNeverTraps(seed: Int) {
        let texts = [Graphs.leaky().text, Graphs.everything().text, Graphs.fold().text]
        var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 9
        func random(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(1, count)
        }
        let pieces = ["%", "9223372036854775807", "-1", "[", "]", "\"", "0", "graph", "{", "}", "é", "\n", "batch", ","].map { Array($0.utf8) }
        for round in 0..<150 {
            var bytes = Array(texts[round % texts.count].utf8)
            for _ in 0...random(3) {
                let at = random(bytes.count)
                switch random(3) {
                case 0: bytes[at] = UInt8(random(256))
                case 1: bytes.removeSubrange(at..<min(bytes.count, at + 1 + random(4)))
                default: bytes.insert(contentsOf: pieces[random(pieces.count)], at: at)
                }
            }
            if let graph = try? StreamGraph(text: String(decoding: bytes, as: UTF8.self)) { _ = graph.violations() }
        }
    }
}
