#define _GNU_SOURCE
#include "CHost.h"
#include <pthread.h>
#include <stdint.h>

long recc_stack_remaining(void) {
    pthread_attr_t attributes;
    void *start = 0;
    size_t size = 0;
    char here;
    if (pthread_getattr_np(pthread_self(), &attributes)) return 0;
    int status = pthread_attr_getstack(&attributes, &start, &size);
    pthread_attr_destroy(&attributes);
    if (status || (uintptr_t)&here < (uintptr_t)start) return 0;
    return (long)((uintptr_t)&here - (uintptr_t)start);
}
