/*
 * How fast the channels of a collective can go where their connections meet on links of the network: a look at all
 * routes of the whole machine, without simulating what moves over them.
 *
 * Whoever is slow on a ring or in a tree holds back all others of its channel, since FIFOs are short. So a channel is
 * one flow, which moves all its connections at one pace and loads a link once for each of them that passes it. Channels
 * share links max-min fairly, as the flows of the engine do.
 */
#ifndef FAB_PREDICT_CROWD_H
#define FAB_PREDICT_CROWD_H

#include "program/program.h"
#include "topology/route.h"

typedef struct FabCrowd FabCrowd;

/*
 * The routes of all connections between nodes of `local` ranks, each as the router leads it; NULL with an error when
 * there is no way. What the router places (adaptive routing) is placed in the order of ranks. `tree`: connections with
 * even numbers lead up, the others down.
 */
FabCrowd *fab_crowd_new(FabRouter *router, const FabProgram *program, const uint32_t *gpus, uint32_t local, bool tree,
                        GError **error);
void fab_crowd_free(FabCrowd *crowd);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabCrowd, fab_crowd_free)

/*
 * Seconds until every channel has sent `bytes` over each of its connections between nodes, protocol included, where
 * none is faster than `most` B/s. What goes down a tree begins `lag` seconds after what goes up, which stays as far
 * ahead: only between they meet. *binding: the resource that holds back channels most; UINT32_MAX: none does.
 */
double fab_crowd_seconds(const FabCrowd *crowd, double bytes, double most, double lag, uint32_t *binding);

/* What a resource carries of that in all. */
double fab_crowd_carried(const FabCrowd *crowd, uint32_t resource, double bytes);

#endif
