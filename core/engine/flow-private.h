/* State of a FabFlowSet, shared by flow.c (life of flows) and share.c (the solver). Rates are bytes per picosecond. */
#ifndef FAB_ENGINE_FLOW_PRIVATE_H
#define FAB_ENGINE_FLOW_PRIVATE_H

#include "engine/flow.h"

#define FAB_PS 1e12
/* Relative slack within which two rates are the same and a resource is full. */
#define FAB_FLOW_TOLERANCE 1e-9

#define FAB_FLOW_NONE UINT32_MAX
/* A bottleneck: the flow's own limit. */
#define FAB_FLOW_LIMIT (UINT32_MAX - 1)

typedef struct {
    uint32_t flow, use; /* uses[use] of the flow's route is this resource */
} FlowMember;

typedef struct {
    double capacity;
    double load;       /* of all flows at their current rates */
    FlowMember *members;
    uint32_t count, room;
    uint32_t held;     /* flows whose bottleneck this is */
    bool bound;        /* held a flow back at some time */
    bool dirty;        /* lost a flow since the last solve */
    bool in_part;      /* touched by the part being solved */
    bool paused;       /* of a lossless network: something waits behind it, while being solved */
    uint32_t part, part_held; /* members of the part; those among them that it holds */
    uint32_t open;     /* members of the part not settled yet */
    double part_free, part_weight; /* what standing flows leave to the part, and the part's weights */
    double free, weight;           /* the same for what is not settled yet */
    double level;      /* rate at which it filled; < 0: it did not */
} FlowResource;

enum { FLOW_NEAR = 16 };

typedef struct {
    const FabRoute *route;
    double bytes, remaining, limit, rate, new_rate, limited_ps;
    double cap;          /* lowest of its limit and the resources it has alone, while being solved */
    uint32_t cap_at;     /* which of them */
    int64_t start, updated, finish, planned; /* planned: time of the one event that counts */
    uint32_t multiplicity, bottleneck, new_bottleneck, tag, next_free, room;
    bool active, in_part, settled;
    bool networked; /* in a lossless network: passes a cable */
    uint32_t near[FLOW_NEAR]; /* its position in the members of each resource of the route, */
    uint32_t *far;            /* instead when `room`, the longest route so far, is more than that */
} Flow;

typedef struct {
    uint32_t tag, next;
} FlowTag;

typedef struct {
    double ratio;
    uint32_t resource;
} FlowHeapEntry;

struct FabFlowSet {
    FabQueue *queue;
    uint32_t mark;
    FlowResource *resources;
    GPtrArray *blocks; /* that members of resources lie in; the last one is filled up to block_used */
    uint32_t block_used, block_room;
    double *carried;
    uint32_t resource_count;
    Flow *flows;
    uint32_t flow_count, flow_room, free_flow;
    FlowTag *tags;
    uint32_t tag_count, tag_room, free_tag, ended_tag;
    uint32_t *latest; /* by route id */
    uint32_t latest_count;
    uint32_t *arrived;
    uint32_t arrived_count, arrived_room;
    uint32_t *dirty;
    uint32_t dirty_count, dirty_room;
    uint32_t *changed; /* resources whose capacity is another one since the last solve */
    uint32_t changed_count, changed_room;
    uint32_t *part; /* flows being solved */
    uint32_t part_count, part_room;
    uint32_t *part_resources;
    uint32_t part_resource_count, part_resource_room;
    FlowHeapEntry *heap;
    uint32_t heap_count, heap_room;
    uint64_t active, started;
    double limited_ps;
    FabFlowCable *cables; /* of a lossless network; NULL: it is none */
    uint64_t *stamps, stamp; /* of vertices, while the way back from a stop is walked */
    uint32_t *batch; /* flows of the part in the order in which they were settled */
    uint32_t batch_count, batch_room;
    uint32_t *paused; /* cables */
    uint32_t paused_count, paused_room;
};

static inline uint32_t *
fab_flow_positions(Flow *flow)
{
    return flow->room > FLOW_NEAR ? flow->far : flow->near;
}

/* share.c, for lossless.c: takes a flow into the part; */
void fab_flow_part_add(FabFlowSet *set, uint32_t flow);
/* begins to fill it, flows sorted by their own caps; */
void fab_flow_fill_begin(FabFlowSet *set);
/* the resource that fills first, FAB_FLOW_NONE at the end, and at which rate; gives a flow its new rate. */
uint32_t fab_flow_lowest(FabFlowSet *set, double *ratio);
void fab_flow_settle(FabFlowSet *set, uint32_t flow, double rate, uint32_t bottleneck);
/* after filling: takes in standing flows of a resource whose bottleneck no longer holds. */
void fab_flow_grow_at(FabFlowSet *set, uint32_t resource);

/* lossless.c: solves for the part, which it extends, and checks what a solve must keep. */
void fab_flow_solve_lossless(FabFlowSet *set);
bool fab_flow_is_networked(const FabFlowSet *set, const FabRoute *route);
bool fab_flow_check_lossless(FabFlowSet *set, GError **error);

void fab_flow_set_rate(FabFlowSet *set, int64_t now, uint32_t flow, double rate, uint32_t bottleneck);

#endif
