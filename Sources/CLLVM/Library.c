#define _GNU_SOURCE
#include "CLLVM.h"
#include "Forwarders.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/// The library, once it is loaded.
static void *loaded;

recc_llvm_outcome recc_load_llvm(const char *library, char *detail, unsigned long detail_bytes) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *message = dlerror();
        snprintf(detail, detail_bytes, "%s", message ? message : "no reason is given");
        return RECC_LLVM_NOT_LOADED;
    }
    void (*version)(unsigned *, unsigned *, unsigned *) =
        (void (*)(unsigned *, unsigned *, unsigned *))dlsym(handle, "LLVMGetVersion");
    unsigned major = 0, minor = 0, patch = 0;
    if (version) version(&major, &minor, &patch);
    if (version && major != LLVM_VERSION_MAJOR) {
        snprintf(detail, detail_bytes, "%u.%u.%u", major, minor, patch);
        dlclose(handle);
        return RECC_LLVM_OTHER_VERSION;
    }
    // All are looked for before any is set: with half of them nothing could be done.
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned long k = 0; k < recc_forwarder_count; k++) {
            void *address = dlsym(handle, recc_forwarders[k].name);
            if (!address) {
                snprintf(detail, detail_bytes, "%s", recc_forwarders[k].name);
                dlclose(handle);
                return RECC_LLVM_LACKS_FUNCTION;
            }
            if (pass) *recc_forwarders[k].address = address;
        }
    }
    loaded = handle;
    return RECC_LLVM_READY;
}

int recc_initialize_native_target(void) {
    if (LLVMInitializeNativeTarget()) return 1;
    return LLVMInitializeNativeAsmPrinter() ? 1 : 0;
}

int recc_initialize_target(const char *architecture) {
    // Of a library that was built for some architectures alone, these are the functions that may be missing.
    static const char *const parts[] = {"TargetInfo", "Target", "TargetMC", "AsmPrinter"};
    for (int k = 0; k < 4; k++) {
        char name[64];
        snprintf(name, sizeof name, "LLVMInitialize%s%s", architecture, parts[k]);
        void (*initialize)(void) = (void (*)(void))dlsym(loaded, name);
        if (!initialize) return 1;
        initialize();
    }
    return 0;
}

/// Of the library that holds `address`, drops the pages of code.
static int drop_code(struct dl_phdr_info *image, size_t size, void *address) {
    (void)size;
    int is_library = 0;
    for (int k = 0; k < image->dlpi_phnum; k++) {
        const ElfW(Phdr) *part = &image->dlpi_phdr[k];
        ElfW(Addr) start = image->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && (ElfW(Addr))address - start < part->p_memsz) is_library = 1;
    }
    if (!is_library) return 0;
    ElfW(Addr) page = (ElfW(Addr))sysconf(_SC_PAGESIZE);
    for (int k = 0; k < image->dlpi_phnum; k++) {
        const ElfW(Phdr) *part = &image->dlpi_phdr[k];
        // What may be written holds what was written; all else is as in the file.
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || (part->p_flags & PF_W)) continue;
        ElfW(Addr) start = (image->dlpi_addr + part->p_vaddr + page - 1) & -page;
        ElfW(Addr) end = (image->dlpi_addr + part->p_vaddr + part->p_memsz) & -page;
        // Where it is refused nothing is lost but memory.
        if (start < end) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 1;
}

void recc_give_back_llvm_code(void) {
    dl_iterate_phdr(drop_code, *recc_forwarders[0].address);
}
