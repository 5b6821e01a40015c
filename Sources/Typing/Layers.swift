import RecLibrary
import RecSource
import RecStream
import RecSyntax

/// Models used as layers.
extension ModelTyper {
    func declare(layer given: LayerDeclaration) -> Int? {
        let declaration = given.ofModelCalledReverse(in: program) ?? given
        guard let full = program.fullName(declaration.model.text, at: declaration.model.span), program.models[full] != nil else {
            report(
                .unknownName, "there is no model '\(declaration.model.text)'", at: declaration.model.span,
                help: (declaration.count != nil && dims[declaration.model.text] != nil ? "the number of copies comes first: repeat(\(declaration.model.text), …)" : nil)
                    ?? nearest(declaration.model.text, among: program.names(of: \.models, at: declaration.model.span)).map { "did you mean '\($0)'?" }
                    ?? Library.help(forUndefined: declaration.model.text, .model)
                    ?? "define it in this file, or import its file")
            return nil
        }
        guard let inner = lookUpModel(full) else { return nil }
        guard let (values, names) = dims(of: inner, declaration), let axes = axes(of: inner, declaration) else { return nil }
        for (axis, name) in inner.secondIndices {
            model.secondIndices[axes[axis]] = model.secondIndices[axes[axis]] ?? name
        }
        guard let reversed = declaration.reversed.map({ reversedAxes($0, of: inner, axes) }) ?? [] else { return nil }
        var count: DimExpression?
        if let expression = declaration.count {
            guard let value = try? dimExpression(expression), canRepeat(inner, values, declaration) else { return nil }
            if let number = value.constant, !(1...TypedLayer.mostCopies).contains(number) {
                report(.tooLarge, "'repeat' needs a number of copies from 1 to \(TypedLayer.mostCopies), not \(number)", at: expression.span)
                return nil
            }
            count = value
        }
        if inner.until != nil, reversed.contains(axes[1]) {
            report(
                .unsupported, "'\(inner.name)' ends its rounds along '\(inner.axes[1].name)' on a condition, so that they begin with the first", at: declaration.span,
                help: "turn the other axis alone: reverse[\(inner.axes[0].name)](\(declaration.model.text)(…))")
            return nil
        }
        model.layers.append(
            TypedLayer(
                name: declaration.name.text, model: inner.name, count: count, dims: values, names: names, axes: axes, reversedAxes: reversed,
                tensors: declaration.tensors.flatMap { tensors($0, of: declaration) }, span: declaration.span))
        return model.layers.count - 1
    }

    /// What each dim of the layer's model is here, and the name it was given by.
    private func dims(of inner: TypedModel, _ declaration: LayerDeclaration)
        -> (values: [String: DimExpression], names: [String: String])?
    {
        var values: [String: DimExpression] = [:]
        var names: [String: String] = [:]
        for (position, argument) in declaration.arguments.enumerated() {
            let name: String
            if let label = argument.label {
                name = label.text
            } else if position < inner.dims.count {
                name = inner.dims[position]
            } else {
                report(
                    .wrongArgument, "'\(inner.name)' has \(inner.dims.count == 1 ? "1 dim" : "\(inner.dims.count) dims"): \(inner.dims.joined(separator: ", "))",
                    at: argument.value.span)
                return nil
            }
            guard inner.dims.contains(name) else {
                report(.unknownDim, "'\(inner.name)' has no dim '\(name)'", at: argument.label?.span ?? argument.value.span)
                return nil
            }
            guard values[name] == nil else {
                report(.wrongArgument, "'\(name)' of '\(inner.name)' is given twice", at: argument.value.span)
                return nil
            }
            guard let dim = try? typedDim(argument.value) else { return nil }
            values[name] = dim.size
            names[name] = dim.name
        }
        for dim in inner.dims where values[dim] == nil {
            guard let value = inner.defaults[dim]?.substituting(values) else {
                report(
                    .unsolvableDim, "the layer does not say what '\(dim)' of '\(inner.name)' is", at: declaration.span,
                    help: "write \(inner.name)(\(inner.dims.joined(separator: ", ")))")
                return nil
            }
            values[dim] = value
            names[dim] = namedDim(value).name
        }
        return (values, names)
    }

    /// For each axis of the layer's model the axis of this one: of the same name, else the only one.
    private func axes(of inner: TypedModel, _ declaration: LayerDeclaration) -> [Int]? {
        if !declaration.axes.isEmpty { return axes(named: declaration.axes, of: inner) }
        var axes: [Int] = []
        for axis in inner.axes {
            if let same = model.axes.firstIndex(where: { $0.name == axis.name }) {
                axes.append(same)
            } else if inner.axes.count == 1, model.axes.count == 1 {
                axes.append(0)
            } else {
                report(
                    .unsupported, "'\(inner.name)' runs over '\(axis.name)', '\(model.name)' does not", at: declaration.span,
                    help: inner.axes.count == 1 ? "say which axis it runs over: layer \(declaration.name.text) = … over \(model.axes[0].name)" : "name the axes alike, or say which they are: … over (\(model.axes.map(\.name).joined(separator: ", ")))")
                return nil
            }
        }
        return axes
    }

    /// The axes that stand behind `over`, one for each of the layer's model.
    private func axes(named names: [Identifier], of inner: TypedModel) -> [Int]? {
        var axes: [Int] = []
        for name in names {
            guard let axis = model.axes.firstIndex(where: { $0.name == name.text }) else {
                report(
                    .unknownName, "there is no axis '\(name.text)' here", at: name.span,
                    help: "the axes of '\(model.name)' are \(model.axes.map(\.name).joined(separator: ", "))")
                return nil
            }
            guard !axes.contains(axis) else {
                report(.duplicateDefinition, "'\(name.text)' is named twice", at: name.span)
                return nil
            }
            axes.append(axis)
        }
        guard axes.count == inner.axes.count else {
            report(
                .wrongArgument, "'\(inner.name)' runs over \(inner.axes.count == 1 ? "one axis" : "\(inner.axes.count) axes"), and here are \(axes.count)",
                at: names[0].span.joined(with: names[names.count - 1].span))
            return nil
        }
        return axes
    }

    /// What varies over axes of the layer's model, in this one.
    private func outside(_ variance: Variance, _ layer: TypedLayer) -> Variance {
        var axes: UInt8 = 0
        for (k, axis) in layer.axes.enumerated() where variance.varies(over: k) { axes |= 1 << UInt8(axis) }
        return Variance(batch: true, axes: axes)
    }

    private func names(of axes: Variance) -> String {
        model.axes.indices.filter { axes.varies(over: $0) }.map { "'\(model.axes[$0].name)'" }.joined(separator: " and ")
    }

    /// Whether a model's output can be the input of its next copy.
    private func canRepeat(_ inner: TypedModel, _ values: [String: DimExpression], _ declaration: LayerDeclaration) -> Bool {
        let streams = inner.inputs.filter { !$0.isOnce }
        guard streams.count == 1, inner.outputs.count == 1 else {
            report(
                .wrongArgument,
                "'repeat' chains a model with one input stream and one output; '\(inner.name)' has \(streams.count) and \(inner.outputs.count)",
                at: declaration.model.span)
            return false
        }
        let (input, output) = (inner[streams[0].value], inner[inner.outputs[0].value])
        let from = input.shape.map { $0.size.substituting(values) }
        let to = output.shape.map { $0.size.substituting(values) }
        guard from == to, input.element == output.element else {
            report(
                .shapeMismatch, "the output of '\(inner.name)' cannot be the input of the next copy", at: declaration.model.span,
                caption: "\(describe(input.shape, input.element)) in, \(describe(output.shape, output.element)) out",
                help: "a repeated layer keeps the shape of its input")
            return false
        }
        guard output.variance.axes & ~input.variance.axes == 0 else {
            report(
                .notAStream, "the output of '\(inner.name)' varies over more than its input, and cannot be the input of the next copy",
                at: declaration.model.span)
            return false
        }
        return true
    }

    func callLayer(_ index: Int, _ name: Identifier, _ arguments: [Argument], _ span: SourceSpan) throws -> Meaning {
        let layer = model.layers[index]
        guard let inner = lookUpModel(layer.model) else { throw Abandoned() }
        guard !inner.outputs.isEmpty else {
            throw report(
                .wrongArgument, "'\(name.text)' gives nothing: '\(inner.name)' has no output", at: span,
                help: "add 'output …' to '\(inner.name)'")
        }
        let streams = inner.inputs.filter { !$0.isOnce }
        var given: [String: ValueID] = [:]
        var position = 0
        for argument in arguments {
            let input: TypedInput
            if let label = argument.label {
                guard let found = inner.inputs.first(where: { $0.name == label.text }) else {
                    throw report(
                        .wrongArgument, "'\(inner.name)' has no input '\(label.text)'", at: label.span,
                        help: nearest(label.text, among: inner.inputs.map(\.name)).map { "did you mean '\($0)'?" })
                }
                input = found
            } else {
                guard position < streams.count else {
                    throw report(
                        .wrongArgument, "'\(name.text)' takes \(streams.count) stream\(streams.count == 1 ? "" : "s"): \(streams.map(\.name).joined(separator: ", "))",
                        at: argument.value.span, help: "'once' inputs are named: \(name.text)(x, h0: …)")
                }
                input = streams[position]
                position += 1
            }
            guard given[input.name] == nil else {
                throw report(.wrongArgument, "'\(input.name)' is given twice", at: argument.value.span)
            }
            given[input.name] = try argumentValue(argument.value, for: input, of: inner, layer)
        }
        for input in inner.inputs where given[input.name] == nil {
            if case .primitive(.input(_, let fallback?)) = inner[input.value].operation {
                given[input.name] = constant(fallback, span)
                continue
            }
            throw report(
                .wrongArgument, "'\(name.text)' is called without '\(input.name)'", at: span,
                help: input.isOnce ? "add \(input.name): …" : nil)
        }
        model.calls.append(TypedCall(layer: index, inputs: given, span: span))
        let call = model.calls.count - 1
        let further = furtherAxes(of: layer, given: Array(given.values))
        let outputs = try inner.outputs.enumerated().map { position, output -> (name: String, value: ValueID) in
            let value = inner[output.value]
            let shape = try value.shape.map { dim -> TypedDim in
                guard let size = dim.size.substituting(layer.dims) else { throw report(.tooLarge, "this size is too large", at: span) }
                if let name = layer.names[dim.name] { return TypedDim(name, size) }
                return namedDim(size)
            }
            var variance = outside(value.variance, layer)
            if value.variance.batch { variance.axes |= further }
            return (output.name, add(.callOutput(call: call, output: position), value.element, shape, variance, span))
        }
        return .record(outputs, of: name.text)
    }

    private func argumentValue(
        _ expression: Expression, for input: TypedInput, of inner: TypedModel, _ layer: TypedLayer
    ) throws -> ValueID {
        let expected = inner[input.value]
        let value = try converted(try value(of: expression), to: expected.element, expression.span)
        try requireOneIndex(value, "a layer", expression.span)
        let sizes = expected.shape.map { $0.size.substituting(layer.dims) }
        let isScalar = model[value].shape.isEmpty
        guard isScalar || model[value].shape.map({ Optional($0.size) }) == sizes else {
            let wanted = sizes.map { $0.map(\.description) ?? "?" }.joined(separator: ", ")
            throw report(
                .shapeMismatch, "'\(input.name)' of '\(inner.name)' is [\(wanted)], given is \(describe(value))",
                at: expression.span)
        }
        if input.isOnce, model[value].variance.isStream {
            let axis = model.axes.indices.first { model[value].variance.varies(over: $0) } ?? 0
            throw report(
                .onceNeedsConstant, "'\(input.name)' is given once, this varies over time", at: expression.span,
                help: "take one of its steps: first[\(model.axes[axis].name)](x)")
        }
        if input.isOnce { return value }
        let axes = outside(expected.variance, layer)
        let variance = model[value].variance
        if let axis = layer.axes.first(where: { variance.varies(over: $0) && !axes.varies(over: $0) }) {
            throw report(
                .notAStream, "'\(input.name)' of '\(inner.name)' is the same at every step of '\(model.axes[axis].name)', this varies over it",
                at: expression.span, help: "take one of its steps: first[\(model.axes[axis].name)](x)")
        }
        // Where nothing else says how long an axis is, a layer over it has nothing to run along.
        if variance.isStream, variance.axes & axes.axes == 0, layer.axes.allSatisfy({ model.axes[$0].length == nil }),
            let other = model.axes.indices.first(where: { variance.varies(over: $0) })
        {
            throw report(
                .notAStream, "the layer '\(layer.name)' takes '\(input.name)' over \(names(of: axes)), and this varies over '\(model.axes[other].name)'",
                at: expression.span,
                help: inner.axes.count == 1 ? "say which axis the layer runs over: layer \(layer.name) = … over \(model.axes[other].name)" : nil)
        }
        return model[value].variance.isStream ? value : steady(value, over: axes, expression.span)
    }

    /// A stream that has the given value at every step of some axes.
    func steady(_ value: ValueID, over axes: Variance, _ span: SourceSpan) -> ValueID {
        let typed = model[value]
        let offsets = model.axes.indices.map { axes.varies(over: $0) ? -1 : 0 }
        return add(.primitive(.delay(value, offsets: offsets, initial: value)), typed.element, typed.shape, axes, span)
    }
}
