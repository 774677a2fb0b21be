/*
 * In the place of cuda-validate/device.h: what the kernels need of a GPU, and of CUDA C++, on host threads. Every
 * thread of a CTA is a thread of the host where threads wait for each other. Compiles kernels.cu as plain C++.
 */
#ifndef FABM_DEVICE_H
#define FABM_DEVICE_H

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "kernels.h"

#define __global__ static
#define __device__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
enum { FABM_LOOKS = 16 }; /* each is slow here */

#define FABM_SHARED_MEMORY(name) uint64_t *name = host_cta->shared

/* ------------------------------------------------------------------ threads */

enum { HOST_WARP = 32 };

/* A warp's barrier, and what its threads exchange. */
typedef struct {
    pthread_barrier_t barrier;
    uint32_t values[HOST_WARP];
} HostWarp;

typedef struct {
    uint64_t *shared;
    pthread_barrier_t roles[FABM_ROLES];
    HostWarp *warps;
} HostCta;

typedef struct {
    unsigned x;
} HostIndex;

static thread_local HostCta *host_cta;
static thread_local HostIndex threadIdx, blockIdx, blockDim, gridDim;

static inline HostWarp *
host_warp(void)
{
    return &host_cta->warps[threadIdx.x / HOST_WARP];
}

/* The value of every thread of the warp; they are kept until all have read them. */
static inline uint32_t
host_exchange(uint32_t value, bool (*fold)(uint32_t, uint32_t), uint32_t lane)
{
    HostWarp *warp = host_warp();
    uint32_t result;

    warp->values[threadIdx.x % HOST_WARP] = value;
    pthread_barrier_wait(&warp->barrier);
    result = warp->values[lane];
    for (int i = 0; fold != nullptr && i < HOST_WARP; i++)
        result = fold(result, warp->values[i]);
    pthread_barrier_wait(&warp->barrier);
    return result;
}

static inline bool
host_and(uint32_t a, uint32_t b)
{
    return a != 0 && b != 0;
}

static inline bool
host_or(uint32_t a, uint32_t b)
{
    return a != 0 || b != 0;
}

static inline bool
__all_sync(uint32_t, bool value)
{
    return host_exchange(value, host_and, 0) != 0;
}

static inline bool
__any_sync(uint32_t, bool value)
{
    return host_exchange(value, host_or, 0) != 0;
}

static inline uint32_t
__shfl_sync(uint32_t, uint32_t value, int lane)
{
    return host_exchange(value, nullptr, (uint32_t)lane);
}

static inline void
__syncwarp(void)
{
    pthread_barrier_wait(&host_warp()->barrier);
}

/* ------------------------------------------------------------------ counters and flags */

static inline uint64_t
fabm_load_acquire(const uint64_t *counter)
{
    uint64_t value = __atomic_load_n(counter, __ATOMIC_ACQUIRE);

    sched_yield();
    return value;
}

static inline void
fabm_store_release(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELEASE);
}

/* The store of the counter says it all here. */
static inline void
fabm_publish(void)
{
}

static inline void
fabm_store_counter(uint64_t *counter, uint64_t value)
{
    fabm_store_release(counter, value);
}

static inline uint64_t
fabm_load_plain(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void
fabm_store_plain(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* Two accesses here: a reader may see half of it, as it might of two stores of a GPU, and must notice. */
static inline void
fabm_load_pair(const void *from, uint64_t *a, uint64_t *b)
{
    *a = fabm_load_plain((const uint64_t *)from);
    *b = fabm_load_plain((const uint64_t *)from + 1);
    sched_yield(); /* whoever polls lets others run */
}

static inline void
fabm_store_pair(void *to, uint64_t a, uint64_t b)
{
    fabm_store_plain((uint64_t *)to, a);
    fabm_store_plain((uint64_t *)to + 1, b);
}

static inline void
fabm_flag_set(uint32_t *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
}

static inline bool
fabm_flag_is_set(const uint32_t *flag)
{
    return __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
}

static inline uint64_t
fabm_nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline unsigned long long
atomicAdd(unsigned long long *counter, unsigned long long value)
{
    return __atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
}

/* ------------------------------------------------------------------ data */

typedef struct {
    uint32_t x, y;
} uint2;

typedef struct {
    uint32_t x, y, z, w;
} uint4;

static inline uint2
make_uint2(uint32_t x, uint32_t y)
{
    return uint2 { x, y };
}

static inline uint4
make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w)
{
    return uint4 { x, y, z, w };
}

static inline float
__uint_as_float(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t
__float_as_uint(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Faults where a GPU would: an address must be a multiple of the access. */
template <typename Word>
static inline Word
fabm_load_word(const uint8_t *from)
{
    if ((uintptr_t)from % sizeof(Word) != 0)
        __builtin_trap();
    return *(const Word *)from;
}

/* ------------------------------------------------------------------ lines of 128 bytes */

enum { FABM_LANES = 8 };

/* A warp's access to a line is many here: the flag is stored last and read first. */
static inline bool
fabm_load_line(const uint64_t *from, uint64_t flag, uint32_t part, bool mine, uint64_t *words)
{
    bool last = part == FABM_LANES - 1;

    if (!__all_sync(0xffffffffu, !mine || !last || fabm_load_acquire(&from[1]) == flag))
        return false;
    if (mine)
        fabm_load_pair(from, &words[0], &words[1]);
    return true;
}

static inline void
fabm_store_line(uint64_t *to, uint32_t part, bool mine, const uint64_t *words)
{
    bool last = part == FABM_LANES - 1;

    if (mine)
        fabm_store_plain(&to[0], words[0]);
    if (mine && !last)
        fabm_store_plain(&to[1], words[1]);
    __syncwarp();
    if (mine && last)
        fabm_store_release(&to[1], words[1]);
}

static inline bool
fabm_any(bool value)
{
    return __any_sync(0xffffffffu, value);
}

/* ------------------------------------------------------------------ teams */

static inline void
fabm_raise(volatile uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

typedef struct {
    uint32_t index, size, mask, barrier;
} FabmTeam;

static inline void
fabm_barrier(const FabmTeam *team)
{
    pthread_barrier_wait(&host_cta->roles[team->barrier - 1]);
}

#endif
