import RecStream

/// Reductions over other steps: attention, counts and means over what a condition selects.
extension ProgramGenerator {
    /// Nil where steps have no others to go through.
    mutating func attended(_ type: GeneratedType, _ depth: Int) -> Term? {
        guard attends, !style.isInstant, !needsOnce, !isWithinStep, timeAxes.count == 1, timeAxes[0].length == nil else { return nil }
        // What is looked at at other steps is of earlier levels, so that no recurrence goes through itself.
        let saved = (levelLimit, isNaming)
        levelLimit = min(levelLimit, level - 1)
        isNaming = false
        defer { (levelLimit, isNaming) = saved }
        let index = fresh("s")
        let time = timeAxes[0].name
        let (range, isOfStep) = range(index, time)
        var axes: Set<Int> = isOfStep ? [0] : []
        /// An expression at the step of the index.
        func there(_ type: GeneratedType, _ generator: inout ProgramGenerator) -> String {
            let term = generator.expression(type, depth: depth - 1)
            return term.axes.isEmpty ? term.text : "(\(term.text))[\(index)]"
        }
        /// An expression at the present step.
        func here(_ type: GeneratedType, _ generator: inout ProgramGenerator) -> String {
            let term = generator.expression(type, depth: depth - 1)
            axes.formUnion(term.axes)
            return term.text
        }
        var condition = ""
        if dice.chance(30) {
            switch dice.below(4) {
            case 0: condition = "\(there(GeneratedType(.int), &self)) == \(here(GeneratedType(.int), &self))"
            case 1: condition = "\(there(GeneratedType(.real), &self)) > \(here(GeneratedType(.real), &self))"
            case 2:
                condition = "mod(\(time) - \(index), 2) == 1"
                axes = [0]
            default: condition = there(GeneratedType(.bool), &self)
            }
            condition = " where \(condition)"
        }
        let brackets = range + condition
        if type.element == .int {
            let text = dice.pick([
                "sum[\(brackets)](\(there(type, &self)))", "max[\(brackets)](\(there(type, &self)) - \(here(type, &self)))", "argmax[\(brackets)](\(there(type.of(.real), &self)))",
                "argmin[\(brackets)](\(there(type, &self)))",
            ])
            return Term(text: text, axes: axes)
        }
        switch dice.below(5) {
        case 0, 1:
            // A softmax over scores that are products of a query and a key.
            let scores = part(of: type)
            var score: String
            if let inner = newAxis(for: scores) {
                let wide = scores.with(inner, at: scores.shape.count)
                score = "sum[\(inner.name)](\(here(wide, &self)) * \(there(wide, &self)))"
            } else {
                score = "(\(here(scores, &self)) * \(there(scores, &self)))"
            }
            if dice.chance(30) {
                score = "(\(score) - 0.5 * (\(time) - \(index)))"
                axes = [0]
            }
            return Term(text: "sum[\(brackets)](softmax[\(index)](\(score)) * \(there(type, &self)))", axes: axes)
        case 2:
            return Term(text: "\(dice.pick(["max", "min", "logsumexp"]))[\(brackets)](\(there(type, &self)) - \(here(part(of: type), &self)))", axes: axes)
        case 3:
            return Term(text: "\(dice.pick(["mean", "var", "sum"]))[\(brackets)](\(here(type, &self)) * tanh(\(there(part(of: type), &self))))", axes: axes)
        default:
            return Term(text: "\(dice.pick(["sum", "sum", "mean", "max"]))[\(brackets)](\(there(type, &self)))", axes: axes)
        }
    }

    /// Which steps, and whether that depends on the present one.
    private mutating func range(_ index: String, _ time: String) -> (text: String, isOfStep: Bool) {
        let back = dice.weighted([(2, 1), (4, 2), (2, 5), (1, 40)])
        return dice.weighted([
            (5, ("\(index) <= \(time)", true)), (3, ("\(index) < \(time)", true)), (4, ("\(time)-\(back) < \(index) <= \(time)", true)),
            (2, ("\(index) in \(time)", false)), (1, ("\(time)-\(back) <= \(index) < \(time)+3", true)), (1, ("\(index) >= \(time)", true)),
        ])
    }
}
