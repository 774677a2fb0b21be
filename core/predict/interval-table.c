/*
 * How far predictions were off, from the open set of measurements; made by
 * `fabricast validate --leave-one-out --interval-table`, do not edit. Each is 5 % and 95 % of
 * ln(measured / predicted) and the number of machines, below 64 KiB, to 8 MiB, from 8 MiB.
 */
#include "predict/interval.h"

static const FabIntervals shipped = {
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING] = {
        { -0.279, 0.323, 16 }, { -0.293, 0.318, 17 }, { -0.127, 0.171, 18 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_IN_SWITCH] = {
        { -0.381, 0.401, 2 }, { -0.219, 0.334, 8 }, { -0.070, 0.209, 12 }
    },
    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_COPY] = {
        { -0.412, 0.581, 5 }, { -0.448, 0.437, 5 }, { -0.192, 0.151, 6 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_RING] = {
        { -0.368, 0.530, 4 }, { -0.246, 0.418, 4 }, { -0.114, 0.211, 4 }
    },
    .known[FAB_CONNECTION_MESH][FAB_FAMILY_COPY] = {
        { -0.438, 0.494, 1 }, { -0.371, 0.486, 1 }, { -0.172, 0.262, 1 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_RING] = {
        { -0.492, 1.007, 2 }, { -0.359, 0.857, 2 }, { -0.186, 0.452, 3 }
    },
    .known[FAB_CONNECTION_BRIDGE][FAB_FAMILY_COPY] = {
        { -0.503, 0.491, 1 }, { -0.448, 0.372, 1 }, { -0.259, 0.175, 1 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_RING] = {
        { -0.462, 1.333, 5 }, { -0.290, 0.861, 5 }, { -0.279, 0.149, 7 }
    },
    .known[FAB_CONNECTION_PEER][FAB_FAMILY_COPY] = {
        { -0.457, 0.900, 1 }, { -0.510, 0.825, 1 }, { -0.386, 0.291, 1 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_RING] = {
        { -0.292, 0.602, 8 }, { -0.316, 0.408, 8 }, { -0.305, 0.213, 7 }
    },
    .known[FAB_CONNECTION_STAGED][FAB_FAMILY_COPY] = {
        { -0.583, 1.298, 2 }, { -0.295, 0.532, 2 }, { -0.231, 0.240, 2 }
    },
    .transferred = {
        { -0.408, 0.261, 10 }, { -0.252, 0.408, 14 }, { -0.358, 0.536, 12 }
    },
    /* By generation, oldest first. */
    .machines[FAB_CONNECTION_SWITCH] = { 0, 0, 0, 11, 0, 9, 6, 0 },
    .machines[FAB_CONNECTION_MESH] = { 1, 2, 0, 2, 0, 0, 0, 0 },
    .machines[FAB_CONNECTION_BRIDGE] = { 0, 0, 1, 1, 0, 1, 0, 0 },
    .machines[FAB_CONNECTION_PEER] = { 0, 0, 0, 2, 2, 0, 0, 3 },
    .machines[FAB_CONNECTION_STAGED] = { 0, 1, 1, 1, 1, 0, 0, 4 },
};

const FabIntervals *
fab_intervals_shipped(void)
{
    return &shipped;
}
