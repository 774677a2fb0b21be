/* Turns the regular parameters (sockets, switches, host bridges, NICs) into the tree of a box. */
#include <stdlib.h>
#include <string.h>

#include "common/box.h"
#include "common/text.h"

/* What the regular parameters say about each GPU slot. */
typedef struct {
    FabBox *box;
    uint32_t *numa;   /* NUMA node, FAB_NODE_NONE: not said yet */
    uint32_t *group;  /* slots of equal group share a host bridge */
    uint32_t *bridge; /* by group: its node in the tree, FAB_NODE_NONE: not added yet */
    uint32_t *sw;     /* by switch: its node */
    uint8_t *chipset; /* hangs off the chipset */
    uint32_t switches, per_switch;
} Plan;

static bool
fail_memory(const FabBox *box)
{
    return box->host->fail(box->builder, "out of memory");
}

static const char *
text_of(const FabBox *box, const char *param)
{
    return box->host->text(box->builder, param);
}

static bool
refuse_slot(const FabBox *box, const char *param, uint32_t slot)
{
    return box->host->fail(box->builder, "%s names GPU %u, must be 0 to %u (gpus, or slots)", param, slot,
                           box->slots - 1);
}

/* ------------------------------------------------------------------ where each GPU is */

static bool
read_gpu_numa(Plan *plan)
{
    const FabBox *box = plan->box;
    const char *at = text_of(box, "gpu_numa");

    for (fab_text_skip_separators(&at); *at != '\0'; fab_text_skip_separators(&at)) {
        uint32_t first, last, numa;
        const char *word = at;
        if (!fab_text_range(&at, &first, &last) || !fab_text_sign(&at, ':') || !fab_text_number(&at, &numa))
            return box->host->fail(box->builder, "gpu_numa: \"%.*s\" is not GPUS:NODE, such as 0-3:1",
                                   fab_text_word_length(word), word);
        if (last >= box->slots)
            return refuse_slot(box, "gpu_numa", last);
        if (numa >= box->numa_nodes)
            return box->host->fail(box->builder, "gpu_numa names NUMA node %u, must be 0 to %u "
                                   "(sockets x numa_per_socket)", numa, box->numa_nodes - 1);
        for (uint32_t i = first; i <= last; i++) {
            if (plan->numa[i] != FAB_NODE_NONE)
                return box->host->fail(box->builder, "gpu_numa names GPU %u twice", i);
            plan->numa[i] = numa;
        }
    }
    for (uint32_t i = 0; i < box->slots; i++) {
        if (plan->numa[i] == FAB_NODE_NONE)
            return box->host->fail(box->builder, "gpu_numa does not say where GPU %u is", i);
    }
    return true;
}

static bool
plan_numa(Plan *plan)
{
    const FabBox *box = plan->box;

    for (uint32_t i = 0; i < box->slots; i++)
        plan->numa[i] = FAB_NODE_NONE;
    if (text_of(box, "gpu_numa")[0] != '\0')
        return read_gpu_numa(plan);
    for (uint32_t i = 0; i < box->slots; i++) {
        plan->numa[i] = plan->switches > 0 ? i / plan->per_switch * box->numa_nodes / plan->switches
                                           : i * box->numa_nodes / box->slots;
    }
    return true;
}

/* "0 1/2/3 4/5": each GPU once. A group without gpu_numa lies where its first GPU lies. */
static bool
read_host_bridges(Plan *plan)
{
    const FabBox *box = plan->box;
    const char *at = text_of(box, "host_bridges");
    bool follow = text_of(box, "gpu_numa")[0] == '\0';
    uint32_t group = 0, leader = FAB_NODE_NONE;

    for (uint32_t i = 0; i < box->slots; i++)
        plan->group[i] = FAB_NODE_NONE;
    for (fab_text_skip_blanks(&at); *at != '\0'; fab_text_skip_blanks(&at)) {
        uint32_t first, last;
        const char *word = at;
        if (fab_text_sign(&at, '/')) {
            if (leader == FAB_NODE_NONE)
                return box->host->fail(box->builder, "host_bridges has an empty group");
            leader = FAB_NODE_NONE;
            group++;
            continue;
        }
        if (!fab_text_range(&at, &first, &last))
            return box->host->fail(box->builder, "host_bridges: \"%.*s\" is not own, shared or groups of GPUs such as "
                                   "0 1/2/3 4/5", fab_text_word_length(word), word);
        if (last >= box->slots)
            return refuse_slot(box, "host_bridges", last);
        for (uint32_t i = first; i <= last; i++) {
            if (plan->group[i] != FAB_NODE_NONE)
                return box->host->fail(box->builder, "host_bridges names GPU %u twice", i);
            leader = leader == FAB_NODE_NONE ? i : leader;
            plan->group[i] = group;
            plan->numa[i] = follow ? plan->numa[leader] : plan->numa[i];
        }
    }
    if (leader == FAB_NODE_NONE)
        return box->host->fail(box->builder, "host_bridges has an empty group");
    for (uint32_t i = 0; i < box->slots; i++) {
        if (plan->group[i] == FAB_NODE_NONE)
            return box->host->fail(box->builder, "host_bridges does not name GPU %u", i);
    }
    return true;
}

static bool
plan_groups(Plan *plan)
{
    const FabBox *box = plan->box;
    const char *bridges = text_of(box, "host_bridges");
    bool shared = strcmp(bridges, "shared") == 0 ||
                  (plan->switches > 0 && strcmp(text_of(box, "roots"), "shared") == 0);

    if (strcmp(bridges, "own") != 0 && strcmp(bridges, "shared") != 0)
        return read_host_bridges(plan);
    for (uint32_t i = 0; i < box->slots; i++)
        plan->group[i] = shared ? plan->numa[i] : plan->switches > 0 ? i / plan->per_switch : i;
    return true;
}

static bool
read_chipset_gpus(Plan *plan)
{
    const FabBox *box = plan->box;
    const char *at = text_of(box, "chipset_gpus");

    for (fab_text_skip_separators(&at); *at != '\0'; fab_text_skip_separators(&at)) {
        uint32_t first, last;
        const char *word = at;
        if (!fab_text_range(&at, &first, &last))
            return box->host->fail(box->builder, "chipset_gpus: \"%.*s\" is not a GPU's number",
                                   fab_text_word_length(word), word);
        if (last >= box->slots)
            return refuse_slot(box, "chipset_gpus", last);
        for (uint32_t i = first; i <= last; i++) {
            if (plan->chipset[i])
                return box->host->fail(box->builder, "chipset_gpus names GPU %u twice", i);
            plan->chipset[i] = 1;
        }
        if (plan->switches > 0)
            return box->host->fail(box->builder, "chipset_gpus and switches exclude each other; use tree");
    }
    return true;
}

/* ------------------------------------------------------------------ the tree */

/* The host bridge of a slot, added when it is the first of its group. */
static bool
bridge_of(Plan *plan, uint32_t slot, uint32_t *node)
{
    FabBox *box = plan->box;
    uint32_t *bridge = &plan->bridge[plan->group[slot]];

    if (*bridge == FAB_NODE_NONE)
        *bridge = fab_tree_add(&box->tree, FAB_NODE_BRIDGE, plan->numa[slot]);
    if (*bridge == FAB_NODE_NONE)
        return fail_memory(box);
    if (box->tree.nodes[*bridge].parent != plan->numa[slot])
        return box->host->fail(box->builder, "GPU %u shares a host bridge of NUMA node %u but lies in NUMA node %u; "
                               "change host_bridges or gpu_numa", slot, box->tree.nodes[*bridge].parent,
                               plan->numa[slot]);
    *node = *bridge;
    return true;
}

static bool
add_node(FabBox *box, FabNodeKind kind, uint32_t parent, uint32_t *node)
{
    *node = fab_tree_add(&box->tree, kind, parent);
    return *node != FAB_NODE_NONE || fail_memory(box);
}

static bool
add_switches(Plan *plan)
{
    FabBox *box = plan->box;

    for (uint32_t s = 0; s < plan->switches; s++) {
        uint32_t first = s * plan->per_switch, bridge;
        for (uint32_t i = first; i < first + plan->per_switch && i < box->slots; i++) {
            if (plan->numa[i] != plan->numa[first] || plan->group[i] != plan->group[first])
                return box->host->fail(box->builder, "GPUs %u and %u hang on PCIe switch %u but not on the same host "
                                       "bridge; change switches, host_bridges or gpu_numa", first, i, s);
        }
        if (!bridge_of(plan, first, &bridge) || !add_node(box, FAB_NODE_SWITCH, bridge, &plan->sw[s]))
            return false;
    }
    return true;
}

static bool
add_gpus(Plan *plan)
{
    FabBox *box = plan->box;
    uint32_t chipset = FAB_NODE_NONE, parent, node;

    for (uint32_t i = 0; i < box->slots; i++) {
        if (box->c2c)
            parent = plan->numa[i];
        else if (plan->switches > 0)
            parent = plan->sw[i / plan->per_switch];
        else if (plan->chipset[i] && chipset != FAB_NODE_NONE)
            parent = chipset;
        else if (!bridge_of(plan, i, &parent))
            return false;
        if (plan->chipset[i] && chipset == FAB_NODE_NONE) {
            if (!add_node(box, FAB_NODE_CHIPSET, parent, &chipset))
                return false;
            parent = chipset;
        }
        if (!add_node(box, FAB_NODE_GPU, parent, &node))
            return false;
    }
    return true;
}

/* NUMA node of NIC `nic` of `count`: the entries of nic_numa in turn, or evenly. */
static bool
nic_numa(const FabBox *box, uint32_t nic, uint32_t count, uint32_t *numa)
{
    const char *list = text_of(box, "nic_numa");
    const char *at = list;

    fab_text_skip_separators(&at);
    if (*at == '\0') {
        *numa = nic * box->numa_nodes / count;
        return true;
    }
    for (uint32_t entry = 0; entry <= nic; entry++) {
        const char *word;
        if (*at == '\0')
            at = list;
        fab_text_skip_separators(&at);
        word = at;
        if (!fab_text_number(&at, numa) || *numa >= box->numa_nodes)
            return box->host->fail(box->builder, "nic_numa: \"%.*s\" is not a NUMA node, must be 0 to %u",
                                   fab_text_word_length(word), word, box->numa_nodes - 1);
        fab_text_skip_separators(&at);
    }
    return true;
}

static bool
add_nic(Plan *plan, const char *attach, uint32_t nic, uint32_t count, uint32_t *stages)
{
    FabBox *box = plan->box;
    uint32_t parent, node;

    if (strcmp(attach, "numa") == 0) {
        if (!nic_numa(box, nic, count, &parent) || !add_node(box, FAB_NODE_BRIDGE, parent, &parent))
            return false;
    } else if (strcmp(attach, "bridge") == 0) {
        if (box->c2c)
            return box->host->fail(box->builder, "nic_attach=bridge needs GPUs on PCIe, attach is c2c");
        if (!bridge_of(plan, nic * box->slots / count, &parent))
            return false;
    } else if (plan->switches == 0) {
        return box->host->fail(box->builder, "nic_attach=%s needs switches, there are 0", attach);
    } else {
        uint32_t s = nic * plan->switches / count;
        parent = plan->sw[s];
        if (strcmp(attach, "stage") == 0) {
            if (stages[s] == FAB_NODE_NONE && !add_node(box, FAB_NODE_STAGE, parent, &stages[s]))
                return false;
            parent = stages[s];
        }
    }
    return add_node(box, FAB_NODE_NIC, parent, &node);
}

static bool
add_nics(Plan *plan)
{
    FabBox *box = plan->box;
    uint32_t count = (uint32_t)box->host->integer(box->builder, "nics_per_node");
    const char *attach = text_of(box, "nic_attach");
    uint32_t *stages = malloc((plan->switches + 1) * sizeof *stages);
    bool added = stages != NULL || fail_memory(box);

    for (uint32_t s = 0; added && s < plan->switches; s++)
        stages[s] = FAB_NODE_NONE;
    if (strcmp(attach, "auto") == 0)
        attach = plan->switches > 0 ? "switch" : "numa";
    for (uint32_t nic = 0; added && nic < count; nic++)
        added = add_nic(plan, attach, nic, count, stages);
    free(stages);
    return added;
}

/* ------------------------------------------------------------------ all of it */

static bool
plan_switches(Plan *plan)
{
    const FabBox *box = plan->box;
    uint32_t per = (uint32_t)box->host->integer(box->builder, "gpus_per_switch");

    plan->switches = (uint32_t)box->host->integer(box->builder, "switches");
    if (plan->switches == 0 && per > 0)
        return box->host->fail(box->builder, "gpus_per_switch is %u, but switches is 0", per);
    if (plan->switches == 0)
        return true;
    if (box->c2c)
        return box->host->fail(box->builder, "switches is %u, but attach=c2c puts no GPU below a switch",
                               plan->switches);
    plan->per_switch = per > 0 ? per : (box->slots + plan->switches - 1) / plan->switches;
    if (plan->switches * plan->per_switch < box->slots || (plan->switches - 1) * plan->per_switch >= box->slots)
        return box->host->fail(box->builder, "%u GPUs do not fill %u switches of %u; change switches, gpus_per_switch "
                               "or slots", box->slots, plan->switches, plan->per_switch);
    return true;
}

static bool
plan_regular(Plan *plan)
{
    FabBox *box = plan->box;
    uint32_t groups = box->slots + box->numa_nodes;

    if (!plan_switches(plan))
        return false;
    plan->numa = malloc(box->slots * sizeof *plan->numa);
    plan->group = malloc(box->slots * sizeof *plan->group);
    plan->bridge = malloc(groups * sizeof *plan->bridge);
    plan->sw = malloc((plan->switches + 1) * sizeof *plan->sw);
    plan->chipset = calloc(box->slots, 1);
    if (plan->numa == NULL || plan->group == NULL || plan->bridge == NULL || plan->sw == NULL || plan->chipset == NULL)
        return fail_memory(box);
    for (uint32_t i = 0; i < groups; i++)
        plan->bridge[i] = FAB_NODE_NONE;
    return plan_numa(plan) && plan_groups(plan) && read_chipset_gpus(plan) && add_switches(plan) && add_gpus(plan) &&
           add_nics(plan);
}

/* What `tree` says already. */
static bool
refuse_with_tree(const FabBox *box)
{
    static const char *const regular[] = { "host_bridges", "chipset_gpus", "switches", "gpus_per_switch",
                                           "roots",        "gpu_numa",     "nic_attach", "nic_numa" };

    for (size_t i = 0; i < sizeof regular / sizeof regular[0]; i++) {
        if (box->host->given(box->builder, regular[i]))
            return box->host->fail(box->builder, "%s is given, but tree already says where every device hangs; give "
                                   "one of them", regular[i]);
    }
    if (box->c2c)
        return box->host->fail(box->builder, "tree is given, but attach=c2c puts no GPU on PCIe; give one of them");
    return true;
}

static bool
check_tree_nics(const FabBox *box)
{
    int64_t wanted = box->host->integer(box->builder, "nics_per_node");

    if (box->host->given(box->builder, "nics_per_node") && wanted != box->tree.counts[FAB_NODE_NIC])
        return box->host->fail(box->builder, "nics_per_node is %d, but tree names %u NICs", (int)wanted,
                               box->tree.counts[FAB_NODE_NIC]);
    return true;
}

bool
fab_layout_plan(FabBox *box)
{
    const char *text = text_of(box, "tree");
    Plan plan = { .box = box };
    bool planned;

    for (uint32_t i = 0; i < box->numa_nodes; i++) {
        if (fab_tree_add(&box->tree, FAB_NODE_NUMA, FAB_NODE_NONE) == FAB_NODE_NONE)
            return fail_memory(box);
    }
    if (text[0] != '\0')
        return refuse_with_tree(box) && fab_tree_parse(box->host, box->builder, text, box->slots, &box->tree) &&
               check_tree_nics(box);
    planned = plan_regular(&plan);
    free(plan.numa);
    free(plan.group);
    free(plan.bridge);
    free(plan.sw);
    free(plan.chipset);
    return planned;
}
