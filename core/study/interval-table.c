/*
 * How far predictions were off, from the open set of measurements; made by
 * `fabricast validate --leave-one-out --interval-table`, do not edit. Each is 5 % and 95 % of
 * ln(measured / predicted) and the number of machines, below 64 KiB, to 8 MiB, from 8 MiB.
 */
#include "study/interval.h"

static const FabIntervals shipped = {
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING] = {
        { -0.460, 0.669, 13 }, { -0.354, 0.421, 13 }, { -0.122, 0.296, 14 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_IN_SWITCH] = {
        { -0.623, 0.494, 2 }, { -0.293, 0.607, 7 }, { -0.075, 0.440, 10 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_COPY] = {
        { -0.551, 0.626, 5 }, { -0.721, 0.626, 5 }, { -0.650, 0.394, 6 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_RING] = {
        { -0.580, 0.484, 3 }, { -0.382, 0.603, 3 }, { -0.185, 0.417, 3 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_COPY] = {
        { -0.765, 0.607, 1 }, { -0.543, 0.642, 1 }, { -0.227, 0.523, 1 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_RING] = {
        { -0.731, 1.087, 2 }, { -0.477, 0.985, 2 }, { -0.174, 0.629, 3 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_COPY] = {
        { -0.898, 0.505, 1 }, { -0.800, 0.412, 1 }, { -0.506, 0.360, 1 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_RING] = {
        { -0.604, 1.180, 7 }, { -0.451, 0.705, 7 }, { -0.323, 0.757, 8 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_RING] = {
        { -0.814, 0.860, 5 }, { -0.617, 0.599, 5 }, { -0.364, 0.548, 5 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_COPY] = {
        { -0.826, 0.788, 2 }, { -0.680, 0.680, 2 }, { -0.361, 0.718, 2 }
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
