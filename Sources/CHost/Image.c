#define _GNU_SOURCE
#include "CHost.h"

#include <dlfcn.h>

const char *recc_image_path(void) {
    Dl_info image;
    return dladdr((void *)recc_image_path, &image) ? image.dli_fname : 0;
}

void recc_code_was_written(void *start, unsigned long count) {
    __builtin___clear_cache((char *)start, (char *)start + count);
}
