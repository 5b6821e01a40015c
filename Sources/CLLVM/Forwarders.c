// Each function of LLVM that recc calls is defined here as a jump to where the loaded library has it.
//
// The jumps are written in assembly, as one form then serves every signature: arguments and result stay where they are.
#define _GNU_SOURCE
#include "CLLVM.h"
#include "Functions.h"

#include <dlfcn.h>
#include <stdio.h>

#if !defined(__ELF__)
#error "the forwarders are written for ELF"
#elif defined(__x86_64__)
#define JUMP(address) "endbr64\n jmp *" address "(%rip)\n"
#elif defined(__aarch64__)
// x16 is for linkers and their veneers: no call expects it to be kept.
#define JUMP(address) "bti c\n adrp x16, " address "\n ldr x16, [x16, :lo12:" address "]\n br x16\n"
#else
#error "the forwarders have no form for this architecture"
#endif

// Hidden, so that the library's own calls stay within it.
#define FORWARDER(name) FORWARDER_NAMED(name)
#define FORWARDER_NAMED(name) \
    __attribute__((visibility("hidden"))) void *recc_address_of_##name; \
    __asm__(".pushsection .text\n .p2align 4\n .hidden " #name "\n .globl " #name "\n .type " #name ", %function\n" #name ":\n " \
            JUMP("recc_address_of_" #name) " .size " #name ", . - " #name "\n .popsection\n");
RECC_LLVM_FUNCTIONS(FORWARDER)

#define ENTRY(name) ENTRY_NAMED(name)
#define ENTRY_NAMED(name) {#name, &recc_address_of_##name},
static const struct {
    const char *name;
    void **address;
} functions[] = {RECC_LLVM_FUNCTIONS(ENTRY)};

/// Room for a version's numbers.
static char found_version[40];

recc_llvm_outcome recc_load_llvm(const char *library, const char **detail) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        *detail = dlerror();
        return RECC_LLVM_NOT_LOADED;
    }
    void (*version)(unsigned *, unsigned *, unsigned *) =
        (void (*)(unsigned *, unsigned *, unsigned *))dlsym(handle, "LLVMGetVersion");
    unsigned major = 0, minor = 0, patch = 0;
    if (version) version(&major, &minor, &patch);
    if (version && major != LLVM_VERSION_MAJOR) {
        snprintf(found_version, sizeof found_version, "%u.%u.%u", major, minor, patch);
        *detail = found_version;
        return RECC_LLVM_OTHER_VERSION;
    }
    // All are looked for before any is set: with half of them nothing could be done.
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned long k = 0; k < sizeof functions / sizeof functions[0]; k++) {
            void *address = dlsym(handle, functions[k].name);
            if (!address) {
                *detail = functions[k].name;
                return RECC_LLVM_LACKS_FUNCTION;
            }
            if (pass) *functions[k].address = address;
        }
    }
    return RECC_LLVM_READY;
}

int recc_initialize_native_target(void) {
    if (LLVMInitializeNativeTarget()) return 1;
    return LLVMInitializeNativeAsmPrinter() ? 1 : 0;
}
