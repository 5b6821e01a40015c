import RecSource
import RecStream
import RecSyntax

/// Time as a value. The name of an axis is the number of the step along it: a model claims the names of its axes, so that this takes no
/// word that a program could use for something else.
extension ModelTyper {
    /// The step along an axis as an int: 0 at the first step of a sequence.
    func step(along axis: Int, _ span: SourceSpan) -> ValueID { add(.step(axis: axis), .int, [], streams(over: axis), span) }

    /// What varies from step to step along one axis alone.
    private func streams(over axis: Int) -> Variance { Variance(batch: true, axes: 1 << UInt8(axis)) }

    /// The axis that a name stands for; nil where a parameter of a function has it.
    func timeAxis(_ expression: Expression) -> Int? {
        guard case .name(let name) = expression.kind, environment?.meanings[name] == nil, environment?.equations[name] == nil else { return nil }
        return model.axes.firstIndex { $0.name == name }
    }

    /// `t.first`, `t.last`: whether a step is the first, or the last, of its sequence.
    func memberOfTime(_ axis: Int, _ name: Identifier, _ span: SourceSpan) throws -> ValueID {
        let time = model.axes[axis].name
        switch name.text {
        case "first":
            let zero = add(.primitive(.constant(.int(0))), .int, [], .none, span)
            return apply(.equal, step(along: axis, span), zero, span)
        case "last":
            // Where there is no next step, a delay gives false.
            let always = add(.primitive(.constant(.bool(true))), .bool, [], .none, span)
            let offsets = model.axes.indices.map { $0 == axis ? 1 : 0 }
            let goesOn = add(.primitive(.delay(always, offsets: offsets, initial: nil)), .bool, [], axis == stoppingAxis ? allAxes : streams(over: axis), span)
            return unary(.not, goesOn, span)
        default:
            throw report(
                .unknownName, "the axis '\(time)' has no '\(name.text)'", at: name.span,
                help: ["length", "len", "count", "size", "steps", "end"].contains(name.text)
                    ? "the number of steps is last[\(time)](\(time)) + 1"
                    : "\(time) is the number of the step, \(time).first and \(time).last say whether it is the first or the last")
        }
    }

    /// Reports `E[t]` of a table: in brackets an axis says at what step a value is looked at, and a table is the same at every step.
    func requireNoTable(_ value: ValueID, _ subject: Expression, _ span: SourceSpan) throws {
        guard !model[value].variance.isStream, !model[value].shape.isEmpty else { return }
        let time = model.axes[0].name
        let table = sources.text(of: subject.span)
        throw report(
            .notAStream, "'\(table)' is the same at every step", at: span, caption: describe(value),
            help: "write it without an index; its row at the number of the step has a name for that number: n = \(time), and \(table)[n]")
    }
}
