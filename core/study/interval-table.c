/*
 * How far predictions were off, from the open set of measurements; made by
 * `fabricast validate --leave-one-out --interval-table`, do not edit. Each is 5 % and 95 % of
 * ln(measured / predicted) and the number of machines, below 64 KiB, to 8 MiB, from 8 MiB.
 */
#include "study/interval.h"

static const FabIntervals shipped = {
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING] = {
        { -0.549, 0.674, 13 }, { -0.430, 0.400, 13 }, { -0.123, 0.256, 14 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_IN_SWITCH] = {
        { -0.611, 0.496, 2 }, { -0.294, 0.663, 7 }, { -0.076, 0.434, 10 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_COPY] = {
        { -0.606, 0.630, 5 }, { -0.717, 0.619, 5 }, { -0.653, 0.387, 6 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_RING] = {
        { -0.571, 0.486, 3 }, { -0.390, 0.593, 3 }, { -0.186, 0.399, 3 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_COPY] = {
        { -0.732, 0.617, 1 }, { -0.533, 0.623, 1 }, { -0.228, 0.496, 1 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_RING] = {
        { -0.721, 1.092, 2 }, { -0.469, 0.970, 2 }, { -0.174, 0.611, 3 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_COPY] = {
        { -0.870, 0.505, 1 }, { -0.789, 0.393, 1 }, { -0.507, 0.334, 1 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_RING] = {
        { -0.517, 1.360, 5 }, { -0.364, 0.881, 5 }, { -0.276, 0.244, 7 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_COPY] = {
        { -0.548, 0.936, 1 }, { -0.472, 0.693, 1 }, { -0.268, 0.296, 1 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_RING] = {
        { -0.320, 0.528, 8 }, { -0.335, 0.423, 8 }, { -0.308, 0.234, 7 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_COPY] = {
        { -0.470, 0.777, 2 }, { -0.360, 0.669, 2 }, { -0.254, 0.384, 2 }
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
