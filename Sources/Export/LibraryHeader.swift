import Rec
import RecStream

/// The C header of a library: what its users see (`docs/c.md`).
struct LibraryHeader {
    var names: CNames
    let layout: StreamLayout
    let precision: Precision
    let model: String
    let dims: [(name: String, size: Int)]
    let processors: String
    /// Whether weights are given when a stream is created.
    let takesWeights: Bool
    /// Of a library with gradients.
    let gradient: GradientLayout?
    /// Whether there is a function that shares sequences among threads.
    let hasThreads: Bool

    /// Of the interface that this header describes; the functions that there are keep their meaning in all later ones.
    static let abiVersion = 1

    private var n: String { names.library }
    private var N: String { names.constants }

    func type(_ port: StreamLayout.Port) -> String { port.element.cType(precision.rawValue) }

    /// `, const float *h0`
    var onceParameters: String { layout.onceInputs.map { ", const \(type($0)) *\(names.input($0))" }.joined() }
    var weightParameters: String { takesWeights ? ", const void *weights, size_t weights_size" : "" }
    var stepParameters: String {
        layout.inputs.map { ", const \(type($0)) *\(names.input($0))" }.joined() + layout.outputs.map { ", \(type($0)) *\(names.output($0))" }.joined()
    }

    /// Every function that is exported.
    var functions: [String] {
        ["create", "create_in", "destroy", "memory", "reset", "step", "run", "saved_size", "save", "restore", "error_text", "abi_version", "description"]
            .map { "\(n)_\($0)" } + (hasThreads ? ["\(n)_run_threads"] : []) + (gradient == nil ? [] : ["\(n)_gradient_memory", "\(n)_gradient", "\(n)_parameters"])
            + layout.onceOutputs.map { "\(n)_get_\(names.output($0))" }
    }

    /// `[8]`, `[3][4]`; nothing for one number.
    private func shape(_ port: StreamLayout.Port) -> String { port.shape.map { "[\($0)]" }.joined() }

    private func lines(_ ports: [StreamLayout.Port], _ kind: String, _ what: String, name: (StreamLayout.Port) -> String) -> String {
        ports.map { port in
            "/* \(what) '\(port.name)': \(type(port))\(shape(port))\(port.fallbackText.map { ", \($0) where it is not given" } ?? ""). */\n#define \(N)_\(kind)_\(name(port)) \(port.elements)\n"
        }.joined()
    }

    private func count(_ name: String, _ number: Int) -> String { "#define \(N)_\(name) \(number)\n" }

    var text: String {
        let once = layout.onceInputs.isEmpty
            ? "" : """
                 * Inputs given once, \(layout.onceInputs.map { "'\($0.name)'" }.joined(separator: ", ")), are [batch][size]; \
                NULL takes the default of one that has a default.

                """
        let weights = takesWeights
            ? """
                 * weights: the bytes of the file \(n).weights, of which nothing is copied: they must stay while the stream is there. Their
                 * address must be a multiple of 8; of 64 is faster. What memory mapping a file gives is.

                """ : ""
        return """
            /* The model '\(model)'\(dims.isEmpty ? "" : " with \(dims.map { "\($0.name) = \($0.size)" }.joined(separator: ", "))"), in \(precision.rawValue), for \(processors).
             * Written by recc \(version). Do not edit.
             *
             * A stream is a batch of sequences and the state that each of them is in. A stream belongs to one thread at a time;
             * any number of streams may be used at the same time. Functions that return int return 0 where they did what they are for,
             * and else a code, of which \(n)_error_text gives a text; the stream is then as it was.
             *
             * Steps allocate nothing, take no lock and call nothing of the operating system. Inputs and outputs may lie anywhere; they
             * must not overlap. Complex numbers are pairs, real part first; bools are 0 and 1.
             */
            #ifndef RECC_\(N)_H
            #define RECC_\(N)_H

            #include <stddef.h>
            #include <stdint.h>

            #ifdef __cplusplus
            extern "C" {
            #endif

            /* The version of this interface; \(n)_abi_version gives the library's. */
            #define \(N)_ABI_VERSION \(Self.abiVersion)

            /* Sizes: the numbers of one step of one sequence. */
            \(lines(layout.inputs, "INPUT", "The input", name: names.input))\(lines(layout.outputs, "OUTPUT", "The output", name: names.output))\(lines(layout.onceInputs, "ONCE", "The input, given once,", name: names.input))\(lines(layout.onceOutputs, "ONCE", "The output, known before the first step,", name: names.output))\(dims.map { count("DIM_\($0.name)", $0.size) }.joined())
            /* The model's name, and how many inputs and outputs steps have. */
            #define \(N)_MODEL "\(model)"
            #define \(N)_INPUTS \(layout.inputs.count)
            #define \(N)_OUTPUTS \(layout.outputs.count)

            /* Bytes of a saved state, and bytes of which a stream needs no more, for memory that is there before a program runs. */
            #define \(N)_SAVED_SIZE(batch) (\(layout.savedBytes.fixed) + (size_t)(batch) * \(layout.savedBytes.each))
            #define \(N)_MEMORY(batch) (\(layout.mostBytes.fixed) + (size_t)(batch) * \(layout.mostBytes.each))

            /* What functions return. */
            enum {
              \(N)_OK = 0,
              \(N)_ERROR_ARGUMENT = 1, /* a pointer is missing that must be there */
              \(N)_ERROR_BATCH = 2,    /* no sequences or steps, or too many */
              \(N)_ERROR_MEMORY = 3,   /* there is not as much memory, or less than is needed was given */
              \(N)_ERROR_CPU = 4,      /* the library is compiled for processors with instructions that this one lacks */
              \(N)_ERROR_STATE = 5,    /* the saved state is damaged, of another model or version of recc, or of another number of sequences */
              \(N)_ERROR_WEIGHTS = 6   /* the weights are not those of this library, or do not lie at a multiple of 8 */
            };

            typedef struct \(n)_stream \(n)_stream;

            /* Makes a stream of so many sequences at their beginning. \(n)_destroy gives its memory back.
            \(once)\(weights) */
            int \(n)_create(\(n)_stream **stream, size_t batch\(weightParameters)\(onceParameters));

            /* The same in memory of the caller's, of which \(n)_memory says how much is needed: nothing is allocated. */
            int \(n)_create_in(void *memory, size_t size, \(n)_stream **stream, size_t batch\(weightParameters)\(onceParameters));

            /* Bytes that a stream of so many sequences takes; 0 where there can be none. */
            size_t \(n)_memory(size_t batch);

            /* Ends a stream. NULL is none. */
            void \(n)_destroy(\(n)_stream *stream);

            /* Goes back to the beginning of the sequences. */
            int \(n)_reset(\(n)_stream *stream\(onceParameters));

            /* Takes one step. Inputs and outputs are [batch][size]. */
            int \(n)_step(\(n)_stream *stream\(stepParameters));

            /* Takes so many steps, and gives what as many calls of \(n)_step give, bit for bit. Inputs and outputs are [batch][steps][size]. */
            int \(n)_run(\(n)_stream *stream, size_t steps\(stepParameters));
            \(threadsText)\(layout.onceOutputs.map { "\n/* The output '\($0.name)', [batch][size], which is known before the first step. */\nint \(n)_get_\(names.output($0))(const \(n)_stream *stream, \(type($0)) *\(names.output($0)));\n" }.joined())
            /* Bytes of a saved state. */
            size_t \(n)_saved_size(const \(n)_stream *stream);

            /* Copies the state to `to`, which has room for `size` bytes. */
            int \(n)_save(const \(n)_stream *stream, void *to, size_t size);

            /* Goes back to a state that was saved, by this stream or by another one of this model and as many sequences. */
            int \(n)_restore(\(n)_stream *stream, const void *from, size_t size);

            /* What a code means. */
            const char *\(n)_error_text(int code);

            /* \(N)_ABI_VERSION of the library. */
            int \(n)_abi_version(void);

            /* What the library is, as JSON: name, model, dims, precision, processors, inputs and outputs. */
            const char *\(n)_description(void);
            \(gradientText)
            #ifdef __cplusplus
            }
            #endif

            #endif

            """
    }

    private var threadsText: String {
        guard hasThreads else { return "" }
        return """

            /* The same with the sequences shared among so many threads, which last as long as the call; the results are the same bits. One
             * sequence is taken by one thread. Where the system gives no more threads, those that there are do the work. */
            int \(n)_run_threads(\(n)_stream *stream, size_t threads, size_t steps\(stepParameters));

            """
    }

    func type(_ field: GradientLayout.Field) -> String { field.role == .loss ? "double" : field.element.cType(precision.rawValue) }

    private func axes(_ field: GradientLayout.Field) -> String {
        (field.byBatch ? "[batch]" : "") + (field.byStep ? "[steps]" : "") + field.shape.map { "[\($0)]" }.joined()
    }

    private var gradientText: String {
        guard let gradient else { return "" }
        let fields = zip(gradient.fields, names.gradientFields).map { field, name in
            let fallback = field.fallbackText.map { "; NULL for \($0)" } ?? ""
            let (what, isGiven): (String, Bool) =
                switch field.role {
                case .input, .once: ("The input '\(field.name)'\(fallback)", true)
                case .parameter: ("The parameter '\(field.name)'; NULL for the library's", true)
                case .cotangent: ("What '\(field.name)' is multiplied by; NULL for zeros", true)
                case .output: ("The output '\(field.name)'", false)
                case .loss: ("The loss '\(field.name)', a mean over the batch", false)
                case .gradient: ("\(field.name)", false)
                }
            return "  /* \(what): \(axes(field).isEmpty ? "one number" : axes(field)). */\n  \(isGiven ? "const " : "")\(type(field)) *\(name);\n"
        }.joined()
        let sizes = zip(gradient.fields, names.gradientFields).filter { $0.0.role == .parameter }.map { "#define \(N)_PARAMETER_\($1) \($0.elements)\n" }.joined()
        let losses = gradient.fields.contains { $0.role == .cotangent } ? "the sum of outputs times cotangents" : "the sum of the losses"
        return """

            /* Sizes of parameters. */
            \(sizes)
            /* What is differentiated, \(losses), and what comes out. Of what comes out NULL is not wanted.
             * Make it with all fields 0, and fill in what is there. */
            typedef struct {
            \(fields)} \(n)_gradient_data;

            /* Bytes that gradients of so many sequences with so many steps take while they are computed; 0 where there can be none. */
            size_t \(n)_gradient_memory(size_t batch, size_t steps);

            /* Runs whole sequences from their beginning, and differentiates them. `memory` has `size` bytes, as many as \(n)_gradient_memory
             * says, or is NULL: then it is allocated, and given back. There is no stream: a call starts from nothing and leaves nothing behind. */
            int \(n)_gradient(const \(n)_gradient_data *data, size_t batch, size_t steps\(weightParameters), void *memory, size_t size);

            /* Makes the parameters of `data` point to the library's own, to be read or copied. */
            int \(n)_parameters(\(n)_gradient_data *data\(weightParameters));

            """
    }

    /// What `description` gives.
    var description: String {
        func quoted(_ text: String) -> String { "\"\(text)\"" }
        func list(_ ports: [StreamLayout.Port]) -> String {
            "[\(ports.map { "{\"name\": \(quoted($0.name)), \"type\": \(quoted($0.element.rawValue)), \"shape\": [\($0.shape.map(String.init).joined(separator: ", "))]}" }.joined(separator: ", "))]"
        }
        return "{\"name\": \(quoted(n)), \"model\": \(quoted(model)), \"compiler\": \(quoted("recc \(version)")), \"abi\": \(Self.abiVersion), \"precision\": \(quoted(precision.rawValue)), \"processors\": \(quoted(processors)), "
            + "\"dims\": {\(dims.map { "\(quoted($0.name)): \($0.size)" }.joined(separator: ", "))}, \"inputs\": \(list(layout.inputs)), \"outputs\": \(list(layout.outputs)), "
            + "\"once_inputs\": \(list(layout.onceInputs)), \"once_outputs\": \(list(layout.onceOutputs))}"
    }
}
