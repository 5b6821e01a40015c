import RecCodeGen
import RecScheduling

/// Gradients over whole sequences: their memory, the packing of weights, and the calls of the generated code. A call starts from
/// nothing and leaves nothing behind.
extension LibrarySource {
    /// Empty where the library has no gradients.
    var gradients: String {
        guard let layout = header.gradient else { return "" }
        return [types(layout), tables(layout), packing, gradientMemory(layout), passes(layout), gradientCalls(layout)].joined(separator: "\n")
    }

    /// In place of what a buffer is filled with: the number of each sequence.
    private static let sequenceNumbers = 1 << 20

    private var real: String { header.precision == .f32 ? "float" : "double" }

    private func types(_ layout: GradientLayout) -> String {
        """
        /* Gradients. Of a buffer: rows for each sequence, step or both, the present step, a ring, steps of a block, or zeros. */
        enum { ROWS, STEP, RING, BLOCK, ZERO };
        /* Of a segment: what follows from parameters; once for each sequence; once for a call; over the steps. */
        enum { FIXED, ONCE, JOINED, FORWARDS, BACKWARDS };
        enum { GRADIENT_WORDS = \(layout.wordCount), GRADIENT_COLUMNS = \(layout.mostColumns), LEAST_BLOCK = \(GradientLayout.leastBlock), BLOCK_BYTES = \(GradientLayout.blockBytes) };

        typedef \(real) real;

        typedef struct {
          uint8_t kind, bytes, by_batch, by_step; /* bytes of an element */
          uint8_t is_own;                         /* whether there must be memory for it */
          int32_t field, fill;                    /* the caller's pointer, and what it begins with; -1 for none */
          uint32_t word, initial;
          size_t count, extra;                    /* elements of a row; further rows */
        } gradient_buffer;

        typedef struct {
          uint8_t kind;
          uint32_t stage, stage_count, list, started, blocks, means; /* the lists of buffers stand one behind the other */
        } gradient_segment;

        typedef struct {
          size_t extent;
          int64_t stride;
        } gradient_dim;

        typedef struct {
          uint32_t word, weight, dim, batches, sums, columns; /* the dims stand one behind the other */
          int64_t offset;
          size_t groups, batch_count, sum_count, column_count;
        } gradient_product;

        typedef struct {
          size_t lanes, panel;    /* of packed weights: reals of a vector, and vectors of a panel */
          const uint64_t *places; /* word and offset of each parameter */
          stage *const *stages;
        } gradient_variant;

        """
    }

    private func tables(_ layout: GradientLayout) -> String {
        var fills = [[UInt8](repeating: 0, count: 16)]
        func fill(_ bytes: [UInt8]?) -> Int {
            guard let bytes else { return -1 }
            if let known = fills.firstIndex(of: bytes) { return known }
            fills.append(bytes)
            return fills.count - 1
        }
        let buffers = layout.buffers.map { buffer in
            let (kind, initial): (String, Int) =
                switch buffer.kind {
                case .rows: ("ROWS", 0)
                case .step: ("STEP", 0)
                case .ring(let initial): ("RING", initial)
                case .block: ("BLOCK", 0)
                case .zero: ("ZERO", 0)
                }
            let field = buffer.field.map { layout.fields[$0] }
            let isOwn = field.map { $0.isOptional && $0.role != .parameter } ?? true
            return "  {\(kind), \(buffer.elementBytes), \(buffer.byBatch ? 1 : 0), \(buffer.byStep ? 1 : 0), \(isOwn ? 1 : 0), \(buffer.field ?? -1), \(buffer.countsSequences ? Self.sequenceNumbers : fill(buffer.fill)), \(buffer.word), \(initial), \(buffer.count), \(buffer.extra)},\n"
        }.joined()
        var lists: [Int] = []
        var (stage, segments) = (0, "")
        for segment in layout.segments {
            let kind = ["FIXED", "ONCE", "JOINED", "FORWARDS", "BACKWARDS"][segment.kind.rawValue]
            segments += "  {\(kind), \(stage), \(segment.stageCount), \(lists.count), \(segment.started.count), \(segment.blocks.count), \(segment.means.count)},\n"
            lists += segment.started + segment.blocks + segment.means
            stage += segment.stageCount
        }
        var (dims, products) = (0, "")
        var extents = ""
        for (product, word) in zip(layout.products, layout.productWords) {
            products += "  {\(word), \(FrameLayout.descriptor(of: product.weight)), \(dims), \(product.batches.count), \(product.sums.count), \(product.columns.count), \(product.weightOffset), \(product.groups), \(product.batchCount), \(product.sumCount), \(product.columnCount)},\n"
            for dim in product.batches + product.sums + product.columns { extents += "  {\(dim.extent), \(dim.weightStride)},\n" }
            dims += product.batches.count + product.sums.count + product.columns.count
        }
        var text = "static const gradient_buffer gradient_buffers[] = {\n\(buffers)  {0}};\n"
        text += "static const gradient_segment gradient_segments[] = {\n\(segments)  {0}};\n"
        text += "static const uint32_t gradient_lists[] = {\((lists + [0]).map(String.init).joined(separator: ", "))};\n"
        text += "static const gradient_product gradient_products[] = {\n\(products)  {0}};\n"
        text += "static const gradient_dim gradient_dims[] = {\n\(extents)  {0, 0}};\n"
        text += "static const unsigned char gradient_fills[][16] = {\n\(fills.map { "  {\($0.map(String.init).joined(separator: ", "))},\n" }.joined())};\n"
        for (k, variant) in variants.enumerated() {
            guard let own = variant.gradient else { continue }
            let stages = layout.segments.flatMap { segment in (0..<segment.stageCount).map { own.functions.stageName(segment.index, $0) } }
            if !stages.isEmpty { text += "extern stage \(stages.joined(separator: ", "));\n" }
            text += "static stage *const gradient_stages_\(k)[] = {\((stages + ["0"]).joined(separator: ", "))};\n"
            text += "static const uint64_t gradient_places_\(k)[] = {\((own.places.map { "\($0.word), \($0.offset)" } + ["0"]).joined(separator: ", "))};\n"
        }
        let own = variants.enumerated().compactMap { k, variant in
            variant.gradient.map { "  {\($0.packing.lanes), \($0.packing.panelVectors), gradient_places_\(k), gradient_stages_\(k)},\n" }
        }.joined()
        text += "static const gradient_variant gradient_variants[] = {\n\(own)};\n"
        text += "enum { GRADIENT_PLACES = \(variants.first?.gradient?.places.count ?? 0) };\n"
        text += "enum { GRADIENT_BUFFERS = \(layout.buffers.count), GRADIENT_SEGMENTS = \(layout.segments.count), GRADIENT_PRODUCTS = \(layout.products.count) };\n"
        return text
    }

    /// Weights as the generated code reads them (`WeightPacking`).
    private var packing: String {
        """
        /* How far from the first the k-th element of some dims lies, of which the last is the fastest. */
        static int64_t gradient_offset(const gradient_dim *dims, uint32_t count, size_t k) {
          int64_t offset = 0;
          while (count-- > 0) {
            offset += (int64_t)(k % dims[count].extent) * dims[count].stride;
            k /= dims[count].extent;
          }
          return offset;
        }

        static size_t gradient_packed(const gradient_product *p, size_t lanes) {
          return p->batch_count * p->groups * p->sum_count * ((p->column_count / p->groups + lanes - 1) / lanes) * lanes;
        }

        static void gradient_pack(const gradient_product *p, const gradient_variant *code, int64_t *offsets, const real *weight, real *out) {
          const gradient_dim *batches = gradient_dims + p->dim, *sums = batches + p->batches, *columns = sums + p->sums;
          const size_t lanes = code->lanes, count = p->column_count / p->groups, vectors = (count + lanes - 1) / lanes;
          for (size_t k = 0; k < p->column_count; k++) offsets[k] = gradient_offset(columns, p->columns, k);
          for (size_t b = 0; b < p->batch_count; b++) {
            const real *base = weight + p->offset + gradient_offset(batches, p->batches, b);
            for (size_t start = 0; start < p->column_count; start += count ? count : 1)
              for (size_t vector = 0; vector < vectors;) {
                const size_t width = (code->panel < vectors - vector ? code->panel : vectors - vector) * lanes, first = vector * lanes;
                for (size_t k = 0; k < p->sum_count; k++, out += width) {
                  const real *row = base + gradient_offset(sums, p->sums, k);
                  for (size_t c = 0; c < width; c++) out[c] = first + c < count ? row[offsets[start + first + c]] : 0;
                }
                vector += width / lanes;
              }
          }
        }

        """
    }

    private func gradientMemory(_ layout: GradientLayout) -> String {
        """
        static size_t gradient_rows(const gradient_buffer *r, size_t batch, size_t steps) {
          if (r->kind == STEP) return batch;
          if (r->kind == RING) return batch * r->extra;
          return (r->by_batch ? batch : 1) * (r->by_step ? steps : 1);
        }

        /* How many steps go through all stages of a segment before those behind them. */
        static size_t gradient_block(const gradient_segment *s, size_t batch, size_t steps) {
          size_t bytes = 0;
          for (uint32_t k = 0; k < s->blocks; k++) {
            const gradient_buffer *r = &gradient_buffers[gradient_lists[s->list + s->started + k]];
            bytes += batch * r->count * r->bytes;
          }
          size_t length = bytes ? BLOCK_BYTES / bytes : 256;
          if (length < LEAST_BLOCK) length = LEAST_BLOCK;
          return length < steps ? length : steps;
        }

        static void gradient_fill(unsigned char *to, size_t count, size_t bytes, int fill) {
          if (fill == 0) memset(to, 0, count * bytes);
          else if (fill == \(Self.sequenceNumbers)) for (size_t k = 0; k < count; k++) ((int64_t *)to)[k] = (int64_t)k;
          else for (size_t k = 0; k < count; k++) memcpy(to + k * bytes, gradient_fills[fill] + k % 2 * 8, bytes);
        }

        /* Lays out the memory of a call, and describes it where there is some; gives its size. */
        static size_t gradient_lay_out(const gradient_variant *code, size_t batch, size_t steps, const void *const *fields, unsigned char *memory, unsigned char **blocks, int64_t **offsets) {
          uint64_t *frame = (uint64_t *)memory;
          size_t at = aligned(8 * GRADIENT_WORDS);
          if (memory) {
            memset(memory, 0, 8 * GRADIENT_WORDS);
            int64_t *lengths = (int64_t *)(memory + at);
            for (size_t b = 0; b < batch; b++) lengths[b] = (int64_t)steps;
            frame[\(FrameLayout.firstExtent)] = steps;
            frame[\(FrameLayout.secondExtent)] = 1;
            frame[\(FrameLayout.lengths)] = (uint64_t)(uintptr_t)lengths;
            frame[\(FrameLayout.secondLast)] = 1;
          }
          at += aligned(8 * batch);
          if (memory) *offsets = (int64_t *)(memory + at);
          at += aligned(8 * GRADIENT_COLUMNS);
          for (size_t k = 0; k < GRADIENT_BUFFERS; k++) {
            const gradient_buffer *r = &gradient_buffers[k];
            if (r->kind == BLOCK) continue;
            const size_t rows = gradient_rows(r, batch, steps);
            if (memory) {
              const void *given = r->field < 0 ? 0 : fields[r->field];
              frame[r->word] = (uint64_t)(uintptr_t)(given ? given : r->is_own ? memory + at : 0);
              if (r->kind == STEP) frame[r->word + 1] = r->count;
              else if (r->kind == RING) {
                frame[r->word + 1] = r->extra * r->count;
                frame[r->word + 2] = r->count;
                frame[r->word + 3] = r->extra;
              } else if (r->kind == ROWS) {
                frame[r->word + 1] = r->by_batch ? (r->by_step ? steps : 1) * r->count : 0;
                frame[r->word + 2] = r->by_step ? r->count : 0;
              } else memset(memory + at, 0, r->count * r->bytes);
              if (!given && r->field >= 0 && r->fill >= 0) gradient_fill(memory + at, rows * r->count, r->bytes, r->fill);
            }
            if (r->is_own) at += aligned(rows * r->count * r->bytes);
          }
          for (size_t k = 0; k < GRADIENT_PRODUCTS; k++) {
            if (memory) frame[gradient_products[k].word] = (uint64_t)(uintptr_t)(memory + at);
            at += aligned(sizeof(real) * gradient_packed(&gradient_products[k], code->lanes));
          }
          if (memory) *blocks = memory + at;
          size_t most = 0;
          for (size_t n = 0; n < GRADIENT_SEGMENTS; n++) {
            const gradient_segment *s = &gradient_segments[n];
            size_t size = 0;
            for (uint32_t k = 0; k < s->blocks; k++) {
              const gradient_buffer *r = &gradient_buffers[gradient_lists[s->list + s->started + k]];
              size += aligned(batch * (gradient_block(s, batch, steps) + r->extra) * r->count * r->bytes);
            }
            if (size > most) most = size;
          }
          return at + most;
        }

        size_t \(n)_gradient_memory(size_t batch, size_t steps) {
          const variant *code = chosen();
          const size_t one = \(layout.mostBytes(variants.map { variant in variant.gradient.map { gradient in layout.products.reduce(0) { $0 + gradient.packing.byteCount(of: $1) } } ?? 0 }.max() ?? 0));
          if (!code || batch == 0 || steps == 0 || batch > (size_t)1 << 31 || steps > (size_t)1 << 40 || batch > PTRDIFF_MAX / one / steps) return 0;
          return gradient_lay_out(&gradient_variants[code - variants], batch, steps, 0, 0, 0, 0) + 63;
        }

        """
    }

    private func passes(_ layout: GradientLayout) -> String {
        """
        /* Sets what a segment's rings and sums begin with. */
        static void gradient_start(const gradient_segment *s, const uint64_t *frame, size_t batch, size_t steps) {
          for (uint32_t k = 0; k < s->started; k++) {
            const gradient_buffer *r = &gradient_buffers[gradient_lists[s->list + k]];
            unsigned char *start = (unsigned char *)(uintptr_t)frame[r->word];
            const size_t row = r->count * r->bytes;
            if (r->kind != RING) {
              gradient_fill(start, gradient_rows(r, batch, steps) * r->count, r->bytes, r->fill);
              continue;
            }
            if (!r->initial) {
              memset(start, 0, batch * r->extra * row);
              continue;
            }
            const unsigned char *initial = (const unsigned char *)(uintptr_t)frame[r->initial];
            for (size_t b = 0; b < batch; b++)
              for (size_t at = 0; at < r->extra; at++, start += row) memcpy(start, initial + b * frame[r->initial + 1] * r->bytes, row);
          }
        }

        /* Takes all steps of a segment, in blocks. */
        static void gradient_sweep(const gradient_segment *s, stage *const *stages, uint64_t *frame, unsigned char *blocks, size_t batch, size_t steps) {
          const size_t length = gradient_block(s, batch, steps), count = (steps + length - 1) / length;
          const uint32_t *list = gradient_lists + s->list + s->started;
          size_t present = 0;
          for (size_t n = 0; n < count; n++) {
            const size_t from = (s->kind == BACKWARDS ? count - 1 - n : n) * length, to = steps - from < length ? steps : from + length;
            unsigned char *at = blocks;
            for (uint32_t k = 0; k < s->blocks; k++) {
              const gradient_buffer *r = &gradient_buffers[list[k]];
              const size_t row = r->count * r->bytes, rows = length + r->extra;
              /* The rows that are still read lie before the steps; backwards behind them. */
              if (r->extra && n == 0) memset(at, 0, batch * rows * row);
              if (r->extra && n > 0)
                for (size_t b = 0; b < batch; b++) {
                  unsigned char *start = at + b * rows * row;
                  memmove(start + (s->kind == BACKWARDS ? to - from : 0) * row, start + (s->kind == BACKWARDS ? 0 : present) * row, r->extra * row);
                }
              frame[r->word] = (uint64_t)(uintptr_t)at - (from - (s->kind == BACKWARDS ? 0 : r->extra)) * row;
              frame[r->word + 1] = rows * r->count;
              frame[r->word + 2] = r->by_step ? r->count : 0;
              at += aligned(batch * rows * row);
            }
            for (uint32_t k = 0; k < s->stage_count; k++) stages[k](frame, 0, (int64_t)batch, (int64_t)from, (int64_t)to, 0, INT64_MAX);
            present = to - from;
          }
          for (uint32_t k = 0; k < s->means; k++) {
            const gradient_buffer *r = &gradient_buffers[list[s->blocks + k]];
            real *sums = (real *)(uintptr_t)frame[r->word];
            for (size_t e = 0; e < gradient_rows(r, batch, steps) * r->count; e++) sums[e] /= (real)steps;
          }
        }

        static void gradient_once(const gradient_segment *s, stage *const *stages, uint64_t *frame, size_t batch) {
          for (uint32_t k = 0; k < s->stage_count; k++) stages[k](frame, 0, (int64_t)batch, 0, 1, 0, INT64_MAX);
        }

        static void gradient_run(const gradient_variant *code, const unsigned char *constants, size_t batch, size_t steps, const void *const *fields, double *const *losses, unsigned char *memory) {
          unsigned char *blocks;
          int64_t *offsets;
          uint64_t *frame = (uint64_t *)memory;
          gradient_lay_out(code, batch, steps, fields, memory, &blocks, &offsets);
          for (size_t k = 0; k < GRADIENT_PLACES; k++) {
            uint64_t *word = &frame[code->places[2 * k]];
            if (!*word) *word = (uint64_t)(uintptr_t)constants + code->places[2 * k + 1];
          }
          for (size_t n = 0; n < GRADIENT_SEGMENTS; n++) {
            const gradient_segment *s = &gradient_segments[n];
            if (s->kind == FIXED) gradient_once(s, code->stages + s->stage, frame, 1);
          }
          for (size_t k = 0; k < GRADIENT_PRODUCTS; k++) {
            const gradient_product *p = &gradient_products[k];
            if (frame[p->weight]) gradient_pack(p, code, offsets, (const real *)(uintptr_t)frame[p->weight], (real *)(uintptr_t)frame[p->word]);
          }
          for (size_t n = 0; n < GRADIENT_SEGMENTS; n++) {
            const gradient_segment *s = &gradient_segments[n];
            if (s->kind == FIXED) continue;
            if (s->kind != JOINED) gradient_start(s, frame, batch, steps);
            if (s->kind == ONCE || s->kind == JOINED) gradient_once(s, code->stages + s->stage, frame, s->kind == JOINED ? 1 : batch);
            else gradient_sweep(s, code->stages + s->stage, frame, blocks, batch, steps);
          }
          static const uint32_t words[] = {\((layout.lossWords + [0]).map(String.init).joined(separator: ", "))};
          for (size_t k = 0; k < sizeof words / sizeof *words - 1; k++) {
            double sum = 0;
            for (size_t b = 0; b < batch; b++) sum += (double)((const real *)(uintptr_t)frame[words[k]])[b * frame[words[k] + 1]];
            if (losses[k]) *losses[k] = sum / (double)batch;
          }
        }

        """
    }

    private func gradientCalls(_ layout: GradientLayout) -> String {
        let named = zip(layout.fields, header.names.gradientFields)
        let missing = named.filter { !$0.0.isOptional }.map { "!data->\($0.1)" }
        let pointers = named.map { field, name in field.role == .loss ? "0" : "data->\(name)" } + ["0"]
        let losses = named.filter { $0.0.role == .loss }.map { "data->\($0.1)" } + ["0"]
        // Parameters, in the order of their places.
        let fieldOfWord = Dictionary(layout.buffers.compactMap { buffer in buffer.field.map { (buffer.word, $0) } }) { first, _ in first }
        let parameters = (variants.first?.gradient?.places ?? []).enumerated().compactMap { k, place in
            fieldOfWord[place.word].map { "  data->\(header.names.gradientFields[$0]) = (const \(header.type(layout.fields[$0])) *)(constants + places[\(2 * k + 1)]);\n" }
        }.joined()
        let places = parameters.isEmpty ? "  (void)constants;\n" : "  const uint64_t *places = gradient_variants[code - variants].places;\n"
        return """
            int \(n)_gradient(const \(n)_gradient_data *data, size_t batch, size_t steps\(header.weightParameters), void *memory, size_t size) {
              if (!data\(missing.map { " || \($0)" }.joined())) return \(N)_ERROR_ARGUMENT;
              const variant *code = chosen();
              if (!code) return \(N)_ERROR_CPU;
              const size_t needed = \(n)_gradient_memory(batch, steps);
              if (!needed) return \(N)_ERROR_BATCH;
              if (memory && size < needed) return \(N)_ERROR_MEMORY;
            \(weightCheck)  void *block = memory ? 0 : malloc(needed);
              if (!memory && !block) return \(N)_ERROR_MEMORY;
              const void *const fields[] = {\(pointers.joined(separator: ", "))};
              double *const losses[] = {\(losses.joined(separator: ", "))};
              gradient_run(&gradient_variants[code - variants], constants, batch, steps, fields, losses, (unsigned char *)aligned((uintptr_t)(memory ? memory : block)));
              free(block);
              return \(N)_OK;
            }

            int \(n)_parameters(\(n)_gradient_data *data\(header.weightParameters)) {
              if (!data) return \(N)_ERROR_ARGUMENT;
              const variant *code = chosen();
              if (!code) return \(N)_ERROR_CPU;
            \(weightCheck)\(places)\(parameters)  return \(N)_OK;
            }

            """
    }
}
