/*
 * Runs a channel program on a fabric and tells how long it takes.
 *
 * Every stream of the program is a serial server. A step moves in slices; a slice starts when its inputs have arrived
 * and its output slots are free, occupies the stream for a fixed overhead and for its transfer (a flow over the routes
 * of its ends, limited by the stream's share of the CTA's send rate), and is seen by the other end a latency later.
 * Steps that only touch this GPU's memory run at the copy rate. `../docs/model.md` says where the numbers come from.
 */
#ifndef FAB_ENGINE_ENGINE_H
#define FAB_ENGINE_ENGINE_H

#include "engine/fold.h"
#include "engine/timeline.h"
#include "engine/trail.h"
#include "program/program.h"
#include "topology/route.h"

/* What executing a program costs beside the fabric. Times are picoseconds, rates B/s. */
typedef struct {
    int64_t launch_ps;    /* from the call to the first step, and from the last step to the end */
    int64_t stagger_ps;   /* between the starts of channel 0, 1, ... of a rank: its CTAs do not begin at once */
    int64_t step_ps;      /* a stream is busy for it at every slice that it sends */
    int64_t local_ps;     /* the same for slices that are only received or copied */
    int64_t empty_ps;     /* the same for slices without bytes, where it is less */
    int64_t latency_ps;   /* beside the route's: until the other end sees a slice or a freed slot */
    int64_t network_ps;   /* added to it between nodes: until the proxy threads have seen slice and completion */
    int64_t post_ps;      /* until a rank's proxy thread has posted a message to another node */
    int64_t after_post_ps;    /* which it is busy for afterwards: with completions, its other peers, what it frees */
    int64_t after_arrival_ps; /* the same after a message that it sees arrive */
    int64_t short_copy_ps;    /* more after a post of up to short_bytes, which it copies itself */
    uint64_t short_bytes;
    uint64_t in_flight;   /* bytes that a CTA has on the way; a slice's fence waits for those of the next one too */
    int64_t in_switch_ps; /* instead of step_ps for in-switch steps */
    double send_rate;     /* payload of one CTA (channel) to other GPUs, all its roles together */
    double copy_rate;     /* the same inside this GPU */
    double spread;        /* channels differ in these rates by up to this share, as SMs differ in their ways */
    double wire;          /* bytes on links for each byte of payload, 1 or more */
    bool fused;           /* steps over scratch are part of the in-switch step beside them: NCCL does both at once */
    double network_wire;  /* the same between nodes */
    double network_bytes; /* that each message takes beside its own, as time of the NIC */
    bool network_steps;   /* a message is a whole step; else a slice */
    double in_switch_weight; /* the same for in-switch steps */
    uint64_t quantum;     /* payload moves in multiples of it; 0 or 1: any */
} FabExecution;

/*
 * All ranks are parts of one device: every read and write of theirs loads its cache, and its memory where the cache
 * does not hold what is read or written. Then a slice is so many accesses of its bytes, and `send_rate`, `copy_rate`
 * and `wire` above have no meaning.
 */
typedef struct {
    bool used;
    double access_rate;   /* B/s that one CTA reads and writes, together */
    double buffer;        /* share of the accesses to buffers that reach the memory, 0..1 */
    double slot_read, slot_write; /* the same of FIFO slots */
    double memory_scale, cache_scale; /* of the capacities that the topology says */
    double slot_weight;   /* bytes of a slot for each byte of payload, 1 or more: flags that lie among the data */
} FabSharedAccess;

/* What changes of the machine during a run. */
typedef enum {
    FAB_CHANGE_CAPACITY, /* a resource has another capacity */
    FAB_CHANGE_PACE,     /* a rank's kernels take so many times as long, from their next slices on */
    FAB_CHANGE_WAYS      /* data takes the ways of another router; what waits for a resource without capacity, too */
} FabChangeKind;

typedef struct {
    int64_t when_ps;   /* from the start of the call */
    FabChangeKind kind;
    uint32_t number;   /* of the resource, of the rank */
    double value;      /* B/s; times as long */
    FabRouter *router; /* of a topology with the same numbers */
} FabEngineChange;

typedef struct {
    const FabTopology *topology;
    FabRouter *router;
    const FabProgram *program;
    const uint32_t *gpus; /* GPU of each rank */
    FabExecution execution;
    const double *pace;     /* of each rank: its kernels take so many times as long; NULL: 1 */
    const int64_t *late_ps; /* of each rank: it begins so much later; NULL: 0 */
    const FabEngineChange *changes; /* ascending in time */
    uint32_t change_count;
    bool every; /* every slice is simulated, also where all goes on as before */
    double most_slices; /* that are simulated one by one, more are refused; 0: any */
    FabFold *fold; /* NULL: every rank is simulated; else `program` is that of the fold */
    FabTrail *trail; /* NULL: what slices waited for is not kept */
    FabTimeline *timeline; /* NULL: nothing is kept of single slices; else nothing is folded */
    FabSharedAccess shared; /* `used` false: every GPU has a memory of its own, which never limits */
} FabEngineSpec;

typedef struct {
    int64_t time_ps;     /* of one call */
    int64_t interval_ps; /* from call to call when they follow each other: the longest that one rank's kernel stays,
                            from its first inbound transfer or own step to its end, and the launch; at most time_ps */
    int64_t steady_ps;   /* the same where data of the next call come while a kernel is at the one before: from its
                            first step whose data are there; at most interval_ps */
    double *carried; /* bytes by resource of the topology, protocol included; g_free() */
    bool *bound;     /* by resource: it held a transfer back at some time; g_free() */
    double copy_share; /* share of stream time spent at the CTA's own send or copy rate, 0..1 */
    double idle_share; /* share of stream time spent waiting for slices and slots, 0..1 */
    uint64_t steps, slices, events, flows; /* of all ranks */
    uint64_t repeated; /* slices of these that were not simulated, since all ranks did what they had done before */
    uint32_t simulated; /* ranks, each for as many alike; 0: all */
} FabEngineReport;

/*
 * Runs to the end. FAB_ERROR_DEADLOCK names the ranks and steps that wait for ever. Fills *report on success;
 * release it with fab_engine_report_clear().
 */
bool fab_engine_run(const FabEngineSpec *spec, FabEngineReport *report, GError **error);

void fab_engine_report_clear(FabEngineReport *report);

#endif
