/* GPUs joined by NVSwitch chips: one board, two boards joined by a trunk, or a rack of trays. */
#include <stdio.h>
#include <string.h>

#include "common/nvlink.h"
#include "common/params.h"
#include "common/text.h"

enum { NAME_ROOM = 32, BOARDS_MAX = 2 };

static const FabParamSpec params[] = {
    FAB_BOX_PARAMS,
    FAB_NVLINK_PARAMS,
    FAB_INTEGER("trays", "1", 1, 256, "equal boxes that the NVSwitches join; the host side describes one of them"),
    FAB_INTEGER("chips", NULL, 1, 1024, "NVSwitch chips, all boards together"),
    FAB_TEXT("links_per_chip", "1",
             "NVLink ports wired from each GPU to each chip of its board: 2, or one number a chip: 5;4;4;5;"
             " a GPU with fewer NVLinks uses all it has"),
    FAB_CHOICE("multicast", "auto", "auto;on;off",
               "in-switch reduction and multicast; auto: on from NVLink generation 4 (NVSwitch generation 3)"),
    FAB_TEXT("nvswitch", "", "model of the NVSwitches, as shown"),
    FAB_INTEGER("boards", "1", 1, BOARDS_MAX, "GPU boards, each with its share of GPUs and chips"),
    FAB_INTEGER("board_links", "0", 0, 1024, "boards=2: NVLinks between the chips of the two boards"),
    FAB_PARAMS_END,
};

typedef struct {
    const FabBox *box;
    uint32_t chips; /* of a board */
    uint32_t boards, ports;
    FabVertex vertex[BOARDS_MAX];
} Fabric;

/* Ports wired from a GPU to all the chips of its board. */
static bool
read_ports(Fabric *fabric)
{
    const FabBox *box = fabric->box;
    const char *list = box->host->text(box->builder, "links_per_chip");
    const char *at = list;
    uint32_t entries = 0, last = 0;

    for (fab_text_skip_separators(&at); *at != '\0'; fab_text_skip_separators(&at), entries++) {
        const char *word = at;
        if (!fab_text_number(&at, &last) || last == 0 || last > 64)
            return box->host->fail(box->builder, "links_per_chip: \"%.*s\" is not a number of NVLinks from 1 to 64",
                                   fab_text_word_length(word), word);
        fabric->ports += last;
    }
    if (entries == 1)
        fabric->ports = last * fabric->chips;
    else if (entries != fabric->chips)
        return box->host->fail(box->builder, "links_per_chip has %u numbers for %u chips of a board, must be one for "
                               "each or one for all", entries, fabric->chips);
    return true;
}

static bool
read_fabric(Fabric *fabric)
{
    const FabBox *box = fabric->box;
    uint32_t chips = (uint32_t)box->host->integer(box->builder, "chips");
    uint32_t places = box->slots * box->trays;

    fabric->boards = (uint32_t)box->host->integer(box->builder, "boards");
    if (chips % fabric->boards != 0 || places % fabric->boards != 0)
        return box->host->fail(box->builder, "%u GPUs and %u chips do not spread evenly over %u boards", places, chips,
                               fabric->boards);
    if (fabric->boards > 1 && box->host->integer(box->builder, "board_links") == 0)
        return box->host->fail(box->builder, "boards is %u, but board_links is 0", fabric->boards);
    fabric->chips = chips / fabric->boards;
    return read_ports(fabric);
}

/* In one box the switches are inside; in a rack they have trays of their own, after the GPUs' trays. */
static void
add_switches(Fabric *fabric)
{
    const FabBox *box = fabric->box;
    const char *multicast = box->host->text(box->builder, "multicast");
    const char *model = box->host->text(box->builder, "nvswitch");
    bool sharp = strcmp(multicast, "auto") == 0 ? box->models[0]->nvlink_generation >= 4
                                                : strcmp(multicast, "on") == 0;

    for (uint32_t i = 0; i < fabric->boards; i++) {
        char name[NAME_ROOM] = "NVSwitch";
        if (fabric->boards > 1)
            snprintf(name, sizeof name, "NVSwitch %u", i);
        fabric->vertex[i] = box->host->add_vertex(box->builder, &(FabVertexSpec){
            .size = sizeof(FabVertexSpec), .kind = FAB_VERTEX_NVSWITCH, .name = name,
            .model = model[0] != '\0' ? model : NULL, .count = fabric->chips,
            .flags = sharp ? FAB_VERTEX_MULTICAST : 0, .box = box->trays > 1 ? (int32_t)box->trays : 0,
            .socket = -1, .numa = -1 });
    }
}

static bool
link_gpu(const Fabric *fabric, uint32_t gpu)
{
    const FabBox *box = fabric->box;
    const FabGpuModel *model = box->models[gpu];
    uint32_t lanes = model->nvlink_links < fabric->ports ? model->nvlink_links : fabric->ports;
    uint32_t board = gpu / (box->slots * box->trays / fabric->boards);

    if (model->nvlink_links == 0)
        return box->host->fail(box->builder, "GPU %u (%s) has no NVLink, so it cannot reach an NVSwitch", gpu,
                               model->name);
    if (model->nvlink_generation != box->models[0]->nvlink_generation)
        return box->host->fail(box->builder, "GPU %u has NVLink %u and GPU 0 has NVLink %u, must be of one generation "
                               "behind one NVSwitch", gpu, model->nvlink_generation,
                               box->models[0]->nvlink_generation);
    return box->host->add_link(box->builder, &(FabLinkSpec){
        .size = sizeof(FabLinkSpec), .a = box->vertices[gpu], .b = fabric->vertex[board],
        .medium = FAB_MEDIUM_NVLINK, .generation = model->nvlink_generation, .lanes = lanes,
        .bandwidth = lanes * model->nvlink_link_bandwidth });
}

static bool
link_boards(const Fabric *fabric)
{
    const FabBox *box = fabric->box;
    uint32_t lanes = (uint32_t)box->host->integer(box->builder, "board_links");

    if (fabric->boards == 1)
        return true;
    return box->host->add_link(box->builder, &(FabLinkSpec){
        .size = sizeof(FabLinkSpec), .a = fabric->vertex[0], .b = fabric->vertex[1], .medium = FAB_MEDIUM_NVLINK,
        .generation = box->models[0]->nvlink_generation, .lanes = lanes,
        .bandwidth = lanes * box->models[0]->nvlink_link_bandwidth });
}

static bool
build_fabric(const FabBox *box)
{
    Fabric fabric = { .box = box };

    if (!read_fabric(&fabric))
        return false;
    add_switches(&fabric);
    for (uint32_t i = 0; i < box->gpus; i++) {
        if (!link_gpu(&fabric, i))
            return false;
    }
    return link_boards(&fabric);
}

static bool
build(const FabHost *host, FabBuilder *builder)
{
    FabBox box;
    bool built = fab_box_build(host, builder, (uint32_t)host->integer(builder, "trays"), &box);

    if (built && host->boolean(builder, "nvlink"))
        built = build_fabric(&box);
    fab_box_clear(&box);
    return built;
}

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "nvswitch",
    .summary = "GPUs joined by NVSwitch chips, from one board to a rack of trays",
    .params = params,
    .build = build,
};
