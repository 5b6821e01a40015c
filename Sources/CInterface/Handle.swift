import CRecc
import Rec

/// What an opaque pointer of the interface points to.
class Handle {
    /// The handle as C holds it, until it is freed.
    final var retained: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    static func free(_ pointer: OpaquePointer?) {
        if let pointer { Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer)).release() }
    }

    /// The handle that a pointer is; nil for null and for one of another kind.
    static func found(_ pointer: OpaquePointer?) -> Self? {
        pointer.flatMap { Unmanaged<Handle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() as? Self }
    }

    /// The handle that a pointer is.
    ///
    /// - Throws: for null and for one of another kind; `what` is what it should have been.
    static func given(_ pointer: OpaquePointer?, _ what: String) throws(DiagnosticList) -> Self {
        guard let pointer else { throw .badCall("the \(what) is null") }
        guard let handle = found(pointer) else { throw .badCall("what was given as the \(what) is a handle of another kind") }
        return handle
    }
}

/// Where C takes a handle.
typealias HandlePlace = UnsafeMutablePointer<OpaquePointer?>

extension DiagnosticList {
    static func badCall(_ message: String, help: String? = nil) -> DiagnosticList { DiagnosticList(.badCall, message, help: help) }
}

/// Runs what can fail. Gives the status, and puts the error in its place.
func reporting(_ place: HandlePlace?, _ body: () throws -> Void) -> Int32 {
    place?.pointee = nil
    do {
        try body()
        return Int32(RECC_OK)
    } catch {
        let problems = DiagnosticList(error, in: nil)
        place?.pointee = ErrorHandle(problems).retained
        return Int32(problems.diagnostics.allSatisfy { $0.id == .badCall } ? RECC_BAD_CALL : RECC_PROBLEM)
    }
}

/// The same of what makes a handle.
func making(_ result: HandlePlace?, _ error: HandlePlace?, _ body: () throws -> Handle) -> Int32 {
    result?.pointee = nil
    return reporting(error) {
        guard let result else { throw DiagnosticList.badCall("there is no place for the result: its pointer is null") }
        result.pointee = try body().retained
    }
}

/// The same of what fills a structure of C or a pointer, which are zeros where it fails.
func filling<T>(_ result: UnsafeMutablePointer<T>?, _ error: HandlePlace?, _ body: () throws -> T) -> Int32 {
    clear(result)
    return reporting(error) {
        guard let result else { throw DiagnosticList.badCall("there is no place for the result: its pointer is null") }
        result.pointee = try body()
    }
}

/// Makes what a pointer of C points to zeros: null, or a structure of those.
func clear<T>(_ place: UnsafeMutablePointer<T>?) {
    if let place { UnsafeMutableRawPointer(place).initializeMemory(as: UInt8.self, repeating: 0, count: MemoryLayout<T>.size) }
}

/// A text that was given.
///
/// - Throws: for null and for what is no UTF-8; `what` is what it should have been.
func text(_ pointer: UnsafePointer<CChar>?, _ what: String) throws(DiagnosticList) -> String {
    guard let pointer else { throw .badCall("the \(what) is null") }
    guard let text = String(validatingCString: pointer) else { throw .badCall("the \(what) is not UTF-8") }
    return text
}

/// The texts of a list that ends with a null pointer; nil for null.
func texts(_ list: UnsafePointer<UnsafePointer<CChar>?>?, _ what: String) throws(DiagnosticList) -> [String]? {
    guard let list else { return nil }
    var result: [String] = []
    while let next = list[result.count] { result.append(try text(next, what)) }
    return result
}

/// An element of a list.
func element<T>(_ list: [T], _ index: Int64, _ what: String) throws(DiagnosticList) -> Int {
    guard index >= 0, index < list.count else { throw .badCall("there is no \(what) \(index)", help: "there are \(list.count), counted from 0") }
    return Int(index)
}
