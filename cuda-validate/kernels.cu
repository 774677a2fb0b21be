/*
 * The kernels. Host code, which launches them, is C (cuda.c) and knows them by address only.
 *
 * Memory that two streams of a program share is ordered by one counter each: the writer's team passes a barrier and
 * one thread of it a fence at system scope, and stores the counter; one thread of the reader's team loads it with
 * acquire semantics and passes a barrier. Both are cumulative over the barrier (PTX ISA, memory consistency model), on
 * one GPU as over NVLink and PCIe. With LL and LL128 the flag comes in the same access as the data.
 */
#include <device.h>

#include "kernels.h"
#include "pattern.h"

/* ------------------------------------------------------------------ words of 4, 8 and 16 bytes */

__device__ __forceinline__ uint32_t
add_words(uint32_t a, uint32_t b)
{
    return __float_as_uint(__uint_as_float(a) + __uint_as_float(b));
}

__device__ __forceinline__ uint2
add_words(uint2 a, uint2 b)
{
    return make_uint2(add_words(a.x, b.x), add_words(a.y, b.y));
}

__device__ __forceinline__ uint4
add_words(uint4 a, uint4 b)
{
    return make_uint4(add_words(a.x, b.x), add_words(a.y, b.y), add_words(a.z, b.z), add_words(a.w, b.w));
}

/* ------------------------------------------------------------------ MOVE */

enum { UNROLL = 4 }; /* accesses of one thread in flight */

template <typename Word, int SOURCES, int TARGETS>
__global__ void __launch_bounds__(1024, 1)
move_kernel(FabmMove move)
{
    const uint64_t words = move.bytes / sizeof(Word), piece = (words + gridDim.x - 1) / gridDim.x;
    const uint64_t begin = blockIdx.x * piece, end = begin + piece < words ? begin + piece : words;
    const Word *a = (const Word *)move.src[0], *b = (const Word *)move.src[SOURCES - 1];
    Word *x = (Word *)move.dst[0], *y = (Word *)move.dst[TARGETS - 1];

    do {
        for (uint64_t at = begin + threadIdx.x; at < end; at += (uint64_t)UNROLL * blockDim.x) {
            Word value[UNROLL], other[UNROLL];

#pragma unroll
            for (int u = 0; u < UNROLL; u++) {
                uint64_t i = at + (uint64_t)u * blockDim.x;

                if (i < end) {
                    value[u] = a[i];
                    if (SOURCES > 1)
                        other[u] = b[i];
                }
            }
#pragma unroll
            for (int u = 0; u < UNROLL; u++) {
                uint64_t i = at + (uint64_t)u * blockDim.x;

                if (i < end) {
                    if (SOURCES > 1)
                        value[u] = add_words(value[u], other[u]);
                    x[i] = value[u];
                    if (TARGETS > 1)
                        y[i] = value[u];
                }
            }
        }
        if (move.stop != nullptr && threadIdx.x == 0)
            fabm_store_plain(&move.passes[blockIdx.x], fabm_load_plain(&move.passes[blockIdx.x]) + 1);
    } while (move.stop != nullptr && !fabm_flag_is_set(move.stop));
}

/* ------------------------------------------------------------------ FILL, CHECK, WORK, EMPTY */

__global__ void
fill_kernel(FabmFill fill)
{
    for (uint64_t i = blockIdx.x * (uint64_t)blockDim.x + threadIdx.x; i < fill.count;
         i += (uint64_t)gridDim.x * blockDim.x)
        fabm_element_store(fill.expect.element, fill.data, i, fabm_filling(&fill, i));
}

__global__ void
check_kernel(FabmCheck check)
{
    uint32_t bits;

    for (uint64_t i = blockIdx.x * (uint64_t)blockDim.x + threadIdx.x; i < check.count;
         i += (uint64_t)gridDim.x * blockDim.x) {
        if (!fabm_output(&check.expect, check.rank, i, &bits) ||
            fabm_element_load(check.expect.element, check.data, i) == bits)
            continue;
        atomicAdd((unsigned long long *)&check.wrong[0], 1ull);
        check.wrong[1] = i + 1;
    }
}

__global__ void
work_kernel(FabmWork work)
{
    for (uint64_t i = blockIdx.x * (uint64_t)blockDim.x + threadIdx.x; i < work.count;
         i += (uint64_t)gridDim.x * blockDim.x) {
        float value = work.data[i];

        /* Little but multiply-adds: they are what the rate of this kernel stands for. */
#pragma unroll 32
        for (uint32_t r = 0; r < work.rounds; r++)
            value = fmaf(value, -1.0f, FABM_WORK_SUM);
        work.data[i] = value;
    }
}

__global__ void
empty_kernel(void)
{
}

/* ------------------------------------------------------------------ waiting */

/* The flag in host memory and the clock are read once in FABM_LOOKS looks in vain: both are slow to read. */
__device__ __forceinline__ bool
waited_too_long(uint32_t *looks, uint64_t *began, uint64_t patience_ns, uint32_t *flag)
{
    uint64_t now;

    if (++*looks % FABM_LOOKS != 0)
        return false;
    now = fabm_nanoseconds();
    if (*began == 0)
        *began = now;
    else if (now - *began > patience_ns)
        fabm_flag_set(flag);
    return fabm_flag_is_set(flag);
}

/* ------------------------------------------------------------------ PING */

/* Messages of each protocol's kind: how the reader knows that the data are there. One warp plays a side. */
__device__ void
ping_send(uint32_t mode, uint8_t *box, uint32_t trip)
{
    const uint32_t lane = threadIdx.x;
    const uint64_t both = (uint64_t)trip << 32 | trip; /* 4 bytes of data and their flag */

    switch (mode) {
    case FABM_PING_LL: /* two of them in one store of 16 bytes */
        if (lane == 0)
            fabm_store_pair(box, both, both);
        break;
    case FABM_PING_LL128: /* a line of 128 bytes, of which the last 8 are the flag */
        if (lane < 8)
            fabm_store_pair(box + 16 * lane, trip, trip);
        break;
    case FABM_PING_SIMPLE: /* data, fence, counter */
        fabm_store_pair(box + 128 + 16 * lane, trip, trip);
        __syncwarp();
        if (lane == 0)
            fabm_store_release((uint64_t *)box, trip);
        break;
    default:
        if (lane == 0)
            fabm_store_plain((uint64_t *)box, trip);
        break;
    }
}

/* Whether the whole message of this trip is there; the same answer in all threads of the warp. */
__device__ bool
ping_arrived(uint32_t mode, const uint8_t *box, uint32_t trip)
{
    const uint32_t lane = threadIdx.x;
    const uint64_t both = (uint64_t)trip << 32 | trip;
    uint64_t data = 0, flag = 0;
    bool here = true;

    switch (mode) {
    case FABM_PING_LL:
        fabm_load_pair(box, &data, &flag);
        here = data == both && flag == both;
        break;
    case FABM_PING_LL128:
        fabm_load_pair(box + 16 * (lane & 7), &data, &flag);
        here = data == trip && flag == trip;
        break;
    case FABM_PING_SIMPLE:
        if (lane == 0)
            flag = fabm_load_acquire((const uint64_t *)box);
        here = __shfl_sync(0xffffffffu, (uint32_t)flag, 0) >= trip;
        if (here) {
            fabm_load_pair(box + 128 + 16 * lane, &data, &flag);
            here = data == trip && flag == trip;
        }
        break;
    default:
        here = fabm_load_plain((const uint64_t *)box) >= trip;
        break;
    }
    return __all_sync(0xffffffffu, here);
}

__global__ void __launch_bounds__(32, 1)
ping_kernel(FabmPing ping)
{
    const uint32_t side = ping.first + blockIdx.x;
    uint8_t *mine = (uint8_t *)ping.mine[side & 1], *theirs = (uint8_t *)ping.mine[(side & 1) ^ 1];
    uint64_t began = 0;
    uint32_t looks = 0;

    for (uint32_t trip = 1; trip <= ping.trips; trip++) {
        if (side == 0)
            ping_send(ping.mode, theirs, trip);
        while (!ping_arrived(ping.mode, mine, trip))
            if (__any_sync(0xffffffffu, waited_too_long(&looks, &began, ping.patience_ns, ping.stuck)))
                return;
        began = 0;
        if (side == 1)
            ping_send(ping.mode, theirs, trip);
    }
}

/* ------------------------------------------------------------------ PROGRAM */

#define FABM_CODE __device__ __forceinline__

FABM_CODE uint32_t
reduce_words(uint32_t reduction, uint32_t a, uint32_t b)
{
    return __float_as_uint(fabm_reduce(reduction, __uint_as_float(a), __uint_as_float(b)));
}

FABM_CODE uint4
reduce_words(uint32_t reduction, uint4 a, uint4 b)
{
    if (reduction == FABM_SUM)
        return add_words(a, b);
    return make_uint4(reduce_words(reduction, a.x, b.x), reduce_words(reduction, a.y, b.y),
                      reduce_words(reduction, a.z, b.z), reduce_words(reduction, a.w, b.w));
}

/* Bytes are copied only: what is reduced are floats. */
FABM_CODE uint8_t
reduce_words(uint32_t, uint8_t a, uint8_t)
{
    return a;
}

/* The sum, or whatever it is, of word i of all sources. */
template <typename Word>
FABM_CODE Word
fold_word(uint32_t reduction, const uint8_t *const *sources, uint32_t source_count, uint32_t i)
{
    Word value = fabm_load_word<Word>(sources[0] + (uint64_t)i * sizeof(Word));

    for (uint32_t s = 1; s < source_count; s++)
        value = reduce_words(reduction, value, fabm_load_word<Word>(sources[s] + (uint64_t)i * sizeof(Word)));
    return value;
}

/* Words `begin` to `end` of a slice, one at a time: any number of sources and targets, and what is left of a slice. */
template <typename Word>
FABM_CODE void
transfer_any(uint32_t reduction, uint8_t *const *targets, uint32_t target_count, const uint8_t *const *sources,
             uint32_t source_count, uint32_t begin, uint32_t end, const FabmTeam *team)
{
    for (uint32_t i = begin + team->index; i < end; i += team->size) {
        Word value = fold_word<Word>(reduction, sources, source_count, i);

        for (uint32_t t = 0; t < target_count; t++)
            ((Word *)targets[t])[i] = value;
    }
}

/* 16 bytes at a time, several of them in flight: the usual one or two sources and targets. */
template <int SOURCES, int TARGETS>
FABM_CODE void
transfer_wide(uint32_t reduction, uint8_t *const *targets, const uint8_t *const *sources, uint32_t end,
              const FabmTeam *team)
{
    const uint8_t *a = sources[0], *b = sources[SOURCES - 1];
    uint8_t *x = targets[0], *y = targets[TARGETS - 1];

    for (uint32_t at = team->index; at < end; at += UNROLL * team->size) {
        uint4 value[UNROLL], other[UNROLL];

#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            uint32_t i = at + u * team->size;

            if (i < end) {
                value[u] = fabm_load_word<uint4>(a + (uint64_t)i * sizeof(uint4));
                if (SOURCES > 1)
                    other[u] = fabm_load_word<uint4>(b + (uint64_t)i * sizeof(uint4));
            }
        }
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            uint32_t i = at + u * team->size;

            if (i < end) {
                if (SOURCES > 1)
                    value[u] = reduce_words(reduction, value[u], other[u]);
                ((uint4 *)x)[i] = value[u];
                if (TARGETS > 1)
                    ((uint4 *)y)[i] = value[u];
            }
        }
    }
}

FABM_CODE void
fabm_transfer(uint32_t reduction, uint8_t *const *targets, uint32_t target_count, const uint8_t *const *sources,
              uint32_t source_count, uint64_t bytes, const FabmTeam *team)
{
    uint64_t all = 0;
    uint32_t wide, words;

    if (source_count == 0 || target_count == 0)
        return;
    for (uint32_t s = 0; s < source_count; s++)
        all |= (uint64_t)sources[s];
    for (uint32_t t = 0; t < target_count; t++)
        all |= (uint64_t)targets[t];
    wide = all % 16 == 0 ? (uint32_t)(bytes / 16) : 0;
    words = all % 4 == 0 ? (uint32_t)(bytes / 4) : 0;
    switch (source_count * 16 + target_count) {
    case 0x11:
        transfer_wide<1, 1>(reduction, targets, sources, wide, team);
        break;
    case 0x12:
        transfer_wide<1, 2>(reduction, targets, sources, wide, team);
        break;
    case 0x21:
        transfer_wide<2, 1>(reduction, targets, sources, wide, team);
        break;
    case 0x22:
        transfer_wide<2, 2>(reduction, targets, sources, wide, team);
        break;
    default:
        transfer_any<uint4>(reduction, targets, target_count, sources, source_count, 0, wide, team);
        break;
    }
    transfer_any<uint32_t>(reduction, targets, target_count, sources, source_count, wide * 4, words, team);
    transfer_any<uint8_t>(reduction, targets, target_count, sources, source_count, words * 4, (uint32_t)bytes, team);
}

/* At most 8 bytes of a buffer, at any address that is a multiple of the element. */
FABM_CODE uint64_t
fabm_get(const uint8_t *from, uint32_t bytes)
{
    uint64_t word = 0;

    if (bytes == 8 && (uint64_t)from % 8 == 0)
        return fabm_load_word<uint64_t>(from);
    if (((uint64_t)from | bytes) % 4 == 0) {
        for (uint32_t i = 0; i < bytes; i += 4)
            word |= (uint64_t)fabm_load_word<uint32_t>(from + i) << 8 * i;
        return word;
    }
    for (uint32_t i = 0; i < bytes; i++)
        word |= (uint64_t)fabm_load_word<uint8_t>(from + i) << 8 * i;
    return word;
}

FABM_CODE void
fabm_put(uint8_t *to, uint32_t bytes, uint64_t word)
{
    if (bytes == 8 && (uint64_t)to % 8 == 0) {
        *(uint64_t *)to = word;
    } else if (((uint64_t)to | bytes) % 4 == 0) {
        for (uint32_t i = 0; i < bytes; i += 4)
            *(uint32_t *)(to + i) = (uint32_t)(word >> 8 * i);
    } else {
        for (uint32_t i = 0; i < bytes; i++)
            to[i] = (uint8_t)(word >> 8 * i);
    }
}

FABM_CODE uint64_t
fabm_reduce_pair(uint32_t reduction, uint64_t a, uint64_t b)
{
    return reduce_words(reduction, (uint32_t)a, (uint32_t)b) |
           (uint64_t)reduce_words(reduction, (uint32_t)(a >> 32), (uint32_t)(b >> 32)) << 32;
}

#include "interpret.h"

FABM_CODE bool
fabm_given_up(const FabmProgramRun *run, FabmWait *wait)
{
    return waited_too_long(&wait->looks, &wait->began, run->patience_ns, run->stop);
}

/* Roles share the CTA's threads in order; its shared memory holds a table of connections for each, and two words. */
template <FabmProtocol PROTOCOL>
__global__ void __launch_bounds__(FABM_PROGRAM_THREADS, 1)
program_kernel(const __grid_constant__ FabmProgramRun run)
{
    FABM_SHARED_MEMORY(shared);
    FabmEndState *states = (FabmEndState *)shared;
    uint32_t *stops = (uint32_t *)(states + (uint64_t)run.roles * run.ends_most);
    const uint32_t rank = blockIdx.x / run.channels;
    uint32_t role = 0, first = 0, place;

    while (role < run.roles && threadIdx.x >= first + run.role_threads[role])
        first += run.role_threads[role++];
    if (role == run.roles)
        return;
    place = blockIdx.x * run.roles + role;
    const FabmTeam team = { threadIdx.x - first, run.role_threads[role], 31, role + 1 };

    fabm_interpret(&run, PROTOCOL, &run.lanes[place], &run.memory[rank], &run.stalls[place],
                   states + (uint64_t)role * run.ends_most, &stops[FABM_STOPS * role], &team);
}

/* ------------------------------------------------------------------ addresses */

template <typename Word>
static const void *
move_address(const FabmMove *move)
{
    if (move->sources > 1)
        return move->destinations > 1 ? (const void *)move_kernel<Word, 2, 2> : (const void *)move_kernel<Word, 2, 1>;
    return move->destinations > 1 ? (const void *)move_kernel<Word, 1, 2> : (const void *)move_kernel<Word, 1, 1>;
}

extern "C" const void *
fabm_kernel_address(const FabmLaunch *launch)
{
    switch (launch->kind) {
    case FABM_KERNEL_MOVE:
        return launch->as.move.width == 4   ? move_address<uint32_t>(&launch->as.move)
               : launch->as.move.width == 8 ? move_address<uint2>(&launch->as.move)
                                            : move_address<uint4>(&launch->as.move);
    case FABM_KERNEL_FILL:
        return (const void *)fill_kernel;
    case FABM_KERNEL_CHECK:
        return (const void *)check_kernel;
    case FABM_KERNEL_PING:
        return (const void *)ping_kernel;
    case FABM_KERNEL_WORK:
        return (const void *)work_kernel;
    case FABM_KERNEL_PROGRAM:
        return launch->as.program.protocol == FABM_LL      ? (const void *)program_kernel<FABM_LL>
               : launch->as.program.protocol == FABM_LL128 ? (const void *)program_kernel<FABM_LL128>
                                                           : (const void *)program_kernel<FABM_SIMPLE>;
    default:
        return (const void *)empty_kernel;
    }
}
