#include "topology/medium.h"

#include <stddef.h>

#include "base/units.h"

/*
 * Efficiencies are what kernels' stores reach in collectives, which is less than what copy engines reach: the
 * packets are smaller. They are priors: calibration replaces them.
 *
 * Latencies come from flag stores timed from GPU to GPU, divided among the links of the way:
 * - NVLink: 0.82 us round trip through one NVSwitch, two links each way: 0.2 us; 0.25 with the switch's own share;
 * - PCIe: 0.45 to 0.73 us through one gen5 switch, two links: 0.25 us;
 * - socket: crossing to the other socket adds 0.1 to 0.4 us, gen4 and gen5 AMD hosts; 0.15 us;
 * - inside one device: 1.06 us across a root complex against 0.7 below a switch is two host bridges and their two
 *   ways to the CPU, less the PCIe links: 0.05 us each;
 * - C2C: not published alone; between NVLink's and the device's own, 0.2 us.
 *
 * Reverse bytes: 50.8 GB/s each way when both directions of a gen5 x16 link are busy, 54.0 when one is; a byte
 * with r bytes the other way gives 54/(1+r) = 50.8, so r = 0.06. Public tables of RTX PRO 6000 machines. The other
 * media show no such loss.
 */
static const FabMediumDefaults table[] = {
    { FAB_MEDIUM_NVLINK, 1, 0.91, 0.2e-6, 0, "P100: measured 0.91 of the data rate of its links" },
    { FAB_MEDIUM_NVLINK, 2, 0.98, 0.2e-6, 0, "V100: rings of a DGX-1 carry 147 of 150 GB/s" },
    { FAB_MEDIUM_NVLINK, 3, 0.80, 0.2e-6, 0, "A100: rings carry 240 of 300 GB/s once their tail is taken out" },
    { FAB_MEDIUM_NVLINK, 4, 0.84, 0.2e-6, 0, "H100: rings carry 378 of 450 GB/s once their tail is taken out" },
    { FAB_MEDIUM_NVLINK, 5, 0.793, 0.2e-6, 0, "B200, GB200: rings carry 714 of 900 GB/s, tail taken out" },
    { FAB_MEDIUM_NVLINK, 6, 0.793, 0.2e-6, 0, "assumption: announced only, taken as generation 5" },
    { FAB_MEDIUM_C2C, 0, 0.83, 0.2e-6, 0, "GH200: host to device 375 of 450 GB/s" },
    { FAB_MEDIUM_PCIE, 3, 0.73, 0.25e-6, 0.06, "staged broadcast on a pair of 2080 Ti: 11.1 of 0.97 x 15.75 GB/s" },
    { FAB_MEDIUM_PCIE, 4, 0.86, 0.25e-6, 0.06, "rings of four 4090 with peer access: 27.1 of 31.5 GB/s" },
    { FAB_MEDIUM_PCIE, 5, 0.86, 0.25e-6, 0.06, "one flow through a switch: 54.0 of 63 GB/s, RTX PRO 6000" },
    { FAB_MEDIUM_PCIE, 6, 0.86, 0.25e-6, 0.06, "assumption: no measurement published, taken as generation 5" },
    { FAB_MEDIUM_SOCKET, 0, 0.80, 0.15e-6, 0, "peer copies across two Turin sockets: 0.80 of the slot's rate" },
    { FAB_MEDIUM_INTERNAL, 0, 1.0, 0.05e-6, 0, "inside a device: its figure is already the effective one" },
    { FAB_MEDIUM_INFINIBAND, 0, 0.96, 0.35e-6, 0, "rings of DGX A100: 191.6 of 200; 0.6 us end to end, two links" },
    { FAB_MEDIUM_ETHERNET, 0, 0.96, 0.6e-6, 0, "BlueField-3: 48 of 50 GB/s; Spectrum-4: 0.6 to 1 us a switch" },
};

const FabMediumDefaults *
fab_medium_defaults(FabMedium medium, uint32_t generation)
{
    const FabMediumDefaults *best = NULL;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].medium == medium && (best == NULL || table[i].generation <= generation))
            best = &table[i];
    }
    return best;
}

/* "NVLink 4", "PCIe 5.0 x16", "InfiniBand". */
static char *
default_label(const FabLinkSpec *spec)
{
    const char *name = fab_medium_name(spec->medium);

    if (spec->medium == FAB_MEDIUM_PCIE && spec->generation > 0)
        return g_strdup_printf("%s %u.0 x%u", name, spec->generation, MAX(1, spec->lanes));
    if (spec->medium == FAB_MEDIUM_PCIE)
        return g_strdup_printf("%s x%u", name, MAX(1, spec->lanes));
    return spec->generation > 0 ? g_strdup_printf("%s %u", name, spec->generation) : g_strdup(name);
}

FabTopologyLink
fab_link_from(const FabLinkSpec *spec)
{
    const FabMediumDefaults *defaults = fab_medium_defaults(spec->medium, spec->generation);
    double latency = spec->latency > 0 ? spec->latency : defaults->latency_s;
    FabTopologyLink link = { .a = spec->a, .b = spec->b, .medium = spec->medium };

    link.label = spec->label != NULL ? g_strdup(spec->label) : default_label(spec);
    link.generation = spec->generation;
    link.lanes = MAX(1, spec->lanes);
    link.bandwidth = spec->bandwidth;
    link.efficiency = spec->efficiency > 0 ? spec->efficiency : defaults->efficiency;
    link.reverse = spec->reverse == 0 ? defaults->reverse : MAX(0, spec->reverse);
    link.latency_ps = fab_ps_from_seconds(latency);
    return link;
}
