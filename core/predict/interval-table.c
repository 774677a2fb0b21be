/*
 * How far predictions were off, from the open set of measurements; made by
 * `fabricast validate --leave-one-out --interval-table`, do not edit. Each is 5 % and 95 % of
 * ln(measured / predicted) and the number of machines, below 64 KiB, to 8 MiB, from 8 MiB.
 */
#include "predict/interval.h"

static const FabIntervals shipped = {
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING] = {
        { -0.328, 0.976, 13 }, { -0.304, 0.460, 13 }, { -0.149, 0.197, 14 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_IN_SWITCH] = {
        { -0.415, 0.603, 2 }, { -0.245, 0.389, 7 }, { -0.086, 0.245, 10 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_COPY] = {
        { -0.431, 0.719, 5 }, { -0.450, 0.480, 5 }, { -0.199, 0.229, 6 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_RING] = {
        { -0.364, 0.663, 3 }, { -0.299, 0.529, 3 }, { -0.134, 0.257, 3 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_COPY] = {
        { -0.491, 0.745, 1 }, { -0.388, 0.561, 1 }, { -0.197, 0.318, 1 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_RING] = {
        { -0.528, 1.208, 2 }, { -0.372, 0.917, 2 }, { -0.205, 0.496, 3 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_COPY] = {
        { -0.555, 0.742, 1 }, { -0.465, 0.447, 1 }, { -0.285, 0.231, 1 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_RING] = {
        { -0.491, 1.390, 5 }, { -0.294, 0.870, 5 }, { -0.280, 0.151, 7 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_COPY] = {
        { -0.498, 1.009, 1 }, { -0.515, 0.846, 1 }, { -0.389, 0.297, 1 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_RING] = {
        { -0.315, 0.599, 8 }, { -0.315, 0.413, 8 }, { -0.305, 0.215, 7 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_COPY] = {
        { -0.645, 1.448, 2 }, { -0.300, 0.563, 2 }, { -0.233, 0.244, 2 }
    },
    .transferred = {
        { -0.532, 0.460, 10 }, { -0.293, 0.442, 13 }, { -0.333, 0.538, 11 }
    },
    /* By generation, oldest first. */
    .machines[FAB_CONNECTION_SWITCH] = { 0, 0, 0, 8, 0, 8, 4, 0 },
    .machines[FAB_CONNECTION_MESH] = { 1, 2, 0, 1, 0, 0, 0, 0 },
    .machines[FAB_CONNECTION_BRIDGE] = { 0, 0, 1, 1, 0, 1, 0, 0 },
    .machines[FAB_CONNECTION_PEER] = { 0, 0, 0, 2, 2, 0, 0, 3 },
    .machines[FAB_CONNECTION_STAGED] = { 0, 1, 1, 1, 1, 0, 0, 4 },
};

const FabIntervals *
fab_intervals_shipped(void)
{
    return &shipped;
}
