import RecStream

/// Makes well-typed programs of the Rec language at random.
///
/// Values come in levels. A level is a group of states that may depend on each other, in one direction; what earlier levels
/// give may be delayed in any direction and reduced over time. Expressions are made for a type that is asked for; what they
/// lack is declared as an input or a parameter.
struct ProgramGenerator {
    /// What a program may be made of.
    struct Style {
        /// The most elements of a step of a value.
        var mostElements = 64
        var sizes = [1, 2, 3, 4, 5]
        var depth = 3
        var mostLevels = 3
        /// Sizes are parameters of the model, so that shapes are checked as symbols.
        var isSymbolic = false
        var allowsTwoAxes = true
        var isLayer = false
        /// Neither states nor delays: such a layer may stand within any recurrence.
        var isInstant = false
    }

    var dice: Dice
    let style: Style
    var dims: [GeneratedAxis] = []
    var timeAxes: [(name: String, length: Int?)] = [("t", nil)]
    var atoms: [Atom] = []
    var level = 0
    /// Atoms of later levels are not used.
    var levelLimit = 0
    /// Only what does not vary over time is used.
    var needsOnce = false
    /// No name is given to a part of an expression: names that need whole sequences would become part of a recurrence.
    var isNaming = true
    /// Whether steps look at others by an index of their own.
    private(set) var attends = false
    /// Chooses what programs whose rounds end on a condition have beside others; nil where all rounds are taken.
    var rounds: Dice?
    /// Nothing is reduced over time: what is made is differentiated within the step.
    var isWithinStep = false
    /// For the present level, for each axis of time, which way states look: −1 or 1.
    var direction = [-1]
    var declarations: [String] = []
    var equations: [String] = []
    var results: [String] = []
    /// Functions, monoids and models that the program uses.
    var helpers: [String] = []
    var count = 0
    private(set) var functions: [String] = []
    /// Layers without states: name, what goes in and what comes out.
    var instantLayers: [(name: String, input: GeneratedType, output: GeneratedType)] = []

    init(seed: UInt64, style: Style = Style()) {
        self.init(dice: Dice(seed: seed, for: "program"), style: style, dims: nil, axes: nil)
        attends = Self.attends(seed)
        if timeAxes.count > 1, timeAxes[1].length != nil { rounds = Self.rounds(seed) }
    }

    /// Decided apart as well.
    private static func rounds(_ seed: UInt64) -> Dice? {
        var dice = Dice(seed: seed, for: "rounds")
        return dice.chance(50) ? dice : nil
    }

    /// Whether steps look at others in the program of a seed. Decided apart, so that all other programs are what they would be without.
    static func attends(_ seed: UInt64) -> Bool {
        var dice = Dice(seed: seed, for: "attention")
        return dice.chance(10)
    }

    init(dice: Dice, style: Style, dims: [GeneratedAxis]?, axes: [(name: String, length: Int?)]?) {
        self.dice = dice
        self.style = style
        if let axes { timeAxes = axes } else if style.allowsTwoAxes, self.dice.chance(12) {
            timeAxes = self.dice.chance(50) ? [("i", nil), ("j", nil)] : [("t", nil), ("k", self.dice.number(in: 1...4))]
        }
        if let dims { self.dims = dims } else {
            for name in ["A", "B", "C", "D"].prefix(2 + self.dice.below(3)) {
                self.dims.append(GeneratedAxis(name: name, text: name, size: self.dice.pick(style.sizes)))
            }
        }
        direction = timeAxes.map { _ in -1 }
    }

    /// The text of a whole program.
    mutating func program() -> String {
        if dice.chance(25) { addFunction() }
        let levels = style.isInstant ? 0 : dice.number(in: 1...max(1, style.mostLevels))
        if !style.isLayer, dice.chance(20) { addLayer(isInstant: true) }
        for _ in 0..<dice.below(3) { define() }
        for _ in 0..<levels {
            beginLevel()
            if dice.chance(80) { addStates() }
            level += 1
            levelLimit = level
            direction = timeAxes.map { _ in -1 }
            for _ in 0..<dice.below(3) { define() }
            if !style.isLayer, dice.chance(15) { addLayer(isInstant: false) }
            if !style.isInstant, dice.chance(12) { addFold() }
        }
        addResults()
        addCondition()
        return helpers.joined() + text(named: "M")
    }

    func text(named name: String) -> String {
        var head = "model \(name)"
        if style.isSymbolic { head += "(\(dims.map { "\($0.name) = \($0.size)" }.joined(separator: ", ")))" }
        if timeAxes.count > 1 || timeAxes[0].name != "t" {
            head += " over (\(timeAxes.map { axis in axis.name + (axis.length.map { ": \($0)" } ?? "") }.joined(separator: ", ")))"
        }
        if rounds != nil { head += " until halt" }
        let sizes = style.isSymbolic ? [] : dims.map { "dim \($0.name) = \($0.size)" }
        let body = (sizes + declarations + equations + results).map { "  \($0)\n" }.joined()
        return "\(head) {\n\(body)}\n"
    }

    mutating func beginLevel() {
        level += 1
        levelLimit = level
        direction = timeAxes.map { axis in dice.chance(axis.length == nil ? 70 : 85) ? -1 : 1 }
    }

    mutating func fresh(_ prefix: String) -> String {
        count += 1
        return "\(prefix)\(count)"
    }

    /// A random shape within the bounds.
    mutating func randomShape(_ rank: Int? = nil) -> [GeneratedAxis] {
        let wanted = rank ?? dice.weighted([(3, 0), (6, 1), (3, 2), (1, 3)])
        var shape: [GeneratedAxis] = []
        var rest = dims
        while shape.count < wanted, !rest.isEmpty {
            let axis = rest.remove(at: dice.below(rest.count))
            if shape.reduce(axis.size, { $0 * $1.size }) <= style.mostElements { shape.append(axis) }
        }
        return shape
    }

    /// A name for an expression of a random type.
    mutating func define() {
        let type = GeneratedType(dice.weighted([(10, .real), (1, .int), (1, .bool), (1, .complex)]), randomShape())
        let term = expression(type, depth: style.depth)
        let name = fresh("v")
        equations.append("\(name) = \(term.text)")
        atoms.append(Atom(name: name, type: type, axes: term.axes, level: level))
    }

    private mutating func addFunction() {
        let name = fresh("f")
        let gradient = dice.chance(20) ? " gradient (d) = \(dice.pick(["d, d", "d * q, d * p", "clamp(d, -1, 1), 0", "d / (1 + p * p), sum(d)", "tanh(d) * p, -d"]))" : ""
        helpers.append("func \(name)(p, q) = \(dice.pick(["p + q * p", "tanh(p) - 0.5 * q", "max(p, q) * sigmoid(p)", "p * (1 - q)", "p / (1 + abs(q))", "if p > q then p else q", "step(p) * q"]))\(gradient)\n")
        functions.append(name)
    }

    mutating func addResults() {
        let states = atoms.filter { $0.name.hasPrefix("s") && $0.axes == Set(timeAxes.indices) }
        for state in states where dice.chance(50) { results.append("output \(state.name)") }
        for _ in 0..<(results.isEmpty ? 1 : 0) + dice.below(3) {
            let type = GeneratedType(dice.weighted([(10, .real), (1, .int), (1, .bool), (1, .complex)]), randomShape())
            isNaming = dice.chance(30)
            results.append("output \(fresh("y")) = \(expression(type, depth: style.depth).text)")
        }
        isNaming = true
        if dice.chance(25) { addLoss() }
    }

    private mutating func addLoss() {
        var term = expression(.real, depth: 2)
        term.text = "(0.0 + \(term.text))"
        for axis in rounds != nil && term.axes.contains(1) ? [1, 0] : term.axes.sorted() {
            term.text = "\(dice.pick(["mean", "sum", "last"]))[\(timeAxes[axis].name)](\(term.text))"
        }
        results.append("loss \(fresh("l")) = \(term.text)")
    }
}
