// Each function of LLVM that recc calls is defined here as a jump to where the loaded library has it.
//
// The jumps are written in assembly, as one form then serves every signature: arguments and result stay where they are.
#include "Forwarders.h"
#include "CLLVM.h"
#include "Functions.h"

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
const struct recc_forwarder recc_forwarders[] = {RECC_LLVM_FUNCTIONS(ENTRY)};
const unsigned long recc_forwarder_count = sizeof recc_forwarders / sizeof recc_forwarders[0];
