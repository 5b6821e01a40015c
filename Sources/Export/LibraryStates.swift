/// What is saved of a stream, and going back to it.
extension LibrarySource {
    /// Of saved states.
    static let stateVersion = 1

    var states: String {
        """
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

        """
    }
}
