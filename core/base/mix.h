/* Bits mixed well enough for signatures, hashes and samples, the same on every machine. */
#ifndef FAB_BASE_MIX_H
#define FAB_BASE_MIX_H

#include <stdint.h>

/* The last part of SplitMix64 (Steele, Lea, Flood 2014): any change of `value` changes about half of the result. */
static inline uint64_t
fab_mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

#endif
