import CRecc
import Foundation
import TestSupport
import Testing

extension Project {
    /// The library as the tests were built.
    static let library = path(".build/debug/librecc-c.so")
}

/// What a call of the interface reported.
struct Reported: Error, CustomStringConvertible {
    var status: Int
    var id: String
    var text: String
    var description: String { "\(status) \(id): \(text)" }
}

/// A function of the interface, with its last argument left.
typealias Call = (UnsafeMutablePointer<OpaquePointer?>) -> Int32

/// Makes a call; throws what it reports.
func call(_ body: Call) throws {
    var error: OpaquePointer?
    let status = Int(body(&error))
    defer { recc_error_free(error) }
    if status == RECC_OK {
        #expect(error == nil)
        return
    }
    #expect(error != nil)
    var problem = recc_problem()
    #expect(recc_error_count(error) > 0 && recc_error_problem(error, 0, &problem) == RECC_OK)
    throw Reported(status: status, id: String(cString: try #require(problem.id)), text: String(cString: try #require(recc_error_text(error))))
}

/// What a call makes.
func made(_ body: (UnsafeMutablePointer<OpaquePointer?>, UnsafeMutablePointer<OpaquePointer?>) -> Int32) throws -> OpaquePointer {
    var result: OpaquePointer? = OpaquePointer(bitPattern: 8)
    do { try call { body(&result, $0) } } catch {
        #expect(result == nil)
        throw error
    }
    return try #require(result)
}

/// Holds that a call reports a problem of this kind, and says something of it.
func expectReported(
    _ status: Int, _ id: String? = nil, _ part: String = "", _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("nothing was reported", sourceLocation: location)
    } catch let reported as Reported {
        #expect(reported.status == status && (id == nil || reported.id == id), "\(reported)", sourceLocation: location)
        #expect(part.isEmpty || reported.text.contains(part), "\(reported)", sourceLocation: location)
    } catch { Issue.record("\(error)", sourceLocation: location) }
}

/// A tensor of C and the memory that it needs.
final class CTensor {
    var tensor = recc_tensor()
    private let name: UnsafeMutablePointer<CChar>?
    private let shape: UnsafeMutablePointer<Int64>
    let numbers: UnsafeMutableRawBufferPointer

    init<Number>(_ name: String?, _ numbers: [Number], _ shape: [Int64], type: Int) {
        self.name = name.flatMap { strdup($0) }
        self.shape = .allocate(capacity: max(1, shape.count))
        self.shape.initialize(from: shape, count: shape.count)
        self.numbers = .allocate(byteCount: max(1, numbers.count * MemoryLayout<Number>.size), alignment: 64)
        numbers.withUnsafeBytes { self.numbers.copyMemory(from: $0) }
        tensor.name = UnsafePointer(self.name)
        tensor.data = UnsafeRawPointer(self.numbers.baseAddress)
        tensor.shape = UnsafePointer(self.shape)
        tensor.rank = Int32(shape.count)
        tensor.type = Int32(type)
    }

    convenience init(_ name: String?, _ numbers: [Float], _ shape: [Int64]) { self.init(name, numbers, shape, type: RECC_F32) }

    deinit {
        free(name)
        shape.deallocate()
        numbers.deallocate()
    }
}

/// Calls `body` with a list of tensors of C.
func withTensors<R>(_ tensors: [CTensor], _ body: (UnsafePointer<recc_tensor>?, Int64) throws -> R) rethrows -> R {
    try withExtendedLifetime(tensors) {
        try tensors.map(\.tensor).withUnsafeBufferPointer { try body($0.baseAddress, Int64($0.count)) }
    }
}

/// Calls `body` with a list of texts of C, with a null pointer behind the last.
func withTexts<R>(_ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) throws -> R) rethrows -> R {
    let copies = texts.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return try (copies.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { try body($0.baseAddress) }
}

/// A model of the interface, freed with the last who holds it.
final class CModel {
    let pointer: OpaquePointer

    init(_ source: String, _ options: [String] = [], _ parameters: [CTensor] = []) throws {
        pointer = try withTexts(options + ["cache=off"]) { options in
            try withTensors(parameters) { list, count in try made { recc_compile(source, "m.rec", options, list, count, $0, $1) } }
        }
    }

    deinit { recc_model_free(pointer) }

    func run(_ data: [CTensor], state: OpaquePointer? = nil, threads: Int32 = 0) throws -> CResults {
        CResults(try withTensors(data) { list, count in try made { recc_run(pointer, list, count, state, threads, $0, $1) } })
    }
}

/// Results of the interface.
final class CResults {
    let pointer: OpaquePointer
    init(_ pointer: OpaquePointer) { self.pointer = pointer }
    deinit { recc_results_free(pointer) }

    func floats(_ name: String, _ kind: Int = RECC_OUTPUTS) throws -> [Float] {
        var tensor = recc_tensor()
        try call { recc_results_find(pointer, Int32(kind), name, &tensor, $0) }
        #expect(String(cString: tensor.name) == name)
        let count = (0..<Int(tensor.rank)).reduce(1) { $0 * Int(tensor.shape[$1]) }
        if Int(tensor.type) == RECC_F64 { return UnsafeBufferPointer(start: tensor.data?.assumingMemoryBound(to: Double.self), count: count).map { Float($0) } }
        #expect(Int(tensor.type) == RECC_F32)
        return Array(UnsafeBufferPointer(start: tensor.data?.assumingMemoryBound(to: Float.self), count: count))
    }
}

/// `y` is what `x` adds up to.
let sum = "model Sum {\n  input x: real\n  state s: real\n  s = s[t-1] + x\n  output y = s\n  output z = x\n}\n"
