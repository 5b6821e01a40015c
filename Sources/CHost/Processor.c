#include "CHost.h"

#if defined(__x86_64__)

#include <cpuid.h>

// The compiler's own test, which asks the operating system too.
int recc_vector_bytes(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) return 64;
    return __builtin_cpu_supports("avx2") ? 32 : 16;
}

/// Of a leaf of `cpuid`, the words that are the same on every core and at every time.
static uint32_t *leaf(uint32_t *to, unsigned number, unsigned part, int has_ebx) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    __get_cpuid_count(number, part, &a, &b, &c, &d);
    *to++ = a;
    if (has_ebx) *to++ = b;
    *to++ = c;
    *to++ = d;
    return to;
}

void recc_processor_identity(uint32_t words[RECC_PROCESSOR_WORDS]) {
    for (int k = 0; k < RECC_PROCESSOR_WORDS; k++) words[k] = 0;
    uint32_t *to = words;
    to = leaf(to, 0, 0, 1);           // the maker
    to = leaf(to, 1, 0, 0);           // family, model and features; ebx numbers the core
    to = leaf(to, 7, 0, 1);           // features
    to = leaf(to, 7, 1, 1);           // features
    to = leaf(to, 0x80000001, 0, 0);  // features
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(0xD, 1, &a, &b, &c, &d)) *to = a;  // how registers are saved; ebx depends on which are in use
    to++;
    if (__get_cpuid_count(0x24, 0, &a, &b, &c, &d)) *to = b;  // AVX10
    to++;
    // Which registers the operating system saves; asking is allowed where it says so (OSXSAVE).
    if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE)) {
        unsigned low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        *to = low;
    }
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

int recc_vector_bytes(void) { return 16; }

void recc_processor_identity(uint32_t words[RECC_PROCESSOR_WORDS]) {
    for (int k = 0; k < RECC_PROCESSOR_WORDS; k++) words[k] = 0;
    uint64_t capabilities[2] = {getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
    for (int k = 0; k < 2; k++) {
        words[2 * k] = (uint32_t)capabilities[k];
        words[2 * k + 1] = (uint32_t)(capabilities[k] >> 32);
    }
    // The maker and the model; Linux answers for the processor where it says that it does (HWCAP_CPUID).
    uint64_t model = 0;
    if (capabilities[0] & (1 << 11)) __asm__("mrs %0, MIDR_EL1" : "=r"(model));
    words[4] = (uint32_t)model;
}

#else
#error "recc generates code for x86-64 and aarch64"
#endif
