/*
 * Hold rate of a set of pending events: take the next one, put another one in, the number pending stays. Usage:
 * hold queue|heap PENDING HOLDS exp|instants
 *   queue     fab_queue, as the engine uses it
 *   heap      the yardstick: a bare 4-ary heap of 16-byte entries and nothing else
 *   exp       increments are exponential, so that nearly every event has an instant of its own
 *   instants  events come in groups of 1,024 (or all that are pending) that share their instants, as ranks in step do
 * One line: key=value pairs; the checksum is the same for both sets when both keep the order of (time, sequence).
 */
#include <glib.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "engine/queue.h"

enum { TABLE = 4096, GROUP = 1024 };
#define SPACING 100.0 /* picoseconds between neighbours, on average */

__extension__ typedef unsigned __int128 Key;

typedef struct {
    int64_t when;
    uint32_t order, data;
} Entry;

static Entry *heap;
static size_t heap_count;
static uint32_t heap_order;

static inline bool
entry_before(const Entry *a, const Entry *b)
{
    return (((Key)(uint64_t)a->when << 32) | a->order) < (((Key)(uint64_t)b->when << 32) | b->order);
}

static inline void
heap_push(int64_t when, uint32_t data)
{
    Entry entry = { .when = when, .order = heap_order++, .data = data };
    size_t i = heap_count++;

    while (i > 0 && entry_before(&entry, &heap[(i - 1) / 4])) {
        heap[i] = heap[(i - 1) / 4];
        i = (i - 1) / 4;
    }
    heap[i] = entry;
}

static inline void
heap_pop(int64_t *when, uint32_t *data)
{
    Entry last = heap[--heap_count];
    size_t i = 0;

    *when = heap[0].when;
    *data = heap[0].data;
    for (size_t child = 1; child < heap_count; child = 4 * i + 1) {
        size_t end = MIN(child + 4, heap_count), best = child;
        for (size_t k = child + 1; k < end; k++)
            best = entry_before(&heap[k], &heap[best]) ? k : best;
        if (!entry_before(&heap[best], &last))
            break;
        heap[i] = heap[best];
        i = best;
    }
    heap[i] = last;
}

/* Time from one event to the one that follows from it. The groups of `instants` all move by the same time. */
static int64_t increments[TABLE];
static uint64_t state = 1;

static inline int64_t
increment(void)
{
    return increments[bench_random(&state) % TABLE];
}

static int64_t
first_time(size_t i, size_t pending, bool instants)
{
    return instants ? (int64_t)(i / GROUP) * (int64_t)(GROUP * SPACING)
                    : (int64_t)((double)(bench_random(&state) >> 11) * 0x1p-53 * SPACING * (double)pending);
}

/* Returns a checksum over the order of events. */
static uint64_t
hold_queue(size_t pending, uint64_t holds, bool instants, double *seconds)
{
    FabQueue *queue = fab_queue_new();
    uint64_t sum = 0;
    double before;
    int64_t when;
    uint32_t data;

    for (size_t i = 0; i < pending; i++)
        fab_queue_push(queue, first_time(i, pending, instants), (uint32_t)i);
    before = bench_cpu();
    for (uint64_t i = 0; i < holds; i++) {
        fab_queue_pop(queue, &when, &data);
        sum = sum * 31 + data;
        fab_queue_push(queue, when + increment(), data);
    }
    *seconds = bench_cpu() - before;
    fab_queue_free(queue);
    return sum;
}

static uint64_t
hold_heap(size_t pending, uint64_t holds, bool instants, double *seconds)
{
    uint64_t sum = 0;
    double before;
    int64_t when;
    uint32_t data;

    heap = g_new(Entry, pending + 1);
    for (size_t i = 0; i < pending; i++)
        heap_push(first_time(i, pending, instants), (uint32_t)i);
    before = bench_cpu();
    for (uint64_t i = 0; i < holds; i++) {
        heap_pop(&when, &data);
        sum = sum * 31 + data;
        heap_push(when + increment(), data);
    }
    *seconds = bench_cpu() - before;
    g_free(heap);
    return sum;
}

int
main(int argc, char **argv)
{
    double seconds = 0;
    size_t pending;
    uint64_t holds, sum;
    bool instants;

    if (argc != 5) {
        fprintf(stderr, "usage: hold queue|heap PENDING HOLDS exp|instants\n");
        return 2;
    }
    pending = strtoul(argv[2], NULL, 10);
    holds = strtoull(argv[3], NULL, 10);
    instants = strcmp(argv[4], "instants") == 0;
    for (int i = 0; i < TABLE; i++)
        increments[i] = instants ? (int64_t)(SPACING * (double)MAX(pending, GROUP))
                                 : 1 + (int64_t)(-log((i + 0.5) / TABLE) * SPACING * (double)pending);
    if (strcmp(argv[1], "queue") == 0)
        sum = hold_queue(pending, holds, instants, &seconds);
    else
        sum = hold_heap(pending, holds, instants, &seconds);
    printf("items=%" PRIu64 " checksum=%" PRIx64 " cpu=%.6f rate=%.0f rss_mib=%.1f\n", holds, sum, seconds,
           (double)holds / seconds, bench_peak_mib());
    return 0;
}
