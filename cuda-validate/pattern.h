/*
 * Random data that every rank can compute, and what a collective must make of it. Reduced values are small whole
 * numbers, so that every order of summing gives the same bits. Shared by host and CUDA code.
 */
#ifndef FABM_PATTERN_H
#define FABM_PATTERN_H

#include <stdbool.h>
#include <string.h>

#include "kernels.h"

#ifdef __CUDACC__
#define FABM_SHARED static __host__ __device__ inline
#else
#define FABM_SHARED static inline
#endif

/* Mixes 64 bits so that each depends on all: multiply and fold, twice. Odd constants with about half their bits set. */
FABM_SHARED uint32_t
fabm_random(uint32_t seed, uint32_t rank, uint64_t index)
{
    uint64_t x = index * 0x9e3779b97f4a7c15u + ((uint64_t)seed << 32 | rank) * 0xd6e8feb86659fd93u + 1;

    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    x = (x ^ x >> 29) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(x >> 32);
}

/* Values to reduce: so few bits that up to 256 ranks (1024 for float) sum up exactly; for products 1 and 2. */
FABM_SHARED float
fabm_value(const FabmExpect *expect, uint32_t rank, uint64_t index)
{
    uint32_t random = fabm_random(expect->seed, rank, index);

    if (expect->reduction == FABM_PROD)
        return (float)(1 + (random & random >> 8 & random >> 16 & 1));
    return (float)(random & (expect->element == FABM_FLOAT ? 127u : expect->element == FABM_HALF ? 7u : 1u));
}

/* A small whole number as the bits of its type; exact. */
FABM_SHARED uint32_t
fabm_bits(FabmElement element, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    if (element == FABM_BFLOAT16)
        return bits >> 16;
    if (element == FABM_HALF) /* other bias of the exponent: 15, not 127 */
        return value == 0 ? 0 : (bits >> 13) - ((127 - 15) << 10);
    if (element == FABM_E4M3) /* 7 */
        return value == 0 ? 0 : (bits >> 20) - ((127 - 7) << 3);
    return bits;
}

/* A random value from 1/8 to 2 or its negative: random mantissa, one of four exponents. */
FABM_SHARED uint32_t
fabm_noise(FabmElement element, uint32_t random)
{
    uint32_t exponent = random >> 24 & 3, sign = random >> 31;

    switch (element) {
    case FABM_HALF:
        return sign << 15 | (12 + exponent) << 10 | (random & 0x3ff);
    case FABM_BFLOAT16:
        return sign << 15 | (124 + exponent) << 7 | (random & 0x7f);
    case FABM_E4M3:
        return sign << 7 | (4 + exponent) << 3 | (random & 7);
    default:
        return sign << 31 | (124 + exponent) << 23 | (random & 0x7fffff);
    }
}

FABM_SHARED uint32_t
fabm_element_bytes(FabmElement element)
{
    return element == FABM_E4M3 ? 1 : element == FABM_HALF || element == FABM_BFLOAT16 ? 2 : 4;
}

FABM_SHARED float
fabm_reduce(uint32_t reduction, float a, float b)
{
    switch (reduction) {
    case FABM_PROD:
        return a * b;
    case FABM_MAX:
        return a > b ? a : b;
    case FABM_MIN:
        return a < b ? a : b;
    default:
        return a + b;
    }
}

/* Element `index` of the input of a rank. */
FABM_SHARED uint32_t
fabm_input(const FabmExpect *expect, uint32_t rank, uint64_t index)
{
    if (expect->reduction != FABM_NO_REDUCTION)
        return fabm_bits(expect->element, fabm_value(expect, rank, index));
    return fabm_random(expect->seed, rank, index) >> (32 - 8 * fabm_element_bytes(expect->element));
}

/* Where the element at `index` of rank's output comes from: a rank's input, or all of them. False: undefined. */
FABM_SHARED bool
fabm_origin(const FabmExpect *expect, uint32_t rank, uint64_t index, uint32_t *from, uint64_t *at)
{
    uint64_t piece = expect->piece > 0 ? expect->piece : 1;
    uint64_t start = (uint64_t)rank * piece;

    *from = expect->root;
    *at = index;
    switch (expect->collective) {
    case FABM_ALL_REDUCE:
    case FABM_BROADCAST:
        return index < expect->size;
    case FABM_REDUCE:
        return rank == expect->root && index < expect->size;
    case FABM_REDUCE_SCATTER:
    case FABM_SCATTER:
        *at = start + index;
        return index < piece && *at < expect->size;
    case FABM_GATHER:
    case FABM_ALL_GATHER:
        *from = (uint32_t)(index / piece);
        *at = index % piece;
        return (expect->collective == FABM_ALL_GATHER || rank == expect->root) && index < expect->size;
    case FABM_ALLTOALL:
        *from = (uint32_t)(index / piece);
        *at = start + index % piece;
        return index / piece < expect->ranks && *at < expect->size;
    case FABM_SENDRECV:
        *from = rank > 0 ? rank - 1 : expect->ranks - 1;
        return index < expect->size && (rank > 0 || expect->one_way == 0);
    default:
        return false;
    }
}

/* Element `index` of rank's output. False: undefined. */
FABM_SHARED bool
fabm_output(const FabmExpect *expect, uint32_t rank, uint64_t index, uint32_t *bits)
{
    uint32_t from;
    uint64_t at;
    float value;

    if (!fabm_origin(expect, rank, index, &from, &at))
        return false;
    if (expect->reduction == FABM_NO_REDUCTION) {
        *bits = fabm_input(expect, from, at);
        return true;
    }
    value = fabm_value(expect, 0, at);
    for (uint32_t q = 1; q < expect->ranks; q++)
        value = fabm_reduce(expect->reduction, value, fabm_value(expect, q, at));
    *bits = fabm_bits(expect->element, value);
    return true;
}

FABM_SHARED uint32_t
fabm_element_load(FabmElement element, const void *data, uint64_t index)
{
    switch (fabm_element_bytes(element)) {
    case 1:
        return ((const uint8_t *)data)[index];
    case 2:
        return ((const uint16_t *)data)[index];
    default:
        return ((const uint32_t *)data)[index];
    }
}

FABM_SHARED void
fabm_element_store(FabmElement element, void *data, uint64_t index, uint32_t bits)
{
    switch (fabm_element_bytes(element)) {
    case 1:
        ((uint8_t *)data)[index] = (uint8_t)bits;
        break;
    case 2:
        ((uint16_t *)data)[index] = (uint16_t)bits;
        break;
    default:
        ((uint32_t *)data)[index] = bits;
        break;
    }
}

/* What a fill writes at `index`. */
FABM_SHARED uint32_t
fabm_filling(const FabmFill *fill, uint64_t index)
{
    if (fill->noise)
        return fabm_noise(fill->expect.element, fabm_random(fill->expect.seed, fill->rank, index));
    return fabm_input(&fill->expect, fill->rank, index);
}

#endif
