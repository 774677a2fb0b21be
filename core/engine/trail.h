/*
 * What every slice of a run waited for, so that the way back from the last one to the first can be followed: the
 * critical path. Messages between nodes and sums of the network are followed too. What a run that repeats itself does
 * not simulate is followed as often as it was left out, so that memory is that of what was simulated.
 */
#ifndef FAB_ENGINE_TRAIL_H
#define FAB_ENGINE_TRAIL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct FabTrail FabTrail;

typedef enum {
    FAB_STRETCH_MOVING,  /* bytes pass a resource, which is what holds them back */
    FAB_STRETCH_COPYING, /* they go at the rate of their CTA */
    FAB_STRETCH_STEP,    /* the kernel's step around it */
    FAB_STRETCH_LATENCY, /* what was handed on is not yet seen by who waits for it */
    FAB_STRETCH_ROOM,    /* that there is room again is not yet seen */
    FAB_STRETCH_PROXY    /* threads of the host that send messages between nodes; switches that add them up */
} FabStretchKind;

/* A part of the path; the next one begins where it ends. */
typedef struct {
    int64_t start_ps, end_ps;
    uint32_t resource; /* of FAB_STRETCH_MOVING */
    FabStretchKind kind;
} FabStretch;

typedef struct {
    GArray *stretches; /* FabStretch, from the first slice's start to the last one's end; none is empty */
    uint64_t slices;   /* on it */
    uint64_t hops;     /* of these and of messages, how many waited for data of another rank */
    int64_t full_ps;   /* when the last stream has begun its first slice */
    int64_t drain_ps;  /* when the first stream has ended its last one */
} FabTrailPath;

/* Keeps at most so many slices, messages and sums: about 50 bytes for each. Owned by the caller; for one run. */
FabTrail *fab_trail_new(uint64_t most);
void fab_trail_free(FabTrail *trail);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTrail, fab_trail_free)

/* After the run. False: there were more slices, or none. fab_trail_path_clear() what was filled in. */
bool fab_trail_follow(const FabTrail *trail, FabTrailPath *path);
void fab_trail_path_clear(FabTrailPath *path);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabTrailPath, fab_trail_path_clear)

/* ------------------------------------------------------------------ for the engine */

#define FAB_TRAIL_NOTHING UINT32_MAX
/* Instead of a resource: the CTA's own rate. */
#define FAB_TRAIL_RATE (UINT32_MAX - 1)

/* Slice `number` of stream `who`; messages of connections come after streams, sums after these. */
typedef struct {
    uint32_t who, number;
} FabTrailMark;

/* How what was waited for became known. */
typedef enum { FAB_TRAIL_OWN, FAB_TRAIL_DATA, FAB_TRAIL_ROOM, FAB_TRAIL_PROXY } FabTrailWait;

/* `rank_streams` streams belong to each rank; `several`: there are messages. Folded ranks are all others. */
typedef struct {
    uint32_t streams, rank_streams, connections, slots;
    bool several, folded;
} FabTrailShape;

void fab_trail_open(FabTrail *trail, const FabTrailShape *shape);

/* There were more than it keeps: nothing is any more. */
bool fab_trail_is_full(const FabTrail *trail);

/* Who filled or freed the slot of a slice last, in the receiver's FIFO and in the sender's of messages. */
FabTrailMark *fab_trail_slot(FabTrail *trail, uint32_t connection, uint32_t slice);
FabTrailMark *fab_trail_given(FabTrail *trail, uint32_t connection, uint32_t slice);

/* The last of a stream, connection or sum that has begun; when a mark's ended. */
FabTrailMark fab_trail_last(const FabTrail *trail, uint32_t who);
int64_t fab_trail_end_of(const FabTrail *trail, FabTrailMark mark);

void fab_trail_begin(FabTrail *trail, uint32_t who, int64_t now, FabTrailMark cause, FabTrailWait wait);
/* Its bytes have gone, which `binding`, a resource or FAB_TRAIL_RATE, held back. */
void fab_trail_moved(FabTrail *trail, FabTrailMark mark, int64_t now, uint32_t binding);
void fab_trail_end(FabTrail *trail, FabTrailMark mark, int64_t now);

/* A state that may come again; it came again `times` more than was simulated, and time is so much later. */
void fab_trail_keep(FabTrail *trail);
void fab_trail_leap(FabTrail *trail, uint64_t times, int64_t later);
/* After it: so many slices of a connection passed meanwhile. */
void fab_trail_turn(FabTrail *trail, uint32_t connection, uint32_t by);

#endif
