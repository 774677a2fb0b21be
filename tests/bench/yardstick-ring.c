/*
 * The yardstick of ring.c: the least that any event-driven program must do for the same messages. One event a message
 * through a 4-ary heap, every link direction a counter of when it is free; no flows, no programs, no routes. Usage:
 * yardstick-ring RANKS CHANNELS BYTES STEPS
 * CHANNELS messages of BYTES are under way on every link at once, each through STEPS hops. One line: key=value pairs.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#define RATE 450e9
#define LINK_PS 250000

__extension__ typedef unsigned __int128 Key;

typedef struct {
    int64_t when;
    uint32_t order, rank, step;
} Message;

typedef struct {
    uint32_t ranks, order;
    int64_t wire_ps; /* of one message on one link */
    int64_t *out, *in; /* when each rank's link is free */
    Message *heap;
    size_t count;
} Ring;

static inline bool
message_before(const Message *a, const Message *b)
{
    return (((Key)(uint64_t)a->when << 32) | a->order) < (((Key)(uint64_t)b->when << 32) | b->order);
}

static inline void
heap_push(Ring *ring, Message message)
{
    size_t i = ring->count++;

    while (i > 0 && message_before(&message, &ring->heap[(i - 1) / 4])) {
        ring->heap[i] = ring->heap[(i - 1) / 4];
        i = (i - 1) / 4;
    }
    ring->heap[i] = message;
}

static inline Message
heap_pop(Ring *ring)
{
    Message *heap = ring->heap, first = heap[0], last = heap[--ring->count];
    size_t i = 0;

    for (size_t child = 1; child < ring->count; child = 4 * i + 1) {
        size_t end = child + 4 < ring->count ? child + 4 : ring->count, best = child;
        for (size_t k = child + 1; k < end; k++)
            best = message_before(&heap[k], &heap[best]) ? k : best;
        if (!message_before(&heap[best], &last))
            break;
        heap[i] = heap[best];
        i = best;
    }
    heap[i] = last;
    return first;
}

/* The message waits for the sender's link, passes through the switch, and waits for the receiver's link. */
static inline void
send_on(Ring *ring, int64_t now, uint32_t rank, uint32_t step)
{
    uint32_t to = rank + 1 == ring->ranks ? 0 : rank + 1;
    int64_t start = now > ring->out[rank] ? now : ring->out[rank], head = start + LINK_PS;

    ring->out[rank] = start + ring->wire_ps;
    head = head > ring->in[to] ? head : ring->in[to];
    ring->in[to] = head + ring->wire_ps;
    heap_push(ring, (Message) { .when = head + LINK_PS + ring->wire_ps, .order = ring->order++, .rank = to,
                                .step = step });
}

int
main(int argc, char **argv)
{
    Ring ring = { 0 };
    uint32_t channels, steps;
    uint64_t messages = 0;
    int64_t now = 0;
    double before;

    if (argc != 5) {
        fprintf(stderr, "usage: yardstick-ring RANKS CHANNELS BYTES STEPS\n");
        return 2;
    }
    ring.ranks = (uint32_t)strtoul(argv[1], NULL, 10);
    channels = (uint32_t)strtoul(argv[2], NULL, 10);
    ring.wire_ps = (int64_t)(strtod(argv[3], NULL) / RATE * 1e12 + 0.5);
    steps = (uint32_t)strtoul(argv[4], NULL, 10);
    before = bench_cpu();
    ring.out = calloc(ring.ranks, sizeof *ring.out);
    ring.in = calloc(ring.ranks, sizeof *ring.in);
    ring.heap = malloc(((size_t)ring.ranks * channels + 1) * sizeof *ring.heap);
    for (uint32_t i = 0; i < ring.ranks * channels; i++)
        send_on(&ring, 0, i % ring.ranks, 1);
    while (ring.count > 0) {
        Message message = heap_pop(&ring);
        now = message.when;
        messages++;
        if (message.step < steps)
            send_on(&ring, now, message.rank, message.step + 1);
    }
    before = bench_cpu() - before;
    printf("items=%" PRIu64 " simulated=%.12g cpu=%.6f rate=%.0f rss_mib=%.1f\n", messages, (double)now * 1e-12, before,
           (double)messages / before, bench_peak_mib());
    free(ring.out);
    free(ring.in);
    free(ring.heap);
    return 0;
}
