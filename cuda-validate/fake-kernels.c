#include "fake-kernels.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "pattern.h"

/* ------------------------------------------------------------------ channel programs */

/* Two threads play a stream, so that whatever its threads share without a barrier between is a race here too. */
enum { TEAM = 2 };

typedef struct {
    uint32_t index, size, mask;
    pthread_barrier_t *barrier;
} FabmTeam;

#define FABM_CODE static inline

static inline void
fabm_barrier(const FabmTeam *team)
{
    pthread_barrier_wait(team->barrier);
}

static inline uint64_t
fabm_load_acquire(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/* The store says it all here. */
static inline void
fabm_publish(void)
{
}

static inline void
fabm_store_counter(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELEASE);
}

static inline void
fabm_raise(volatile uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline bool
fabm_any(bool value)
{
    return value;
}

/* Each half carries its own flag, so that no order is needed. */
static inline void
fabm_load_pair(const void *from, uint64_t *a, uint64_t *b)
{
    *a = __atomic_load_n((const uint64_t *)from, __ATOMIC_RELAXED);
    *b = __atomic_load_n((const uint64_t *)from + 1, __ATOMIC_RELAXED);
}

static inline void
fabm_store_pair(void *to, uint64_t a, uint64_t b)
{
    __atomic_store_n((uint64_t *)to, a, __ATOMIC_RELAXED);
    __atomic_store_n((uint64_t *)to + 1, b, __ATOMIC_RELAXED);
}

/* One thread moves a line, its flag last. */
enum { FABM_LANES = 1, LINE_FLAG = 15 };

static inline bool
fabm_load_line(const uint64_t *from, uint64_t flag, uint32_t part, bool mine, uint64_t *words)
{
    (void)part;
    if (!mine)
        return true;
    if (__atomic_load_n(&from[LINE_FLAG], __ATOMIC_ACQUIRE) != flag)
        return false;
    for (int w = 0; w < LINE_FLAG; w++)
        words[w] = from[w];
    return true;
}

static inline void
fabm_store_line(uint64_t *to, uint32_t part, bool mine, const uint64_t *words)
{
    (void)part;
    if (!mine)
        return;
    for (int w = 0; w < LINE_FLAG; w++)
        to[w] = words[w];
    __atomic_store_n(&to[LINE_FLAG], words[LINE_FLAG], __ATOMIC_RELEASE);
}

static inline uint64_t
fabm_get(const uint8_t *from, uint32_t bytes)
{
    uint64_t word = 0;

    memcpy(&word, from, bytes);
    return word;
}

static inline void
fabm_put(uint8_t *to, uint32_t bytes, uint64_t word)
{
    memcpy(to, &word, bytes);
}

static inline uint64_t
fabm_reduce_pair(uint32_t reduction, uint64_t a, uint64_t b)
{
    float x[2], y[2];
    uint64_t word;

    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 2; i++)
        x[i] = fabm_reduce(reduction, x[i], y[i]);
    memcpy(&word, x, sizeof word);
    return word;
}

static uint64_t
clock_ns(void)
{
    return (uint64_t)(fabm_now_us() * 1e3);
}

/*
 * Sums and the like are of 32-bit floats; one source alone is copied whatever it is. Each thread of the team has a part
 * that begins at a float.
 */
static inline void
fabm_transfer(uint32_t reduction, uint8_t *const *targets, uint32_t target_count, const uint8_t *const *sources,
              uint32_t source_count, uint64_t bytes, const FabmTeam *team)
{
    uint64_t part = (bytes / team->size + 3) / 4 * 4, begin = team->index * part;
    uint64_t end = team->index + 1 < team->size && begin + part < bytes ? begin + part : bytes;

    if (begin >= bytes)
        return;
    if (source_count == 1) {
        for (uint32_t t = 0; t < target_count; t++)
            if (targets[t] != sources[0])
                memcpy(targets[t] + begin, sources[0] + begin, end - begin);
        return;
    }
    for (uint64_t at = begin; at + sizeof(float) <= end; at += sizeof(float)) {
        float value, other;

        memcpy(&value, sources[0] + at, sizeof value);
        for (uint32_t s = 1; s < source_count; s++) {
            memcpy(&other, sources[s] + at, sizeof other);
            value = fabm_reduce(reduction, value, other);
        }
        for (uint32_t t = 0; t < target_count; t++)
            memcpy(targets[t] + at, &value, sizeof value);
    }
}

#include "interpret.h"

static inline bool
fabm_given_up(const FabmProgramRun *run, FabmWait *wait)
{
    uint64_t now = clock_ns();

    sched_yield();
    if (wait->looks++ == 0)
        wait->began = now;
    if (now - wait->began > run->patience_ns)
        __atomic_store_n(run->stop, 1, __ATOMIC_RELAXED);
    return __atomic_load_n(run->stop, __ATOMIC_RELAXED) != 0;
}

/* What the threads of a stream share, as a CTA's shared memory. */
typedef struct {
    pthread_barrier_t barrier;
    FabmEndState *states;
    uint32_t stops[FABM_STOPS];
} Common;

typedef struct {
    const FabmProgramRun *run;
    Common *common;
    uint32_t lane, index;
} Player;

static void *
play(void *data)
{
    const Player *player = data;
    const FabmProgramRun *run = player->run;
    const FabmTeam team = { player->index, TEAM, TEAM - 1, &player->common->barrier };
    uint32_t rank = player->lane / (run->channels * run->roles);

    fabm_interpret(run, (FabmProtocol)run->protocol, &run->lanes[player->lane], &run->memory[rank],
                   &run->stalls[player->lane], player->common->states, player->common->stops, &team);
    return NULL;
}

/* One thread for each player; they wait for each other, so all must run at once. */
static void
play_all(void *(*body)(void *), void *players, size_t size, uint32_t count)
{
    pthread_t *threads = fabm_new(count, sizeof *threads);
    uint32_t started = 0;

    while (started < count && pthread_create(&threads[started], NULL, body, (char *)players + started * size) == 0)
        started++;
    /* Where there is no thread for each, those that run wait for ever, and the watchdog ends the program. */
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
}

static void
run_program(const FabmProgramRun *run, uint32_t ctas)
{
    uint32_t lanes = ctas * run->roles;
    Player *players = fabm_new((size_t)lanes * TEAM, sizeof *players);
    Common *commons = fabm_new(lanes, sizeof *commons);

    for (uint32_t i = 0; i < lanes; i++) {
        pthread_barrier_init(&commons[i].barrier, NULL, TEAM);
        commons[i].states = fabm_new(run->ends_most, sizeof *commons[i].states);
        for (uint32_t t = 0; t < TEAM; t++)
            players[i * TEAM + t] = (Player) { run, &commons[i], i, t };
    }
    play_all(play, players, sizeof *players, lanes * TEAM);
    for (uint32_t i = 0; i < lanes; i++) {
        pthread_barrier_destroy(&commons[i].barrier);
        free(commons[i].states);
    }
    free(commons);
    free(players);
}

/* ------------------------------------------------------------------ ping */

typedef struct {
    const FabmPing *ping;
    uint32_t side;
} Pinger;

static bool
wait_flag(const FabmPing *ping, const uint64_t *flag, uint64_t value)
{
    uint64_t began = clock_ns();

    while (__atomic_load_n(flag, __ATOMIC_ACQUIRE) < value) {
        sched_yield();
        if (__atomic_load_n(ping->stuck, __ATOMIC_RELAXED) != 0)
            return false;
        if (clock_ns() - began > ping->patience_ns) {
            __atomic_store_n(ping->stuck, 1, __ATOMIC_RELAXED);
            return false;
        }
    }
    return true;
}

static void *
play_ping(void *data)
{
    const Pinger *pinger = data;
    const FabmPing *ping = pinger->ping;
    uint64_t *mine = ping->mine[pinger->side], *theirs = ping->mine[1 - pinger->side];

    for (uint64_t trip = 1; trip <= ping->trips; trip++) {
        if (pinger->side == 0)
            __atomic_store_n(theirs, trip, __ATOMIC_RELEASE);
        if (!wait_flag(ping, mine, trip))
            break;
        if (pinger->side == 1)
            __atomic_store_n(theirs, trip, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void
run_ping(const FabmPing *ping, uint32_t ctas)
{
    Pinger pingers[2];

    for (uint32_t i = 0; i < ctas && i < 2; i++)
        pingers[i] = (Pinger) { ping, ping->first + i };
    play_all(play_ping, pingers, sizeof pingers[0], ctas);
}

/* ------------------------------------------------------------------ data */

static void
run_move(const FabmMove *move, uint32_t ctas)
{
    const float *a = move->src[0], *b = move->src[1];

    do {
        for (uint64_t i = 0; i < move->bytes / sizeof(float); i++) {
            float value = move->sources > 1 ? a[i] + b[i] : a[i];

            for (uint32_t d = 0; d < move->destinations; d++)
                ((float *)move->dst[d])[i] = value;
        }
        for (uint32_t c = 0; move->stop != NULL && c < ctas; c++)
            __atomic_fetch_add(&move->passes[c], 1, __ATOMIC_RELAXED);
    } while (move->stop != NULL && __atomic_load_n(move->stop, __ATOMIC_RELAXED) == 0);
}

static void
run_fill(const FabmFill *fill)
{
    for (uint64_t i = 0; i < fill->count; i++)
        fabm_element_store(fill->expect.element, fill->data, i, fabm_filling(fill, i));
}

static void
run_check(const FabmCheck *check)
{
    uint32_t bits;

    for (uint64_t i = 0; i < check->count; i++) {
        if (!fabm_output(&check->expect, check->rank, i, &bits) ||
            fabm_element_load(check->expect.element, check->data, i) == bits)
            continue;
        check->wrong[0]++;
        check->wrong[1] = i + 1;
    }
}

static void
run_work(const FabmWork *work)
{
    for (uint64_t i = 0; i < work->count; i++) {
        float value = work->data[i];

        for (uint32_t r = 0; r < work->rounds; r++)
            value = value * -1.0f + FABM_WORK_SUM;
        work->data[i] = value;
    }
}

void
fabm_fake_run(const FabmLaunch *launch)
{
    switch (launch->kind) {
    case FABM_KERNEL_MOVE:
        run_move(&launch->as.move, launch->ctas);
        break;
    case FABM_KERNEL_FILL:
        run_fill(&launch->as.fill);
        break;
    case FABM_KERNEL_CHECK:
        run_check(&launch->as.check);
        break;
    case FABM_KERNEL_PING:
        run_ping(&launch->as.ping, launch->ctas);
        break;
    case FABM_KERNEL_WORK:
        run_work(&launch->as.work);
        break;
    case FABM_KERNEL_PROGRAM:
        run_program(&launch->as.program, launch->ctas);
        break;
    default:
        break;
    }
}
