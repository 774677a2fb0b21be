/* Digests of 64 bits that tell states of a run apart. */
#ifndef FAB_ENGINE_DIGEST_H
#define FAB_ENGINE_DIGEST_H

#include <stdint.h>
#include <string.h>

/* What was digested so far, and one value more: the order counts. */
static inline uint64_t
fab_digest_add(uint64_t digest, uint64_t value)
{
    digest = (digest ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return digest ^ (digest >> 29);
}

static inline uint64_t
fab_digest_add_double(uint64_t digest, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return fab_digest_add(digest, bits);
}

#endif
