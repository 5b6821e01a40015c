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

    private var n: String { header.names.library }
    private var N: String { header.names.constants }
    private var layout: StreamLayout { header.layout }

    var text: String { [opening, tables, processors, memory, steps, beginning, functions].joined(separator: "\n") }

    // MARK: Tables

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

        static int can_run(const uint32_t *needs) {
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
            __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
            has[6] = low;
          }
          for (int k = 0; k < NEEDS; k++)
            if ((has[k] & needs[k]) != needs[k]) return 0;
          return 1;
        }
        #else
        static int can_run(const uint32_t *needs) { return needs != 0; }
        #endif

        /* The best code that this processor can run. */
        static const variant *chosen(void) {
          for (size_t k = 0; k < sizeof variants / sizeof *variants; k++)
            if (can_run(variants[k].needs)) return &variants[k];
          return 0;
        }

        """
    }

    // MARK: Memory

    private var memory: String {
        """
        static size_t aligned(size_t size) { return (size + 63) & ~(size_t)63; }

        static size_t region_size(size_t k, size_t batch) { return regions[k].is_shared ? regions[k].size : batch * regions[k].size; }

        /* Where regions begin, behind the stream and the lengths of its sequences; gives the size of all. */
        static size_t lay_out(size_t batch, unsigned char *memory, unsigned char **start) {
          size_t at = aligned(sizeof(struct \(n)_stream)) + aligned(8 * batch);
          for (size_t k = 0; k < REGIONS; k++) {
            if (start) start[k] = memory + at;
            at += aligned(region_size(k, batch));
          }
          return at;
        }

        size_t \(n)_memory(size_t batch) {
          size_t one = sizeof(struct \(n)_stream) + 256;
          for (size_t k = 0; k < REGIONS; k++) one += regions[k].size + 64;
          if (batch == 0 || batch > (size_t)1 << 31 || batch > PTRDIFF_MAX / one) return 0;
          return lay_out(batch, 0, 0) + 63;
        }

        static void describe(uint64_t *frame, const region *r, const unsigned char *start) {
          frame[r->word] = (uint64_t)(uintptr_t)start;
          for (int k = 0; k < 3; k++) frame[r->word + 1 + k] = (uint64_t)r->strides[k];
        }

        """
    }

    // MARK: Steps

    private var steps: String {
        """
        /* Takes at most CAPACITY steps. Of each sequence so many steps lie in a row, from the addresses on. */
        static void advance(struct \(n)_stream *s, size_t count, size_t in_a_row, const void *const *in, void *const *out) {
          const uint64_t from = (uint64_t)s->position;
          for (size_t k = 0; k < REGIONS; k++) {
            const region *r = &regions[k];
            if (r->step) s->frame[r->word] = (uint64_t)(uintptr_t)s->start[k] - (from - r->halo) * r->step;
          }
          for (size_t k = 0; k < sizeof inputs / sizeof *inputs - 1; k++) {
            const port *p = &inputs[k];
            if (p->region < 0) {
              s->frame[p->word] = (uint64_t)(uintptr_t)in[k] - from * p->step;
              s->frame[p->word + 1] = (uint64_t)p->elements * in_a_row;
              s->frame[p->word + 2] = (uint64_t)p->elements;
              s->frame[p->word + 3] = (uint64_t)p->elements;
            } else {
              const region *r = &regions[p->region];
              for (size_t b = 0; b < s->batch; b++)
                memcpy(s->start[p->region] + b * r->size + r->saved, (const char *)in[k] + b * in_a_row * p->step, count * p->step);
            }
          }
          for (size_t k = 0; k < sizeof outputs / sizeof *outputs - 1; k++) {
            const port *p = &outputs[k];
            s->frame[p->word] = (uint64_t)(uintptr_t)out[k] - from * p->step;
            s->frame[p->word + 1] = (uint64_t)p->elements * in_a_row;
            s->frame[p->word + 2] = (uint64_t)p->elements;
            s->frame[p->word + 3] = (uint64_t)p->elements;
          }
          for (size_t k = 0; k < STEP_STAGES; k++)
            s->code->steps[k](s->frame, 0, (int64_t)s->batch, s->position, s->position + (int64_t)count, 0, INT64_MAX);
          for (size_t k = 0; k < REGIONS; k++) {
            const region *r = &regions[k];
            if (!r->halo) continue;
            for (size_t b = 0; b < s->batch; b++) {
              unsigned char *start = s->start[k] + b * r->size;
              memmove(start, start + count * r->step, r->saved);
            }
          }
          s->position += (int64_t)count;
        }

        """
    }

    // MARK: Beginning

    /// `if (h0) memcpy(…) else …` for each input given once.
    private var onceFills: String {
        layout.onceInputs.map { port in
            let (name, type) = (header.names.input(port), header.type(port))
            guard let region = port.region else { return "" }
            let size = layout.regions[region].isShared ? "\(port.stepBytes)" : "s->batch * \(port.stepBytes)"
            let copy = "memcpy(s->start[\(region)], \(name), \(size));"
            guard let fallback = port.fallback else { return "  \(copy)\n" }
            let number = port.element == .bool ? (fallback == 0 ? "0" : "1") : port.element == .int ? "\(Int(fallback))" : cNumber(fallback)
            return """
                  if (\(name)) \(copy)
                  else for (size_t k = 0; k < \(size) / sizeof(\(type)); k++) ((\(type) *)s->start[\(region)])[k] = (\(type))\(number);

                """
        }.joined()
    }

    private func cNumber(_ number: Double) -> String {
        number.isNaN ? "__builtin_nan(\"\")" : number.isInfinite ? (number < 0 ? "-__builtin_inf()" : "__builtin_inf()") : "\(number)"
    }

    /// `!h0 || …` for those that have no default.
    private var missingOnce: String {
        layout.onceInputs.filter { $0.fallback == nil }.map { "!\(header.names.input($0))" }.joined(separator: " || ")
    }

    private var onceArguments: String { layout.onceInputs.map { ", \(header.names.input($0))" }.joined() }

    private var beginning: String {
        """
        static void begin(struct \(n)_stream *s\(header.onceParameters)) {
          s->position = 0;
        \(onceFills)  for (size_t k = 0; k < ONCE_STAGES; k++) s->code->once[k](s->frame, 0, (int64_t)s->batch, 0, 1, 0, INT64_MAX);
          for (size_t k = 0; k < REGIONS; k++) {
            const region *r = &regions[k];
            if (r->halo) memset(s->start[k], 0, region_size(k, s->batch));
            if (!r->row) continue;
            if (!r->initial) {
              memset(s->start[k], 0, region_size(k, s->batch));
              continue;
            }
            const unsigned char *initial = (const unsigned char *)(uintptr_t)s->frame[r->initial];
            for (size_t b = 0; b < s->batch; b++)
              for (size_t at = 0; at < r->size; at += r->row)
                memcpy(s->start[k] + b * r->size + at, initial + b * s->frame[r->initial + 1] * r->element, r->row);
          }
        }

        int \(n)_create_in(void *memory, size_t size, \(n)_stream **stream, size_t batch\(header.weightParameters)\(header.onceParameters)) {
          if (stream) *stream = 0;
          if (!stream || !memory\(missingOnce.isEmpty ? "" : " || \(missingOnce)")) return \(N)_ERROR_ARGUMENT;
          const size_t needed = \(n)_memory(batch);
          if (!needed) return \(N)_ERROR_BATCH;
          if (size < needed) return \(N)_ERROR_MEMORY;
          const variant *code = chosen();
          if (!code) return \(N)_ERROR_CPU;
        \(weightCheck)  unsigned char *start = (unsigned char *)aligned((uintptr_t)memory);
          struct \(n)_stream *s = (struct \(n)_stream *)start;
          memset(s, 0, sizeof *s);
          s->code = code;
          s->batch = batch;
          lay_out(batch, start, s->start);
          int64_t *lengths = (int64_t *)(start + aligned(sizeof *s));
          for (size_t b = 0; b < batch; b++) lengths[b] = INT64_MAX >> 8;
          s->frame[\(FrameLayout.firstExtent)] = INT64_MAX >> 8;
          s->frame[\(FrameLayout.secondExtent)] = 1;
          s->frame[\(FrameLayout.lengths)] = (uint64_t)(uintptr_t)lengths;
          s->frame[\(FrameLayout.secondLast)] = 1;
          for (size_t k = 0; k < code->place_count; k++) s->frame[code->places[2 * k]] = (uint64_t)(uintptr_t)constants + code->places[2 * k + 1];
          for (size_t k = 0; k < REGIONS; k++) describe(s->frame, &regions[k], s->start[k]);
          begin(s\(onceArguments));
          *stream = s;
          return \(N)_OK;
        }

        int \(n)_create(\(n)_stream **stream, size_t batch\(header.weightParameters)\(header.onceParameters)) {
          if (stream) *stream = 0;
          if (!stream) return \(N)_ERROR_ARGUMENT;
          const size_t size = \(n)_memory(batch);
          if (!size) return \(N)_ERROR_BATCH;
          void *block = malloc(size);
          if (!block) return \(N)_ERROR_MEMORY;
          const int status = \(n)_create_in(block, size, stream, batch\(header.takesWeights ? ", weights, weights_size" : "")\(onceArguments));
          if (status) free(block);
          else (*stream)->block = block;
          return status;
        }

        void \(n)_destroy(\(n)_stream *stream) {
          if (stream) free(stream->block);
        }

        int \(n)_reset(\(n)_stream *stream\(header.onceParameters)) {
          if (!stream\(missingOnce.isEmpty ? "" : " || \(missingOnce)")) return \(N)_ERROR_ARGUMENT;
          begin(stream\(onceArguments));
          return \(N)_OK;
        }

        """
    }

    private var weightCheck: String {
        guard header.takesWeights, let variant = variants.first else { return "  const unsigned char *constants = code->constants;\n" }
        return """
              if (!weights) return \(N)_ERROR_ARGUMENT;
              static const unsigned char expected[\(LibraryVariant.headerBytes)] = {\(variant.weightsHeader.map(String.init).joined(separator: ", "))};
              if ((uintptr_t)weights % 8 || weights_size != sizeof expected + code->size || memcmp(weights, expected, sizeof expected)) return \(N)_ERROR_WEIGHTS;
              const unsigned char *constants = (const unsigned char *)weights + sizeof expected;

            """
    }

    // MARK: Functions

    private func pointers(_ ports: [StreamLayout.Port], _ type: String, offset: Bool, name: (StreamLayout.Port) -> String) -> String {
        let list = ports.map { offset ? "\(name($0)) + done * \($0.elements)" : name($0) } + ["0"]
        return "\(type) \(type.hasPrefix("const") ? "in" : "out")[] = {\(list.joined(separator: ", "))};"
    }

    private var functions: String {
        let missing = (layout.inputs.map(header.names.input) + layout.outputs.map(header.names.output)).map { "!\($0)" }.joined(separator: " || ")
        func arrays(_ offset: Bool) -> String {
            pointers(layout.inputs, "const void *", offset: offset, name: header.names.input) + " "
                + pointers(layout.outputs, "void *", offset: offset, name: header.names.output)
        }
        let getters = layout.onceOutputs.map { port in
            let name = header.names.output(port)
            let shared = port.region.map { layout.regions[$0].isShared } ?? false
            return """
                int \(n)_get_\(name)(const \(n)_stream *stream, \(header.type(port)) *\(name)) {
                  if (!stream || !\(name)) return \(N)_ERROR_ARGUMENT;
                  for (size_t b = 0; b < stream->batch; b++)
                    memcpy((char *)\(name) + b * \(port.stepBytes), stream->start[\(port.region ?? 0)] + \(shared ? "0" : "b * \(port.stepBytes)"), \(port.stepBytes));
                  return \(N)_OK;
                }

                """
        }.joined(separator: "\n")
        let texts = [
            "nothing is wrong", "a pointer is missing that must be there", "a stream has 1 sequence or more, and not as many as that",
            "there is not enough memory", "the library is compiled for processors with instructions that this one lacks",
            "the saved state is damaged, of another model, or of another number of sequences",
            "the weights are not those of this library, or do not lie at a multiple of 8",
        ]
        let description = header.description.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return """
            int \(n)_step(\(n)_stream *stream\(header.stepParameters)) {
              if (!stream\(missing.isEmpty ? "" : " || \(missing)")) return \(N)_ERROR_ARGUMENT;
              \(arrays(false))
              advance(stream, 1, 1, in, out);
              return \(N)_OK;
            }

            int \(n)_run(\(n)_stream *stream, size_t steps\(header.stepParameters)) {
              if (!stream\(missing.isEmpty ? "" : " || (steps && (\(missing)))")) return \(N)_ERROR_ARGUMENT;
              for (size_t done = 0; done < steps;) {
                const size_t count = steps - done < CAPACITY ? steps - done : CAPACITY;
                \(arrays(true))
                advance(stream, count, steps, in, out);
                done += count;
              }
              return \(N)_OK;
            }

            \(getters)
            typedef struct {
              char mark[8];
              uint32_t version, unused;
              uint64_t identity, batch;
              int64_t position;
            } saved_header;

            _Static_assert(sizeof(saved_header) == \(StreamLayout.savedHeaderBytes), "the size that the header states");

            static void fill(saved_header *header, const \(n)_stream *stream) {
              memset(header, 0, sizeof *header);
              memcpy(header->mark, "RECSTATE", 8);
              header->version = \(Self.stateVersion);
              header->identity = UINT64_C(\(identity));
              header->batch = stream->batch;
              header->position = stream->position;
            }

            size_t \(n)_saved_size(const \(n)_stream *stream) {
              if (!stream) return 0;
              size_t size = sizeof(saved_header);
              for (size_t k = 0; k < REGIONS; k++) size += (regions[k].is_shared ? 1 : stream->batch) * regions[k].saved;
              return size;
            }

            int \(n)_save(const \(n)_stream *stream, void *to, size_t size) {
              if (!stream || !to) return \(N)_ERROR_ARGUMENT;
              if (size < \(n)_saved_size(stream)) return \(N)_ERROR_MEMORY;
              saved_header header;
              fill(&header, stream);
              memcpy(to, &header, sizeof header);
              unsigned char *at = (unsigned char *)to + sizeof header;
              for (size_t k = 0; k < REGIONS; k++)
                for (size_t b = 0; b < (regions[k].is_shared ? 1 : stream->batch); b++, at += regions[k].saved)
                  memcpy(at, stream->start[k] + b * regions[k].size, regions[k].saved);
              return \(N)_OK;
            }

            int \(n)_restore(\(n)_stream *stream, const void *from, size_t size) {
              if (!stream || !from) return \(N)_ERROR_ARGUMENT;
              saved_header expected, header;
              if (size != \(n)_saved_size(stream)) return \(N)_ERROR_STATE;
              memcpy(&header, from, sizeof header);
              fill(&expected, stream);
              expected.position = header.position;
              if (memcmp(&header, &expected, sizeof header) || header.position < 0 || header.position > INT64_MAX >> 16) return \(N)_ERROR_STATE;
              const unsigned char *at = (const unsigned char *)from + sizeof header;
              for (size_t k = 0; k < REGIONS; k++)
                for (size_t b = 0; b < (regions[k].is_shared ? 1 : stream->batch); b++, at += regions[k].saved)
                  memcpy(stream->start[k] + b * regions[k].size, at, regions[k].saved);
              stream->position = header.position;
              return \(N)_OK;
            }

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

    /// Of saved states.
    static let stateVersion = 1
}
