/*
 * What the kernels need of a GPU beside CUDA C++: memory accesses and barriers of the PTX ISA. The tests put another
 * file of this name in its place, which has the same on host threads.
 *
 * Accesses are volatile, so that the compiler keeps each of them and their order, and go past L1, which does not see
 * what other GPUs write.
 */
#ifndef FABM_DEVICE_H
#define FABM_DEVICE_H

#include <stdint.h>

enum { FABM_LOOKS = 1 << 12 }; /* in vain, between two readings of the clock: some milliseconds */

#define FABM_SHARED_MEMORY(name) extern __shared__ uint64_t name[]

/* ------------------------------------------------------------------ counters and flags */

/* At system scope: the writer may be another GPU, or the host. */
__device__ __forceinline__ uint64_t
fabm_load_acquire(const uint64_t *counter)
{
    uint64_t value;

    asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(value) : "l"(counter) : "memory");
    return value;
}

__device__ __forceinline__ void
fabm_store_release(uint64_t *counter, uint64_t value)
{
    asm volatile("st.release.sys.global.u64 [%0], %1;" : : "l"(counter), "l"(value) : "memory");
}

/* What other threads wrote before a barrier becomes visible to whoever sees what this thread stores next. */
__device__ __forceinline__ void
fabm_publish(void)
{
    asm volatile("fence.acq_rel.sys;" : : : "memory");
}

__device__ __forceinline__ void
fabm_store_counter(uint64_t *counter, uint64_t value)
{
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" : : "l"(counter), "l"(value) : "memory");
}

__device__ __forceinline__ uint64_t
fabm_load_plain(const uint64_t *word)
{
    uint64_t value;

    asm volatile("ld.volatile.global.u64 %0, [%1];" : "=l"(value) : "l"(word) : "memory");
    return value;
}

__device__ __forceinline__ void
fabm_store_plain(uint64_t *word, uint64_t value)
{
    asm volatile("st.volatile.global.u64 [%0], %1;" : : "l"(word), "l"(value) : "memory");
}

/* 16 bytes in one access. */
__device__ __forceinline__ void
fabm_load_pair(const void *from, uint64_t *a, uint64_t *b)
{
    asm volatile("ld.volatile.global.v2.u64 {%0,%1}, [%2];" : "=l"(*a), "=l"(*b) : "l"(from) : "memory");
}

__device__ __forceinline__ void
fabm_store_pair(void *to, uint64_t a, uint64_t b)
{
    asm volatile("st.volatile.global.v2.u64 [%0], {%1,%2};" : : "l"(to), "l"(a), "l"(b) : "memory");
}

/* A flag in host memory. */
__device__ __forceinline__ void
fabm_flag_set(uint32_t *flag)
{
    *(volatile uint32_t *)flag = 1;
}

__device__ __forceinline__ bool
fabm_flag_is_set(const uint32_t *flag)
{
    return *(const volatile uint32_t *)flag != 0;
}

__device__ __forceinline__ uint64_t
fabm_nanoseconds(void)
{
    uint64_t now;

    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
}

/* ------------------------------------------------------------------ data */

template <typename Word> __device__ __forceinline__ Word fabm_load_word(const uint8_t *from);

template <>
__device__ __forceinline__ uint4
fabm_load_word<uint4>(const uint8_t *from)
{
    uint4 word;

    asm volatile("ld.volatile.global.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(word.x), "=r"(word.y), "=r"(word.z), "=r"(word.w) : "l"(from) : "memory");
    return word;
}

template <>
__device__ __forceinline__ uint32_t
fabm_load_word<uint32_t>(const uint8_t *from)
{
    return *(const volatile uint32_t *)from;
}

template <>
__device__ __forceinline__ uint8_t
fabm_load_word<uint8_t>(const uint8_t *from)
{
    return *(const volatile uint8_t *)from;
}

template <>
__device__ __forceinline__ uint64_t
fabm_load_word<uint64_t>(const uint8_t *from)
{
    return *(const volatile uint64_t *)from;
}

/* ------------------------------------------------------------------ lines of 128 bytes */

enum { FABM_LANES = 8 }; /* threads of a line, with 16 bytes each */

/*
 * One access of a warp to whole aligned lines goes to memory in one piece, and over NVLink too: whoever sees the flag
 * in the last 8 bytes sees the line. NCCL's LL128 is built on the same.
 */
__device__ __forceinline__ bool
fabm_load_line(const uint64_t *from, uint64_t flag, uint32_t part, bool mine, uint64_t *words)
{
    words[0] = words[1] = 0;
    __syncwarp();
    if (mine)
        fabm_load_pair(from, &words[0], &words[1]);
    return __all_sync(0xffffffffu, !mine || part != FABM_LANES - 1 || words[1] == flag) != 0;
}

__device__ __forceinline__ void
fabm_store_line(uint64_t *to, uint32_t, bool mine, const uint64_t *words)
{
    __syncwarp();
    if (mine)
        fabm_store_pair(to, words[0], words[1]);
}

__device__ __forceinline__ bool
fabm_any(bool value)
{
    return __any_sync(0xffffffffu, value) != 0;
}

/* ------------------------------------------------------------------ teams */

/* A word of shared memory that several threads may set at once: any of them wins. */
__device__ __forceinline__ void
fabm_raise(volatile uint32_t *word, uint32_t value)
{
    *word = value;
}

/* A role: some warps of a CTA, with a barrier of their own. */
typedef struct {
    uint32_t index, size, mask, barrier;
} FabmTeam;

__device__ __forceinline__ void
fabm_barrier(const FabmTeam *team)
{
    /* The barrier wants whole warps, and some threads of the first one may have waited longer than others. */
    __syncwarp();
    asm volatile("bar.sync %0, %1;" : : "r"(team->barrier), "r"(team->size) : "memory");
}

#endif
