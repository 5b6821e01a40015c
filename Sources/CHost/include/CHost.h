// What only C can ask of the processor and of the program's file.
#ifndef CHOST_H
#define CHOST_H

#include <stdint.h>

/// Bytes of the widest vector registers that the processor has and the operating system lets programs use.
int recc_vector_bytes(void);

enum { RECC_PROCESSOR_WORDS = 24 };

/// Words that differ between processors whose instructions differ, or whose code LLVM would choose differently.
void recc_processor_identity(uint32_t words[RECC_PROCESSOR_WORDS]);

/// The file that holds this code: the program, or a library of it; null where that is not known.
const char *recc_image_path(void);

/// To be called before bytes that were written are run: some processors keep instructions in a cache of their own.
void recc_code_was_written(void *start, unsigned long count);

/// Bytes of stack of the calling thread below the present call; 0 where the system does not say. Not for the main thread, whose stack
/// grows.
long recc_stack_remaining(void);

#endif
