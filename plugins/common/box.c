#include "common/box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

enum { NAME_ROOM = 64, MODEL_ROOM = 160, GPUS_MAX = 1024 };

/* Joins of NUMA nodes of one socket, B/s: wide enough never to bind. */
#define ON_DIE_RATE 1e12
/* One more quadrant of the IO die: 1072 against 1062 ns, rtx6kpro (wrx90-cpayne-8gpu-root-topology-comparison). */
#define ON_DIE_LATENCY 10e-9
/* Between the stages of one switch: wide enough never to bind, and a part of the way through the switch. */
#define STAGE_RATE 1e12
#define STAGE_LATENCY 10e-9

typedef struct {
    FabBox *box;
    uint32_t tray;
    FabVertex *vertex; /* by node of the tree */
    uint32_t slot_generation;
} Tray;

/* Links between two sockets by maker and PCIe generation: the lower end of host_interconnect.csv's ranges. */
typedef struct {
    const char *vendor;
    uint32_t generation; /* PCIe, from here on */
    const char *label;
    uint32_t links;
    double rate; /* B/s of one link, one direction */
} SocketLink;

static const SocketLink socket_links[] = {
    { "intel", 0, "UPI", 2, 20.8e9 },  /* Skylake, Cascade Lake: 10.4 GT/s */
    { "intel", 4, "UPI", 3, 22.4e9 },  /* Ice Lake: 11.2 GT/s */
    { "intel", 5, "UPI", 3, 32e9 },    /* Sapphire Rapids: 16 GT/s */
    { "amd", 0, "xGMI", 4, 21.3e9 },   /* Naples: 10.7 GT/s, not re-checked */
    { "amd", 4, "xGMI", 3, 36e9 },     /* Rome, Milan: 18 GT/s */
    { "amd", 5, "xGMI", 3, 64e9 },     /* Genoa, Turin: 32 GT/s */
    { "nvidia", 0, "CPU link", 1, 100e9 }, /* Grace to Grace in one box: assumed, no figure re-checked */
    { "unknown", 0, "socket link", 2, 20.8e9 }, /* the slower maker of the time */
    { "unknown", 4, "socket link", 3, 22.4e9 },
    { "unknown", 5, "socket link", 3, 32e9 },
};

/* PCIe data rate of `lanes` lanes after line coding, B/s per direction. */
static double
pcie_rate(uint32_t generation, uint32_t lanes)
{
    /* B/s of one lane after line coding: 8b/10b, 128b/130b from generation 3, 236 of 256 bytes of a flit in 6. */
    static const double lane[] = { 0,    0.25e9, 0.5e9, 1e9 * 128 / 130, 2e9 * 128 / 130, 4e9 * 128 / 130,
                                   8e9 * 236 / 256 };

    return generation < sizeof lane / sizeof lane[0] ? lane[generation] * lanes : 0;
}

static uint32_t
integer_of(const FabBox *box, const char *param)
{
    return (uint32_t)box->host->integer(box->builder, param);
}

static uint32_t
least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ------------------------------------------------------------------ sizes and GPUs */

static bool
check_widths(const FabBox *box)
{
    static const char *const params[] = { "lanes", "chipset_lanes", "uplink_lanes", "nic_lanes" };

    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        uint32_t lanes = integer_of(box, params[i]);
        if ((lanes & (lanes - 1)) != 0)
            return box->host->fail(box->builder, "%s is %u, must be 1, 2, 4, 8 or 16", params[i], lanes);
    }
    return true;
}

static bool
read_sizes(FabBox *box)
{
    uint32_t slots = integer_of(box, "slots");

    box->gpus = integer_of(box, "gpus");
    box->sockets = integer_of(box, "sockets");
    box->numa_nodes = box->sockets * integer_of(box, "numa_per_socket");
    box->c2c = strcmp(box->host->text(box->builder, "attach"), "c2c") == 0;
    if (box->gpus == 0 || box->numa_nodes == 0)
        return box->host->fail(box->builder, "gpus, sockets and numa_per_socket must be at least 1");
    if (slots == 0)
        slots = box->gpus;
    if (slots < box->gpus)
        return box->host->fail(box->builder, "gpus is %u, but there are only %u slots", box->gpus, slots);
    if (slots % box->trays != 0)
        return box->host->fail(box->builder, "%u GPUs do not spread evenly over %u trays", slots, box->trays);
    box->slots = slots / box->trays;
    return check_widths(box);
}

/* A numbered parameter of a GPU that does not exist is a mistake. */
static bool
refuse_beyond(const FabBox *box, const char *prefix)
{
    char name[NAME_ROOM];

    for (uint32_t i = box->gpus; i < GPUS_MAX; i++) {
        snprintf(name, sizeof name, "%s%u", prefix, i);
        if (box->host->given(box->builder, name) && i >= box->slots * box->trays)
            return box->host->fail(box->builder, "%s is given, but there are only %u GPUs", name, box->gpus);
    }
    return true;
}

static bool
read_models(FabBox *box)
{
    const FabGpuModel *model = box->host->gpu(box->builder, box->host->text(box->builder, "gpu"));
    char name[NAME_ROOM];

    box->models = calloc(box->gpus, sizeof *box->models);
    box->vertices = calloc(box->gpus, sizeof *box->vertices);
    if (box->models == NULL || box->vertices == NULL)
        return box->host->fail(box->builder, "out of memory");
    for (uint32_t i = 0; i < box->gpus; i++) {
        snprintf(name, sizeof name, "gpu_%u", i);
        box->models[i] = box->host->given(box->builder, name)
                             ? box->host->gpu(box->builder, box->host->text(box->builder, name))
                             : model;
        if (box->models[i] == NULL)
            return false;
    }
    return refuse_beyond(box, "gpu_") && refuse_beyond(box, "lanes_gpu_");
}

/* PCIe generation of the slots. */
static uint32_t
slot_generation(const FabBox *box)
{
    uint32_t generation = integer_of(box, "pcie_generation");

    uint32_t newest = 0;

    for (uint32_t i = 0; i < box->gpus; i++)
        newest = box->models[i]->pcie_generation > newest ? box->models[i]->pcie_generation : newest;
    return generation > 0 ? generation : newest > 0 ? newest : 3;
}

/* ------------------------------------------------------------------ vertices */

static FabVertexSpec
vertex_at(const Tray *tray, FabVertexKind kind, const char *name, uint32_t numa)
{
    return (FabVertexSpec){ .size = sizeof(FabVertexSpec), .kind = kind, .name = name, .box = (int32_t)tray->tray,
                            .socket = (int32_t)(numa * tray->box->sockets / tray->box->numa_nodes),
                            .numa = (int32_t)numa };
}

static const char *
text_or_null(const FabBox *box, const char *param)
{
    const char *text = box->host->text(box->builder, param);

    return text[0] != '\0' ? text : NULL;
}

static void
fill_nic(const FabBox *box, FabVertexSpec *spec, char *model, size_t room)
{
    const char *name = box->host->text(box->builder, "nic");
    uint32_t rate = integer_of(box, "nic_gbps");

    if (rate > 0)
        snprintf(model, room, "%s%s%u Gb/s", name, name[0] != '\0' ? " " : "", rate);
    else
        snprintf(model, room, "%s", name);
    spec->model = model[0] != '\0' ? model : NULL;
    spec->network_rate = rate * 1e9 / 8;
}

static void
fill_switch(const FabBox *box, FabVertexSpec *spec)
{
    spec->model = text_or_null(box, "switch");
    spec->peer_limit = box->host->number(box->builder, "switch_peer_limit");
    spec->flags = box->host->boolean(box->builder, "acs") ? FAB_VERTEX_ACS : 0;
    if (box->host->boolean(box->builder, "write_collapse"))
        spec->flags |= FAB_VERTEX_WRITE_COLLAPSE;
}

/* What to call a CPU of which only the maker is known. */
static const char *
maker_of(const FabBox *box)
{
    const char *vendor = box->host->text(box->builder, "cpu_vendor");

    if (strcmp(vendor, "amd") == 0)
        return "AMD";
    if (strcmp(vendor, "intel") == 0)
        return "Intel";
    return strcmp(vendor, "nvidia") == 0 ? "NVIDIA" : NULL;
}

static FabVertex
add_vertex(const Tray *tray, uint32_t index)
{
    static const char *const names[FAB_NODE_KINDS] = { "NUMA", "Host bridge", "PCIe switch", "Switch stage",
                                                       "Chipset", "GPU", "NIC" };
    static const FabVertexKind kinds[FAB_NODE_KINDS] = {
        FAB_VERTEX_CPU,         FAB_VERTEX_HOST_BRIDGE, FAB_VERTEX_PCIE_SWITCH, FAB_VERTEX_PCIE_SWITCH,
        FAB_VERTEX_PCIE_SWITCH, FAB_VERTEX_GPU,         FAB_VERTEX_NIC,
    };
    const FabBox *box = tray->box;
    const FabTreeNode *node = &box->tree.nodes[index];
    uint32_t number = tray->tray * (node->kind == FAB_NODE_GPU ? box->slots : box->tree.counts[node->kind]) +
                      node->number;
    bool cpu = node->kind == FAB_NODE_NUMA && box->sockets == box->numa_nodes;
    char name[NAME_ROOM], model[MODEL_ROOM];
    FabVertexSpec spec = vertex_at(tray, kinds[node->kind], name, fab_tree_numa(&box->tree, index));

    snprintf(name, sizeof name, "%s %u", cpu ? "CPU" : names[node->kind], number);
    if (node->kind == FAB_NODE_NUMA) {
        spec.model = text_or_null(box, "cpu");
        spec.model = spec.model != NULL ? spec.model : maker_of(box);
        spec.memory_limit = box->host->number(box->builder, "memory_limit");
    } else if (node->kind == FAB_NODE_BRIDGE) {
        spec.peer_limit = box->host->number(box->builder, "peer_limit");
    } else if (node->kind == FAB_NODE_SWITCH || node->kind == FAB_NODE_STAGE) {
        fill_switch(box, &spec);
    } else if (node->kind == FAB_NODE_CHIPSET) {
        spec.model = "chipset";
    } else if (node->kind == FAB_NODE_NIC) {
        fill_nic(box, &spec, model, sizeof model);
    } else {
        spec.gpu = box->models[number];
    }
    return box->host->add_vertex(box->builder, &spec);
}

/* Whether a place for a GPU is empty. */
static bool
is_empty(const Tray *tray, const FabTreeNode *node)
{
    return node->kind == FAB_NODE_GPU && tray->tray * tray->box->slots + node->number >= tray->box->gpus;
}

static void
add_nic(Tray *tray, uint32_t number)
{
    const FabTree *tree = &tray->box->tree;

    for (uint32_t i = 0; i < tree->count; i++) {
        if (tree->nodes[i].kind == FAB_NODE_NIC && tree->nodes[i].number == number)
            tray->vertex[i] = add_vertex(tray, i);
    }
}

/* GPUs first, NICs last, in order of their numbers: the order of creation is the order of ranks. */
static bool
add_vertices(Tray *tray)
{
    FabBox *box = tray->box;
    uint32_t *by_number = malloc((size_t)box->slots * sizeof *by_number);

    if (by_number == NULL)
        return box->host->fail(box->builder, "out of memory");
    for (uint32_t i = 0; i < box->tree.count; i++) {
        if (box->tree.nodes[i].kind == FAB_NODE_GPU)
            by_number[box->tree.nodes[i].number] = i;
    }
    for (uint32_t slot = 0; slot < box->slots; slot++) {
        uint32_t number = tray->tray * box->slots + slot;
        if (number < box->gpus)
            box->vertices[number] = tray->vertex[by_number[slot]] = add_vertex(tray, by_number[slot]);
    }
    free(by_number);
    for (uint32_t i = 0; i < box->tree.count; i++) {
        if (box->tree.nodes[i].kind != FAB_NODE_GPU && box->tree.nodes[i].kind != FAB_NODE_NIC)
            tray->vertex[i] = add_vertex(tray, i);
    }
    for (uint32_t number = 0; number < box->tree.counts[FAB_NODE_NIC]; number++)
        add_nic(tray, number);
    return true;
}

/* ------------------------------------------------------------------ links */

static uint32_t
gpu_lanes(const FabBox *box, const FabTreeNode *node, uint32_t number)
{
    const FabGpuModel *model = box->models[number];
    uint32_t lanes = node->lanes > 0 ? node->lanes : integer_of(box, "lanes");
    char name[NAME_ROOM];

    snprintf(name, sizeof name, "lanes_gpu_%u", number);
    if (box->host->given(box->builder, name))
        lanes = integer_of(box, name);
    return model->pcie_lanes > 0 ? least(lanes, model->pcie_lanes) : lanes;
}

/* Generation and lanes of the PCIe link above a node: what both ends can do. */
static void
pcie_of(const Tray *tray, const FabTreeNode *node, uint32_t *generation, uint32_t *lanes)
{
    const FabBox *box = tray->box;
    uint32_t number = tray->tray * box->slots + node->number;
    uint32_t asked = 0;

    *lanes = node->lanes;
    if (node->kind == FAB_NODE_GPU) {
        *lanes = gpu_lanes(box, node, number);
    } else if (node->kind == FAB_NODE_NIC) {
        asked = integer_of(box, "nic_generation");
        *lanes = *lanes > 0 ? *lanes : integer_of(box, "nic_lanes");
    } else if (node->kind == FAB_NODE_CHIPSET) {
        *lanes = *lanes > 0 ? *lanes : integer_of(box, "chipset_lanes");
    } else {
        asked = integer_of(box, "uplink_generation");
        *lanes = *lanes > 0 ? *lanes : integer_of(box, "uplink_lanes");
    }
    *generation = node->generation > 0 ? node->generation : asked > 0 ? asked : tray->slot_generation;
    if (node->kind == FAB_NODE_GPU && box->models[number]->pcie_generation > 0)
        *generation = least(*generation, box->models[number]->pcie_generation);
}

static bool
link_up(const Tray *tray, uint32_t index)
{
    const FabBox *box = tray->box;
    const FabTreeNode *node = &box->tree.nodes[index];
    FabLinkSpec link = { .size = sizeof link, .a = tray->vertex[node->parent], .b = tray->vertex[index] };

    if (node->kind == FAB_NODE_BRIDGE) {
        link.medium = FAB_MEDIUM_INTERNAL;
        link.bandwidth = box->host->number(box->builder, "bridge_rate");
    } else if (node->kind == FAB_NODE_STAGE) {
        link.medium = FAB_MEDIUM_PCIE;
        link.label = "inside the switch";
        link.bandwidth = STAGE_RATE;
        link.latency = STAGE_LATENCY;
        link.efficiency = 1;
        link.reverse = -1;
    } else if (node->kind == FAB_NODE_GPU && box->c2c) {
        link.medium = FAB_MEDIUM_C2C;
        link.bandwidth = box->host->number(box->builder, "c2c_rate");
    } else {
        link.medium = FAB_MEDIUM_PCIE;
        pcie_of(tray, node, &link.generation, &link.lanes);
        link.bandwidth = pcie_rate(link.generation, link.lanes);
        if ((link.lanes & (link.lanes - 1)) != 0)
            return box->host->fail(box->builder, "lanes_gpu_%u is %u, must be 1, 2, 4, 8 or 16", node->number,
                                   link.lanes);
    }
    return box->host->add_link(box->builder, &link);
}

static FabLinkSpec
socket_link(const Tray *tray)
{
    const FabBox *box = tray->box;
    const char *vendor = box->host->text(box->builder, "cpu_vendor");
    const char *label = text_or_null(box, "socket_link");
    uint32_t links = integer_of(box, "socket_links");
    double rate = box->host->number(box->builder, "socket_rate");
    const SocketLink *usual = NULL;

    for (size_t i = 0; i < sizeof socket_links / sizeof socket_links[0]; i++) {
        if (strcmp(socket_links[i].vendor, vendor) == 0 && socket_links[i].generation <= tray->slot_generation)
            usual = &socket_links[i];
    }
    if (usual != NULL) {
        label = label != NULL ? label : usual->label;
        links = links > 0 ? links : usual->links;
        rate = rate > 0 ? rate : usual->rate;
    }
    return (FabLinkSpec){ .size = sizeof(FabLinkSpec), .medium = FAB_MEDIUM_SOCKET, .label = label, .lanes = links,
                          .bandwidth = rate * links };
}

/* The first NUMA node of each socket is the hub of the others, and the end of the links to the other sockets. */
static bool
link_numa_nodes(const Tray *tray)
{
    const FabBox *box = tray->box;
    uint32_t per_socket = box->numa_nodes / box->sockets;
    FabLinkSpec far = socket_link(tray);

    for (uint32_t i = 0; i < box->numa_nodes; i++) {
        uint32_t hub = i - i % per_socket;
        if (i != hub && !box->host->add_link(box->builder, &(FabLinkSpec){
                            .size = sizeof(FabLinkSpec), .a = tray->vertex[hub], .b = tray->vertex[i],
                            .medium = FAB_MEDIUM_SOCKET, .label = "on die", .bandwidth = ON_DIE_RATE,
                            .efficiency = 1, .latency = ON_DIE_LATENCY }))
            return false;
        for (uint32_t other = i + per_socket; i == hub && other < box->numa_nodes; other += per_socket) {
            far.a = tray->vertex[i];
            far.b = tray->vertex[other];
            if (!box->host->add_link(box->builder, &far))
                return false;
        }
    }
    return true;
}

/* The tree's node of switch `number`, or FAB_NODE_NONE. */
static uint32_t
find_switch(const FabTree *tree, uint32_t number)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        if (tree->nodes[i].kind == FAB_NODE_SWITCH && tree->nodes[i].number == number)
            return i;
    }
    return FAB_NODE_NONE;
}

static bool
link_switches(const Tray *tray)
{
    const FabBox *box = tray->box;
    const char *at = box->host->text(box->builder, "switch_links");
    double rate = box->host->number(box->builder, "switch_link_rate");
    uint32_t a, b;

    for (fab_text_skip_separators(&at); *at != '\0'; fab_text_skip_separators(&at)) {
        const char *word = at;
        if (!fab_text_number(&at, &a) || !fab_text_sign(&at, '-') || !fab_text_number(&at, &b) || a == b)
            return box->host->fail(box->builder, "switch_links: \"%.*s\" is not two switches, such as 0-1",
                                   fab_text_word_length(word), word);
        if (find_switch(&box->tree, a) == FAB_NODE_NONE || find_switch(&box->tree, b) == FAB_NODE_NONE)
            return box->host->fail(box->builder, "switch_links: \"%.*s\" names a PCIe switch that does not exist; "
                                   "there are %u", fab_text_word_length(word), word,
                                   box->tree.counts[FAB_NODE_SWITCH]);
        if (!(rate > 0))
            return box->host->fail(box->builder, "switch_links needs switch_link_rate, must be above 0");
        if (!box->host->add_link(box->builder, &(FabLinkSpec){
                .size = sizeof(FabLinkSpec), .a = tray->vertex[find_switch(&box->tree, a)],
                .b = tray->vertex[find_switch(&box->tree, b)], .medium = FAB_MEDIUM_INTERNAL,
                .label = "inside the switch", .bandwidth = rate }))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ all of it */

static bool
build_tray(Tray *tray)
{
    const FabBox *box = tray->box;

    tray->vertex = malloc(box->tree.count * sizeof *tray->vertex);
    if (tray->vertex == NULL)
        return box->host->fail(box->builder, "out of memory");
    if (!add_vertices(tray))
        return false;
    for (uint32_t i = 0; i < box->tree.count; i++) {
        if (box->tree.nodes[i].kind != FAB_NODE_NUMA && !is_empty(tray, &box->tree.nodes[i]) && !link_up(tray, i))
            return false;
    }
    return link_numa_nodes(tray) && link_switches(tray);
}

static void
refuse_peers(const FabBox *box)
{
    const char *p2p = box->host->text(box->builder, "p2p");

    if (strcmp(p2p, "on") == 0)
        return;
    for (uint32_t a = 0; a < box->gpus; a++) {
        for (uint32_t b = a + 1; b < box->gpus; b++) {
            bool both = box->models[a]->peer_to_peer && box->models[b]->peer_to_peer;
            if (!both || strcmp(p2p, "off") == 0)
                box->host->set_peer_access(box->builder, box->vertices[a], box->vertices[b], false);
        }
    }
}

bool
fab_box_build(const FabHost *host, FabBuilder *builder, uint32_t trays, FabBox *box)
{
    *box = (FabBox){ .host = host, .builder = builder, .trays = trays };
    if (!read_sizes(box) || !read_models(box) || !fab_layout_plan(box))
        return false;
    for (uint32_t i = 0; i < trays; i++) {
        Tray tray = { .box = box, .tray = i, .slot_generation = slot_generation(box) };
        bool built = build_tray(&tray);
        free(tray.vertex);
        if (!built)
            return false;
    }
    refuse_peers(box);
    return true;
}

void
fab_box_clear(FabBox *box)
{
    free(box->models);
    free(box->vertices);
    fab_tree_clear(&box->tree);
}
