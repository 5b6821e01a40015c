#include "CHost.h"

#include <string.h>

// XXH64, as in "xxHash fast digest algorithm", version 0.2.0 (Yann Collet).

enum { LANE = 8, LANES = 4, STRIPE = LANE * LANES };

static const uint64_t P1 = 0x9E3779B185EBCA87, P2 = 0xC2B2AE3D27D4EB4F, P3 = 0x165667B19E3779F9, P4 = 0x85EBCA77C2B2AE63,
                      P5 = 0x27D4EB2F165667C5;

static inline uint64_t turned(uint64_t x, int by) { return x << by | x >> (64 - by); }

static inline uint64_t word(const unsigned char *at) {
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

static inline uint64_t mixed(uint64_t lane, uint64_t input) { return turned(lane + input * P2, 31) * P1; }

uint64_t recc_hash(const void *bytes, unsigned long count, uint64_t seed) {
    const unsigned char *at = bytes, *end = at + count;
    uint64_t hash = seed + P5;
    if (count >= STRIPE) {
        uint64_t a = seed + P1 + P2, b = seed + P2, c = seed, d = seed - P1;
        for (; end - at >= STRIPE; at += STRIPE) {
            a = mixed(a, word(at));
            b = mixed(b, word(at + LANE));
            c = mixed(c, word(at + 2 * LANE));
            d = mixed(d, word(at + 3 * LANE));
        }
        hash = turned(a, 1) + turned(b, 7) + turned(c, 12) + turned(d, 18);
        hash = (hash ^ mixed(0, a)) * P1 + P4;
        hash = (hash ^ mixed(0, b)) * P1 + P4;
        hash = (hash ^ mixed(0, c)) * P1 + P4;
        hash = (hash ^ mixed(0, d)) * P1 + P4;
    }
    hash += count;
    for (; end - at >= 8; at += 8) hash = turned(hash ^ mixed(0, word(at)), 27) * P1 + P4;
    if (end - at >= 4) {
        uint32_t x;
        memcpy(&x, at, sizeof x);
        hash = turned(hash ^ x * P1, 23) * P2 + P3;
        at += 4;
    }
    for (; at < end; at++) hash = turned(hash ^ *at * P5, 11) * P1;
    hash = (hash ^ hash >> 33) * P2;
    hash = (hash ^ hash >> 29) * P3;
    return hash ^ hash >> 32;
}
