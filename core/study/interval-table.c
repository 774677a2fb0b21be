/*
 * How far predictions were off, from the open set of measurements; made by
 * `fabricast validate --leave-one-out --interval-table`, do not edit. Each is 5 % and 95 % of
 * ln(measured / predicted) and the number of machines, below 64 KiB, to 8 MiB, from 8 MiB.
 */
#include "study/interval.h"

static const FabIntervals shipped = {
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING] = {
        { -0.236, 0.840, 13 }, { -0.180, 0.478, 13 }, { -0.067, 0.236, 14 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_IN_SWITCH] = {
        { -0.446, 0.490, 2 }, { -0.213, 0.580, 7 }, { -0.052, 0.285, 10 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_COPY] = {
        { -0.450, 0.657, 5 }, { -0.614, 0.645, 5 }, { -0.546, 0.299, 6 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_RING] = {
        { -0.425, 0.494, 3 }, { -0.349, 0.647, 3 }, { -0.132, 0.370, 3 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_COPY] = {
        { -0.532, 0.604, 1 }, { -0.430, 0.637, 1 }, { -0.156, 0.385, 1 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_RING] = {
        { -0.545, 1.080, 2 }, { -0.384, 0.976, 2 }, { -0.130, 0.533, 3 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_COPY] = {
        { -0.676, 0.518, 1 }, { -0.659, 0.424, 1 }, { -0.410, 0.251, 1 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_RING] = {
        { -0.506, 1.137, 7 }, { -0.349, 0.679, 7 }, { -0.243, 0.726, 8 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_RING] = {
        { -0.406, 0.788, 5 }, { -0.477, 0.578, 5 }, { -0.341, 0.529, 5 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_COPY] = {
        { -0.541, 0.845, 2 }, { -0.682, 0.697, 2 }, { -0.357, 0.664, 2 }
    },
    /* By generation, oldest first. */
    .machines[FAB_CONNECTION_SWITCH] = { 0, 0, 0, 8, 0, 8, 4, 0 },
    .machines[FAB_CONNECTION_MESH] = { 1, 2, 0, 1, 0, 0, 0, 0 },
    .machines[FAB_CONNECTION_BRIDGE] = { 0, 0, 1, 1, 0, 1, 0, 0 },
    .machines[FAB_CONNECTION_PEER] = { 0, 0, 0, 3, 2, 0, 0, 4 },
    .machines[FAB_CONNECTION_STAGED] = { 0, 1, 1, 0, 1, 0, 0, 2 },
};

const FabIntervals *
fab_intervals_shipped(void)
{
    return &shipped;
}
