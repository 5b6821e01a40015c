// LLVM 19's C API. Its library is loaded while the program runs, when something is compiled for the first time.
#ifndef CLLVM_H
#define CLLVM_H

#include "llvm/Config/llvm-config.h"
#include "llvm-c/Analysis.h"
#include "llvm-c/Core.h"
#include "llvm-c/Error.h"
#include "llvm-c/Target.h"
#include "llvm-c/TargetMachine.h"
#include "llvm-c/Transforms/PassBuilder.h"

/// What became of loading LLVM.
typedef enum {
    RECC_LLVM_READY,
    /// The dynamic loader found no such library, or could not load it.
    RECC_LLVM_NOT_LOADED,
    /// The library lacks a function: it is another version.
    RECC_LLVM_LACKS_FUNCTION,
    /// The library is of another version than its headers.
    RECC_LLVM_OTHER_VERSION,
} recc_llvm_outcome;

/// Loads a library, by path or by name, and points the functions of this header at it. Before it succeeds none of them may
/// be called. One thread at a time.
///
/// The dynamic loader's message, the missing function or the version found is written to `detail`, cut to so many bytes.
recc_llvm_outcome recc_load_llvm(const char *library, char *detail, unsigned long detail_bytes);

/// Prepares code generation for this machine; returns 0 on success. May be called again.
int recc_initialize_native_target(void);

/// Prepares code generation for an architecture, named as in LLVM's functions: "X86", "AArch64"; returns 0 on success. May be called
/// again.
int recc_initialize_target(const char *architecture);

/// Gives back the memory that holds the loaded library's code: unchanged pages of its file, which the operating system reads
/// again where they are run again. May be called at any time after loading, also while other threads compile.
void recc_give_back_llvm_code(void);

#endif
