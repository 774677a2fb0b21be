/* What is known of each kind of link when a plugin does not say it: efficiency, latency, reverse traffic. */
#ifndef FAB_TOPOLOGY_MEDIUM_H
#define FAB_TOPOLOGY_MEDIUM_H

#include "topology/topology.h"

typedef struct {
    FabMedium medium;
    uint32_t generation; /* 0: the medium has none */
    double efficiency;   /* share of the data rate that stores of GPU kernels reach */
    double latency_s;    /* one way over one link, half of a switch included */
    double reverse;      /* bytes in the opposite direction for each byte */
    const char *source;  /* where the efficiency comes from */
} FabMediumDefaults;

/*
 * The row of a medium and generation. A generation newer than all rows gets the newest one, 0 or an older one the
 * oldest. NULL for a medium that does not exist.
 */
const FabMediumDefaults *fab_medium_defaults(FabMedium medium, uint32_t generation);

/* The link with the defaults of its medium where the plugin left a zero; owns its label. */
FabTopologyLink fab_link_from(const FabLinkSpec *spec);

#endif
