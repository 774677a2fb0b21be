#include "predict/transfer.h"

#include <math.h>

#include "base/error.h"
#include "base/units.h"
#include "engine/flow.h"
#include "engine/queue.h"
#include "predict/run-result.h"
#include "predict/seeds.h"

#define FLOW_MARK UINT32_C(0x80000000)

/*
 * A PCIe port that sends to several destinations at once loses throughput (NVLS/PCIe study, 4.2): 0.73 from three
 * destinations on; chips with the write-collapse defect 0.8 from two on, and when GPUs below one such switch write
 * to targets behind several others at once, 2.7 GB/s in all.
 */
#define HEAD_OF_LINE 0.73
#define HEAD_OF_LINE_DEFECT 0.8
#define COLLAPSE_RATE 2.7e9

typedef struct {
    const FabScenario *scenario;
    const FabTopology *topology;
    FabRouter *router;
    const FabRoute **routes; /* of each pair */
    double *capacity;
    const FabEngineChange *changes;
    uint32_t change_count;
} Transfer;

/*
 * Copies to the memory of a Grace CPU reach 297 of its C2C link's 450 GB/s, those from it 375, which is the rate of the
 * link (GH200, https://arxiv.org/html/2408.11556v1 and its press coverage).
 */
#define C2C_TO_HOST 0.66

static bool
is_host_copy(const FabTransferPair *pair)
{
    return pair->from == FAB_FLOW_HOST || pair->to == FAB_FLOW_HOST;
}

/* By the copy engine of the GPU. */
static const FabRoute *
host_route(const Transfer *transfer, const FabTransferPair *pair, GError **error)
{
    bool in = pair->from == FAB_FLOW_HOST;
    uint32_t gpu = in ? pair->to : pair->from, gpus = transfer->topology->gpu_count;

    if (gpu < gpus)
        return fab_router_host(transfer->router, gpu, in, error);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [transfer] flows: GPU %u is none of %s, which has GPU 0 to %u",
                transfer->scenario->path, gpu, transfer->topology->name, gpus - 1);
    return NULL;
}

static bool
resolve(Transfer *transfer, GError **error)
{
    const FabScenario *scenario = transfer->scenario;

    transfer->routes = g_new0(const FabRoute *, scenario->pair_count);
    for (uint32_t i = 0; i < scenario->pair_count; i++) {
        const FabTransferPair *pair = &scenario->pairs[i];
        uint32_t gpus = transfer->topology->gpu_count;
        const FabRoute *both[2];
        if (is_host_copy(pair)) {
            transfer->routes[i] = host_route(transfer, pair, error);
            if (transfer->routes[i] == NULL)
                return false;
            continue;
        }
        if (pair->from >= gpus || pair->to >= gpus || pair->from == pair->to) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                        "%s: [transfer] flows: %u>%u is not a pair of different GPUs of %s, which has GPU 0 to %u",
                        scenario->path, pair->from, pair->to, transfer->topology->name, gpus - 1);
            return false;
        }
        both[0] = fab_router_push(transfer->router, pair->from, pair->to, error);
        both[1] = both[0] != NULL ? fab_router_pull(transfer->router, pair->from, pair->to, error) : NULL;
        if (both[1] == NULL)
            return false;
        transfer->routes[i] = both[1]->count > 0 ? fab_router_union(transfer->router, both, 2) : both[0];
    }
    return true;
}

/* The PCIe switch that a GPU hangs on, or FAB_VERTEX_NONE; *out is the GPU's own way out. */
static FabVertex
switch_above(const FabTopology *topology, FabVertex from, uint32_t *out)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, from, &count);

    *out = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        FabVertex other = fab_link_other_end(link, from);
        if (link->medium != FAB_MEDIUM_PCIE)
            continue;
        *out = link->resource[link->a == from ? 0 : 1];
        return topology->vertices[other].kind == FAB_VERTEX_PCIE_SWITCH ? other : FAB_VERTEX_NONE;
    }
    return FAB_VERTEX_NONE;
}

/* The resource from a switch up to its host bridge. */
static uint32_t
uplink_of(const FabTopology *topology, FabVertex from)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, from, &count);

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        FabVertex other = fab_link_other_end(link, from);
        if (topology->vertices[other].kind == FAB_VERTEX_HOST_BRIDGE)
            return link->resource[link->a == from ? 0 : 1];
    }
    return UINT32_MAX;
}

static bool
over_pcie(const Transfer *transfer, const FabTransferPair *pair)
{
    return !is_host_copy(pair) &&
           fab_router_transport(transfer->router, pair->from, pair->to) == FAB_TRANSPORT_PEER;
}

/* Ports with several destinations. */
static void
derate_ports(Transfer *transfer)
{
    const FabScenario *scenario = transfer->scenario;
    const FabTopology *topology = transfer->topology;

    for (uint32_t gpu = 0; gpu < topology->gpu_count; gpu++) {
        g_autoptr(GHashTable) targets = g_hash_table_new(NULL, NULL);
        uint32_t out, count;
        FabVertex above = switch_above(topology, topology->gpus[gpu], &out);
        bool defect = above != FAB_VERTEX_NONE && (topology->vertices[above].flags & FAB_VERTEX_WRITE_COLLAPSE);
        for (uint32_t i = 0; i < scenario->pair_count; i++) {
            if (scenario->pairs[i].from == gpu && over_pcie(transfer, &scenario->pairs[i]))
                g_hash_table_add(targets, GUINT_TO_POINTER(scenario->pairs[i].to));
        }
        count = g_hash_table_size(targets);
        if (above == FAB_VERTEX_NONE || count < 2)
            continue;
        if (defect)
            transfer->capacity[out] *= HEAD_OF_LINE_DEFECT;
        else if (count >= 3)
            transfer->capacity[out] *= HEAD_OF_LINE;
    }
}

/* Switches with the defect whose GPUs write to targets behind several root ports. */
static void
collapse_writes(Transfer *transfer)
{
    const FabScenario *scenario = transfer->scenario;
    const FabTopology *topology = transfer->topology;

    for (FabVertex vertex = 0; vertex < topology->vertex_count; vertex++) {
        g_autoptr(GHashTable) writers = g_hash_table_new(NULL, NULL), targets = g_hash_table_new(NULL, NULL);
        uint32_t uplink, unused;
        if (!(topology->vertices[vertex].flags & FAB_VERTEX_WRITE_COLLAPSE))
            continue;
        uplink = uplink_of(topology, vertex);
        for (uint32_t i = 0; i < scenario->pair_count; i++) {
            const FabTransferPair *pair = &scenario->pairs[i];
            FabVertex there;
            bool crosses = false;
            if (is_host_copy(pair))
                continue;
            there = switch_above(topology, topology->gpus[pair->to], &unused);
            for (uint32_t k = 0; k < transfer->routes[i]->count; k++)
                crosses |= transfer->routes[i]->uses[k].resource == uplink;
            if (switch_above(topology, topology->gpus[pair->from], &unused) != vertex || !crosses)
                continue;
            g_hash_table_add(writers, GUINT_TO_POINTER(pair->from));
            g_hash_table_add(targets, GUINT_TO_POINTER(there));
        }
        if (uplink != UINT32_MAX && g_hash_table_size(writers) >= 2 && g_hash_table_size(targets) >= 2)
            transfer->capacity[uplink] = MIN(transfer->capacity[uplink], COLLAPSE_RATE);
    }
}

/* C2C links that carry copies to host memory. */
static void
derate_c2c(Transfer *transfer)
{
    const FabTopology *topology = transfer->topology;

    for (uint32_t i = 0; i < transfer->scenario->pair_count; i++) {
        const FabTransferPair *pair = &transfer->scenario->pairs[i];
        FabVertex gpu = pair->to == FAB_FLOW_HOST ? topology->gpus[pair->from] : FAB_VERTEX_NONE;
        uint32_t count = 0;
        const uint32_t *links = gpu != FAB_VERTEX_NONE ? fab_topology_links_at(topology, gpu, &count) : NULL;
        for (uint32_t k = 0; k < count; k++) {
            const FabTopologyLink *link = &topology->links[links[k]];
            uint32_t out = link->resource[link->a == gpu ? 0 : 1];
            if (link->medium == FAB_MEDIUM_C2C)
                transfer->capacity[out] = MIN(transfer->capacity[out], C2C_TO_HOST * link->bandwidth);
        }
    }
}

/* Ports that are derated stay so: the change counts as a share of what the machine states. */
static void
change_capacity(const Transfer *transfer, FabFlowSet *flows, const FabEngineChange *change)
{
    double stated = transfer->topology->resources[change->number].capacity;

    fab_flow_set_capacity(flows, change->number, transfer->capacity[change->number] * change->value / stated);
}

/* Runs all pairs to the end; the time of the last one, or -1 with an error. */
static int64_t
run_pairs(const Transfer *transfer, uint64_t size, FabFlowSet *flows, FabQueue *queue, GError **error)
{
    const FabScenario *scenario = transfer->scenario;
    int64_t when, last = 0;
    uint32_t data, pair, left = scenario->pair_count;

    for (uint32_t i = 0; i < transfer->change_count; i++)
        fab_queue_push(queue, transfer->changes[i].when_ps, i);
    for (uint32_t i = 0; i < scenario->pair_count; i++)
        fab_flow_start(flows, 0, transfer->routes[i], (double)size, INFINITY, i);
    fab_flow_share(flows, 0);
    while (left > 0 && fab_queue_pop(queue, &when, &data)) {
        if (when >= FAB_FLOW_LONGEST_PS) {
            fab_flow_too_long("the transfer", error);
            return -1;
        }
        if (!(data & FLOW_MARK)) {
            change_capacity(transfer, flows, &transfer->changes[data]);
        } else if (fab_flow_complete(flows, when, data & ~FLOW_MARK)) {
            for (; fab_flow_take_tag(flows, &pair); left--)
                last = MAX(last, when + transfer->routes[pair]->latency_ps);
        }
        fab_flow_share(flows, when);
    }
    return last;
}

/* Of a kernel that copies inside one device; copy engines of GPUs have none that a scenario does not give. */
static double
launch_time(const Transfer *transfer)
{
    const FabTopology *topology = transfer->topology;

    if (transfer->scenario->launch_s >= 0)
        return transfer->scenario->launch_s;
    return topology->shared != FAB_VERTEX_NONE ? topology->vertices[topology->shared].memory->launch_time : 0;
}

static FabResultRow *
run_size(const Transfer *transfer, uint64_t size, GError **error)
{
    const FabScenario *scenario = transfer->scenario;
    FabQueue *queue = fab_queue_new();
    FabFlowSet *flows =
        fab_flow_set_new(transfer->capacity, transfer->topology->resource_count, queue, FLOW_MARK);
    FabResultRow *row;
    int64_t last;

    fab_flow_set_network(flows, transfer->topology);
    last = run_pairs(transfer, size, flows, queue, error);
    if (last < 0) {
        fab_flow_set_free(flows);
        fab_queue_free(queue);
        return NULL;
    }
    row = fab_result_row_new();
    row->size_bytes = size;
    row->time_ps = last + fab_ps_from_seconds(launch_time(transfer));
    row->algbw = (double)size * scenario->pair_count / ((double)row->time_ps * 1e-12);
    row->algorithm = g_strdup("transfer");
    row->protocol = g_strdup("-");
    fab_run_add_uses(row, transfer->topology, fab_flow_carried(flows));
    if (row->uses->len > 0) {
        const FabResultUse *busiest = &g_array_index(row->uses, FabResultUse, 0);
        row->binding = g_strdup(busiest->name);
        row->binding_utilisation = busiest->utilisation;
    }
    fab_flow_set_free(flows);
    fab_queue_free(queue);
    return row;
}

FabResult *
fab_transfer_run(const FabScenario *scenario, const FabTopology *topology, const FabEngineChange *changes,
                 uint32_t change_count, GError **error)
{
    Transfer transfer = { .scenario = scenario, .topology = topology, .changes = changes,
                          .change_count = change_count };
    g_autoptr(FabResult) result = fab_run_result_new(scenario, topology);
    FabRouteRules rules;
    bool good;

    if (!fab_run_rules(scenario, topology, 2, &rules, error))
        return NULL;
    if (scenario->peer == NULL || g_str_equal(scenario->peer, "auto"))
        rules.peer_level = FAB_PATH_SYS; /* copies go directly wherever the driver allows it */
    transfer.router = fab_router_new(topology, &rules);
    transfer.capacity = g_new(double, topology->resource_count);
    for (uint32_t i = 0; i < topology->resource_count; i++)
        transfer.capacity[i] = topology->resources[i].capacity;
    good = resolve(&transfer, error);
    if (good) {
        derate_ports(&transfer);
        collapse_writes(&transfer);
        derate_c2c(&transfer);
    }
    for (uint32_t i = 0; i < scenario->pair_count && good && result->notes->len == 0; i++) {
        if (!is_host_copy(&scenario->pairs[i]))
            fab_seeds_note(scenario, transfer.router, scenario->pairs[i].from, scenario->pairs[i].to, result);
    }
    result->interval = g_strdup("there is no interval: copies were not compared with measurements yet");
    result->collective = g_strdup("transfer");
    result->ranks = 2 * scenario->pair_count;
    for (uint32_t i = 0; i < scenario->size_count && good; i++) {
        FabResultRow *row = run_size(&transfer, scenario->sizes[i], error);
        good = row != NULL;
        if (good)
            g_ptr_array_add(result->rows, row);
    }
    g_free(transfer.routes);
    g_free(transfer.capacity);
    fab_router_free(transfer.router);
    return good ? g_steal_pointer(&result) : NULL;
}
