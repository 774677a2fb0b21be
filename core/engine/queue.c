#include "engine/queue.h"

#include <glib.h>
#include <stdlib.h>

#include "base/large.h"

enum { ARITY = 4, RECENT = 256, PAD = ARITY - 1 };
#define NONE UINT32_MAX

/* Time and order as one number: one comparison without a branch. */
__extension__ typedef unsigned __int128 Key;

/* `data` is the event's, or the number of a list when the sign bit of `order` says so. */
typedef struct {
    int64_t when;
    uint32_t order;
    uint32_t data;
} Entry;

typedef struct {
    uint32_t data, next;
} Node;

typedef struct {
    uint32_t head, tail; /* nodes */
} List;

typedef struct {
    int64_t when;
    uint32_t list; /* NONE: one plain entry stands in the heap */
} Recent;

struct FabQueue {
    Entry *block, *heap; /* the heap begins so that the children of an entry lie in one line of the cache */
    size_t count, room, pending;
    uint32_t next_order; /* even numbers; the low bit marks a list */
    Node *nodes;
    uint32_t node_count, node_room, free_node;
    List *lists;
    uint32_t list_count, list_room, free_list;
    Recent recent[RECENT];
};

FabQueue *
fab_queue_new(void)
{
    FabQueue *queue = g_new0(FabQueue, 1);

    queue->free_node = queue->free_list = NONE;
    for (size_t i = 0; i < RECENT; i++)
        queue->recent[i].when = -1;
    return queue;
}

void
fab_queue_free(FabQueue *queue)
{
    if (queue == NULL)
        return;
    fab_large_free(queue->block);
    g_free(queue->nodes);
    g_free(queue->lists);
    g_free(queue);
}

static inline bool
before(const Entry *a, const Entry *b)
{
    return (((Key)(uint64_t)a->when << 32) | a->order) < (((Key)(uint64_t)b->when << 32) | b->order);
}

static inline Recent *
recent_slot(FabQueue *queue, int64_t when)
{
    return &queue->recent[((uint64_t)when * UINT64_C(0x9E3779B97F4A7C15)) >> 56];
}

static int
compare_entries(const void *a, const void *b)
{
    return before(a, b) ? -1 : before(b, a);
}

/* Orders have run out: a sorted array is a heap too, so sort and count from zero again. */
static void
renumber(FabQueue *queue)
{
    qsort(queue->heap, queue->count, sizeof *queue->heap, compare_entries);
    for (size_t i = 0; i < queue->count; i++)
        queue->heap[i].order = (uint32_t)i * 2 | (queue->heap[i].order & 1);
    queue->next_order = (uint32_t)queue->count * 2;
}

static void
heap_push(FabQueue *queue, int64_t when, uint32_t data, uint32_t is_list)
{
    Entry entry;
    size_t i;

    if (queue->count == queue->room) {
        queue->room = queue->room == 0 ? 64 : queue->room * 2;
        queue->block = fab_large_grow(queue->block, queue->count + PAD, queue->room + PAD, sizeof(Entry));
        queue->heap = queue->block + PAD;
    }
    if (queue->next_order >= UINT32_MAX - 2)
        renumber(queue);
    entry = (Entry) { .when = when, .order = queue->next_order | is_list, .data = data };
    queue->next_order += 2;
    for (i = queue->count++; i > 0;) {
        size_t parent = (i - 1) / ARITY;
        if (!before(&entry, &queue->heap[parent]))
            break;
        queue->heap[i] = queue->heap[parent];
        i = parent;
    }
    queue->heap[i] = entry;
}

static void
heap_drop_first(FabQueue *queue)
{
    Entry *heap = queue->heap;
    Entry last = heap[--queue->count];
    size_t i = 0, count = queue->count;

    for (;;) {
        size_t child = i * ARITY + 1, end = MIN(child + ARITY, count), best = child;
        if (child >= count)
            break;
        for (size_t k = child + 1; k < end; k++)
            best = before(&heap[k], &heap[best]) ? k : best;
        if (!before(&heap[best], &last))
            break;
        heap[i] = heap[best];
        i = best;
    }
    heap[i] = last;
}

static uint32_t
node_new(FabQueue *queue, uint32_t data)
{
    uint32_t node = queue->free_node;

    if (node != NONE) {
        queue->free_node = queue->nodes[node].next;
    } else {
        if (queue->node_count == queue->node_room) {
            queue->node_room = queue->node_room == 0 ? 64 : queue->node_room * 2;
            queue->nodes = g_renew(Node, queue->nodes, queue->node_room);
        }
        node = queue->node_count++;
    }
    queue->nodes[node] = (Node) { .data = data, .next = NONE };
    return node;
}

static uint32_t
list_new(FabQueue *queue, uint32_t node)
{
    uint32_t list = queue->free_list;

    if (list != NONE) {
        queue->free_list = queue->lists[list].head;
    } else {
        if (queue->list_count == queue->list_room) {
            queue->list_room = queue->list_room == 0 ? 16 : queue->list_room * 2;
            queue->lists = g_renew(List, queue->lists, queue->list_room);
        }
        list = queue->list_count++;
    }
    queue->lists[list] = (List) { .head = node, .tail = node };
    return list;
}

void
fab_queue_push(FabQueue *queue, int64_t when, uint32_t data)
{
    Recent *recent = recent_slot(queue, when);
    uint32_t node;

    queue->pending++;
    if (recent->when != when) {
        *recent = (Recent) { .when = when, .list = NONE };
        heap_push(queue, when, data, 0);
        return;
    }
    node = node_new(queue, data);
    if (recent->list == NONE) {
        recent->list = list_new(queue, node);
        heap_push(queue, when, recent->list, 1);
        return;
    }
    queue->nodes[queue->lists[recent->list].tail].next = node;
    queue->lists[recent->list].tail = node;
}

/* Takes the head of the list that stands first in the heap; an emptied list leaves it. */
static uint32_t
list_take(FabQueue *queue, int64_t when, uint32_t list)
{
    uint32_t node = queue->lists[list].head;
    uint32_t next = queue->nodes[node].next;
    uint32_t data = queue->nodes[node].data;

    queue->nodes[node].next = queue->free_node;
    queue->free_node = node;
    queue->lists[list].head = next;
    if (next == NONE) {
        Recent *recent = recent_slot(queue, when);
        if (recent->when == when && recent->list == list)
            recent->when = -1;
        queue->lists[list].head = queue->free_list;
        queue->free_list = list;
        heap_drop_first(queue);
    }
    return data;
}

static inline uint32_t
take_first(FabQueue *queue)
{
    uint32_t data = queue->heap[0].data;

    queue->pending--;
    if (queue->heap[0].order & 1)
        return list_take(queue, queue->heap[0].when, data);
    heap_drop_first(queue);
    return data;
}

bool
fab_queue_pop(FabQueue *queue, int64_t *when, uint32_t *data)
{
    if (queue->count == 0)
        return false;
    *when = queue->heap[0].when;
    *data = take_first(queue);
    return true;
}

bool
fab_queue_pop_at(FabQueue *queue, int64_t when, uint32_t *data)
{
    if (queue->count == 0 || queue->heap[0].when != when)
        return false;
    *data = take_first(queue);
    return true;
}

bool
fab_queue_peek(const FabQueue *queue, int64_t *when)
{
    if (queue->count == 0)
        return false;
    *when = queue->heap[0].when;
    return true;
}

uint32_t
fab_queue_soon(const FabQueue *queue, uint32_t *events, uint32_t count)
{
    uint32_t found = 0;

    for (size_t i = 0; i < queue->count && found < count; i++) {
        const Entry *entry = &queue->heap[i];
        events[found++] = entry->order & 1 ? queue->nodes[queue->lists[entry->data].head].data : entry->data;
    }
    return found;
}

FabQueueEvent *
fab_queue_events(const FabQueue *queue, size_t *count)
{
    FabQueueEvent *events = g_new(FabQueueEvent, queue->pending);
    g_autofree Entry *entries = g_memdup2(queue->heap, queue->count * sizeof *entries);

    *count = 0;
    qsort(entries, queue->count, sizeof *entries, compare_entries);
    for (size_t i = 0; i < queue->count; i++) {
        if (!(entries[i].order & 1)) {
            events[(*count)++] = (FabQueueEvent) { entries[i].when, entries[i].data };
            continue;
        }
        for (uint32_t node = queue->lists[entries[i].data].head; node != NONE; node = queue->nodes[node].next)
            events[(*count)++] = (FabQueueEvent) { entries[i].when, queue->nodes[node].data };
    }
    return events;
}

/* The lists that are open would be looked for at their old times: later events of these begin new ones. */
void
fab_queue_put_off(FabQueue *queue, int64_t by)
{
    for (size_t i = 0; i < queue->count; i++)
        queue->heap[i].when += by;
    for (size_t i = 0; i < RECENT; i++)
        queue->recent[i].when = -1;
}

size_t
fab_queue_size(const FabQueue *queue)
{
    return queue->pending;
}
