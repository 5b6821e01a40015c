import RecSource
import RecStream
import RecSyntax

/// Models whose inputs run over axes of their own, `input y: [E] over s`: which axes there are, and what varies over which.
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

    /// Finds the axes that states vary over, where not all inputs run over all axes of the model: those along which a state is read at
    /// other steps, and those of what its equation is made of. They are the fewest for which that holds.
    ///
    /// The types of states are needed before those of their equations, so that this goes by names. It may find more axes than there are, as
    /// where a function reduces one of them away; then the state is the same at all steps of them.
    func findAxesOfStates() {
        guard model.inputs.contains(where: { !$0.isOnce && model[$0.value].variance != allAxes }) else { return }
        var axes = [UInt8](repeating: 0, count: equations.count)
        var isChanged = true
        while isChanged {
            isChanged = false
            for (index, equation) in equations.enumerated() {
                var found = axes[index] | self.axes(of: equation.value, equations: axes)
                // Which rounds are taken differs from step to step.
                if let axis = stoppingAxis, found & 1 << UInt8(axis) != 0 { found |= allAxes.axes }
                isChanged = isChanged || found != axes[index]
                axes[index] = found
            }
        }
        for index in states.indices {
            guard let equation = states[index].equation else { continue }
            states[index].axes = axes[equation] == 0 ? headAxes : Variance(batch: true, axes: axes[equation])
        }
    }

    /// The axes that an expression varies over, as far as names tell, with those of equations as they are known so far.
    private func axes(of expression: Expression, equations: [UInt8]) -> UInt8 {
        var result: UInt8 = 0
        var stack: [(expression: Expression, reduced: UInt8)] = [(expression, 0)]
        while let (expression, reduced) = stack.popLast() {
            var reduced = reduced
            switch expression.kind {
            case .name(let name):
                result |= axes(of: name, equations: equations) & ~reduced
                continue
            case .call(let name, let brackets, _):
                if name.text != "softmax", Builtins.names.contains(name.text) {
                    for bracket in brackets ?? [] { reduced |= self.reduced(bracket) }
                    if let axis = stoppingAxis, reduced & 1 << UInt8(axis) != 0 { result |= allAxes.axes & ~reduced }
                } else if case .layer(let index) = definitions[name.text] {
                    for axis in model.layers[index].axes { result |= 1 << UInt8(axis) & ~reduced }
                }
            case .integer, .real, .boolean, .unary, .binary, .conditional, .index, .member, .rename, .pipe, .fold, .array, .steps, .error: break
            }
            stack += expression.children.map { ($0, reduced) }
        }
        return result
    }

    /// The axis that brackets reduce: `sum[s](x)`, `sum[s where m](x)`.
    private func reduced(_ bracket: Expression) -> UInt8 {
        let name: String
        switch bracket.kind {
        case .name(let text): name = text
        case .steps(let range):
            guard case .axis(let axis) = range.bounds else { return 0 }
            name = axis.text
        case .integer, .real, .boolean, .unary, .binary, .conditional, .call, .index, .member, .rename, .pipe, .fold, .array, .error: return 0
        }
        return model.axes.firstIndex { $0.name == name }.map { 1 << UInt8($0) } ?? 0
    }

    private func axes(of name: String, equations: [UInt8]) -> UInt8 {
        switch definitions[name] {
        case .value(let value): return model[value].variance.axes
        case .state(let index): return states[index].equation.map { equations[$0] } ?? 0
        case .equation(let index, _): return equations[index]
        case .layer, .failed: return 0
        case nil: return model.axes.firstIndex { $0.name == name }.map { 1 << UInt8($0) } ?? 0
        }
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
