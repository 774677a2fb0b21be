#include "topology/degrade.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ a copy */

static void
copy_vertices(FabTopology *copy)
{
    copy->vertices = g_memdup2(copy->vertices, copy->vertex_count * sizeof *copy->vertices);
    for (uint32_t i = 0; i < copy->vertex_count; i++) {
        FabTopologyVertex *vertex = &copy->vertices[i];
        vertex->name = g_strdup(vertex->name);
        vertex->model = g_strdup(vertex->model);
        vertex->memory = vertex->memory != NULL ? g_memdup2(vertex->memory, sizeof *vertex->memory) : NULL;
    }
    copy->nodes = g_memdup2(copy->nodes, copy->node_count * sizeof *copy->nodes);
    for (uint32_t i = 0; i < copy->node_count; i++) {
        copy->nodes[i].machine = g_strdup(copy->nodes[i].machine);
        copy->nodes[i].title = g_strdup(copy->nodes[i].title);
    }
}

static void
copy_links(FabTopology *copy)
{
    copy->links = g_memdup2(copy->links, copy->link_count * sizeof *copy->links);
    for (uint32_t i = 0; i < copy->link_count; i++)
        copy->links[i].label = g_strdup(copy->links[i].label);
    copy->resources = g_memdup2(copy->resources, copy->resource_count * sizeof *copy->resources);
    for (uint32_t i = 0; i < copy->resource_count; i++)
        copy->resources[i].name = g_strdup(copy->resources[i].name);
    copy->gpus = g_memdup2(copy->gpus, copy->gpu_count * sizeof *copy->gpus);
    copy->host_port = g_memdup2(copy->host_port, copy->gpu_count * sizeof *copy->host_port);
    copy->links_at = g_memdup2(copy->links_at, 2 * (gsize)copy->link_count * sizeof *copy->links_at);
    copy->links_at_start = g_memdup2(copy->links_at_start,
                                     ((gsize)copy->vertex_count + 1) * sizeof *copy->links_at_start);
}

static FabTopology *
copy_of(const FabTopology *topology)
{
    FabTopology *copy = g_memdup2(topology, sizeof *topology);
    GHashTableIter iter;
    gpointer pair;

    copy->name = g_strdup(copy->name);
    copy->title = g_strdup(copy->title);
    copy->path = g_strdup(copy->path);
    copy->plugin = g_strdup(copy->plugin);
    copy->source = g_strdupv(copy->source);
    copy_vertices(copy);
    copy_links(copy);
    copy->no_peer = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    g_hash_table_iter_init(&iter, topology->no_peer);
    while (g_hash_table_iter_next(&iter, &pair, NULL))
        g_hash_table_add(copy->no_peer, g_memdup2(pair, sizeof(gint64)));
    return copy;
}

/* ------------------------------------------------------------------ what is slower or gone */

/* A GPU's port to host memory is as slow as its link. */
static void
slow_host_port(FabTopology *topology, const FabTopologyLink *link, double share)
{
    for (uint32_t i = 0; i < topology->gpu_count; i++) {
        bool its_own = topology->gpus[i] == link->a || topology->gpus[i] == link->b;
        if (its_own && topology->host_port[i] != UINT32_MAX)
            topology->resources[topology->host_port[i]].capacity *= share;
    }
}

static void
slow_link(FabTopology *topology, uint32_t index, double share)
{
    FabTopologyLink *link = &topology->links[index];

    link->bandwidth *= share;
    link->lanes = MAX((uint32_t)floor(link->lanes * share + 1e-9), 1);
    for (int i = 0; i < 2; i++)
        topology->resources[link->resource[i]].capacity *= share;
    if (link->medium == FAB_MEDIUM_PCIE || link->medium == FAB_MEDIUM_C2C)
        slow_host_port(topology, link, share);
}

/* Links that are gone leave the lists at their vertices: whoever looks for a way does not find them. */
static void
drop_links(FabTopology *topology, const double *share)
{
    uint32_t kept = 0;

    for (uint32_t v = 0; v < topology->vertex_count; v++) {
        uint32_t from = topology->links_at_start[v], end = topology->links_at_start[v + 1];
        /* What is kept never overtakes what is read. */
        topology->links_at_start[v] = kept;
        for (uint32_t i = from; i < end; i++) {
            if (share[topology->links_at[i]] > 0)
                topology->links_at[kept++] = topology->links_at[i];
        }
    }
    topology->links_at_start[topology->vertex_count] = kept;
}

/* Nodes of one machine are taken to be alike, so that one with a fault inside is a machine of its own. */
static void
tell_apart(FabTopology *topology, const FabTopologyLink *link)
{
    uint32_t node = topology->vertices[link->a].node;
    char *name;

    if (node == FAB_NODE_NONE || node >= topology->node_count || topology->vertices[link->b].node != node ||
        strstr(topology->nodes[node].machine, " with faults") != NULL)
        return;
    name = g_strdup_printf("%s with faults in node %u", topology->nodes[node].machine, node);
    g_free(topology->nodes[node].machine);
    topology->nodes[node].machine = name;
}

FabTopology *
fab_topology_degraded(const FabTopology *topology, const double *share)
{
    FabTopology *copy = copy_of(topology);

    for (uint32_t i = 0; i < copy->link_count; i++) {
        if (share[i] == 1)
            continue;
        tell_apart(copy, &copy->links[i]);
        if (share[i] > 0)
            slow_link(copy, i, share[i]);
    }
    drop_links(copy, share);
    return copy;
}

uint32_t
fab_topology_cut_off(const FabTopology *topology, const uint32_t *gpus, uint32_t count)
{
    g_autofree FabVertex *queue = g_new(FabVertex, topology->vertex_count);
    g_autofree bool *seen = g_new0(bool, topology->vertex_count);
    uint32_t known = 1;

    queue[0] = topology->gpus[gpus[0]];
    seen[queue[0]] = true;
    for (uint32_t at = 0; at < known; at++) {
        uint32_t links;
        const uint32_t *here = fab_topology_links_at(topology, queue[at], &links);
        for (uint32_t i = 0; i < links; i++) {
            FabVertex other = fab_link_other_end(&topology->links[here[i]], queue[at]);
            if (!seen[other])
                queue[known++] = other;
            seen[other] = true;
        }
    }
    for (uint32_t i = 1; i < count; i++) {
        if (!seen[topology->gpus[gpus[i]]])
            return gpus[i];
    }
    return UINT32_MAX;
}
