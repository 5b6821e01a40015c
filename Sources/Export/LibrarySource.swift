import Rec
import RecCodeGen
import RecStream

/// The C text of a library: memory of streams, and the calls of the generated code. It includes nothing that needs a system's headers,
/// so that a compiler for another machine suffices.
struct LibrarySource {
    let header: LibraryHeader
    let variants: [LibraryVariant]
    /// What saved states must agree in.
    let identity: UInt64

    var n: String { header.names.library }
    var N: String { header.names.constants }
    var layout: StreamLayout { header.layout }
    /// The header with parameters as they are called here, where no other name ends so.
    var own: LibraryHeader {
        var own = header
        own.names = header.names.parameters(ending: "_p")
        return own
    }

    var text: String { [opening, tables, processors, memory, steps, beginning, calls, threads, states, gradients, descriptions].joined(separator: "\n") }

    private var opening: String {
        """
        /* Written by recc \(version) for the model '\(header.model)'. Do not edit. */
        #include <stddef.h>
        #include <stdint.h>

        #pragma GCC visibility push(default)
        #include "\(n).h"
        #pragma GCC visibility pop

        #if UINTPTR_MAX != UINT64_MAX
        #error "the generated code is for 64-bit systems"
        #endif

        void *malloc(size_t);
        void free(void *);
        void *memcpy(void *restrict, const void *restrict, size_t);
        void *memmove(void *, const void *, size_t);
        void *memset(void *, int, size_t);
        int memcmp(const void *, const void *, size_t);

        enum { WORDS = \(layout.wordCount), REGIONS = \(layout.regions.count), CAPACITY = \(layout.capacity), ONCE_STAGES = \(layout.onceStages.count), STEP_STAGES = \(layout.stepStages.count), NEEDS = \(ProcessorNeeds.wordCount) };

        /* Of generated code: frame, sequences, steps, elements. */
        typedef void stage(void *frame, int64_t b0, int64_t b1, int64_t i0, int64_t i1, int64_t l0, int64_t l1);

        typedef struct {
          uint32_t word, initial, element; /* the descriptor; of a ring what stands in it first, and the bytes of an element */
          uint32_t is_shared;
          size_t size, saved;              /* bytes of a sequence, and how many of them last */
          size_t row;                      /* bytes of a row of a ring */
          size_t step, halo;               /* bytes of a step of a block, and steps that stay before the present ones */
          int64_t strides[3];
        } region;

        typedef struct {
          uint32_t word;
          int32_t region; /* where steps are kept that are read later; -1 where none are */
          size_t step;    /* bytes of a step */
          int64_t elements;
        } port;

        typedef struct {
          const char *name;
          const unsigned char *constants;
          size_t size; /* bytes of the constants */
          uint32_t needs[NEEDS];
          const uint64_t *places; /* word and offset of each constant */
          size_t place_count;
          stage *const *once, *const *steps;
        } variant;

        struct \(n)_stream {
          const variant *code;
          void *block; /* to be freed */
          size_t batch;
          int64_t position;
          unsigned char *start[REGIONS + 1];
          uint64_t frame[WORDS];
        };

        """
    }

    private var tables: String {
        let regions = layout.regions.map { region in
            let (row, initial, element) = region.ring ?? (0, 0, 0)
            let (step, halo) = region.block ?? (0, 0)
            return "  {\(region.word), \(initial), \(element), \(region.isShared ? 1 : 0), \(region.byteCount), \(region.savedBytes), \(row), \(step), \(halo), {\(region.strides.batch), \(region.strides.first), \(region.strides.second)}},\n"
        }.joined()
        func ports(_ ports: [StreamLayout.Port]) -> String {
            ports.map { port in
                "  {\(port.word), \(port.region ?? -1), \(port.stepBytes), \(port.stepBytes / port.element.byteCount(header.precision))},\n"
            }.joined()
        }
        var text = "/* One more than there are, as C has no empty tables. */\n"
        text += "static const region regions[] = {\n\(regions)  {0}};\n"
        text += "static const port inputs[] = {\n\(ports(layout.inputs))  {0}};\n"
        text += "static const port outputs[] = {\n\(ports(layout.outputs))  {0}};\n\n"
        func names(_ stages: [(segment: Int, stage: Int)], _ variant: LibraryVariant) -> [String] {
            stages.map { variant.functions.stageName($0.segment, $0.stage) }
        }
        for (k, variant) in variants.enumerated() {
            let (once, steps) = (names(layout.onceStages, variant), names(layout.stepStages, variant))
            if !(once + steps).isEmpty { text += "extern stage \((once + steps).joined(separator: ", "));\n" }
            if !header.takesWeights { text += "extern const unsigned char \(variant.functions.constantsName)[];\n" }
            text += "static stage *const once_\(k)[] = {\((once + ["0"]).joined(separator: ", "))};\n"
            text += "static stage *const steps_\(k)[] = {\((steps + ["0"]).joined(separator: ", "))};\n"
            let places = variant.constants.places.map { "\($0.word), \($0.offset)" } + ["0"]
            text += "static const uint64_t places_\(k)[] = {\(places.joined(separator: ", "))};\n"
        }
        text += "\nstatic const variant variants[] = {\n"
        for (k, variant) in variants.enumerated() {
            let constants = header.takesWeights ? "0" : variant.functions.constantsName
            text += "  {\"\(variant.target.name)\", \(constants), \(variant.constants.bytes.count), {\(variant.needs.words.map(String.init).joined(separator: ", "))}, places_\(k), \(variant.constants.places.count), once_\(k), steps_\(k)},\n"
        }
        return text + "};\n"
    }

    /// Which code the processor can run.
    private var processors: String {
        """
        #if defined(__x86_64__)
        #include <cpuid.h>

        static int supports(const uint32_t *needs) {
          uint32_t has[NEEDS] = {0};
          unsigned a = 0, b = 0, c = 0, d = 0, low = 0, high = 0;
          if (__get_cpuid(1, &a, &b, &c, &d)) has[0] = c;
          if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
            has[1] = b;
            has[2] = c;
            has[3] = d;
            if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) has[4] = a;
          }
          if (__get_cpuid(0x80000001, &a, &b, &c, &d)) has[5] = c;
          if (has[0] & bit_OSXSAVE) {
            __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
            has[6] = low;
          }
          for (int k = 0; k < NEEDS; k++)
            if ((has[k] & needs[k]) != needs[k]) return 0;
          return 1;
        }
        #else
        static int supports(const uint32_t *needs) { return needs != 0; }
        #endif

        /* The best code that this processor can run. */
        static const variant *chosen(void) {
          for (size_t k = 0; k < sizeof variants / sizeof *variants; k++)
            if (supports(variants[k].needs)) return &variants[k];
          return 0;
        }

        """
    }

    /// What codes mean, and what the library is.
    private var descriptions: String {
        let texts = [
            "nothing is wrong", "a pointer is missing that must be there", "there are no sequences or steps, or too many",
            "there is not enough memory", "the library is compiled for processors with instructions that this one lacks",
            "the saved state is damaged, of another model or version of recc, or of another number of sequences",
            "the weights are not those of this library, or do not lie at a multiple of 8",
        ]
        let description = header.description.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return """
            const char *\(n)_error_text(int code) {
              static const char *const texts[] = {
                \(texts.map { "\"\($0)\"" }.joined(separator: ",\n    "))};
              return code >= 0 && code < \(texts.count) ? texts[code] : "there is no such code";
            }

            int \(n)_abi_version(void) { return \(N)_ABI_VERSION; }

            const char *\(n)_description(void) {
              return "\(description)";
            }

            """
    }
}
