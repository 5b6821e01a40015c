#define _GNU_SOURCE
#include "CLLVM.h"

#include <dlfcn.h>

int recc_initialize_native_target(void) {
    if (LLVMInitializeNativeTarget()) return 1;
    if (LLVMInitializeNativeAsmPrinter()) return 1;
    return LLVMInitializeNativeAsmParser() ? 1 : 0;
}

const char *recc_image_path(void) {
    Dl_info image;
    return dladdr((void *)recc_image_path, &image) ? image.dli_fname : 0;
}
