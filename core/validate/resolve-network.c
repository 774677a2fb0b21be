#include "validate/resolve-network.h"

#include <string.h>

/* Slingshot groups as a stand-in where a dragonfly's sizes are not stated: 16 switches of 64 ports, 16 for NICs. */
enum { GROUP_SWITCHES = 16, SWITCH_NICS = 16 };

static void
add(GPtrArray *sets, const char *key, const char *value)
{
    g_ptr_array_add(sets, g_strdup_printf("topology.%s=%s", key, value));
}

static void
add_number(GPtrArray *sets, const char *key, int64_t value)
{
    g_ptr_array_add(sets, g_strdup_printf("topology.%s=%" G_GINT64_FORMAT, key, (gint64)value));
}

static void
add_dragonfly(GPtrArray *sets, GPtrArray *notes, int64_t nics)
{
    int64_t places = GROUP_SWITCHES * SWITCH_NICS;

    add(sets, "plugin", "dragonfly");
    add_number(sets, "groups", (nics + places - 1) / places);
    add_number(sets, "switches", GROUP_SWITCHES);
    add_number(sets, "switch_nics", SWITCH_NICS);
    add(sets, "local_cables", "2");
    add_number(sets, "global_cables", GROUP_SWITCHES);
    add(sets, "routing", "adaptive");
    g_ptr_array_add(notes, g_strdup_printf("dragonfly not described: groups of %d switches with %d NICs each, "
                                           "filled in order and without other jobs, are assumed", GROUP_SWITCHES,
                                           SWITCH_NICS));
}

static void
add_fabric(const FabMeasurement *measurement, GPtrArray *sets, GPtrArray *notes, int64_t nodes, int64_t nics)
{
    const char *fabric = fab_measurement_get(measurement, "overrides", "fabric");
    bool racks = fab_measurement_integer(measurement, "overrides", "racks", 0) > 1;

    if (racks) {
        add(sets, "plugin", "nvl-domain");
        add(sets, "radix", "144");
        return;
    }
    if (g_strcmp0(fabric, "dragonfly") == 0) {
        add_dragonfly(sets, notes, nodes * nics);
        return;
    }
    add(sets, "plugin", g_strcmp0(fabric, "fat-tree") == 0 ? "fat-tree" : "rail-optimised");
    if (fabric == NULL || strcmp(fabric, "unknown") == 0)
        g_ptr_array_add(notes, g_strdup("network not stated: rails with spines are assumed"));
}

static bool
told_by(const FabMeasurement *measurement, const char *machine)
{
    return machine != NULL && g_strcmp0(fab_measurement_get(measurement, "source", "machine"), machine) == 0;
}

/*
 * What Slingshot's software and hosts take, by what their makers say of the CPUs' age; docs/clusters.md has the ranges.
 * The time of a proxy's thread: rings of 32 KiB to 32 MiB on 8 to 540 Polaris nodes, more where libfabric matches
 * messages in software; on 16 Kestrel nodes less. The NIC's: large messages of all-to-all on Polaris; Kestrel has none,
 * its rings need 0 to 3 us. Bridges: rings of 128 MiB and more on 2 and 8 Polaris nodes, whose NICs pass 18.4 of
 * 25 GB/s each way. Without the one cluster the other's figures are all that there is.
 */
static void
add_slingshot(const FabMeasurement *measurement, bool left_out, GPtrArray *sets)
{
    bool older = fab_measurement_integer(measurement, "system", "pcie_generation", 5) < 5;
    g_autofree char *matching = fab_measurement_environment(measurement, "FI_CXI_RX_MATCH_MODE");

    if (left_out && told_by(measurement, older ? "polaris" : "kestrel"))
        older = !older;
    add(sets, "message_gap", older ? "5.5 us" : "2 us");
    add(sets, "thread_time", !older ? "4.2 us" : g_strcmp0(matching, "software") == 0 ? "7 us" : "5 us");
    if (older)
        add(sets, "node.peer_limit", "39 GB/s");
}

/*
 * GPUDirect-TCPX runs Simple over rings, with 8 channels at least: its maker's settings for A3 High (NCCL_PROTO,
 * NCCL_ALGO, NCCL_MIN_NCHANNELS), which tables do not repeat. TCP gets 0.78 of a NIC's rate (0.75 to 0.8: all-gather
 * of 256 and 512 MiB on two A3 High, 72 to 76 of 100 GB/s).
 */
static void
add_tcpx_rate(const FabMeasurement *measurement, GPtrArray *sets)
{
    int64_t rate = fab_measurement_integer(measurement, "overrides", "nic_gbps", 0);

    if (rate > 0)
        g_ptr_array_add(sets, g_strdup_printf("topology.nic_rate=%" G_GINT64_FORMAT " MB/s",
                                              (gint64)(0.78 * 1000 / 8 * (double)rate)));
}

static bool
is_tcpx(const FabMeasurement *measurement)
{
    const char *nic = fab_measurement_get(measurement, "system", "nic");

    return nic != NULL && strstr(nic, "TCPX") != NULL && strstr(nic, "TCPXO") == NULL;
}

void
fab_resolve_network_settings(const FabMeasurement *measurement, GPtrArray *sets, GPtrArray *notes)
{
    static const char *const settings[] = { "NCCL_PROTO=Simple", "NCCL_ALGO=Ring", "NCCL_MIN_NCHANNELS=8" };
    const char *collective = fab_measurement_get(measurement, "run", "collective");
    bool copies = g_strcmp0(collective, "alltoall") == 0 || g_strcmp0(collective, "sendrecv") == 0;
    bool stated = fab_measurement_get(measurement, "run", "proto") != NULL ||
                  fab_measurement_get(measurement, "run", "algo") != NULL ||
                  fab_measurement_get(measurement, "run", "env") != NULL;

    if (!is_tcpx(measurement) || copies || stated)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(settings); i++)
        g_ptr_array_add(sets, g_strconcat("collective.", settings[i], NULL));
    g_ptr_array_add(notes, g_strdup("TCPX as its maker sets it up is assumed: Simple, rings, 8 channels at least"));
}

static bool
is_ip_over_infiniband(const FabMeasurement *measurement)
{
    const char *nic = fab_measurement_get(measurement, "system", "nic");

    return nic != NULL && strstr(nic, "IP over InfiniBand") != NULL;
}

static bool
uses_sockets(const FabMeasurement *measurement)
{
    const char *transport = fab_measurement_get(measurement, "overrides", "transport");

    return transport != NULL ? g_ascii_strcasecmp(transport, "tcp") == 0 : is_ip_over_infiniband(measurement);
}

/*
 * NICs whose software takes longer than InfiniBand's, us (docs/clusters.md); what they speak; the only cluster that
 * told the time, and what stands for it where that one is left out: the next network of the kind, a cloud's RDMA or
 * the same maker's other way over TCP. EFA's is told by two clusters, which are off alike.
 */
static bool
add_nic(const FabMeasurement *measurement, bool left_out, GPtrArray *sets)
{
    static const struct {
        const char *word, *medium, *time, *machine, *without;
    } known[] = {
        { "TCPXO", "ethernet", "36 us", "gcp-a3mega", "17 us" },
        { "TCPX", "ethernet", "180 us", "gcp-a3high", "36 us" },
        { "EFA", "ethernet", "17 us", NULL, NULL },
        { "gVNIC", "ethernet", "17 us", NULL, NULL },
        { "RoCE (GPUDirect RDMA)", "ethernet", "13 us", "gcp-a3ultra", "17 us" },
        { "RoCE", "ethernet", "0 us", NULL, NULL },
        { "Slingshot", "ethernet", "0 us", NULL, NULL },
    };
    const char *nic = fab_measurement_get(measurement, "system", "nic");

    for (gsize i = 0; nic != NULL && i < G_N_ELEMENTS(known); i++) {
        bool borrowed = left_out && told_by(measurement, known[i].machine);
        if (strstr(nic, known[i].word) == NULL)
            continue;
        add(sets, "medium", known[i].medium);
        add(sets, "message_time", borrowed ? known[i].without : known[i].time);
        if (strcmp(known[i].word, "Slingshot") == 0 && !uses_sockets(measurement))
            add_slingshot(measurement, left_out, sets);
        if (is_tcpx(measurement) && !borrowed)
            add_tcpx_rate(measurement, sets);
        return borrowed;
    }
    return false;
}

/* EFA of instances with A100 and older GPUs: AWS's plugin for NCCL then sets NCCL_PROTO=simple (its issue 715). */
static bool
is_first_efa(const FabMeasurement *measurement)
{
    const char *nic = fab_measurement_get(measurement, "system", "nic");
    const char *gpu = fab_measurement_get(measurement, "system", "gpu_id");

    return nic != NULL && strstr(nic, "EFA") != NULL && gpu != NULL &&
           (g_str_has_prefix(gpu, "a100") || g_str_has_prefix(gpu, "v100"));
}

/* What NCCL was told of the network, as parameters of ours. */
static void
add_settings(const FabMeasurement *measurement, GPtrArray *sets, GPtrArray *notes)
{
    g_autofree char *level = fab_measurement_environment(measurement, "NCCL_NET_GDR_LEVEL");
    g_autofree char *pxn = fab_measurement_environment(measurement, "NCCL_PXN_DISABLE");
    const char *gdr = fab_measurement_get(measurement, "overrides", "gdr");
    const char *transport = fab_measurement_get(measurement, "overrides", "transport");

    if (uses_sockets(measurement))
        add(sets, "transport", "tcp");
    else if (g_strcmp0(gdr, "off") == 0)
        add(sets, "gdr", "off");
    else if (g_strcmp0(gdr, "on") == 0 || g_strcmp0(level, "SYS") == 0)
        add(sets, "gdr", "sys");
    else if (g_strcmp0(level, "PHB") == 0)
        add(sets, "gdr", "phb");
    else if (g_strcmp0(fab_measurement_get(measurement, "overrides", "fabric"), "dragonfly") == 0) {
        add(sets, "gdr", "phb");
        g_ptr_array_add(notes, g_strdup("GPUDirect within a NUMA node is assumed, as makers of such machines advise"));
    }
    if (is_first_efa(measurement))
        add(sets, "in_order", "off");
    if (g_strcmp0(pxn, "1") == 0)
        add(sets, "pxn", "off");
    if (transport != NULL && !uses_sockets(measurement))
        g_ptr_array_add(notes, g_strdup_printf("transport %s is not modelled", transport));
}

bool
fab_resolve_network(const FabMeasurement *measurement, bool left_out, GPtrArray *sets, GPtrArray *notes)
{
    const char *nics = fab_measurement_get(measurement, "overrides", "nics_per_node");
    const char *rate = fab_measurement_get(measurement, "overrides", "nic_gbps");
    const char *cpu = fab_measurement_get(measurement, "system", "cpu");
    int64_t racks = fab_measurement_integer(measurement, "overrides", "racks", 0);
    int64_t nodes = racks > 1 ? racks : fab_measurement_integer(measurement, "system", "nodes", 1);

    add(sets, "node", fab_measurement_get(measurement, "system", "topology"));
    add_number(sets, "nodes", nodes);
    if (is_ip_over_infiniband(measurement)) {
        add(sets, "node.nics_per_node", "1");
        g_ptr_array_add(notes, g_strdup("IP over InfiniBand: one interface in each node is assumed"));
    } else if (nics != NULL) {
        add(sets, "node.nics_per_node", nics);
    }
    if (rate != NULL)
        add(sets, "node.nic_gbps", rate);
    if (cpu != NULL) /* NCCL's choice and the threads that post messages depend on its maker */
        add(sets, "node.cpu", cpu);
    add_fabric(measurement, sets, notes, nodes, nics != NULL ? fab_measurement_integer(measurement, "overrides",
                                                                                      "nics_per_node", 1) : 1);
    add_settings(measurement, sets, notes);
    return add_nic(measurement, left_out, sets);
}
