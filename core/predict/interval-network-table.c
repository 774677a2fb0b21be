/* Inside, each cluster by the others:
 *   below 64 KiB: 841 of 929 rows, 91 % on the mean of 9 clusters
 *   64 KiB to 8 MiB: 595 of 633 rows, 93 % on the mean of 11 clusters
 *   from 8 MiB: 757 of 810 rows, 89 % on the mean of 13 clusters
 *   all sizes: 2193 of 2372 rows, 93 % on the mean of 14 clusters
 *   another network's constants: 80 of 94 rows, 77 % on the mean of 3 clusters
 */
/*
 * How far predictions were off over several nodes, from the open set of measurements; made by
 * `fabricast validate --clusters --leave-one-out --interval-table`, do not edit. Each is 5 % and 95 % of
 * ln(measured / predicted) and the number of clusters, below 64 KiB, to 8 MiB, from 8 MiB.
 */
#include "predict/interval.h"

static const FabIntervals shipped = {
    .known[FAB_CONNECTION_NETWORK][FAB_FAMILY_RING] = {
        { -0.246, 0.398, 9 }, { -0.171, 0.669, 11 }, { -0.134, 0.290, 9 }
    },
    .known[FAB_CONNECTION_NETWORK][FAB_FAMILY_IN_SWITCH] = {
        { -0.246, 0.398, 0 }, { -0.171, 0.669, 4 }, { -0.134, 0.290, 4 }
    },
    .known[FAB_CONNECTION_NETWORK][FAB_FAMILY_COPY] = {
        { -0.246, 0.398, 1 }, { -0.171, 0.669, 1 }, { -0.134, 0.290, 1 }
    },
    .known[FAB_CONNECTION_SHARED_NETWORK][FAB_FAMILY_RING] = {
        { -0.478, 0.690, 2 }, { -0.344, 0.951, 3 }, { -0.327, 0.568, 2 }
    },
    .known[FAB_CONNECTION_SHARED_NETWORK][FAB_FAMILY_COPY] = {
        { -0.478, 0.690, 1 }, { -0.344, 0.951, 1 }, { -0.327, 0.568, 1 }
    },
    .transferred = {
        { -0.093, 0.542, 2 }, { -0.329, 1.327, 3 }, { -0.303, 1.218, 3 }
    },
    /* By generation, oldest first. */
    .machines[FAB_CONNECTION_NETWORK] = { 0, 0, 0, 3, 0, 6, 3, 0 },
    .machines[FAB_CONNECTION_SHARED_NETWORK] = { 0, 0, 0, 1, 0, 2, 0, 0 },
    .machines[FAB_CONNECTION_OTHER_NETWORK] = { 0, 0, 0, 0, 0, 0, 0, 0 },
};

const FabIntervals *
fab_intervals_networks(void)
{
    return &shipped;
}
