import Foundation
import Rec
import Testing

@testable import RecCodeGen

/// Machine code is put into memory by recc itself. `KernelCacheTests` and every test that runs compiled code hold its results.
@Suite struct LoadedCodeTests {
    private let plan: Plan
    private let object: [UInt8]

    /// Constants of several sizes, products, and with them a call of the C library, by workers that wait for each other.
    init() throws {
        let program = Program(
            text: """
                model M(D, H) {
                  input x: [D]
                  param W: [H, D]
                  param U: [H, H]
                  state h: [H]
                  h = tanh(W @ x + U @ h[t-1])
                  output y = exp(h) + sin(h)
                }
                """)
        let model = try Model(program, dims: ["D": 64, "H": 128])
        let plain = try model.plan()
        plan = plain.sharingRows()
        object = try CompiledPlan.listing(.object, of: plan, precision: .f32)
    }

    /// What is mapped where. Files of the system have no size beforehand, so that it is read to its end.
    private var mapped: String {
        let bytes = try? FileHandle(forReadingAtPath: "/proc/self/maps")?.readToEnd()
        return String(decoding: bytes ?? Data(), as: UTF8.self)
    }

    @Test func functionsAreFoundByName() throws {
        let code = try LoadedCode(object)
        let segment = try #require(plan.segments.indices.first { !plan.segments[$0].stages.isEmpty })
        let name = PlanFunctions.stageName(segment, 0)
        let address = UInt(bitPattern: try code.function(name))
        #expect(address % 16 == 0)
        #expect(throws: LoadingError.self) { try code.function("stage.99.99") }
        // What is called from outside is no function of the file.
        #expect(throws: LoadingError.self) { try code.function("sched_yield") }
        // The page may be executed, and not written.
        let row = mapped.split(separator: "\n").first { row in
            let ends = row.prefix { $0 != " " }.split(separator: "-").compactMap { UInt($0, radix: 16) }
            return ends.count == 2 && ends[0] <= address && address < ends[1]
        }
        #expect(row?.contains(" r-xp ") == true, "\(row ?? "")")
        withExtendedLifetime(code) {}
    }

    /// The test above is of code that calls out.
    @Test func theFileCallsOut() throws {
        let file = try ObjectFile(object, for: HostMachine.current.architecture)
        #expect(file.symbols.contains { $0.place == .outside && $0.name == "sched_yield" })
        #expect(file.sections.compactMap(\.self).allSatisfy { !$0.isWritable })
        #expect(Set(file.sections.compactMap { $0?.alignment }).contains { $0 >= 4 })
    }

    @Test func tornFilesAreRefused() {
        for count in [0, 1, 15, 16, 17, 63, 64] + Array(stride(from: 65, to: object.count, by: 97)) + [object.count - 1] {
            // Its table of sections is at the end.
            #expect(throws: LoadingError.self) { try LoadedCode(Array(object.prefix(count))) }
        }
    }

    /// Changed bytes lead to an error or to other code, which is not run; loading it does no harm.
    @Test(arguments: 0..<4)
    func changedFilesDoNoHarm(part: Int) throws {
        var generator = SeededGenerator(seed: UInt64(part))
        let header = Int(try ObjectReader(bytes: object).number(UInt64.self, at: 40))
        let headers = header..<object.count
        var refused = 0
        let turns = 600
        for turn in 0..<turns {
            var changed = object
            for _ in 0...Int.random(in: 0..<3, using: &generator) {
                // Half of them where the file describes itself.
                let place = turn % 2 == 0 ? Int.random(in: headers, using: &generator) : Int.random(in: changed.indices, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: changed[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 1: changed[place] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &generator) ?? 0
                default: changed[place] = UInt8.random(in: 0...255, using: &generator)
                }
            }
            if (try? LoadedCode(changed)) == nil { refused += 1 }
        }
        #expect(refused > turns / 10)
    }

    @Test func anotherArchitectureIsRefused() throws {
        let other: HostMachine.Architecture = HostMachine.current.architecture == .x86 ? .arm : .x86
        let error = try #require(throws: LoadingError.self) { try LoadedCode(object, for: other) }
        #expect(error.description.contains("another architecture"))
    }

    @Test func anUnknownOutsideNameIsRefused() throws {
        let name = Array("sched_yield".utf8)
        let place = try #require(object.indices.first { object[$0...].starts(with: name) })
        var changed = object
        changed[place] = UInt8(ascii: "S")
        let error = try #require(throws: LoadingError.self) { try LoadedCode(changed) }
        #expect(error.description.contains("'Sched_yield' is nowhere"))
    }
}
