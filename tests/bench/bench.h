/* What the benchmark programs share: a clock, a generator that C and C++ draw the same numbers from, peak memory. */
#ifndef FAB_TESTS_BENCH_H
#define FAB_TESTS_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* CPU seconds of this process: other work on the machine does not enter, as it would with the wall clock. */
static inline double
bench_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Peak memory of this program; getrusage() would count what the process was before it started it. 0: unknown. */
static inline double
bench_peak_mib(void)
{
    char line[256];
    double kib = 0;
    FILE *status = fopen("/proc/self/status", "r");

    if (status == NULL)
        return 0;
    while (fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmHWM: %lf", &kib) == 1)
            break;
    }
    fclose(status);
    return kib / 1024;
}

/* Weyl sequence with a mixing step; the state is any number. */
static inline uint64_t
bench_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
    z = (z ^ (z >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
    return z ^ (z >> 32);
}

static inline uint32_t
bench_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(((bench_random(state) >> 32) * bound) >> 32);
}

/* A whole number of bytes, 0.5 to 1.5 times the mean. */
static inline uint64_t
bench_size(uint64_t *state, uint64_t mean)
{
    return mean / 2 + mean * bench_below(state, 1u << 20) / (1u << 20);
}

/* Some host that is not this one. */
static inline uint32_t
bench_other(uint64_t *state, uint32_t hosts, uint32_t host)
{
    uint32_t to = bench_below(state, hosts - 1);

    return to >= host ? to + 1 : to;
}

#endif
