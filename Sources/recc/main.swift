import Rec
let args = CommandLine.arguments
let program = try Program(path: args[1])
for d in program.diagnostics { print(d.id.rawValue, d.message, d.span.map { program.sources.position(of: $0.start, in: $0.file) } as Any, d.caption ?? "", d.help ?? "") }
do {
let file = try CaseFile(path: args[2])
let model = try Model(program, fitting: file.data)
if args.count > 3 { for b in model.graph.values.enumerated() { print(b.offset, b.element.name ?? "", b.element.operation, b.element.shape.map { "\($0.name)=\($0.size)"}, b.element.variance) } }
if args.count > 4 { let p = try model.plan(); for s in p.segments { print(s.kind); for st in s.stages { print("  ", st.form); for i in st.items { print("      ", i) } } } ; print(String(decoding: try CompiledPlan.listing(.llvm, of: p, precision: .f32), as: UTF8.self)) }
for e in [Engine.interpreter, .compiled(.f32), .compiled(.f64)] {
let v = try Verification(model, file, engines: [e])
for r in v.rows { print(args[1].split(separator: "/").last!, r.engine.name, r.what, r.error, r.isWithin ? "ok" : "FAIL") }
}
} catch let e as DiagnosticList { for d in e.diagnostics { print("ERR", d.id.rawValue, d.message, d.help ?? "") } } catch { print("ERROR", error) }
