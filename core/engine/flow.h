/*
 * Transfers in progress that share resources by weighted max-min fairness.
 *
 * A flow of rate r puts weight x r on each resource of its route and may have a rate limit of its own. Rates are the
 * unique max-min fair ones: each flow has a bottleneck, a full resource on which no other flow is faster, or its own
 * limit (Bertsekas and Gallager, Data Networks, 6.5.2). Flows that start in the same instant on the same route with the
 * same size and limit are one flow with a multiplicity.
 *
 * After changes only the flows whose rate may differ are solved again: the ones that came, the ones whose bottleneck
 * lost a flow, then every flow whose bottleneck no longer holds, until all hold. Changes of one instant are one solve.
 */
#ifndef FAB_ENGINE_FLOW_H
#define FAB_ENGINE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/queue.h"
#include "topology/route.h"

typedef struct FabFlowSet FabFlowSet;

/*
 * Resources 0..count-1 with capacities in B/s. Completions are pushed to `queue` with data = mark | flow number; mark
 * has only high bits set. The queue is borrowed.
 */
FabFlowSet *fab_flow_set_new(const double *capacity, uint32_t count, FabQueue *queue, uint32_t mark);
void fab_flow_set_free(FabFlowSet *flows);

/* One direction of a network's cable; `from` is FAB_VERTEX_NONE for resources that are none. */
typedef struct {
    FabVertex from, to;
    bool last; /* leads to a NIC */
} FabFlowCable;

/*
 * Makes the network lossless, before anything starts: a full port stops the cables that feed it with all that they
 * carry. The second takes cables by resource and how many vertices there are; the first finds them in a topology, and
 * does nothing where that one's network is not lossless.
 */
void fab_flow_set_network(FabFlowSet *flows, const FabTopology *topology);
void fab_flow_set_cables(FabFlowSet *flows, const FabFlowCable *cables, uint32_t vertices);

/*
 * Starts a transfer of `bytes` (> 0) over `route`, which has at least one resource and outlives the set, with a rate of
 * at most `limit` B/s (INFINITY: none). `tag` comes back when it ends. Takes effect at the next share.
 */
void fab_flow_start(FabFlowSet *flows, int64_t now, const FabRoute *route, double bytes, double limit, uint32_t tag);

/*
 * Gives a resource another capacity in B/s from the next share on; with 0 what passes it waits. Times of 0 rates do not
 * end: see FAB_FLOW_LONGEST_PS.
 */
void fab_flow_set_capacity(FabFlowSet *flows, uint32_t resource, double capacity);

/*
 * Takes out one transfer that passes a resource without capacity; fab_flow_take_tag() returns its tags. `bytes` are
 * those that each of them has left, `limit` its own in B/s. False: there is none. Not between a start and its share.
 */
bool fab_flow_take_waiting(FabFlowSet *flows, int64_t now, double *bytes, double *limit);

/* Solves for the rates after all changes of instant `now`, and plans completions. */
void fab_flow_share(FabFlowSet *flows, int64_t now);

/*
 * Handles a completion event (the flow number without the mark). When the flow really ends now it is taken out, and
 * fab_flow_take_tag() returns its tags one by one. False: the event was overtaken by a change of rate.
 */
bool fab_flow_complete(FabFlowSet *flows, int64_t now, uint32_t flow);
bool fab_flow_take_tag(FabFlowSet *flows, uint32_t *tag);

/* Of a flow that just completed: the resource that held it back last; more than there are: its own limit. */
uint32_t fab_flow_bottleneck(const FabFlowSet *flows, uint32_t flow);

/*
 * Whether the resource was a flow's bottleneck at any time. One that never was might have more capacity and all rates
 * would be the same: every flow has its bottleneck still, and such an allocation is unique.
 */
bool fab_flow_has_bound(const FabFlowSet *flows, uint32_t resource);

/*
 * Asks for the memory that fab_flow_complete() will touch: the flow, then its route, then the resources of that and
 * what fab_flow_first_tag(), the tag that comes first then, is read from. A flow that has ended may be asked for.
 */
void fab_flow_fetch(const FabFlowSet *flows, uint32_t flow);
void fab_flow_fetch_route(const FabFlowSet *flows, uint32_t flow);
void fab_flow_fetch_uses(const FabFlowSet *flows, uint32_t flow);
uint32_t fab_flow_first_tag(const FabFlowSet *flows, uint32_t flow);

/* Bytes (weights included) that each resource has carried in ended flows. Belongs to the set. */
const double *fab_flow_carried(const FabFlowSet *flows);

/* Time that ended flows spent held back by their own limit, in picoseconds, summed over flows. */
double fab_flow_limited_ps(const FabFlowSet *flows);

/* Transfers in progress. */
uint64_t fab_flow_active(const FabFlowSet *flows);

/* Total of transfers started. */
uint64_t fab_flow_started(const FabFlowSet *flows);

/*
 * Checks that no resource is above its capacity and that every flow has a bottleneck; in a lossless network also that
 * nothing overtakes what waits on the same cable. The error says which does not.
 * For tests and builds with invariants.
 */
bool fab_flow_check(FabFlowSet *flows, GError **error);

/* Current rate in B/s of the flow of `route` that was started last; 0 when none runs. For tests. */
double fab_flow_rate(const FabFlowSet *flows, const FabRoute *route);

/*
 * For runs that repeat themselves. A digest of all transfers in progress, as seen from `now`: equal ones stand for
 * equal states, but for the numbers of flows and the last digits of rates. Whether a completion event of `when` counts.
 * The sums that ended flows add to; fab_large_free() what is carried.
 */
typedef struct {
    double *carried, limited_ps;
    uint64_t started;
} FabFlowSums;
uint64_t fab_flow_digest(const FabFlowSet *flows, int64_t now);
bool fab_flow_is_planned(const FabFlowSet *flows, uint32_t flow, int64_t when);
void fab_flow_keep_sums(const FabFlowSet *flows, FabFlowSums *sums);
/* All that was since these sums has happened so many times more; what is in progress is so much later. */
void fab_flow_repeat(FabFlowSet *flows, const FabFlowSums *since, uint64_t times, int64_t later);

/*
 * 13 days: what takes longer is refused, so that no sum of times overflows. Flows that would take longer end then, at
 * the latest; loops stop there with fab_flow_too_long(), which says that `what` did.
 */
#define FAB_FLOW_LONGEST_PS (INT64_C(1) << 60)
void fab_flow_too_long(const char *what, GError **error);

#endif
