/* Inside, each cluster by the others:
 *   below 64 KiB: 829 of 886 rows, 93 % on the mean of 8 clusters
 *   64 KiB to 8 MiB: 549 of 598 rows, 94 % on the mean of 10 clusters
 *   from 8 MiB: 709 of 752 rows, 90 % on the mean of 12 clusters
 *   all sizes: 2087 of 2236 rows, 94 % on the mean of 13 clusters
 *   another network's constants: 86 of 94 rows, 87 % on the mean of 3 clusters
 */
/*
 * How far predictions were off over several nodes, from the open set of measurements; made by
 * `fabricast validate --clusters --leave-one-out --interval-table`, do not edit. Each is 5 % and 95 % of
 * ln(measured / predicted) and the number of clusters, below 64 KiB, to 8 MiB, from 8 MiB.
 */
#include "predict/interval.h"

static const FabIntervals shipped = {
    .known[FAB_CONNECTION_NETWORK][FAB_FAMILY_RING] = {
        { -0.393, 0.724, 8 }, { -0.164, 0.881, 10 }, { -0.121, 0.269, 8 }
    },
    .known[FAB_CONNECTION_NETWORK][FAB_FAMILY_IN_SWITCH] = {
        { -0.393, 0.724, 0 }, { -0.164, 0.881, 3 }, { -0.121, 0.269, 3 }
    },
    .known[FAB_CONNECTION_SHARED_NETWORK][FAB_FAMILY_RING] = {
        { -0.865, 1.537, 2 }, { -0.461, 1.477, 3 }, { -0.339, 0.541, 2 }
    },
    .known[FAB_CONNECTION_SHARED_NETWORK][FAB_FAMILY_COPY] = {
        { -0.865, 1.537, 1 }, { -0.461, 1.477, 1 }, { -0.339, 0.541, 1 }
    },
    .transferred = {
        { -0.093, 0.542, 2 }, { -0.329, 1.327, 3 }, { -0.303, 1.218, 3 }
    },
    /* By generation, oldest first. */
    .machines[FAB_CONNECTION_NETWORK] = { 0, 0, 0, 3, 0, 6, 2, 0 },
    .machines[FAB_CONNECTION_SHARED_NETWORK] = { 0, 0, 0, 1, 0, 2, 0, 0 },
    .machines[FAB_CONNECTION_OTHER_NETWORK] = { 0, 0, 0, 0, 0, 0, 0, 0 },
};

const FabIntervals *
fab_intervals_networks(void)
{
    return &shipped;
}
