import Rec
import RecAnalysis
import Testing

/// Writes the same equation in other ways.
private struct Rewriter {
    var generator: SeededGenerator

    private mutating func pick(_ count: Int) -> Int { Int(generator.next() % UInt64(count)) }

    indirect enum Term {
        case leaf(String)
        case sum(Term, Term)
        case difference(Term, Term)
        case product(Term, Term)

        var text: String {
            switch self {
            case .leaf(let name): name
            case .sum(let a, let b): "(\(a.text) + \(b.text))"
            case .difference(let a, let b): "(\(a.text) - \(b.text))"
            case .product(let a, let b): "(\(a.text) * \(b.text))"
            }
        }
    }

    /// An equal term, rewritten at random places.
    mutating func rewritten(_ term: Term, depth: Int) -> Term {
        let inner: Term
        switch term {
        case .leaf: inner = term
        case .sum(let a, let b): inner = .sum(rewritten(a, depth: depth - 1), rewritten(b, depth: depth - 1))
        case .difference(let a, let b): inner = .difference(rewritten(a, depth: depth - 1), rewritten(b, depth: depth - 1))
        case .product(let a, let b): inner = .product(rewritten(a, depth: depth - 1), rewritten(b, depth: depth - 1))
        }
        guard depth > 0 else { return inner }
        switch pick(11) {
        case 0: return flipped(inner)
        case 1: return distributed(inner)
        case 2: return .leaf("same(\(inner.text))")
        case 3: return .leaf("(if x > 0 then \(inner.text) else \(inner.text))")
        case 4: return .difference(.sum(inner, .leaf("h[t-1]")), .leaf("h[t-1]"))
        case 5: return .difference(.leaf("x"), .difference(.leaf("x"), inner))
        case 6: return .leaf("(\(inner.text) / 2 * 2)")
        case 7: return .leaf("(-(-\(inner.text)))")
        case 8 where hasShape(inner): return .leaf("reshape(reshape(\(inner.text), [2, 3]), [6])")
        case 9 where hasShape(inner): return .leaf("concat(\(inner.text)[0:2], \(inner.text)[2:6])")
        default: return inner
        }
    }

    private func hasShape(_ term: Term) -> Bool { ["z", "x", "h["].contains { term.text.contains($0) } }

    private func flipped(_ term: Term) -> Term {
        switch term {
        case .sum(let a, let b): .sum(b, a)
        case .product(let a, let b): .product(b, a)
        case .leaf, .difference: term
        }
    }

    private func distributed(_ term: Term) -> Term {
        switch term {
        case .product(let a, .sum(let b, let c)): .sum(.product(a, b), .product(a, c))
        case .product(let a, .difference(let b, let c)): .difference(.product(a, b), .product(a, c))
        case .product(.sum(let b, let c), let a): .sum(.product(b, a), .product(c, a))
        case .product(.difference(let b, let c), let a): .difference(.product(b, a), .product(c, a))
        case .leaf, .sum, .difference, .product: term
        }
    }
}

/// Writing the same equations another way does not change what they are found to be, nor what they compute.
@Suite struct RewritingTests {
    @Test(arguments: 0..<24)
    func kindsStay(seed: UInt64) throws {
        var rewriter = Rewriter(generator: SeededGenerator(seed: seed, for: "rewriting"))
        // (1 − z)·h + z·x
        let step = Rewriter.Term.sum(
            .product(.difference(.leaf("1"), .leaf("z")), .leaf("h[t-1]")), .product(.leaf("z"), .leaf("x")))
        let equation = rewriter.rewritten(step, depth: 4).text
        let text = """
            func same(v) = v
            model M {
              input x, g: [6]
              state h: [6] = 0.25
              z = sigmoid(g)
              h = \(equation)
              output h
            }
            """
        let program = Program(text: text)
        try #require(!program.hasErrors, "\(program.diagnostics.map(\.message))\n\(text)")
        let model = try Model(program, dims: [:])
        let found = recurrences(of: Pipeline.prepare(model.graph))
        #expect(found.count == 1)
        #expect(found.first?.kind == .affine, "\(equation)")
        #expect(found.first?.transition == .diagonal(.axes(["6"])), "\(equation)")
        let data = generated(model, batch: 2, extents: [70])
        let reference = try model.run(data, on: .interpreter)
        for form in [PlanForm.sequential, .scan] {
            let got = try model.run(data, on: .compiled(.f64), threads: 2, forcing: ["h": form])
            #expect(relativeError(got.outputs[0].tensor, reference.outputs[0].tensor) < 1e-11, "\(form): \(equation)")
        }
    }
}
