/// Steps, alone and many at once, and what is known before the first.
extension LibrarySource {
    var steps: String {
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

    private func pointers(_ ports: [StreamLayout.Port], _ type: String, offset: Bool, name: (StreamLayout.Port) -> String) -> String {
        let list = ports.map { offset ? "\(name($0)) + done * \($0.elements)" : name($0) } + ["0"]
        return "\(type) \(type.hasPrefix("const") ? "in" : "out")[] = {\(list.joined(separator: ", "))};"
    }

    var calls: String {
        let missing = (layout.inputs.map(own.names.input) + layout.outputs.map(own.names.output)).map { "!\($0)" }.joined(separator: " || ")
        func arrays(_ offset: Bool) -> String {
            pointers(layout.inputs, "const void *", offset: offset, name: own.names.input) + " "
                + pointers(layout.outputs, "void *", offset: offset, name: own.names.output)
        }
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
              \(arrays(false))
              advance(stream, 1, 1, in, out);
              return \(N)_OK;
            }

            int \(n)_run(\(n)_stream *stream, size_t steps\(own.stepParameters)) {
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
            """
    }
}
