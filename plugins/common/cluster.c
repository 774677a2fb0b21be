#include "common/cluster.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_ROOM = 64 };

/* The number of a node_* has at most five digits: core/plugin/params.c. */
enum { NODES_END = 100000 };

/* Quantum-2: 150 ns against 330 ns, two secondary sources; Spectrum-4: 600 to 1000 ns expected, not confirmed. */
#define INFINIBAND_SWITCH 200e-9
#define ETHERNET_SWITCH 800e-9

/*
 * A message through the kernels' network stacks, 7 to 20 us: small all-reduce over sockets on 2 and 8 Polaris nodes and
 * two ND A100 v4 (7 to 18), small all-gather on 8 Polaris nodes (20).
 */
#define TCP_MESSAGE 10e-6

/* ------------------------------------------------------------------ what is down */

enum { DOWN_MAX = 1024 };

/* The next entry of a list separated by commas, without blanks around it; its length, 0 at the end. */
static size_t
next_down(const char **at, const char **entry)
{
    size_t length;

    while (**at == ',' || **at == ' ')
        (*at)++;
    *entry = *at;
    length = strcspn(*at, ",");
    *at += length;
    while (length > 0 && (*entry)[length - 1] == ' ')
        length--;
    return length;
}

static bool
is_down(const FabCluster *cluster, const char *name)
{
    const char *at = cluster->down, *entry;
    size_t length, number = 0;
    bool found = false;

    while ((length = next_down(&at, &entry)) > 0 && number < DOWN_MAX) {
        if (length == strlen(name) && strncmp(entry, name, length) == 0)
            found = cluster->met[number] = true;
        number++;
    }
    return found;
}

static bool
nic_is_down(const FabCluster *cluster, uint32_t node, uint32_t nic)
{
    char name[NAME_ROOM];

    snprintf(name, sizeof name, "Node %u NIC %u", node, nic);
    return is_down(cluster, name);
}

/* Every entry names something, or it is a mistake. */
static void
check_down(const FabCluster *cluster)
{
    const char *at = cluster->down, *entry;
    size_t length, number = 0;

    while (cluster->met != NULL && (length = next_down(&at, &entry)) > 0 && number < DOWN_MAX) {
        if (!cluster->met[number++])
            cluster->host->fail(cluster->builder, "down: \"%.*s\" is neither a switch nor a NIC of this cluster, such "
                                "as %s or Node 0 NIC 0; `fabricast topology show` lists all",
                                (int)(length < 60 ? length : 60), entry, cluster->first_switch);
    }
}

/* What would have no effect is a mistake, too. */
static bool
check_list(const FabCluster *cluster)
{
    const FabHost *host = cluster->host;
    const char *at = cluster->down, *entry;
    size_t number = 0;

    while (next_down(&at, &entry) > 0)
        number++;
    if (number > DOWN_MAX)
        return host->fail(cluster->builder, "down names %zu switches and NICs, must be at most %d", number, DOWN_MAX);
    if (number == 0 && cluster->down[0] != '\0')
        return host->fail(cluster->builder, "down is \"%.60s\", must name switches or NICs: Node 0 NIC 0",
                          cluster->down);
    if (number == 0 && host->given(cluster->builder, "down_rate"))
        return host->fail(cluster->builder, "down_rate is given, but no NIC that is down; add down=Node 0 NIC 0 or "
                          "leave it out");
    return true;
}

/* ------------------------------------------------------------------ nodes */

static bool
add_nodes(FabCluster *cluster)
{
    const FabHost *host = cluster->host;
    char name[NAME_ROOM];

    cluster->node = calloc(cluster->nodes, sizeof *cluster->node);
    if (cluster->node == NULL)
        return host->fail(cluster->builder, "out of memory");
    for (uint32_t i = 0; i < cluster->nodes; i++) {
        snprintf(name, sizeof name, "node_%u", i);
        cluster->node[i].size = sizeof cluster->node[i];
        if (!host->add_node(cluster->builder, host->text(cluster->builder, host->given(cluster->builder, name) ? name
                                                                                                              : "node"),
                            "node.", &cluster->node[i]))
            return false;
    }
    return true;
}

/* A machine for a node that does not exist is a mistake. */
static bool
refuse_beyond(const FabCluster *cluster)
{
    char name[NAME_ROOM];

    for (uint32_t i = cluster->nodes; i < NODES_END; i++) {
        snprintf(name, sizeof name, "node_%u", i);
        if (cluster->host->given(cluster->builder, name))
            return cluster->host->fail(cluster->builder, "%s is given, but there are only %u nodes", name,
                                       cluster->nodes);
    }
    return true;
}

static double
nic_rate(const FabCluster *cluster, uint32_t node, uint32_t nic)
{
    double rate = cluster->given_rate > 0 ? cluster->given_rate : cluster->node[node].nic_rate[nic];

    return rate / cluster->planes;
}

static bool
count_nics(FabCluster *cluster)
{
    for (uint32_t i = 0; i < cluster->nodes; i++) {
        const FabNode *node = &cluster->node[i];
        if (node->nics == 0 && cluster->nodes > 1)
            return cluster->host->fail(cluster->builder, "node %u has no NIC, so it cannot be reached; give its machine"
                                       " NICs: node.nics_per_node=1", i);
        for (uint32_t k = 0; k < node->nics; k++) {
            double rate = nic_rate(cluster, i, k);
            if (!(rate > 0))
                return cluster->host->fail(cluster->builder, "node %u does not say how fast its NICs are; give "
                                           "node.nic_gbps or nic_rate", i);
            cluster->rate = rate > cluster->rate ? rate : cluster->rate;
        }
        cluster->nics += node->nics;
        cluster->most_nics = node->nics > cluster->most_nics ? node->nics : cluster->most_nics;
    }
    return true;
}

static void
set_network(const FabCluster *cluster)
{
    const FabHost *host = cluster->host;
    const char *routing = host->text(cluster->builder, "routing"), *gdr = host->text(cluster->builder, "gdr");
    bool tcp = strcmp(host->text(cluster->builder, "transport"), "tcp") == 0;

    host->set_network(cluster->builder, &(FabNetworkSpec){
        .size = sizeof(FabNetworkSpec),
        .routing = strcmp(routing, "adaptive") == 0 ? FAB_ROUTING_ADAPTIVE
                   : strcmp(routing, "spray") == 0 ? FAB_ROUTING_SPRAY
                   : strcmp(routing, "detours") == 0 ? FAB_ROUTING_DETOURS
                                                     : FAB_ROUTING_STATIC,
        .seed = (uint32_t)host->integer(cluster->builder, "seed"),
        .gdr = tcp || strcmp(gdr, "off") == 0 ? FAB_GDR_OFF
               : strcmp(gdr, "phb") == 0      ? FAB_GDR_PHB
               : strcmp(gdr, "sys") == 0      ? FAB_GDR_SYS
                                              : FAB_GDR_PXB,
        .pxn = host->boolean(cluster->builder, "pxn") && (!tcp || host->given(cluster->builder, "pxn")),
        .message_time = tcp && !host->given(cluster->builder, "message_time")
                            ? TCP_MESSAGE : host->number(cluster->builder, "message_time"),
        .reduces = host->boolean(cluster->builder, "sharp"),
        .reduce_rate = host->number(cluster->builder, "sharp_rate"),
        .message_gap = host->number(cluster->builder, "message_gap"),
        .lossless = strcmp(host->text(cluster->builder, "flow_control"), "lossless") == 0,
        .thread_rate = tcp ? host->number(cluster->builder, "thread_rate") : 0,
        .thread_time = tcp || host->given(cluster->builder, "thread_time")
                           ? host->number(cluster->builder, "thread_time") : 0,
        .unordered = !host->boolean(cluster->builder, "in_order") });
}

/* Parameters of one transport that the other has no use for would be ignored silently. */
static bool
check_transport(const FabCluster *cluster)
{
    const FabHost *host = cluster->host;
    bool tcp = strcmp(host->text(cluster->builder, "transport"), "tcp") == 0;

    if (tcp && host->given(cluster->builder, "gdr") && strcmp(host->text(cluster->builder, "gdr"), "off") != 0)
        return host->fail(cluster->builder, "gdr is %s, but sockets (transport=tcp) move data by host memory; leave "
                          "gdr out or take transport=rdma", host->text(cluster->builder, "gdr"));
    if (tcp && !(host->number(cluster->builder, "thread_rate") > 0))
        return host->fail(cluster->builder, "thread_rate is 0, so that sockets (transport=tcp) would move nothing; "
                          "take about 3.3 GB/s");
    if (!tcp && host->given(cluster->builder, "thread_rate"))
        return host->fail(cluster->builder, "thread_rate is of sockets; take transport=tcp or leave it out");
    if (host->given(cluster->builder, "sharp_rate") && !host->boolean(cluster->builder, "sharp"))
        return host->fail(cluster->builder, "sharp_rate is of switches that reduce; take sharp=on or leave it out");
    return true;
}

bool
fab_cluster_read(const FabHost *host, FabBuilder *builder, FabCluster *cluster)
{
    *cluster = (FabCluster){ .host = host, .builder = builder };
    cluster->nodes = (uint32_t)host->integer(builder, "nodes");
    cluster->planes = (uint32_t)host->integer(builder, "planes");
    cluster->given_rate = host->number(builder, "nic_rate");
    cluster->down = host->text(builder, "down");
    cluster->down_rate = host->number(builder, "down_rate");
    cluster->met = calloc(DOWN_MAX, sizeof *cluster->met);
    cluster->first_switch = calloc(NAME_ROOM, 1);
    if (cluster->met == NULL || cluster->first_switch == NULL)
        return host->fail(builder, "out of memory");
    cluster->medium = strcmp(host->text(builder, "medium"), "ethernet") == 0 ? FAB_MEDIUM_ETHERNET
                                                                              : FAB_MEDIUM_INFINIBAND;
    cluster->switch_latency = host->number(builder, "switch_latency");
    if (!(cluster->switch_latency > 0))
        cluster->switch_latency = cluster->medium == FAB_MEDIUM_ETHERNET ? ETHERNET_SWITCH : INFINIBAND_SWITCH;
    cluster->cable_latency = host->number(builder, "cable_latency");
    cluster->nic_latency = host->number(builder, "nic_latency");
    set_network(cluster);
    return check_transport(cluster) && check_list(cluster) && refuse_beyond(cluster) && add_nodes(cluster) &&
           count_nics(cluster);
}

void
fab_cluster_clear(FabCluster *cluster)
{
    check_down(cluster);
    free(cluster->met);
    free(cluster->first_switch);
    free(cluster->node);
}

FabVertex
fab_cluster_add_switch(const FabCluster *cluster, const char *format, ...)
{
    const char *model = cluster->host->text(cluster->builder, "switch");
    char name[NAME_ROOM];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (cluster->first_switch[0] == '\0')
        memcpy(cluster->first_switch, name, NAME_ROOM);
    if (is_down(cluster, name))
        return FAB_VERTEX_NONE;
    return cluster->host->add_vertex(cluster->builder, &(FabVertexSpec){
        .size = sizeof(FabVertexSpec), .kind = FAB_VERTEX_NET_SWITCH, .name = name,
        .model = model[0] != '\0' ? model : NULL, .socket = -1, .numa = -1 });
}

/* Half of the switch belongs to this link: a way over one switch passes two of them. */
bool
fab_cluster_link_nic(const FabCluster *cluster, uint32_t node, uint32_t nic, FabVertex to)
{
    double share = nic_is_down(cluster, node, nic) ? cluster->down_rate : 1;

    if (to == FAB_VERTEX_NONE || !(share > 0))
        return true;
    return cluster->host->add_link(cluster->builder, &(FabLinkSpec){
        .size = sizeof(FabLinkSpec), .a = cluster->node[node].nic[nic], .b = to, .medium = cluster->medium,
        .bandwidth = nic_rate(cluster, node, nic) * share,
        .latency = cluster->nic_latency + cluster->cable_latency + cluster->switch_latency / 2 });
}

bool
fab_cluster_link_switches(const FabCluster *cluster, FabVertex a, FabVertex b, uint32_t cables)
{
    for (uint32_t i = 0; i < cables && a != FAB_VERTEX_NONE && b != FAB_VERTEX_NONE; i++) {
        if (!cluster->host->add_link(cluster->builder, &(FabLinkSpec){
                .size = sizeof(FabLinkSpec), .a = a, .b = b, .medium = cluster->medium, .bandwidth = cluster->rate,
                .latency = cluster->cable_latency + cluster->switch_latency }))
            return false;
    }
    return true;
}

uint32_t
fab_cluster_uplinks(uint32_t down, double oversubscription)
{
    return (uint32_t)ceil(down / oversubscription - 1e-9);
}

uint32_t
fab_cluster_spines(uint32_t leaves, uint32_t up, uint32_t radix)
{
    for (uint32_t spines = 1; spines <= up; spines++) {
        if (up % spines == 0 && leaves * (up / spines) <= radix)
            return spines;
    }
    return 0;
}
