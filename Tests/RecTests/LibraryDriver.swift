import Foundation
import Rec
import RecExport
import TestSupport

/// Builds programs in C around compiled libraries, and runs them.
struct LibraryDriver {
    let folder: TemporaryFolder
    let library: CLibrary
    static var hasCompiler: Bool { FileManager.default.isExecutableFile(atPath: "/usr/bin/cc") }

    /// Whether programs are found along the path.
    static func hasPrograms(_ names: String...) -> Bool {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return names.allSatisfy { name in folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") } }
    }

    /// What runs programs for ARM, by the name that it has here.
    static var qemu: String? { ["qemu-aarch64-static", "qemu-aarch64"].first { hasPrograms($0) } }

    init(_ library: CLibrary) throws {
        folder = try TemporaryFolder()
        self.library = library
        _ = try library.write(to: folder.url.path)
    }

    /// Runs a line of a shell in the folder; gives its output, and what went wrong.
    func shell(_ line: String) throws -> (status: Int32, output: String) { try Self.shell(line, in: folder.url) }

    static func shell(_ line: String, in folder: URL) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "exec 2>&1; \(line)"]
        process.currentDirectoryURL = folder
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    static let flags = "-std=c99 -Wall -Wextra -Wpedantic -Werror -O1"

    /// Builds `main.c` with the static or the shared library, and runs it.
    func run(_ text: String, shared: Bool = false, options: String = "") throws -> (status: Int32, output: String) {
        try Data(text.utf8).write(to: folder.url.appendingPathComponent("main.c"))
        let options = library.functions.contains("\(library.name)_run_threads") ? "\(options) -pthread" : options
        let with = shared ? "-L. -l\(library.name) -Wl,-rpath,'$ORIGIN'" : "lib\(library.name).a -lm"
        return try shell("cc \(Self.flags) main.c \(options) \(with) -o main && ./main")
    }

    // MARK: Whole data

    /// Takes data through a library as one run, and as steps and pieces with the state passed from stream to stream, which must give the
    /// same bytes; gives the numbers of each output.
    func results(_ data: ModelData, batch: Int, length: Int, shared: Bool) throws -> [String: [Double]] {
        for port in library.inputs + library.onceInputs {
            let numbers = data.inputs[port.name]?.doubles() ?? []
            try bytes(numbers, port.type).write(to: folder.url.appendingPathComponent("v_\(port.parameter).in"))
        }
        let outcome = try run(program(batch, length), shared: shared)
        guard outcome.status == 0, outcome.output == "agrees\n" else { throw Failure(text: outcome.output) }
        var results: [String: [Double]] = [:]
        for port in library.outputs + library.onceOutputs {
            results[port.name] = numbers(try Data(contentsOf: folder.url.appendingPathComponent("v_\(port.parameter).out")), port.type)
        }
        return results
    }

    /// Takes data through the gradients of a library, with memory of its own and of the caller's, which must give the same bytes; gives the
    /// numbers of each output, loss and gradient.
    ///
    /// - Parameter data: by name; parameters by path where they are not to be the library's, cotangents as `cotangent.NAME`.
    func gradients(_ data: [String: [Double]], batch: Int, length: Int) throws -> [String: [Double]] {
        let fields = library.gradientFields
        let given = fields.filter { $0.isGiven && data[$0.name] != nil }
        let results = fields.filter { !$0.isGiven }
        for field in given { try bytes(data[field.name] ?? [], field.type).write(to: folder.url.appendingPathComponent("g_\(field.field).in")) }
        let n = library.name
        func size(_ field: CLibrary.GradientField) -> String {
            "sizeof(\(field.type)) * \(field.elements)\(field.byBatch ? " * B" : "")\(field.byStep ? " * T" : "")"
        }
        func each(_ fields: [CLibrary.GradientField], _ line: (CLibrary.GradientField) -> String) -> String { fields.map { "  \(line($0))\n" }.joined() }
        let text = Self.preamble(n) + """
            enum { B = \(batch), T = \(length) };
            int main(void) {
              \(n)_gradient_data data, again;
              memset(&data, 0, sizeof data);
            \(each(given) { "data.\($0.field) = load(\"g_\($0.field).in\", \(size($0)));" })  again = data;
            \(each(results) { "data.\($0.field) = guarded(\(size($0)));\n  again.\($0.field) = guarded(\(size($0)));" })
              CHECK(\(n)_gradient(&data, B, T, 0, 0));
              size_t size = \(n)_gradient_memory(B, T);
              char *memory = guarded(size);
              memset(memory, 0x7f, size);
              if (\(n)_gradient(&again, B, T, memory, size - 1) == 0 || \(n)_gradient_memory(0, T) || \(n)_gradient_memory(B, 0) || \(n)_gradient_memory((size_t)1 << 30, (size_t)1 << 39)) return 2;
              CHECK(\(n)_gradient(&again, B, T, memory, size));
            \(each(results) { "if (memcmp(data.\($0.field), again.\($0.field), \(size($0)))) { puts(\"memory tells in \($0.field)\"); return 1; }\n  store(\"g_\($0.field).out\", data.\($0.field), \(size($0)));" })\
              /* Each result alone. */
            \(each(results) { "{\n  \(n)_gradient_data one = data;\n\(each(results) { "one.\($0.field) = 0;" })  one.\($0.field) = again.\($0.field);\n  memset(again.\($0.field), 0, \(size($0)));\n  CHECK(\(n)_gradient(&one, B, T, memory, size));\n  if (memcmp(data.\($0.field), again.\($0.field), \(size($0)))) { puts(\"alone \($0.field) differs\"); return 1; }\n  }" })\
              /* The library's own parameters, given as others are, give the same. */
              \(n)_gradient_data own;
              memset(&own, 0, sizeof own);
              CHECK(\(n)_parameters(&own));
            \(each(given.contains { $0.isParameter } ? [] : fields.filter(\.isParameter)) { "again.\($0.field) = own.\($0.field);\n  if (!own.\($0.field)) return 3;" })\
            \(each(results) { "memset(again.\($0.field), 0, \(size($0)));" })  CHECK(\(n)_gradient(&again, B, T, memory, size));
            \(each(results) { "if (memcmp(data.\($0.field), again.\($0.field), \(size($0)))) { puts(\"given parameters differ in \($0.field)\"); return 1; }" })\
              release(memory, size);
              puts("agrees");
              return 0;
            }

            """
        let outcome = try run(text)
        guard outcome.status == 0, outcome.output == "agrees\n" else { throw Failure(text: outcome.output) }
        var numbers: [String: [Double]] = [:]
        for field in results { numbers[field.name] = self.numbers(try Data(contentsOf: folder.url.appendingPathComponent("g_\(field.field).out")), field.type) }
        return numbers
    }

    struct Failure: Error { var text: String }

    private func bytes(_ numbers: [Double], _ type: String) -> Data {
        switch type {
        case "float": numbers.map { Float($0) }.withUnsafeBytes { Data($0) }
        case "double": numbers.withUnsafeBytes { Data($0) }
        case "int64_t": numbers.map { Int64($0) }.withUnsafeBytes { Data($0) }
        default: Data(numbers.map { UInt8($0) })
        }
    }

    private func numbers(_ data: Data, _ type: String) -> [Double] {
        data.withUnsafeBytes { bytes in
            switch type {
            case "float": bytes.bindMemory(to: Float.self).map(Double.init)
            case "double": Array(bytes.bindMemory(to: Double.self))
            case "int64_t": bytes.bindMemory(to: Int64.self).map(Double.init)
            default: bytes.map(Double.init)
            }
        }
    }

    /// What programs begin with: memory with guards, files, and checks of calls.
    private static func preamble(_ n: String) -> String {
        """
        #define _GNU_SOURCE
        #include "\(n).h"
        #include "\(n).h"
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/mman.h>
        static size_t pages(size_t size) { return (size + 4095) & ~(size_t)4095; }
        /* Memory behind whose end nothing may be touched. */
        static void *guarded(size_t size) {
          char *start = mmap(0, pages(size) + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          if (start == MAP_FAILED || mprotect(start + pages(size), 4096, PROT_NONE)) exit(7);
          return start + pages(size) - size;
        }
        static void release(void *data, size_t size) { munmap((char *)data + size - pages(size), pages(size) + 4096); }
        static void *load(const char *path, size_t size) {
          char *data = guarded(size), more;
          FILE *file = fopen(path, "rb");
          if (!file || fread(data, 1, size, file) != size || fread(&more, 1, 1, file)) exit(3);
          fclose(file);
          return data;
        }
        static void store(const char *path, const void *data, size_t size) {
          FILE *file = fopen(path, "wb");
          if (!file || fwrite(data, 1, size, file) != size || fclose(file)) exit(4);
        }
        static void check(int code, int line) {
          if (code) { printf("line %d: %s\\n", line, \(n)_error_text(code)); exit(5); }
        }
        #define CHECK(call) check(call, __LINE__)

        """
    }

    private func program(_ batch: Int, _ length: Int) -> String {
        let n = library.name
        let N = n.uppercased()
        let (inputs, outputs) = (library.inputs, library.outputs)
        let once = library.onceInputs.map { ", v_\($0.parameter)_once" }.joined()
        func each(_ ports: [CLibrary.Port], _ line: (CLibrary.Port) -> String) -> String { ports.map { "  " + line($0) + "\n" }.joined() }
        func piece(_ name: (CLibrary.Port) -> String) -> String { (inputs.map(name) + outputs.map(name)).map { ", \($0)" }.joined() }
        // With any number of threads the same bytes come out, and the same state stays.
        let threads = !library.functions.contains("\(n)_run_threads") ? "" : """
              {
                size_t saved = \(n)_saved_size(s);
                char *state = guarded(saved), *other = guarded(saved);
                CHECK(\(n)_save(s, state, saved));
                for (size_t threads = 0; threads <= B + 1; threads++) {
                  CHECK(\(n)_reset(s\(once)));
                  CHECK(\(n)_run_threads(s, threads, T\(inputs.map { ", v_\($0.parameter)_all" }.joined())\(outputs.map { ", v_\($0.parameter)_pieces" }.joined())));
            \(each(outputs) { "if (memcmp(v_\($0.parameter)_all, v_\($0.parameter)_pieces, sizeof(\($0.type)) * B * T * \($0.elements))) { puts(\"threads differ in v_\($0.parameter)\"); return 1; }" })\
                  CHECK(\(n)_save(s, other, saved));
                  if (memcmp(state, other, saved)) { puts("threads leave another state"); return 1; }
                }
              }

            """
        return Self.preamble(n) + """
            enum { B = \(batch), T = \(length) };
            \(each(inputs) { "static const \($0.type) *v_\($0.parameter)_all;" })\(each(outputs) { "static \($0.type) *v_\($0.parameter)_all, *v_\($0.parameter)_pieces;" })
            static void take(\(n)_stream *s, int from, int count) {
            \(each(inputs) { "\($0.type) *v_\($0.parameter) = guarded(sizeof(\($0.type)) * B * count * \($0.elements));\n  for (int b = 0; b < B; b++) memcpy(v_\($0.parameter) + b * count * \($0.elements), v_\($0.parameter)_all + (b * T + from) * \($0.elements), sizeof(\($0.type)) * count * \($0.elements));" })\(each(outputs) { "\($0.type) *v_\($0.parameter) = guarded(sizeof(\($0.type)) * B * count * \($0.elements));" })
              if (count == 1) CHECK(\(n)_step(s\(piece { "v_\($0.parameter)" }))); else CHECK(\(n)_run(s, count\(piece { "v_\($0.parameter)" })));
            \(each(outputs) { "for (int b = 0; b < B; b++) memcpy(v_\($0.parameter)_pieces + (b * T + from) * \($0.elements), v_\($0.parameter) + b * count * \($0.elements), sizeof(\($0.type)) * count * \($0.elements));\n  release(v_\($0.parameter), sizeof(\($0.type)) * B * count * \($0.elements));" })\(each(inputs) { "release(v_\($0.parameter), sizeof(\($0.type)) * B * count * \($0.elements));" })}
            int main(void) {
            \(each(library.onceInputs) { "const \($0.type) *v_\($0.parameter)_once = load(\"v_\($0.parameter).in\", sizeof(\($0.type)) * B * \($0.elements));" })\(each(inputs) { "v_\($0.parameter)_all = load(\"v_\($0.parameter).in\", sizeof(\($0.type)) * B * T * \($0.elements));" })\(each(outputs) { "v_\($0.parameter)_all = guarded(sizeof(\($0.type)) * B * T * \($0.elements));\n  v_\($0.parameter)_pieces = guarded(sizeof(\($0.type)) * B * T * \($0.elements));" })
              \(n)_stream *s;
              CHECK(\(n)_create(&s, B\(once)));
              CHECK(\(n)_run(s, T\(piece { "v_\($0.parameter)_all" })));
            \(threads)\(each(outputs) { "store(\"v_\($0.parameter).out\", v_\($0.parameter)_all, sizeof(\($0.type)) * B * T * \($0.elements));" })\(each(library.onceOutputs) { "\($0.type) v_\($0.parameter)_once[B * \($0.elements)];\n  CHECK(\(n)_get_\($0.parameter)(s, v_\($0.parameter)_once));\n  store(\"v_\($0.parameter).out\", v_\($0.parameter)_once, sizeof v_\($0.parameter)_once);" })
              CHECK(\(n)_reset(s\(once)));
              /* A second stream in memory that begins anywhere, and was used before. */
              size_t size = \(n)_memory(B), saved = \(n)_saved_size(s);
              char *memory = guarded(size), *state = guarded(saved);
              memset(memory, 0x7f, size);
              \(n)_stream *other;
              CHECK(\(n)_create_in(memory, size, &other, B\(once)));
              int pieces[] = {1, 1, 2, 1, 13, 1, 1, 65, 1, 1, 1, T};
              for (int at = 0, k = 0; at < T; k++) {
                int count = pieces[k] < T - at ? pieces[k] : T - at;
                take(s, at, count);
                at += count;
                if (k % 2 == 0) continue;
                CHECK(\(n)_save(s, state, saved));
                /* Steps in vain, of which nothing may be left. */
                if (at < T) take(s, at, 1);
                CHECK(\(n)_restore(other, state, saved));
                \(n)_stream *held = s; s = other; other = held;
              }
            \(each(outputs) { "if (memcmp(v_\($0.parameter)_all, v_\($0.parameter)_pieces, sizeof(\($0.type)) * B * T * \($0.elements))) { puts(\"pieces differ in v_\($0.parameter)\"); return 1; }" })  \(n)_destroy(s);
              \(n)_destroy(other);
              \(n)_destroy(0);
              if (\(n)_abi_version() != \(N)_ABI_VERSION || !strstr(\(n)_description(), "\\"abi\\": ")) return 6;
              puts("agrees");
              return 0;
            }

            """
    }
}
