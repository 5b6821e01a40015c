/// What is saved of a stream, and going back to it.
extension LibrarySource {
    /// Of saved states. Those of version 1 had no checksum.
    static let stateVersion = 2

    var states: String {
        """
        typedef struct {
          char mark[8];
          uint32_t version, checksum;
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

        /* Of the bytes behind a header and of its position: each word of eight bytes is multiplied in, as in FNV-1a, and mixed, so that
           changes of high bits reach the low ones. */
        static uint32_t checksum(const saved_header *header, const unsigned char *at, size_t size) {
          uint64_t sum = (UINT64_C(0xcbf29ce484222325) ^ (uint64_t)header->position) * UINT64_C(0x100000001b3);
          sum ^= sum >> 29;
          while (size) {
            uint64_t word = 0;
            size_t count = size < sizeof word ? size : sizeof word;
            memcpy(&word, at, count);
            sum = (sum ^ word) * UINT64_C(0x100000001b3);
            sum ^= sum >> 29;
            at += count;
            size -= count;
          }
          return (uint32_t)(sum ^ sum >> 32);
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
          unsigned char *start = (unsigned char *)to + sizeof header, *at = start;
          for (size_t k = 0; k < REGIONS; k++)
            for (size_t b = 0; b < (regions[k].is_shared ? 1 : stream->batch); b++, at += regions[k].saved)
              memcpy(at, stream->start[k] + b * regions[k].size, regions[k].saved);
          header.checksum = checksum(&header, start, (size_t)(at - start));
          memcpy(to, &header, sizeof header);
          return \(N)_OK;
        }

        int \(n)_restore(\(n)_stream *stream, const void *from, size_t size) {
          if (!stream || !from) return \(N)_ERROR_ARGUMENT;
          saved_header expected, header;
          if (size != \(n)_saved_size(stream)) return \(N)_ERROR_STATE;
          memcpy(&header, from, sizeof header);
          fill(&expected, stream);
          expected.position = header.position;
          expected.checksum = header.checksum;
          if (memcmp(&header, &expected, sizeof header) || header.position < 0 || header.position > INT64_MAX >> 16) return \(N)_ERROR_STATE;
          const unsigned char *at = (const unsigned char *)from + sizeof header;
          if (checksum(&header, at, size - sizeof header) != header.checksum) return \(N)_ERROR_STATE;
          for (size_t k = 0; k < REGIONS; k++)
            for (size_t b = 0; b < (regions[k].is_shared ? 1 : stream->batch); b++, at += regions[k].saved)
              memcpy(stream->start[k] + b * regions[k].size, at, regions[k].saved);
          stream->position = header.position;
          return \(N)_OK;
        }

        """
    }
}
