// LLVM 19's C API, and the few of its functions that are static inline, which Swift cannot reach.
#ifndef CLLVM_H
#define CLLVM_H

#include "llvm-c/Analysis.h"
#include "llvm-c/BitWriter.h"
#include "llvm-c/Core.h"
#include "llvm-c/Error.h"
#include "llvm-c/LLJIT.h"
#include "llvm-c/Orc.h"
#include "llvm-c/Target.h"
#include "llvm-c/TargetMachine.h"
#include "llvm-c/Transforms/PassBuilder.h"

/// Prepares code generation for this machine; returns 0 on success. May be called again.
int recc_initialize_native_target(void);

/// The file that holds this code: the program, or a library of it; null where that is not known.
const char *recc_image_path(void);

#endif
