/*
 * How far predictions were off, from the open set of measurements; made by
 * `fabricast validate --leave-one-out --interval-table`, do not edit. Each is 5 % and 95 % of
 * ln(measured / predicted) and the number of machines, below 64 KiB, to 8 MiB, from 8 MiB.
 */
#include "study/interval.h"

static const FabIntervals shipped = {
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING] = {
        { -0.554, 0.675, 13 }, { -0.437, 0.403, 13 }, { -0.123, 0.255, 14 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_IN_SWITCH] = {
        { -0.613, 0.496, 2 }, { -0.294, 0.667, 7 }, { -0.076, 0.434, 10 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_COPY] = {
        { -0.631, 0.633, 5 }, { -0.717, 0.623, 5 }, { -0.651, 0.387, 6 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_RING] = {
        { -0.572, 0.486, 3 }, { -0.390, 0.599, 3 }, { -0.185, 0.399, 3 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_COPY] = {
        { -0.753, 0.609, 1 }, { -0.534, 0.632, 1 }, { -0.225, 0.496, 1 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_RING] = {
        { -0.722, 1.091, 2 }, { -0.469, 0.977, 2 }, { -0.173, 0.611, 3 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_COPY] = {
        { -0.884, 0.507, 1 }, { -0.790, 0.402, 1 }, { -0.505, 0.333, 1 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_RING] = {
        { -0.495, 1.356, 5 }, { -0.360, 0.866, 5 }, { -0.288, 0.267, 7 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_COPY] = {
        { -0.552, 0.945, 1 }, { -0.491, 0.730, 1 }, { -0.263, 0.411, 1 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_RING] = {
        { -0.318, 0.528, 8 }, { -0.354, 0.433, 8 }, { -0.353, 0.324, 7 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_COPY] = {
        { -0.498, 0.883, 2 }, { -0.361, 0.705, 2 }, { -0.320, 0.316, 2 }
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
