import Foundation
import Rec
import RecExport
import TestSupport
import Testing

/// Files in Swift with types for a model. They are compiled, and used, in `Tests/LibraryTests`.
@Suite struct SwiftWrapperTests {
    private let tagger = """
        model Tagger(D, H, V) {
          input token: int
          input on: bool
          input x: [D]
          input class: real once = 1
          input bias: [H] once
          input target: [H]
          param table: [V, H]
          param W: [H, D]
          param U: [H, H]
          state h: [H]
          h = if on then tanh(class * (W @ x) + U @ h[t-1] + table[token] + bias) else h[t-1]
          output h
          output best = argmax[H](h)
          output high = sum(h) > 0
          loss error = mean[t](sum((h - target) * (h - target)))
        }
        """

    /// Names that Swift, or the file itself, has.
    private let names = """
        model Names(Type) {
          input init, session, tensor0, tensors, memory, results: real
          input class, once, Tensor, inputs: real once = 1
          output self = init + 2 * session + 3 * tensor0 + 4 * tensors + 5 * memory + 6 * results
          output Step = class + 3 * once + 4 * Tensor + 5 * inputs + init
        }
        """

    /// `RECC_RECORD=1 swift test --filter SwiftWrapperTests` writes them anew.
    @Test(arguments: ["GRU", "Tagger", "Names"]) func filesAreWhatIsWritten(name: String) throws {
        let (program, dims) = switch name {
        case "GRU": (try Program(path: Project.path("examples/gru.rec")), ["D": 8, "H": 64])
        case "Tagger": (Program(text: tagger, path: "tagger.rec"), ["D": 2, "H": 3, "V": 5])
        default: (Program(text: names, path: "names.rec"), ["Type": 2])
        }
        let model = try Model(program, dims: dims)
        let text = try SwiftWrapper(model, named: nil, precision: name == "GRU" ? .f32 : .f64).text
        let file = Project.path("Tests/LibraryTests/Wrappers/\(name).swift")
        if ProcessInfo.processInfo.environment["RECC_RECORD"] != nil { try Data(text.utf8).write(to: URL(fileURLWithPath: file)) }
        #expect(try String(contentsOfFile: file, encoding: .utf8) == text)
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: Project.path(".build/debug/recc")))) func theCommandWritesThem() throws {
        let recc = try ReccCommand(Project.path(".build/debug/recc"))
        let arguments = ["compile", Project.path("examples/gru.rec"), "-D", "D=8", "-D", "H=64", "--emit", "swift"]
        let text = try String(contentsOfFile: Project.path("Tests/LibraryTests/Wrappers/GRU.swift"), encoding: .utf8)
        #expect(try recc.run(arguments).output == text)
        #expect(try recc.run(arguments + ["--name", "Cell", "-o", "cell.swift"]).status == 0)
        #expect(try String(contentsOfFile: recc.folder.path("cell.swift"), encoding: .utf8).contains("struct Cell: Sendable"))
        for wrong in [["--cpu", "native"], ["--grad"], ["--plan", "h=scan"]] { #expect(try recc.run(arguments + wrong).status == 2, "\(wrong)") }
        #expect(try recc.run(arguments + ["--name", "Model"]).status == 1)
    }

    @Test func whatCannotBeWrittenIsSaid() throws {
        func refused(_ text: String, named name: String? = nil) -> String {
            do {
                _ = try SwiftWrapper(Model(Program(text: text)), named: name, precision: .f32)
                return ""
            } catch { return DiagnosticList(error, in: nil).description }
        }
        let plain = "model M {\n  input x: real\n  output y = x\n}\n"
        #expect(refused(plain) == "")
        #expect(refused(plain.replacing("model M", with: "model Tensor")).contains("'Tensor'"))
        for name in ["", "2nd", "a-b", "class", "Model", "Float"] { #expect(refused(plain, named: name).contains("[library-refused]"), "\(name)") }
        let grid = try Program(path: Project.path("examples/grid.rec"))
        let dims = Dictionary(uniqueKeysWithValues: try grid.model().dims.map { ($0, 3) })
        #expect(throws: Diagnostic.self) { try SwiftWrapper(Model(grid, dims: dims), named: nil, precision: .f32) }
    }
}
