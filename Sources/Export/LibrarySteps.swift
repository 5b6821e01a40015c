/// Steps, alone and many at once, and what is known before the first.
extension LibrarySource {
    var steps: String {
        """
        /* Takes at most CAPACITY steps of some sequences, from a position on, by a frame of one's own. Of each sequence so many steps lie in
         * a row, from the addresses on. */
        static void advance(const struct \(n)_stream *s, uint64_t *frame, size_t first, size_t last, int64_t position, size_t count, size_t in_a_row, const void *const *in, void *const *out) {
          const uint64_t from = (uint64_t)position;
          for (size_t k = 0; k < REGIONS; k++) {
            const region *r = &regions[k];
            if (r->step) frame[r->word] = (uint64_t)(uintptr_t)s->start[k] - (from - r->halo) * r->step;
          }
          for (size_t k = 0; k < sizeof inputs / sizeof *inputs - 1; k++) {
            const port *p = &inputs[k];
            if (p->region < 0) {
              frame[p->word] = (uint64_t)(uintptr_t)in[k] - from * p->step;
              frame[p->word + 1] = (uint64_t)p->elements * in_a_row;
              frame[p->word + 2] = (uint64_t)p->elements;
              frame[p->word + 3] = (uint64_t)p->elements;
            } else {
              const region *r = &regions[p->region];
              for (size_t b = first; b < last; b++)
                memcpy(s->start[p->region] + b * r->size + r->saved, (const char *)in[k] + b * in_a_row * p->step, count * p->step);
            }
          }
          for (size_t k = 0; k < sizeof outputs / sizeof *outputs - 1; k++) {
            const port *p = &outputs[k];
            frame[p->word] = (uint64_t)(uintptr_t)out[k] - from * p->step;
            frame[p->word + 1] = (uint64_t)p->elements * in_a_row;
            frame[p->word + 2] = (uint64_t)p->elements;
            frame[p->word + 3] = (uint64_t)p->elements;
          }
          for (size_t k = 0; k < STEP_STAGES; k++)
            s->code->steps[k](frame, (int64_t)first, (int64_t)last, position, position + (int64_t)count, 0, INT64_MAX);
          for (size_t k = 0; k < REGIONS; k++) {
            const region *r = &regions[k];
            if (!r->halo) continue;
            for (size_t b = first; b < last; b++) {
              unsigned char *start = s->start[k] + b * r->size;
              memmove(start, start + count * r->step, r->saved);
            }
          }
        }

        /* Takes many steps of some sequences, in pieces. */
        static void advance_all(const struct \(n)_stream *s, uint64_t *frame, size_t first, size_t last, size_t steps, const void *const *in, void *const *out) {
          const void *from[sizeof inputs / sizeof *inputs];
          void *to[sizeof outputs / sizeof *outputs];
          for (size_t done = 0; done < steps;) {
            const size_t count = steps - done < CAPACITY ? steps - done : CAPACITY;
            for (size_t k = 0; k < sizeof inputs / sizeof *inputs - 1; k++) from[k] = (const char *)in[k] + done * inputs[k].step;
            for (size_t k = 0; k < sizeof outputs / sizeof *outputs - 1; k++) to[k] = (char *)out[k] + done * outputs[k].step;
            advance(s, frame, first, last, s->position + (int64_t)done, count, steps, from, to);
            done += count;
          }
        }

        """
    }

    /// Whether an argument is missing; nothing where there is none.
    private var missing: String {
        (layout.inputs.map(own.names.input) + layout.outputs.map(own.names.output)).map { "!\($0)" }.joined(separator: " || ")
    }

    /// What goes in and comes out, as lists of addresses.
    private var arrays: String {
        let (ins, outs) = (layout.inputs.map(own.names.input) + ["0"], layout.outputs.map(own.names.output) + ["0"])
        return "const void *in[] = {\(ins.joined(separator: ", "))}; void *out[] = {\(outs.joined(separator: ", "))};"
    }

    var calls: String {
        let getters = layout.onceOutputs.map { port in
            let name = own.names.output(port)
            let shared = port.region.map { layout.regions[$0].isShared } ?? false
            return """
                int \(n)_get_\(header.names.output(port))(const \(n)_stream *stream, \(header.type(port)) *\(name)) {
                  if (!stream || !\(name)) return \(N)_ERROR_ARGUMENT;
                  for (size_t b = 0; b < stream->batch; b++)
                    memcpy((char *)\(name) + b * \(port.stepBytes), stream->start[\(port.region ?? 0)] + \(shared ? "0" : "b * \(port.stepBytes)"), \(port.stepBytes));
                  return \(N)_OK;
                }

                """
        }.joined(separator: "\n")
        return """
            int \(n)_step(\(n)_stream *stream\(own.stepParameters)) {
              if (!stream\(missing.isEmpty ? "" : " || \(missing)")) return \(N)_ERROR_ARGUMENT;
              \(arrays)
              advance(stream, stream->frame, 0, stream->batch, stream->position, 1, 1, in, out);
              stream->position++;
              return \(N)_OK;
            }

            int \(n)_run(\(n)_stream *stream, size_t steps\(own.stepParameters)) {
              if (!stream\(missing.isEmpty ? "" : " || (steps && (\(missing)))")) return \(N)_ERROR_ARGUMENT;
              \(arrays)
              advance_all(stream, stream->frame, 0, stream->batch, steps, in, out);
              stream->position += (int64_t)steps;
              return \(N)_OK;
            }

            \(getters)
            """
    }

    /// Steps by several threads; empty where the library has none.
    var threads: String {
        guard header.hasThreads else { return "" }
        return """
            typedef unsigned long thread_id;
            int pthread_create(thread_id *restrict, const void *restrict, void *(*)(void *), void *restrict);
            int pthread_join(thread_id, void **);

            typedef struct {
              const struct \(n)_stream *stream;
              size_t first, last, steps;
              const void *const *in;
              void *const *out;
            } share;

            static void *take_share(void *argument) {
              const share *own = argument;
              uint64_t frame[WORDS];
              memcpy(frame, own->stream->frame, sizeof frame);
              advance_all(own->stream, frame, own->first, own->last, own->steps, own->in, own->out);
              return 0;
            }

            int \(n)_run_threads(\(n)_stream *stream, size_t threads, size_t steps\(own.stepParameters)) {
              enum { MOST = 64 };
              if (!stream\(missing.isEmpty ? "" : " || (steps && (\(missing)))")) return \(N)_ERROR_ARGUMENT;
              \(arrays)
              share shares[MOST];
              thread_id ids[MOST];
              int runs[MOST];
              size_t count = threads < stream->batch ? threads : stream->batch;
              if (count < 1) count = 1;
              if (count > MOST) count = MOST;
              for (size_t k = 0; k < count; k++) {
                shares[k] = (share){stream, stream->batch * k / count, stream->batch * (k + 1) / count, steps, in, out};
                runs[k] = k > 0 && pthread_create(&ids[k], 0, take_share, &shares[k]) == 0;
              }
              for (size_t k = 0; k < count; k++) if (!runs[k]) take_share(&shares[k]);
              for (size_t k = 0; k < count; k++) if (runs[k]) pthread_join(ids[k], 0);
              stream->position += (int64_t)steps;
              return \(N)_OK;
            }

            """
    }
}
