import Foundation
import Rec
import RecExport
import TestSupport
import Testing

/// Compiled libraries give what streams give, bit for bit.
@Suite(.enabled(if: LibraryDriver.hasCompiler)) struct CLibraryTests {
    private func model(_ text: String, _ dims: [String: Int] = [:]) throws -> Model { try Model(Program(text: text), dims: dims) }

    /// Holds a library of a model against its stream; nil where the model cannot run step by step.
    private func check(
        _ model: Model, batch: Int = 2, length: Int = 90, precision: Precision = .f32, seed: UInt64 = 5, shared: Bool = false, weights: WeightFormat = .full,
        threads: Bool = false
    ) throws -> Bool {
        let whole = model.storingWeights(as: weights)
        let data = RandomCase(for: whole, batch: batch, length: length, seed: seed).data
        // A library takes steps along one axis, and what runs along another is not given whole.
        if whole.graph.dataAxes.count > 1 {
            #expect(throws: (any Error).self) { try CLibrary(whole.withParameters(data.parameters), named: "model", precision: precision) }
            return false
        }
        let expected: ModelResults
        do { expected = try StreamRun.run(whole, data, precision: precision) } catch let error as DiagnosticList where error.problems[0].id == "plan-refused" {
            #expect(throws: (any Error).self) { try CLibrary(whole.withParameters(data.parameters), named: "model", precision: precision) }
            return false
        } catch let error as Diagnostic where error.id == .planRefused || error.id == .unsupported {
            #expect(throws: (any Error).self) { try CLibrary(whole.withParameters(data.parameters), named: "model", precision: precision) }
            return false
        }
        let library = try CLibrary(whole.withParameters(data.parameters), named: "model", precision: precision, threads: threads)
        let results = try LibraryDriver(library).results(data, batch: batch, length: length, shared: shared)
        #expect(!expected.outputs.isEmpty && results.count == expected.outputs.count)
        for output in expected.outputs {
            let (got, wanted) = (results[output.name] ?? [], output.tensor.doubles())
            #expect(got.count == wanted.count && zip(got, wanted).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }, "\(model.graph.name), \(output.name)")
        }
        return true
    }

    private static let dims: [String: Int] = ["V": 11, "L": 2, "N": 3, "S": 3, "K": 4]

    @Test(arguments: ExampleTests.planned) func examples(path: String) throws {
        let program = try Program(path: path)
        let typed = try program.model()
        let dims = Dictionary(uniqueKeysWithValues: typed.dims.filter { typed.defaults[$0] == nil }.map { ($0, Self.dims[$0] ?? 6) })
        let model = try Model(program, dims: dims)
        let streams = try check(model, precision: path.utf8.count % 2 == 0 ? .f32 : .f64, shared: path.utf8.count % 3 == 0)
        let wholes = ["aaren", "adaptive_time", "bidirectional", "equilibrium", "grid", "token_duration", "transducer", "translation"]
        if !wholes.contains(where: { path.hasSuffix("/\($0).rec") }) { #expect(streams, "\(path)") }
    }

    /// What a stream has to remember, one kind a line.
    private static let kinds: [String] = [
        "input x: real\n state s: real = 1\n s = 0.5 * s[t-1] + x[t-2]\n z = 2 * s\n output y = z + z[t-1]",
        "input x: [3]\n state h: [3]\n h = 0.5 * h[t-3] + x * h[t-1] + x[t-70]\n output h",
        "input x: complex\n state s: complex\n s = complex(0.3, 0.4) * s[t-1] + x\n output s\n output y = abs(s)",
        "input x: int\n input b: bool\n state n: int\n n = if b then x else n[t-1] + 1\n output n\n output c = n > 2\n output d = b[t-1]",
        "input x: real\n input c: [2] once\n param p: complex\n output y = 2 * x\n output z = c + 1\n output w = p",
        "input x: [2]\n input h0: [2] once = 3\n param A: [2, 2] = normal(1)\n state h: [2] = A @ h0\n h = tanh(A @ h[t-1] + x)\n output h",
        "input x: [2]\n param s0: [2] = normal(1)\n param d: [2] = normal(1)\n state s: [2] = s0\n s = exp(-softplus(d)) * s[t-1] + x\n output s\n output x2 = x",
        "input int: real\n input stream: real\n input steps: [1]\n output for = int + stream\n output x_ = sum(steps)",
        "input q, k: [3]\n input v: [4]\n state S: [3, 4]\n S = 0.9 * S[t-1] + outer(k, v)\n output o = q @ S",
        "input x, a: [9]\n state h: [9]\n require plan(h) in (scan)\n h = sigmoid(a) * h[t-1] + x\n output h",
        "input x: [3]\n param w: [3, 1, 4] = normal(1)\n param v: [2, 3, 3] = normal(1)\n y = silu(conv[t](2 * x, w))\n output z = conv[t](y, v, dilation: 2)\n output u = x[t-5:t-1]",
        "input x: [3]\n state h: [3] = [noise[3](), 2]\n h = 0.5 * h[t-1] - 0.2 * h[t-2] + x * uniform[3]() + noise()\n output h\n output y = if t.first then x else h * t",
        "input x: [2]\n param E: [5, 3] = normal(1)\n state n: int\n n = mod(n[t-1] + argmax(x) + 1, 5)\n output y = E[n]",
    ]

    /// Names that the header, the code behind it, C or its standard headers have.
    private static let names = [
        "input in, out, done, count, s, k, b, r, p, advance, inputs, memcpy, CAPACITY, batch, size, memory: real\n output y = in + 2 * out + 3 * done + 4 * count + 5 * s + 6 * k + 7 * b + r * p - advance - inputs * memcpy + CAPACITY + batch * size - memory",
        "input stream, batch, memory, size, weights, weights_size, begin, malloc, start, code, block, s, k, region_size: real once\n input x: real\n output y = x + stream + 2 * batch + 3 * memory + 4 * size + 5 * weights + 6 * weights_size\n output z = begin + 7 * malloc + 8 * start + 9 * code - block + s * k - region_size",
        "input I, double, int, int_, complex, errno: real\n output for = I + 2 * double\n output for_ = 3 * int + 4 * int_\n output y = 5 * complex + errno",
        "input x, steps: real\n output stream = 2 * x + steps\n output steps_in = 3 * x - steps",
    ]

    @Test(arguments: names.indices) func namesThatAreTaken(index: Int) throws {
        #expect(try check(model("model M {\n \(Self.names[index])\n}"), length: 70))
    }

    /// A model of one input that is given once and has a default; what comes out where nothing is given.
    @Test(arguments: [("real", "-2.5", "-2.5"), ("real", "-inf", "-inf"), ("real", "nan", "nan"), ("real", "1e-40", "1e-40"), ("int", "-3", "-3"), ("bool", "1", "1"), ("complex", "2", "2 0")])
    func defaults(type: String, number: String, shown: String) throws {
        let whole = try model("model M {\n input x: real\n input d: \(type) once = \(number)\n output y = x\n output z = d\n}")
        let z = try whole.run(ModelData(inputs: ["x": Tensor([1.0], shape: [1, 1])]), on: .interpreter)["z"].doubles()
        let driver = try LibraryDriver(CLibrary(whole, named: "model", precision: .f64))
        #expect(driver.library.headerText.contains("\(Double(number).map { type == "int" || type == "bool" ? "\(Int($0))" : "\($0)" } ?? "") where it is not given"))
        let outcome = try driver.run(
            """
            #include "model.h"
            #include <stdio.h>
            int main(void) {
              model_stream *s;
              \(["int": "int64_t", "bool": "uint8_t"][type] ?? "double") z[MODEL_ONCE_z];
              if (model_create(&s, 1, 0) || model_get_z(s, z)) return 2;
              for (int k = 0; k < (int)(sizeof z / sizeof *z); k++) printf("%g\\n", (double)z[k]);
              model_destroy(s);
              return 0;
            }
            """)
        let got = outcome.output.split(separator: "\n").compactMap { Double($0) }
        #expect(outcome.status == 0 && got.count == z.count && zip(got, z).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }, "\(outcome), \(z)")
        #expect(got.map { "\($0)" } == shown.split(separator: " ").compactMap { Double($0).map { "\($0)" } })
    }

    @Test(arguments: kinds.indices) func whatIsRemembered(index: Int) throws {
        let model = try model("model M {\n \(Self.kinds[index])\n}")
        #expect(try check(model, batch: 3, precision: .f64, shared: index % 2 == 0, threads: true))
        #expect(try check(model, batch: 1, length: 5))
    }

    @Test func randomPrograms() throws {
        let streams = try (0..<8).filter { seed in
            let program = RandomProgram(seed: UInt64(seed))
            return try check(model(program.text, program.dims).computing(["y", "q", "s"]), precision: seed % 2 == 0 ? .f32 : .f64)
        }
        // Of the others it was held that there is no library.
        #expect(streams.count >= 4, "\(streams)")
    }

    private static let gru = Project.path("examples/gru.rec")

    private func gru(_ d: Int = 3, _ h: Int = 5) throws -> Model { try Model(Self.gru, dims: ["D": d, "H": h]).initialized(seed: 2) }

    @Test func weightsInHalfTheBytes() throws { #expect(try check(gru(20, 40), weights: .bf16)) }

    @Test func lossesAreLeftOut() throws {
        #expect(try check(model("model M { input x, y: real\n state s: real\n s = 0.5 * s[t-1] + x\n output s\n loss l = mean[t]((s - y)^2) }")))
    }

    @Test("models without inputs of steps run on by themselves") func withoutInputs() throws {
        let whole = try model("model M {\n input n0: int once = 3\n param a: [2] = constant(0.25)\n state n: int = n0\n state s: [2] = a\n n = n[t-1] + 1\n s = 0.5 * s[t-1] + real(n)\n output n\n output s\n}")
            .initialized(seed: 4)
        var (s, expected): (Float, [Float]) = (0.25, [])
        for n in 4..<9 {
            s = 0.5 * s + Float(n)
            expected += [s, s]
        }
        let outcome = try LibraryDriver(CLibrary(whole, named: "model")).run(
            """
            #include "model.h"
            #include <stdio.h>
            int main(void) {
              model_stream *s;
              int64_t n[5];
              float values[10];
              if (model_create(&s, 1, 0) || model_run(s, 3, n, values)) return 2;
              for (int t = 3; t < 5; t++) if (model_step(s, n + t, values + 2 * t)) return 3;
              for (int k = 0; k < 5; k++) if (n[k] != 4 + k) return 4;
              for (int k = 0; k < 10; k++) printf("%.9g\\n", values[k]);
              model_destroy(s);
              return 0;
            }
            """)
        #expect(outcome.status == 0 && outcome.output.split(separator: "\n").compactMap { Float($0) } == expected, "\(outcome)")
    }

    // MARK: Gradients

    /// Holds the gradients of a library against the interpreter's, with the library's parameters and with others.
    private func checkGradients(_ model: Model, batch: Int = 3, length: Int = 40, precision: Precision = .f64, seed: UInt64 = 5, targets: [CodeTarget] = [.native]) throws {
        let data = RandomCase(for: model, batch: batch, length: length, seed: seed).data
        let others = RandomCase(for: model, batch: batch, length: length, seed: seed + 1).data.parameters
        let gradients = try GradientModel(model)
        let driver = try LibraryDriver(CLibrary(model.withParameters(data.parameters), named: "model", precision: precision, targets: targets, gradient: true))
        var given = data.inputs.mapValues { $0.doubles() }
        var cotangents: [String: Tensor] = [:]
        let values = try model.run(data, on: .interpreter)
        for field in driver.library.gradientFields where field.name.hasPrefix("cotangent.") {
            let name = String(field.name.dropFirst("cotangent.".count))
            let tensor = try values[name]
            cotangents[name] = Tensor((0..<tensor.count).map { Double($0 % 7) / 4 - 0.5 }, shape: tensor.shape)
            given[field.name] = cotangents[name]?.doubles()
        }
        for parameters in [[:], others] {
            var own = data
            own.parameters.merge(parameters) { $1 }
            let expected = try gradients.run(own, cotangents: cotangents, on: .interpreter)
            let got = try driver.gradients(given.merging(parameters.mapValues { $0.doubles() }) { $1 }, batch: batch, length: length)
            let wanted = expected.results.outputs + expected.results.losses + expected.gradients.map { NamedTensor(name: "grad.\($0.name)", tensor: $0.tensor) }
            #expect(got.count == wanted.count)
            for tensor in wanted {
                let (a, b) = (got[tensor.name] ?? [], tensor.tensor.doubles())
                let error = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
                let size = max(b.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-3)
                #expect(a.count == b.count && error <= (precision == .f64 ? 1e-9 : 1e-4) * size, "\(model.graph.name), \(tensor.name): \(error / size)")
            }
        }
    }

    /// What a backward pass has to keep and sum, one kind a line.
    private static let differentiable: [String] = [
        "input x: real\n param a: real = constant(0.5)\n state s: real = 1\n s = a * s[t-1] + x[t-2]\n output y = s * s",
        "input x, z: [3]\n param W: [3, 3] = normal(0.4)\n state h: [3]\n h = tanh(W @ h[t-1] + x)\n output h\n loss l = mean[t](sum((h - z)^2))",
        "input x: [4]\n input h0: [4] once = 0.5\n param W: [2, 4] = normal(1)\n state h: [4] = h0\n h = 0.5 * h[t-1] + x\n output y = W @ h\n output k = 2 * h0",
        "input x: complex\n param a: complex\n state s: complex\n s = complex(0.3, 0.4) * s[t-1] + a * x\n output s",
        "input x: [3]\n param w: [3, 4] = normal(1)\n param v: [2, 3, 3] = normal(1)\n output z = conv[t](tanh(conv[t](x, w)), v, dilation: 2)\n output u = sum[2](x[t-2:t])",
        "input x: [2]\n input i: int\n param E: [5, 2] = normal(1)\n output y = E[mod(i, 5)] * x\n loss a = sum[t](sum(x * x))\n loss b = max[t](sum(E[2] * x))",
        "input q, k: [3]\n input v: [4]\n param W: [4, 4] = normal(1)\n state S: [3, 4]\n S = 0.9 * S[t-1] + outer(k, W @ v)\n output o = q @ S",
        "input x: [3]\n param W: [3, 3] = normal(0.4)\n state h: [3]\n require plan(h) in (sequential)\n h = sin(W @ h[t-1] + x)\n state a: real\n a = a[t-1] + sum(h)\n output a\n output h",
    ]

    @Test("gradients are those of the interpreter", arguments: differentiable.indices) func gradients(index: Int) throws {
        let model = try model("model M {\n \(Self.differentiable[index])\n}")
        try checkGradients(model)
        try checkGradients(model, batch: 1, length: 1)
        try checkGradients(model, batch: 2, length: 700, precision: .f32)
    }

    @Test func gradientsOfCells() throws {
        try checkGradients(gru(20, 33), length: 50, precision: .f32)
        let stack = try Model(Project.path("examples/stack_lm.rec"), dims: ["V": 11, "D": 6, "H": 5, "L": 4])
        try checkGradients(stack, length: 30)
        guard HostMachine.current.architecture == .x86 else { return }
        try checkGradients(gru(7, 9), length: 20, targets: [CodeTarget(named: "x86-64-v4"), CodeTarget(named: "x86-64-v2")])
    }

    @Test func gradientsOfRandomPrograms() throws {
        for seed in 0..<6 {
            let program = RandomProgram(seed: UInt64(seed))
            let whole = try model(program.text, program.dims).computing(["y", "q", "s"])
            guard (try? CLibrary(whole.initialized(seed: 1), named: "model")) != nil else { continue }
            try checkGradients(whole, length: 12)
        }
    }

    // MARK: Processors

    @Test("code for other processors is near, and the best that can run is taken") func processors() throws {
        guard HostMachine.current.architecture == .x86 else { return }
        let whole = try gru(20, 33)
        let data = RandomCase(for: whole, batch: 2, length: 30, seed: 5).data
        let model = try whole.withParameters(data.parameters)
        let expected = try StreamRun.run(model, data, precision: .f32).outputs[0].tensor.doubles()
        let reach = HostMachine.current.vectorBytes
        for names in [["x86-64-v2"], ["x86-64-v3"], ["x86-64-v4"], ["x86-64-v4", "x86-64-v3", "x86-64-v2"]] {
            let targets = try names.map { name throws(DiagnosticList) in try CodeTarget(named: name) }
            let driver = try LibraryDriver(CLibrary(model, named: "model", targets: targets))
            guard targets.contains(where: { $0.machine.vectorBytes <= reach }) else {
                let outcome = try driver.run("#include \"model.h\"\nint main(void) { model_stream *s; return model_create(&s, 1, 0); }\n")
                #expect(outcome.status == 4)
                continue
            }
            let got = try driver.results(data, batch: 2, length: 30, shared: names.count > 1)
            #expect(got["h"]?.count == expected.count && zip(got["h"] ?? [], expected).allSatisfy { abs($0 - $1) < 1e-5 }, "\(names)")
        }
    }

    @Test("processors without AVX, which lack the instruction that asks for its registers, take the code that they can run", .enabled(if: LibraryDriver.hasPrograms("qemu-x86_64")))
    func oldProcessors() throws {
        guard HostMachine.current.architecture == .x86 else { return }
        let names = ["x86-64-v4", "x86-64-v3", "x86-64-v2"]
        let library = try CLibrary(gru(7, 9), named: "model", targets: names.map { name throws(DiagnosticList) in try CodeTarget(named: name) })
        let driver = try LibraryDriver(library)
        let text = """
            #include "model.h"
            int main(void) {
              model_stream *s;
              float x[MODEL_INPUT_x] = {0}, h[MODEL_OUTPUT_h];
              int status = model_create(&s, 1, 0);
              return status ? status : model_step(s, x, h);
            }

            """
        try Data(text.utf8).write(to: driver.folder.url.appendingPathComponent("main.c"))
        let built = try driver.shell("cc -O1 -static main.c libmodel.a -lm -o main")
        #expect(built.status == 0, "\(built)")
        for processor in ["Nehalem", "Haswell"] {
            let outcome = try driver.shell("qemu-x86_64 -cpu \(processor) ./main")
            #expect(outcome.status == 0, "\(processor): \(outcome)")
        }
    }

    @Test func otherArchitectures() throws {
        let other = HostMachine.current.architecture == .x86 ? (HostMachine.Architecture.arm, "aarch64", 183) : (.x86, "x86-64-v3", 62)
        let target = try CodeTarget(named: other.1, for: other.0)
        let folder = try TemporaryFolder()
        do { _ = try CLibrary(gru(), targets: [target]).write(to: folder.url.path) } catch let error as Diagnostic where error.id == .compilerMissing { return }
        let bytes = try Data(contentsOf: folder.url.appendingPathComponent("libgru.a"))
        // The machine of each object file.
        let starts = bytes.ranges(of: Data([0x7F, 0x45, 0x4C, 0x46])).map(\.lowerBound)
        #expect(starts.count == 2 && starts.allSatisfy { Int(bytes[$0 + 18]) == other.2 })
        #expect(!FileManager.default.fileExists(atPath: folder.path("libgru.so")))
    }

    /// A program without a C library, as there is none for the machine: system calls, and what the library calls.
    private static let armProgram = """
        #include "gru.h"
        static long call(long number, long a, long b, long c) {
          register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
          __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
          return x0;
        }
        static char heap[1 << 20] __attribute__((aligned(64)));
        static size_t used;
        void *malloc(size_t size) { void *p = heap + used; used += (size + 63) & ~(size_t)63; return used <= sizeof heap ? p : 0; }
        void free(void *p) { (void)p; }
        /* What is volatile is not made a call of the function itself. */
        void *memmove(void *to, const void *from, size_t size) {
          volatile char *a = to;
          const volatile char *b = from;
          if (a < b) for (size_t k = 0; k < size; k++) a[k] = b[k];
          else while (size--) a[size] = b[size];
          return to;
        }
        void *memcpy(void *restrict to, const void *restrict from, size_t size) { return memmove(to, from, size); }
        void *memset(void *to, int value, size_t size) { for (size_t k = 0; k < size; k++) ((volatile char *)to)[k] = (char)value; return to; }
        int memcmp(const void *a, const void *b, size_t size) {
          for (size_t k = 0; k < size; k++) if (((volatile const char *)a)[k] != ((volatile const char *)b)[k]) return 1;
          return 0;
        }
        int pthread_create(void) { return 1; }
        int pthread_join(void) { return 1; }
        static float slope[90 * GRU_INPUT_x], un[GRU_PARAMETER_Un];
        static float x[90 * GRU_INPUT_x], h[90 * GRU_OUTPUT_h], again[90 * GRU_OUTPUT_h];
        void _start(void) {
          gru_stream *s;
          int status = gru_create(&s, 1, 0);
          for (int k = 0; k < 90 * GRU_INPUT_x; k++) x[k] = (float)(k % 13) / 8 - 0.5f;
          status |= gru_run(s, 90, x, h) | gru_reset(s, 0);
          for (int t = 0; t < 90; t++) status |= gru_step(s, x + t * GRU_INPUT_x, again + t * GRU_OUTPUT_h);
          status |= memcmp(h, again, sizeof h) | gru_reset(s, 0);
          status |= gru_run_threads(s, 2, 90, x, again);
          gru_gradient_data data = {.x = x, .cotangent_h = h, .grad_x = slope, .grad_Un = un};
          status |= gru_gradient(&data, 1, 90, 0, 0);
          call(64, 1, (long)h, sizeof h);
          call(64, 1, (long)slope, sizeof slope);
          call(64, 1, (long)un, sizeof un);
          call(94, status | memcmp(h, again, sizeof h), 0, 0);
        }

        """

    @Test("code for ARM runs where QEMU does it", .enabled(if: LibraryDriver.qemu != nil && LibraryDriver.hasPrograms("clang", "ld.lld"))) func arm() throws {
        guard HostMachine.current.architecture == .x86, let qemu = LibraryDriver.qemu else { return }
        let model = try gru(7, 21)
        let driver = try LibraryDriver(CLibrary(model, targets: [CodeTarget(named: "aarch64", for: .arm)], gradient: true, threads: true))
        try Data(Self.armProgram.utf8).write(to: driver.folder.url.appendingPathComponent("main.c"))
        let outcome = try driver.shell(
            "clang --target=aarch64-linux-gnu -O1 -ffreestanding -nostdlib -static -fuse-ld=lld main.c libgru.a -o main && \(qemu) ./main > h.bin")
        #expect(outcome.status == 0, "\(outcome)")
        let got = try Data(contentsOf: driver.folder.url.appendingPathComponent("h.bin")).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        let samples: [Float] = (0..<90 * 7).map { Float($0 % 13) / 8 - 0.5 }
        let x = Tensor(samples, shape: [1, 90, 7])
        let h = try model(["x": x])["h"]
        let slopes = try model.gradients(ModelData(inputs: ["x": x]), cotangents: ["h": h])
        let expected: [Float] = try [h, slopes["x"], slopes["Un"]].flatMap { $0.floats() }
        #expect(got.count == expected.count && zip(got, expected).allSatisfy { abs($0 - $1) < 1e-5 + 1e-4 * abs($1) })
    }

    // MARK: The interface

    @Test("what is exported is the header's, and nothing is used but a little of the C library", .enabled(if: LibraryDriver.hasPrograms("nm"))) func symbols() throws {
        let driver = try LibraryDriver(CLibrary(gru()))
        let names = try driver.shell("nm -D --defined-only libgru.so").output.split(separator: "\n").map { String($0.split(separator: " ").last ?? "") }
        #expect(Set(names) == Set(driver.library.functions))
        for name in names { #expect(driver.library.headerText.contains("\(name)("), "\(name)") }
        let needed = try driver.shell("nm -D --undefined-only libgru.so").output.split(separator: "\n").filter { !$0.contains(" w ") }
            .map { $0.split(separator: " ").last?.prefix { $0 != "@" } ?? "" }
        #expect(Set(needed).isSubset(of: ["malloc", "free", "memcpy", "memmove", "memset", "memcmp", "fma", "fmaf"]), "\(needed)")
    }

    @Test("the header is C and C++, and the source has no warnings") func texts() throws {
        let driver = try LibraryDriver(CLibrary(model("model M {\n \(Self.kinds[5])\n}").initialized(seed: 1), named: "model"))
        try Data(driver.library.sourceText.utf8).write(to: driver.folder.url.appendingPathComponent("model.c"))
        let source = try driver.shell("cc -std=c11 -Wall -Wextra -Werror -O2 -c model.c -o model.o")
        #expect(source.status == 0, "\(source.output)")
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/g++") else { return }
        let header = try driver.shell("echo '#include \"model.h\"\nint main() { return model_abi_version() != MODEL_ABI_VERSION; }' > a.cpp && g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror a.cpp libmodel.a -lm -o a && ./a")
        #expect(header.status == 0, "\(header.output)")
    }

    /// Under `SECCOMP_MODE_STRICT` any system call but reading, writing and ending kills the process.
    @Test("steps call nothing of the operating system, and allocate nothing") func steps() throws {
        let driver = try LibraryDriver(CLibrary(model("model M {\n \(Self.kinds[0])\n}").initialized(seed: 1), named: "model"))
        let outcome = try driver.run(
            """
            #define _GNU_SOURCE
            #include "model.h"
            #include <linux/seccomp.h>
            #include <stdlib.h>
            #include <sys/prctl.h>
            #include <sys/syscall.h>
            #include <unistd.h>
            static int counts, allocations;
            void *__real_malloc(size_t);
            void *__wrap_malloc(size_t size);
            void *__wrap_malloc(size_t size) { allocations += counts; return __real_malloc(size); }
            int main(void) {
              model_stream *s;
              if (model_create(&s, 1)) return 2;
              double x[100] = {1, 2, 3}, y[100];
              char state[1000];
              if (model_saved_size(s) > sizeof state) return 3;
              counts = 1;
              /* Some containers do not let it. */
              int strict = !prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), status = 0;
              for (int k = 0; k < 1000; k++) status |= model_step(s, x, y);
              status |= model_run(s, 100, x, y) | model_save(s, state, sizeof state) | model_restore(s, state, model_saved_size(s)) | model_reset(s);
              syscall(SYS_exit, status || allocations ? 4 : strict ? 0 : 77);
            }
            """.replacing("double", with: "float"), options: "-Wl,--wrap=malloc")
        #expect(outcome.status == 0 || outcome.status == 77, "\(outcome)")
    }

    @Test("wrong calls are told, and change nothing") func wrongCalls() throws {
        let driver = try LibraryDriver(CLibrary(gru()))
        let outcome = try driver.run(
            """
            #include "gru.h"
            #include <stdio.h>
            #include <stdlib.h>
            #include <string.h>
            #define IS(code, call) if ((call) != (code)) { printf("line %d: %d\\n", __LINE__, call); return 1; }
            int main(void) {
              gru_stream *s = 0, *two = 0, *none = (gru_stream *)&s;
              float x[6] = {1, 2, 3, 4, 5, 6}, h[10], again[10];
              char state[400], other[400];
              IS(GRU_ERROR_ARGUMENT, gru_create(0, 1, 0));
              IS(GRU_ERROR_BATCH, gru_create(&none, 0, 0));
              if (none) return 2;
              IS(GRU_ERROR_BATCH, gru_create(&none, (size_t)-1, 0));
              IS(GRU_ERROR_ARGUMENT, gru_create_in(0, 1 << 20, &none, 1, 0));
              IS(GRU_ERROR_MEMORY, gru_create_in(state, sizeof state, &none, 1, 0));
              IS(GRU_OK, gru_create(&s, 1, 0));
              IS(GRU_OK, gru_create(&two, 2, 0));
              if (gru_memory(0) || gru_memory((size_t)1 << 40) || gru_memory(2) <= gru_memory(1) || gru_saved_size(0)) return 3;
              for (size_t batch = 1; batch < 70; batch++) if (gru_memory(batch) > GRU_MEMORY(batch)) return 6;
              if (gru_saved_size(s) != GRU_SAVED_SIZE(1) || gru_saved_size(two) != GRU_SAVED_SIZE(2) || GRU_INPUTS != 1 || strcmp(GRU_MODEL, "GRU")) return 7;
              IS(GRU_OK, gru_step(s, x, h));
              IS(GRU_OK, gru_save(s, state, sizeof state));
              IS(GRU_ERROR_ARGUMENT, gru_step(0, x, h));
              IS(GRU_ERROR_ARGUMENT, gru_step(s, 0, h));
              IS(GRU_ERROR_ARGUMENT, gru_run(s, 2, x, 0));
              IS(GRU_OK, gru_run(s, 0, 0, 0));
              IS(GRU_ERROR_ARGUMENT, gru_reset(0, 0));
              IS(GRU_ERROR_ARGUMENT, gru_save(s, 0, sizeof state));
              IS(GRU_ERROR_MEMORY, gru_save(s, other, gru_saved_size(s) - 1));
              size_t size = gru_saved_size(s);
              IS(GRU_ERROR_STATE, gru_restore(s, state, size - 1));
              IS(GRU_ERROR_STATE, gru_restore(two, state, size));
              for (size_t k = 0; k < size; k++)
                for (int bit = 0; bit < 8; bit++) {
                  memcpy(other, state, size);
                  other[k] ^= (char)(1 << bit);
                  IS(GRU_ERROR_STATE, gru_restore(s, other, size));
                  /* The signs of two numbers. */
                  other[k] = state[k];
                  other[k] ^= (char)(1 << bit);
                  other[(k + 8) % size] ^= (char)(1 << bit);
                  IS(GRU_ERROR_STATE, gru_restore(s, other, size));
                }
              /* As states were that had no checksum. */
              memcpy(other, state, size);
              memset(other + 8, 0, 8);
              other[8] = 1;
              IS(GRU_ERROR_STATE, gru_restore(s, other, size));
              IS(GRU_OK, gru_step(s, x + 3, h));
              IS(GRU_OK, gru_restore(s, state, size));
              IS(GRU_OK, gru_step(s, x + 3, again));
              if (memcmp(h, again, 5 * sizeof *h)) return 4;
              for (int code = -1; code < 9; code++) if (!*gru_error_text(code)) return 5;
              gru_destroy(s);
              gru_destroy(two);
              return 0;
            }
            """)
        #expect(outcome.status == 0, "\(outcome)")
    }

    @Test("weights of their own are given, and others refused") func separateWeights() throws {
        let driver = try LibraryDriver(CLibrary(gru(), separateWeights: true))
        let outside = try CLibrary(model("model M {\n \(Self.kinds[0])\n}").initialized(seed: 1), named: "other", separateWeights: true)
        _ = try outside.write(to: driver.folder.url.path)
        // The same model with other weights goes with the same code.
        let others = try CLibrary(Model(Self.gru, dims: ["D": 3, "H": 5]).initialized(seed: 9), named: "fresh", separateWeights: true)
        _ = try others.write(to: driver.folder.url.path)
        let outcome = try driver.run(
            """
            #include "gru.h"
            #include <stdio.h>
            #include <string.h>
            static _Alignas(64) char weights[3][100000];
            static size_t sizes[3];
            int main(void) {
              const char *names[] = {"gru.weights", "other.weights", "fresh.weights"};
              for (int k = 0; k < 3; k++) {
                FILE *file = fopen(names[k], "rb");
                sizes[k] = fread(weights[k], 1, sizeof weights[k], file);
                fclose(file);
              }
              gru_stream *a, *b;
              float x[3] = {1, 2, 3}, h[5], other[5];
              if (gru_create(&a, 1, weights[1], sizes[1], 0) != GRU_ERROR_WEIGHTS) return 2;
              if (gru_create(&a, 1, weights[0], sizes[0] - 1, 0) != GRU_ERROR_WEIGHTS) return 3;
              if (gru_create(&a, 1, weights[0] + 1, sizes[0], 0) != GRU_ERROR_WEIGHTS) return 4;
              if (gru_create(&a, 1, 0, sizes[0], 0) != GRU_ERROR_ARGUMENT) return 5;
              if (gru_create(&a, 1, weights[0], sizes[0], 0) || gru_create(&b, 1, weights[2], sizes[2], 0)) return 6;
              if (gru_step(a, x, h) || gru_step(b, x, other) || !memcmp(h, other, sizeof h)) return 7;
              for (int k = 0; k < 5; k++) printf("%.9g\\n", h[k]);
              gru_destroy(a);
              gru_destroy(b);
              return 0;
            }
            """.replacing("_Alignas(64)", with: "__attribute__((aligned(64)))"))
        #expect(outcome.status == 0, "\(outcome)")
        let stream = try gru().stream()
        let expected = try stream.step(["x": [1, 2, 3]])["h"]
        #expect(outcome.output.split(separator: "\n").compactMap { Float($0) } == expected)
    }

    @Test("libraries meet in one program, and streams run on many threads") func together() throws {
        let driver = try LibraryDriver(CLibrary(gru()))
        let other = try CLibrary(gru(4, 8), named: "large")
        _ = try other.write(to: driver.folder.url.path)
        let outcome = try driver.run(
            """
            #include "gru.h"
            #include "large.h"
            #include <pthread.h>
            #include <string.h>
            static float x[4 * 1000], expected[8 * 1000];
            static void *work(void *result) {
              static const int fault = 1;
              for (int turn = 0; turn < 20; turn++) {
                large_stream *s;
                float h[8];
                if (large_create(&s, 1, 0)) return result;
                for (int k = 0; k < 1000; k++)
                  if (large_step(s, x + 4 * k, h) || memcmp(h, expected + 8 * k, sizeof h)) return (void *)&fault;
                large_destroy(s);
              }
              return 0;
            }
            int main(void) {
              gru_stream *a;
              large_stream *b;
              float h[5];
              for (int k = 0; k < 4000; k++) x[k] = (float)(k % 13) - 6;
              if (gru_create(&a, 1, 0) || large_create(&b, 1, 0) || gru_step(a, x, h) || large_run(b, 1000, x, expected)) return 2;
              pthread_t threads[4];
              for (int k = 0; k < 4; k++) if (pthread_create(&threads[k], 0, work, x)) return 3;
              for (int k = 0; k < 4; k++) { void *result; pthread_join(threads[k], &result); if (result) return 4; }
              gru_destroy(a);
              large_destroy(b);
              return 0;
            }
            """, options: "liblarge.a -pthread")
        #expect(outcome.status == 0, "\(outcome)")
    }
}
