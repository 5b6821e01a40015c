import RecSource
import RecSyntax

/// What a module of the library defines for those who import it.
package struct LibraryModule: Sendable {
    package enum Kind: String, Sendable {
        case model, monoid
        case function = "func"
    }

    package struct Definition: Sendable {
        package let kind: Kind
        package let name: String
        /// With its dims, fields or parameters: `GRU(D, H)`.
        package let head: String
        /// The `///` lines above it.
        package let documentation: String

        /// The first line of it, a sentence.
        package var summary: String { documentation.split(separator: "\n").first.map(String.init) ?? "" }
    }

    package let name: String
    package let definitions: [Definition]
}

extension Library {
    /// The definitions of a module in its order, private ones left out; nil where there is no such module.
    package static func contents(of module: String) -> LibraryModule? {
        guard let text = text(of: module) else { return nil }
        var sources = SourceMap()
        let file = sources.add(path: path(of: module), text: text, isLibrary: true)
        let definitions = parse(file, in: sources).tree.items.compactMap { definition($0, sources) }
        return LibraryModule(name: module, definitions: definitions.filter { !$0.name.hasPrefix("_") })
    }

    private static func definition(_ item: TopLevelItem, _ sources: SourceMap) -> LibraryModule.Definition? {
        func definition(_ kind: LibraryModule.Kind, _ name: String, _ parts: [String], _ documentation: String?) -> LibraryModule.Definition {
            let head = parts.isEmpty ? name : "\(name)(\(parts.joined(separator: ", ")))"
            return .init(kind: kind, name: name, head: head, documentation: documentation ?? "")
        }
        switch item {
        case .importFile: return nil
        case .model(let model):
            let dims = model.dims.map { dim in dim.name.text + (dim.defaultValue.map { " = \(sources.text(of: $0.span))" } ?? "") }
            return definition(.model, model.name.text, dims, model.documentation)
        case .function(let function):
            return definition(.function, function.name.text, function.parameters.map(\.text), function.documentation)
        case .monoid(let monoid):
            return definition(.monoid, monoid.name.text, monoid.fields.flatMap { $0.names.map(\.text) }, monoid.documentation)
        }
    }

    /// The module that defines a name, written in any case, and the name as it is there.
    package static func definition(of name: String) -> (module: String, definition: LibraryModule.Definition)? { index[name.lowercased()] }

    /// Every definition by its name in small letters; made when a name is first looked for, which is where something is wrong.
    private static let index: [String: (module: String, definition: LibraryModule.Definition)] = {
        let all = modules.flatMap { module in (contents(of: module)?.definitions ?? []).map { ($0.name.lowercased(), (module: module, definition: $0)) } }
        return Dictionary(all) { first, _ in first }
    }()

    /// Help for a name that stands for nothing, where the library has it.
    package static func help(forUndefined name: String, _ kind: LibraryModule.Kind) -> String? {
        guard let (module, found) = definition(of: name), found.kind == kind else { return nil }
        let use = found.name == name ? "" : ", where it is '\(found.name)'"
        return "the library has one: import \(module)\(use)"
    }

    /// The same where it was to be called.
    package static func help(forCalled name: String) -> String? {
        guard let (module, found) = definition(of: name) else { return nil }
        switch found.kind {
        case .model: return "the library has a model of this name: import \(module), and declare a layer: layer \(name.lowercased()) = \(found.head)"
        case .function: return help(forUndefined: name, .function)
        case .monoid: return nil
        }
    }

    /// Help for a module that there is not: what was meant, and all there are.
    package static func help(forUnknown module: String) -> String {
        let last = module.split(separator: ".").last.map(String.init) ?? module
        let close = modules.first { $0 == "std." + last.lowercased() && $0 != module }
            ?? nearest(last, among: modules.map { String($0.dropFirst(4)) }).map { "std.\($0)" }
        let meant = close.map { "did you mean '\($0)'? " } ?? definition(of: last).map { "'\($1.name)' is in '\($0)'. " } ?? ""
        return "\(meant)modules are \(modules.joined(separator: ", "))"
    }
}
