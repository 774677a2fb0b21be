/*
 * Pending events in order of (time, sequence): events of one instant come out in the order they went in.
 *
 * A 4-ary heap of 16-byte entries. Simulations of symmetric machines put thousands of events into the same
 * instant, so a small table remembers the last instants pushed: the second event of an instant opens a list that
 * stands in the heap once, and the others join it without touching the heap. A heap of thousands of entries would be
 * read all over the cache: only the next few dozen are kept in order then, the others wait in buckets by time.
 */
#ifndef FAB_ENGINE_QUEUE_H
#define FAB_ENGINE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct FabQueue FabQueue;

FabQueue *fab_queue_new(void);
void fab_queue_free(FabQueue *queue);

/* Adds an event. `data` is the caller's. `when` is in picoseconds and must not be negative. */
void fab_queue_push(FabQueue *queue, int64_t when, uint32_t data);

/* Takes the next event; false when there is none. */
bool fab_queue_pop(FabQueue *queue, int64_t *when, uint32_t *data);

/* The same when it is at that time. */
bool fab_queue_pop_at(FabQueue *queue, int64_t when, uint32_t *data);

/* The time of the next event; false when there is none. */
bool fab_queue_peek(const FabQueue *queue, int64_t *when);

/*
 * Up to `count` events that come soon; how many. *number is 0 where they are in no order, but for the next one; else
 * they are in order, and that of the first among all events that were so, from 1. Others may come between them.
 */
uint32_t fab_queue_soon(const FabQueue *queue, uint32_t *events, uint32_t count, uint64_t *number);

/* All events in the order in which they come, g_free(); puts all of them off. */
typedef struct {
    int64_t when;
    uint32_t data;
} FabQueueEvent;
FabQueueEvent *fab_queue_events(const FabQueue *queue, size_t *count);
void fab_queue_put_off(FabQueue *queue, int64_t by);

/* Events pending. */
size_t fab_queue_size(const FabQueue *queue);

#endif
