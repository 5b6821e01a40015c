/// Rounds of an inner axis that end on a condition.
extension ProgramGenerator {
    /// What the rounds of the program end on: something of the round that was taken and of those before it.
    mutating func addCondition() {
        guard var dice = rounds else { return }
        let time = timeAxes[1].name
        let back = "[\(timeAxes[0].name), \(time)-1]"
        switch dice.below(6) {
        case 0: declarations.append("input halt: bool")
        case 1:
            declarations.append("input most: int once")
            equations.append("halt = \(time) + 1 >= most")
        case 2:
            declarations += ["input push: real", "state sum_of_pushes: real"]
            equations += ["sum_of_pushes = 0.8 * sum_of_pushes\(back) + push", "halt = abs(sum_of_pushes) > \(dice.pick(["0.5", "1.5"]))"]
        case 3:
            declarations += ["input push: real over \(timeAxes[0].name)", "state still: real = 1"]
            equations += ["still = \(dice.pick(["0.3", "0.9"])) * still\(back) + 0.1 * tanh(push)", "halt = abs(still - still\(back)) < 0.1"]
        case 4:
            declarations += ["input sign: bool", "state halt: bool"]
            equations.append("halt = sign or halt\(back)")
        default:
            declarations += ["input push: [2]", "param bar: [2]"]
            equations.append("halt = sum(push * bar) > \(dice.pick(["0", "1"]))")
        }
        rounds = dice
    }
}
