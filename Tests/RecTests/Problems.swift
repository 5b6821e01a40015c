import Rec

/// What a call throws, as `id: message` of each problem; empty where it throws nothing.
func message(_ body: () throws -> Void) -> String {
    do {
        try body()
        return ""
    } catch let list as DiagnosticList {
        return list.diagnostics.map { "\($0.id.rawValue): \($0.message)" }.joined(separator: "\n")
    } catch { return "\(error)" }
}
