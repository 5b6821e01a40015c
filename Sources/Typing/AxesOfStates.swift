import RecSource
import RecStream
import RecSyntax

/// Models over several axes, and with inputs over axes of their own, `input y: [E] over s`: which axes there are, and what varies over which.
extension ModelTyper {
    /// The axes that inputs name, each where it first stands.
    func axesOfInputs(_ syntax: ModelDeclaration) -> [(name: String, span: SourceSpan)] {
        var result: [(name: String, span: SourceSpan)] = []
        for case .input(let input) in syntax.members {
            for axis in input.axes where !result.contains(where: { $0.name == axis.text }) { result.append((axis.text, axis.span)) }
        }
        return result
    }

    /// What an input varies over: the axes that it names, else those in the head of the model.
    func axes(of declaration: InputDeclaration) -> Variance {
        guard !declaration.axes.isEmpty else { return headAxes }
        var axes: UInt8 = 0
        for name in declaration.axes {
            guard let axis = model.axes.firstIndex(where: { $0.name == name.text }) else { continue }
            if axes & 1 << UInt8(axis) != 0 { report(.duplicateDefinition, "'\(name.text)' is named twice", at: name.span) }
            axes |= 1 << UInt8(axis)
        }
        return Variance(batch: true, axes: axes)
    }

    /// Whether what states vary over is to be found: where there are several axes.
    private var hasOwnAxes: Bool { model.axes.count > 1 }

    /// Gives states the axes that they vary over: those along which they read themselves, at first, and those that their equations had when
    /// the model was typed before.
    ///
    /// The types of states at other steps are needed before those of their equations. So a model is typed again until both agree, from the
    /// fewest axes on.
    func findAxesOfStates(known: [UInt8]) {
        guard hasOwnAxes else { return }
        for index in states.indices {
            let own = states[index].equation.map { axesMoved(of: states[index].name.text, in: equations[$0].value) } ?? 0
            let axes = withAllOfRounds(own | (known.indices.contains(index) ? known[index] : 0))
            states[index].axes = axes == 0 ? headAxes : Variance(batch: true, axes: axes)
            states[index].isUnmoved = axes == 0
        }
    }

    /// The axes that states have by their equations, and whether these are others than they were typed with; nil where that is settled.
    var furtherAxesOfStates: [UInt8]? {
        guard hasOwnAxes else { return nil }
        var isSettled = true
        let found = states.indices.map { index -> UInt8 in
            let state = states[index]
            let known = state.isUnmoved ? 0 : state.axes.axes
            guard let equation = state.equation, case .done = progress[equation], let value = try? quietly({ try self.value(ofState: index) }) else { return known }
            let all = withAllOfRounds(known | model[value].variance.axes)
            isSettled = isSettled && (all == known || state.isUnmoved && all == headAxes.axes)
            return all
        }
        return isSettled ? nil : found
    }

    /// What differs from round to round differs from step to step, too, where each step takes rounds of its own.
    private func withAllOfRounds(_ axes: UInt8) -> UInt8 {
        stoppingAxis.map { axes & 1 << UInt8($0) == 0 ? axes : axes | allAxes.axes } ?? axes
    }

    /// The axes along which an expression looks at another step of a state: `h[t-1]`.
    private func axesMoved(of state: String, in expression: Expression) -> UInt8 {
        var result: UInt8 = 0
        var stack = [expression]
        while let next = stack.popLast() {
            stack += next.children
            guard case .index(let subject, let items) = next.kind, case .name(state) = subject.kind else { continue }
            for item in items.flatMap(\.expressions) {
                if case .name = item.kind { continue }
                for (axis, time) in model.axes.enumerated() where mentions(item, { $0 == time.name }) { result |= 1 << UInt8(axis) }
            }
        }
        return result
    }
}

extension Variance {
    /// What is moved along an axis varies over it: outside of the sequence it is another value.
    func moved(by offsets: [Int]) -> Variance {
        var result = self
        for (axis, offset) in offsets.enumerated() where offset != 0 { result.axes |= 1 << UInt8(axis) }
        return result
    }
}

extension ModelDeclaration {
    /// Whether an input is a stream that does not say over which axes.
    var hasPlainStreams: Bool {
        members.contains { member in
            if case .input(let input) = member { !input.isOnce && input.axes.isEmpty } else { false }
        }
    }
}
