import RecSource
import RecSyntax

/// All files of a program, parsed: the main file, what it imports, and the modules of the library among that.
///
/// Definitions go by their full names: what their file calls them, with the module in front where a name of a module is taken.
package struct ProgramSyntax: Sendable {
    package var models: [String: ModelDeclaration] = [:]
    package var functions: [String: FunctionDeclaration] = [:]
    package var monoids: [String: MonoidDeclaration] = [:]
    /// Models of the main file in order.
    package var mainFileModels: [String] = []
    package var scopes = Scopes()

    /// The full name of what a name stands for in the file in which it is written; nil where it stands for nothing.
    package func fullName(_ name: String, at span: SourceSpan) -> String? { scopes[span.file][name] }

    package func model(_ name: Identifier) -> ModelDeclaration? { fullName(name.text, at: name.span).flatMap { models[$0] } }
    package func function(_ name: String, at span: SourceSpan) -> FunctionDeclaration? { fullName(name, at: span).flatMap { functions[$0] } }
    package func function(_ name: Identifier) -> FunctionDeclaration? { function(name.text, at: name.span) }
    package func monoid(_ name: Identifier) -> MonoidDeclaration? { fullName(name.text, at: name.span).flatMap { monoids[$0] } }

    /// The names that a file knows for something, in alphabetic order.
    package func names<T>(of definitions: KeyPath<ProgramSyntax, [String: T]>, at span: SourceSpan) -> [String] {
        scopes[span.file].filter { self[keyPath: definitions][$0.value] != nil }.keys.sorted()
    }
}

/// What names stand for in which file, by full name.
///
/// The program's own files share their names, and see those of every module that one of them imports; a definition of their own goes first. A
/// module of the library sees its own names and those of the modules that it imports, and nothing of the program. Names that begin with `_`, and
/// what a module imports, are not seen outside of it.
package struct Scopes: Sendable {
    /// Of the program's own files.
    package var program: [String: String] = [:]
    /// Of modules of the library, by the index of the file.
    package var modules: [Int: [String: String]] = [:]
    /// For each definition of the program whose name a module that it imports has as well, that module.
    package var hidden: [String: String] = [:]

    package subscript(_ file: FileID) -> [String: String] { modules[file.index] ?? program }
}
