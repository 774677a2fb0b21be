#include "engine/queue.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/large.h"

enum { ARITY = 4, RECENT = 256, PAD = ARITY - 1 };
#define NONE UINT32_MAX

/*
 * A heap of more entries than this is cut: the next of them are sorted, the others wait in buckets of equal width, in
 * no order, or behind the last bucket. What is added before the first bucket stands in the heap. Buckets have so many
 * entries on average, and there are so many at most.
 */
enum { CUT = 2048, BUCKET = 64, BUCKETS = 4096, SAMPLES = 256 };

/* The next bucket is sorted when so few entries are left before it, so that there is something to look ahead at. */
enum { AHEAD = 24 };

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

typedef struct {
    Entry *entries;
    uint32_t count, room;
} Bucket;

struct FabQueue {
    Bucket *buckets;      /* NULL: the heap was never cut */
    uint32_t bucket_count, next_bucket; /* that are in use; the first that is not sorted */
    uint32_t shift;       /* their width is 2^shift */
    int64_t base, near;   /* where the first begins; where the first that is not sorted does, INT64_MAX: none is left */
    Bucket behind, sorted;
    uint32_t first;       /* of the sorted ones that is not taken */
    uint64_t taken;       /* of them, in all */
    size_t most;          /* entries of the heap before it is cut */
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
    queue->near = INT64_MAX;
    queue->most = CUT;
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
    for (uint32_t i = 0; queue->buckets != NULL && i < BUCKETS; i++)
        g_free(queue->buckets[i].entries);
    g_free(queue->buckets);
    g_free(queue->behind.entries);
    g_free(queue->sorted.entries);
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

/* ------------------------------------------------------------------ the heap */

static void
heap_make_room(FabQueue *queue, size_t count)
{
    if (count <= queue->room)
        return;
    queue->room = MAX(count, MAX(64, queue->room * 2));
    queue->block = fab_large_grow(queue->block, queue->count + PAD, queue->room + PAD, sizeof(Entry));
    queue->heap = queue->block + PAD;
}

/* Room for one more entry, from the end of the heap upwards. */
static void
heap_put(FabQueue *queue, Entry entry)
{
    size_t i;

    heap_make_room(queue, queue->count + 1);
    for (i = queue->count++; i > 0;) {
        size_t parent = (i - 1) / ARITY;
        if (!before(&entry, &queue->heap[parent]))
            break;
        queue->heap[i] = queue->heap[parent];
        i = parent;
    }
    queue->heap[i] = entry;
}

/* Puts an entry at the place of one that is taken out, or below it. */
static inline void
heap_sink(FabQueue *queue, size_t i, Entry entry)
{
    Entry *heap = queue->heap;
    size_t count = queue->count;

    for (;;) {
        size_t child = i * ARITY + 1, end = MIN(child + ARITY, count), best = child;
        if (child >= count)
            break;
        for (size_t k = child + 1; k < end; k++)
            best = before(&heap[k], &heap[best]) ? k : best;
        if (!before(&heap[best], &entry))
            break;
        heap[i] = heap[best];
        i = best;
    }
    heap[i] = entry;
}

/* ------------------------------------------------------------------ what waits in buckets */

static void
bucket_add(Bucket *bucket, Entry entry)
{
    if (bucket->count == bucket->room) {
        bucket->room = bucket->room == 0 ? BUCKET : bucket->room * 2;
        bucket->entries = g_renew(Entry, bucket->entries, bucket->room);
    }
    bucket->entries[bucket->count++] = entry;
}

/* An entry that comes after those of the heap. */
static void
wait_for_turn(FabQueue *queue, Entry entry)
{
    uint64_t at = (uint64_t)(entry.when - queue->base) >> queue->shift;

    bucket_add(at < queue->bucket_count ? &queue->buckets[at] : &queue->behind, entry);
}

static int
compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* New buckets for what is behind the last one: they reach over nine tenths of it, by a sample. */
static void
cut_anew(FabQueue *queue)
{
    g_autofree Entry *all = g_steal_pointer(&queue->behind.entries);
    uint32_t count = queue->behind.count, samples = MIN(count, SAMPLES);
    int64_t times[SAMPLES], first = INT64_MAX, width;

    queue->behind = (Bucket) { .count = 0 };
    for (uint32_t i = 0; i < count; i++)
        first = MIN(first, all[i].when);
    for (uint32_t i = 0; i < samples; i++)
        times[i] = all[(uint64_t)i * count / samples].when;
    qsort(times, samples, sizeof *times, compare_times);
    if (queue->buckets == NULL)
        queue->buckets = g_new0(Bucket, BUCKETS);
    queue->bucket_count = CLAMP(count / BUCKET, 1, BUCKETS);
    width = (times[samples * 9 / 10] - first) / queue->bucket_count;
    queue->shift = width > 1 ? g_bit_storage((gulong)width - 1) : 0;
    queue->base = queue->near = first;
    queue->next_bucket = 0;
    for (uint32_t i = 0; i < count; i++)
        wait_for_turn(queue, all[i]);
}

/* Mostly a few dozen; more where times are uneven. */
static void
sort_entries(Entry *entries, uint32_t count)
{
    enum { FEW = 256 };

    if (count > FEW) {
        qsort(entries, count, sizeof *entries, compare_entries);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        Entry entry = entries[i];
        uint32_t k = i;
        for (; k > 0 && before(&entry, &entries[k - 1]); k--)
            entries[k] = entries[k - 1];
        entries[k] = entry;
    }
}

/* Takes what is in a bucket to the end of an array. */
static void
bucket_move(Bucket *bucket, Entry *to, size_t *count)
{
    if (bucket->count > 0)
        memcpy(to + *count, bucket->entries, bucket->count * sizeof *to);
    *count += bucket->count;
    bucket->count = 0;
}

/* All entries in the array of the heap again, in no order. */
static void
gather(FabQueue *queue)
{
    size_t all = queue->count + queue->behind.count + queue->sorted.count;

    for (uint32_t i = 0; i < queue->bucket_count; i++)
        all += queue->buckets[i].count;
    heap_make_room(queue, all);
    for (uint32_t i = queue->first; i < queue->sorted.count; i++)
        queue->heap[queue->count++] = queue->sorted.entries[i];
    queue->sorted.count = queue->first = 0;
    for (uint32_t i = 0; i < queue->bucket_count; i++)
        bucket_move(&queue->buckets[i], queue->heap, &queue->count);
    bucket_move(&queue->behind, queue->heap, &queue->count);
    queue->bucket_count = queue->next_bucket = 0;
    queue->near = INT64_MAX;
}

static bool
find_next_bucket(FabQueue *queue)
{
    while (queue->next_bucket < queue->bucket_count && queue->buckets[queue->next_bucket].count == 0)
        queue->next_bucket++;
    return queue->next_bucket < queue->bucket_count;
}

/* Puts the entries of one more bucket behind the sorted ones; the last few all at once. */
static void
sort_next(FabQueue *queue)
{
    Bucket *sorted = &queue->sorted, *bucket = &queue->behind;
    uint32_t left = sorted->count - queue->first;

    if (!find_next_bucket(queue) && queue->behind.count >= CUT / 4)
        cut_anew(queue);
    queue->near = INT64_MAX;
    if (find_next_bucket(queue)) {
        bucket = &queue->buckets[queue->next_bucket++];
        queue->near = queue->base + ((int64_t)queue->next_bucket << queue->shift);
    }
    if (left > 0)
        memmove(sorted->entries, sorted->entries + queue->first, left * sizeof(Entry));
    queue->first = 0;
    sorted->count = left;
    for (uint32_t i = 0; i < bucket->count; i++)
        bucket_add(sorted, bucket->entries[i]);
    bucket->count = 0;
    sort_entries(sorted->entries + left, sorted->count - left);
    queue->most = MAX(CUT, queue->pending / 4); /* to be cut again costs a look at all of them */
}

/* The heap has become too large for the first levels of the cache: what comes later waits in buckets. */
static void
cut(FabQueue *queue)
{
    gather(queue);
    for (size_t i = 0; i < queue->count; i++)
        bucket_add(&queue->behind, queue->heap[i]);
    queue->count = 0;
    sort_next(queue);
}

/* Orders have run out: a sorted array is a heap too, so sort and count from zero again. */
static void
renumber(FabQueue *queue)
{
    gather(queue);
    qsort(queue->heap, queue->count, sizeof *queue->heap, compare_entries);
    for (size_t i = 0; i < queue->count; i++)
        queue->heap[i].order = (uint32_t)i * 2 | (queue->heap[i].order & 1);
    queue->next_order = (uint32_t)queue->count * 2;
}

static void
heap_push(FabQueue *queue, int64_t when, uint32_t data, uint32_t is_list)
{
    Entry entry;

    if (queue->next_order >= UINT32_MAX - 2)
        renumber(queue);
    entry = (Entry) { .when = when, .order = queue->next_order | is_list, .data = data };
    queue->next_order += 2;
    if (when >= queue->near && queue->near != INT64_MAX) {
        wait_for_turn(queue, entry);
        return;
    }
    heap_put(queue, entry);
    if (queue->count > queue->most)
        cut(queue);
}

static void
heap_drop_first(FabQueue *queue)
{
    Entry last = queue->heap[--queue->count];

    if (queue->count > 0)
        heap_sink(queue, 0, last);
}

/* The first of all entries, NULL: there is none. */
static inline const Entry *
first_entry(const FabQueue *queue)
{
    const Entry *sorted = queue->first < queue->sorted.count ? &queue->sorted.entries[queue->first] : NULL;

    if (queue->count == 0)
        return sorted;
    return sorted != NULL && before(sorted, &queue->heap[0]) ? sorted : &queue->heap[0];
}

static inline void
drop_first(FabQueue *queue)
{
    if (queue->count > 0 && first_entry(queue) == queue->heap) {
        heap_drop_first(queue);
        return;
    }
    queue->first++;
    queue->taken++;
    if (queue->near != INT64_MAX && queue->sorted.count - queue->first < AHEAD)
        sort_next(queue);
}

/* ------------------------------------------------------------------ events of one instant */

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
        drop_first(queue);
    }
    return data;
}

static inline uint32_t
take_first(FabQueue *queue, const Entry *entry)
{
    uint32_t data = entry->data;

    queue->pending--;
    if (entry->order & 1)
        return list_take(queue, entry->when, data);
    drop_first(queue);
    return data;
}

bool
fab_queue_pop(FabQueue *queue, int64_t *when, uint32_t *data)
{
    const Entry *entry = first_entry(queue);

    if (entry == NULL)
        return false;
    *when = entry->when;
    *data = take_first(queue, entry);
    return true;
}

bool
fab_queue_pop_at(FabQueue *queue, int64_t when, uint32_t *data)
{
    const Entry *entry = first_entry(queue);

    if (entry == NULL || entry->when != when)
        return false;
    *data = take_first(queue, entry);
    return true;
}

bool
fab_queue_peek(const FabQueue *queue, int64_t *when)
{
    const Entry *entry = first_entry(queue);

    if (entry == NULL)
        return false;
    *when = entry->when;
    return true;
}

uint32_t
fab_queue_soon(const FabQueue *queue, uint32_t *events, uint32_t count, uint64_t *number)
{
    const Entry *entries = queue->heap;
    size_t all = queue->count;
    uint32_t found = 0;

    *number = 0;
    if (queue->first < queue->sorted.count) {
        entries = queue->sorted.entries + queue->first;
        all = queue->sorted.count - queue->first;
        *number = queue->taken + 1;
    }
    for (; found < all && found < count; found++) {
        const Entry *entry = &entries[found];
        events[found] = entry->order & 1 ? queue->nodes[queue->lists[entry->data].head].data : entry->data;
    }
    return found;
}

/* A copy of all entries, in no order. */
static Entry *
all_entries(const FabQueue *queue, size_t *count)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(Entry));

    g_array_append_vals(all, queue->heap, (guint)queue->count);
    if (queue->first < queue->sorted.count)
        g_array_append_vals(all, queue->sorted.entries + queue->first, queue->sorted.count - queue->first);
    for (uint32_t i = 0; i < queue->bucket_count; i++)
        g_array_append_vals(all, queue->buckets[i].entries, queue->buckets[i].count);
    g_array_append_vals(all, queue->behind.entries, queue->behind.count);
    *count = all->len;
    return (Entry *)g_array_free(all, FALSE);
}

FabQueueEvent *
fab_queue_events(const FabQueue *queue, size_t *count)
{
    FabQueueEvent *events = g_new(FabQueueEvent, queue->pending);
    size_t found;
    g_autofree Entry *entries = all_entries(queue, &found);

    *count = 0;
    if (found > 1)
        qsort(entries, found, sizeof *entries, compare_entries);
    for (size_t i = 0; i < found; i++) {
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
    for (uint32_t i = 0; i < queue->bucket_count; i++) {
        for (uint32_t k = 0; k < queue->buckets[i].count; k++)
            queue->buckets[i].entries[k].when += by;
    }
    for (uint32_t i = 0; i < queue->behind.count; i++)
        queue->behind.entries[i].when += by;
    for (uint32_t i = queue->first; i < queue->sorted.count; i++)
        queue->sorted.entries[i].when += by;
    if (queue->near != INT64_MAX) {
        queue->base += by;
        queue->near += by;
    }
    for (size_t i = 0; i < RECENT; i++)
        queue->recent[i].when = -1;
}

size_t
fab_queue_size(const FabQueue *queue)
{
    return queue->pending;
}
