#include "CLLVM.h"

int recc_initialize_native_target(void) {
    if (LLVMInitializeNativeTarget()) return 1;
    if (LLVMInitializeNativeAsmPrinter()) return 1;
    return LLVMInitializeNativeAsmParser() ? 1 : 0;
}
