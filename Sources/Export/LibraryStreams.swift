import RecCodeGen
import RecStream

/// The memory of streams, and their beginning and end.
extension LibrarySource {
    var memory: String {
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

    /// `if (h0) memcpy(…) else …` for each input given once.
    private var onceFills: String {
        layout.onceInputs.map { port in
            let (name, type) = (own.names.input(port), header.type(port))
            guard let region = port.region else { return "" }
            let size = layout.regions[region].isShared ? "\(port.stepBytes)" : "s->batch * \(port.stepBytes)"
            let copy = "memcpy(s->start[\(region)], \(name), \(size));"
            guard let fallback = port.fallback else { return "  \(copy)\n" }
            if port.name == DrawSeed.name {
                return """
                      if (\(name)) \(copy)
                      else for (size_t k = 0; k < s->batch; k++) ((int64_t *)s->start[\(region)])[k] = (int64_t)k;

                    """
            }
            let number = port.element == .bool || port.element == .int ? "\(Int(fallback))" : cNumber(fallback)
            // The imaginary part of a default is 0.
            let value = port.isComplex ? "k % 2 ? 0 : (\(type))\(number)" : "(\(type))\(number)"
            return """
                  if (\(name)) \(copy)
                  else for (size_t k = 0; k < \(size) / sizeof(\(type)); k++) ((\(type) *)s->start[\(region)])[k] = \(value);

                """
        }.joined()
    }

    private func cNumber(_ number: Double) -> String {
        number.isNaN ? "__builtin_nan(\"\")" : number.isInfinite ? (number < 0 ? "-__builtin_inf()" : "__builtin_inf()") : "\(number)"
    }

    /// `!h0 || …` for those that have no default.
    private var missingOnce: String {
        layout.onceInputs.filter { $0.fallback == nil }.map { "!\(own.names.input($0))" }.joined(separator: " || ")
    }

    private var onceArguments: String { layout.onceInputs.map { ", \(own.names.input($0))" }.joined() }

    var beginning: String {
        """
        static void begin(struct \(n)_stream *s\(own.onceParameters)) {
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

        int \(n)_create_in(void *memory, size_t size, \(n)_stream **stream, size_t batch\(header.weightParameters)\(own.onceParameters)) {
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

        int \(n)_create(\(n)_stream **stream, size_t batch\(header.weightParameters)\(own.onceParameters)) {
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

        int \(n)_reset(\(n)_stream *stream\(own.onceParameters)) {
          if (!stream\(missingOnce.isEmpty ? "" : " || \(missingOnce)")) return \(N)_ERROR_ARGUMENT;
          begin(stream\(onceArguments));
          return \(N)_OK;
        }

        """
    }

    var weightCheck: String {
        guard header.takesWeights, let variant = variants.first else { return "  const unsigned char *constants = code->constants;\n" }
        return """
              if (!weights) return \(N)_ERROR_ARGUMENT;
              static const unsigned char expected[\(LibraryVariant.headerBytes)] = {\(variant.weightsHeader.map(String.init).joined(separator: ", "))};
              if ((uintptr_t)weights % 8 || weights_size != sizeof expected + code->size || memcmp(weights, expected, sizeof expected)) return \(N)_ERROR_WEIGHTS;
              const unsigned char *constants = (const unsigned char *)weights + sizeof expected;

            """
    }
}
