// What only C can ask of the processor and of the program's file.
#ifndef CHOST_H
#define CHOST_H

#include <stdint.h>

/// Bytes of the widest vector registers that the processor has and the operating system lets programs use.
int recc_vector_bytes(void);

enum { RECC_PROCESSOR_WORDS = 24 };

/// Words that differ between processors whose instructions differ, or whose code LLVM would choose differently.
void recc_processor_identity(uint32_t words[RECC_PROCESSOR_WORDS]);

enum { RECC_IDENTITY_BYTES = 64 };

/// What tells this build of the code from others, and how many bytes of it there are; 0 where that is not known. It is the build
/// id of the image in memory that holds this code, the program or a library of it, which the linker makes of its contents; or
/// a hash of what was loaded of an image that has none. Names of files play no part.
int recc_image_identity(unsigned char identity[RECC_IDENTITY_BYTES]);

/// The 64-bit hash XXH64 of some bytes.
uint64_t recc_hash(const void *bytes, unsigned long count, uint64_t seed);

/// To be called before bytes that were written are run: some processors keep instructions in a cache of their own.
void recc_code_was_written(void *start, unsigned long count);

/// Bytes of stack of the calling thread below the present call; 0 where the system does not say. Not for the main thread, whose stack
/// grows.
long recc_stack_remaining(void);

#endif
