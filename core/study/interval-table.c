/*
 * How far predictions were off, from the open set of measurements; made by
 * `fabricast validate --leave-one-out --interval-table`, do not edit. Each is 5 % and 95 % of
 * ln(measured / predicted) and the number of machines, below 64 KiB, to 8 MiB, from 8 MiB.
 */
#include "study/interval.h"

static const FabIntervals shipped = {
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING] = {
        { -0.549, 0.674, 13 }, { -0.433, 0.399, 13 }, { -0.123, 0.256, 14 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_IN_SWITCH] = {
        { -0.611, 0.496, 2 }, { -0.294, 0.661, 7 }, { -0.077, 0.434, 10 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_COPY] = {
        { -0.608, 0.630, 5 }, { -0.717, 0.615, 5 }, { -0.653, 0.387, 6 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_RING] = {
        { -0.571, 0.486, 3 }, { -0.389, 0.589, 3 }, { -0.186, 0.399, 3 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_COPY] = {
        { -0.732, 0.617, 1 }, { -0.532, 0.618, 1 }, { -0.228, 0.496, 1 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_RING] = {
        { -0.721, 1.092, 2 }, { -0.468, 0.966, 2 }, { -0.175, 0.611, 3 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_COPY] = {
        { -0.870, 0.505, 1 }, { -0.788, 0.388, 1 }, { -0.507, 0.334, 1 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_RING] = {
        { -0.514, 1.360, 5 }, { -0.359, 0.873, 5 }, { -0.276, 0.243, 7 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_COPY] = {
        { -0.542, 0.935, 1 }, { -0.469, 0.677, 1 }, { -0.268, 0.295, 1 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_RING] = {
        { -0.318, 0.527, 8 }, { -0.334, 0.415, 8 }, { -0.308, 0.233, 7 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_COPY] = {
        { -0.465, 0.776, 2 }, { -0.360, 0.667, 2 }, { -0.255, 0.390, 2 }
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
