#include "collective/network.h"

uint32_t
fab_network_local(const FabCollectiveSpec *spec)
{
    return spec->ranks_per_node > 0 ? spec->ranks_per_node : spec->ranks;
}

double
fab_network_count(const FabCollectiveSpec *spec, uint32_t heads)
{
    return 2.0 * spec->channels * heads * (spec->ranks / fab_network_local(spec));
}

static inline size_t
index_of(const FabNetwork *network, uint32_t channel, uint32_t head, uint32_t node)
{
    return ((size_t)channel * network->heads + head) * network->nodes + node;
}

uint32_t
fab_network_owner(const FabNetwork *network, uint32_t channel, uint32_t head)
{
    return (channel + head) % network->nodes;
}

void
fab_network_init(FabNetwork *network, const FabCollectiveSpec *spec, uint32_t heads, const uint32_t *order)
{
    uint32_t count;

    network->ranks = spec->ranks;
    network->local = fab_network_local(spec);
    network->nodes = spec->ranks / network->local;
    network->channels = spec->channels;
    network->heads = heads;
    count = spec->channels * heads * network->nodes;
    network->connections = 2 * count;
    network->rank = g_new(uint32_t, count);
    network->ups = g_new(FabEnd, count);
    network->downs = g_new(FabEnd, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = i % network->nodes, head = i / network->nodes % heads, channel = i / network->nodes / heads;
        network->rank[i] = order[(size_t)channel * spec->ranks + (size_t)node * network->local + head];
        network->ups[i] = (FabEnd) { i, network->rank[i] };
        network->downs[i] = (FabEnd) { count + i, network->rank[i] };
    }
}

void
fab_network_clear(FabNetwork *network)
{
    g_free(network->rank);
    g_free(network->ups);
    g_free(network->downs);
}

static uint32_t
owner_rank(const FabNetwork *network, uint32_t channel, uint32_t head)
{
    return network->rank[index_of(network, channel, head, fab_network_owner(network, channel, head))];
}

void
fab_network_give(const FabNetwork *network, uint32_t channel, uint32_t head, uint32_t node, FabStep *step)
{
    fab_step_send(step, network->ups[index_of(network, channel, head, node)].connection,
                  owner_rank(network, channel, head));
    step->flags = FAB_STEP_LOCAL_SEND; /* the network fetches it */
}

void
fab_network_take(const FabNetwork *network, uint32_t channel, uint32_t head, uint32_t node, FabStep *step)
{
    fab_step_recv(step, network->downs[index_of(network, channel, head, node)].connection,
                  owner_rank(network, channel, head));
}

void
fab_network_exchange(const FabNetwork *network, uint32_t channel, uint32_t head, FabStep *step)
{
    size_t first = index_of(network, channel, head, 0);

    step->flags = FAB_STEP_IN_NETWORK;
    step->recv = network->ups + first;
    step->send = network->downs + first;
    step->recv_count = step->send_count = (uint16_t)network->nodes;
}
