#include "measure/topo-infer.h"

#include <string.h>

#include "base/error.h"

enum {
    MAX_SOCKETS = 16, /* what the plugins' parameters accept */
    MAX_NUMA_PER_SOCKET = 8
};

/* ------------------------------------------------------------------ groups */

static FabCellClass
level_class(FabTreeLevel level)
{
    return (FabCellClass)(FAB_CELL_PIX + level);
}

/* Merges the groups of two devices; the first device names the group. */
static void
join(uint32_t *group, uint32_t count, uint32_t a, uint32_t b)
{
    uint32_t keep = MIN(group[a], group[b]), drop = MAX(group[a], group[b]);

    for (uint32_t i = 0; i < count; i++) {
        if (group[i] == drop)
            group[i] = keep;
    }
}

static bool
is_pcie_class(FabCellClass class)
{
    return class >= FAB_CELL_PIX;
}

/* Whether the matrix puts two groups in different NUMA nodes somewhere. */
static bool
is_apart(const FabTopoMatrix *matrix, const uint32_t *group, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < matrix->count; i++) {
        for (uint32_t j = 0; j < matrix->count; j++) {
            if (group[i] == group[a] && group[j] == group[b]
                && fab_topo_matrix_cell(matrix, i, j)->class == FAB_CELL_SYS)
                return true;
        }
    }
    return false;
}

/* Pairs without a printed way (behind NVLink, or of NICs without rows) are taken to be in one NUMA node where nothing
 * speaks against it. */
static bool
may_share_numa(const FabTopoDevice *a, const FabTopoDevice *b)
{
    return a->is_gpu == b->is_gpu && a->numa == b->numa
           && (a->numa >= 0 || strcmp(a->cpu_affinity, b->cpu_affinity) == 0);
}

static void
find_groups(const FabTopoMatrix *matrix, FabTopoTree *tree)
{
    uint32_t n = matrix->count, *numa = tree->group[FAB_TREE_NUMA];

    for (uint32_t i = 0; i < n; i++)
        tree->group[FAB_TREE_SWITCH][i] = i;
    for (FabTreeLevel level = FAB_TREE_SWITCH; level < FAB_TREE_LEVELS; level++) {
        uint32_t *group = tree->group[level];
        if (level > FAB_TREE_SWITCH)
            memcpy(group, tree->group[level - 1], n * sizeof *group);
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t j = 0; j < i; j++) {
                if (fab_topo_matrix_cell(matrix, i, j)->class == level_class(level) && group[i] != group[j])
                    join(group, n, i, j);
            }
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (is_pcie_class(fab_topo_matrix_cell(matrix, i, j)->class))
                continue;
            tree->hidden_pairs += matrix->devices[i].is_gpu && matrix->devices[j].is_gpu;
            if (numa[i] != numa[j] && may_share_numa(&matrix->devices[i], &matrix->devices[j])
                && !is_apart(matrix, numa, i, j))
                join(numa, n, i, j);
        }
    }
}

static FabCellClass
tree_class(const FabTopoTree *tree, uint32_t a, uint32_t b)
{
    FabTreeLevel level = FAB_TREE_SWITCH;

    while (level < FAB_TREE_LEVELS && tree->group[level][a] != tree->group[level][b])
        level++;
    return level_class(level);
}

/* Every printed class must be the distance in the tree. */
static bool
check_tree(const FabTopoMatrix *matrix, const FabTopoTree *tree, const char *where, GError **error)
{
    for (uint32_t i = 0; i < matrix->count; i++) {
        for (uint32_t j = i + 1; j < matrix->count; j++) {
            const FabCell *cell = fab_topo_matrix_cell(matrix, i, j);
            FabCell implied = { .class = tree_class(tree, i, j) };
            if (is_pcie_class(cell->class) && cell->class != implied.class) {
                g_autofree char *printed = fab_cell_text(cell), *other = fab_cell_text(&implied);
                g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                            "%s: row %.40s column %.40s is %s, but the other cells put the two no farther apart than "
                            "%s; no PCIe tree has both",
                            where, matrix->devices[i].label, matrix->devices[j].label, printed, other);
                return false;
            }
        }
    }
    return true;
}

/* ------------------------------------------------------------------ NUMA nodes */

/* The NUMA affinity printed for the GPUs of a group, -1 when none or not the same. */
static int32_t
printed_numa(const FabTopoMatrix *matrix, const FabTopoTree *tree, uint32_t group)
{
    int32_t printed = -1;

    for (uint32_t i = 0; i < matrix->count; i++) {
        if (tree->group[FAB_TREE_NUMA][i] != group || matrix->devices[i].numa < 0)
            continue;
        if (printed >= 0 && printed != matrix->devices[i].numa)
            return -1;
        printed = matrix->devices[i].numa;
    }
    return printed;
}

typedef struct {
    uint32_t device; /* the first of the group */
    int32_t printed;
    uint32_t index; /* NUMA node, the result */
    bool placed;
} NumaGroup;

static GArray *
numa_groups(const FabTopoMatrix *matrix, const FabTopoTree *tree)
{
    GArray *groups = g_array_new(FALSE, TRUE, sizeof(NumaGroup));

    for (uint32_t i = 0; i < matrix->count; i++) {
        if (tree->group[FAB_TREE_NUMA][i] == i) {
            NumaGroup group = { .device = i, .printed = printed_numa(matrix, tree, i) };
            g_array_append_val(groups, group);
        }
    }
    return groups;
}

/* Every printed NUMA node holds one group: keep its number. False: some number stands for several groups. */
static bool
number_as_printed(GArray *groups, uint32_t *nodes)
{
    bool used[MAX_SOCKETS * MAX_NUMA_PER_SOCKET] = { false };

    *nodes = 0;
    for (guint i = 0; i < groups->len; i++) {
        NumaGroup *group = &g_array_index(groups, NumaGroup, i);
        if (group->printed < 0)
            continue;
        if ((guint)group->printed >= G_N_ELEMENTS(used) || used[group->printed])
            return false;
        group->index = (uint32_t)group->printed;
        group->placed = used[group->printed] = true;
        *nodes = MAX(*nodes, group->index + 1);
    }
    for (guint i = 0; i < groups->len; i++) {
        NumaGroup *group = &g_array_index(groups, NumaGroup, i);
        uint32_t free_index = 0;
        while (!group->placed && free_index < G_N_ELEMENTS(used) && used[free_index])
            free_index++;
        if (group->placed)
            continue;
        if (free_index == G_N_ELEMENTS(used))
            return false;
        group->index = free_index;
        group->placed = used[free_index] = true;
        *nodes = MAX(*nodes, free_index + 1);
    }
    return true;
}

/* Groups of one printed number become NUMA nodes of one socket. */
static void
number_by_socket(GArray *groups, uint32_t *sockets, uint32_t *per_socket)
{
    g_autofree uint32_t *socket = g_new0(uint32_t, groups->len), *place = g_new0(uint32_t, groups->len);

    *sockets = *per_socket = 0;
    for (guint i = 0; i < groups->len; i++) {
        guint before = 0;
        socket[i] = *sockets;
        for (; before < i; before++) {
            if (g_array_index(groups, NumaGroup, before).printed != g_array_index(groups, NumaGroup, i).printed)
                continue;
            socket[i] = socket[before];
            place[i]++;
        }
        *sockets = MAX(*sockets, socket[i] + 1);
        *per_socket = MAX(*per_socket, place[i] + 1);
    }
    for (guint i = 0; i < groups->len; i++)
        g_array_index(groups, NumaGroup, i).index = socket[i] * *per_socket + place[i];
}

static bool
number_numa_nodes(const FabTopoMatrix *matrix, FabTopoTree *tree, const char *where, GError **error)
{
    g_autoptr(GArray) groups = numa_groups(matrix, tree);
    uint32_t nodes = 0;

    tree->numa_as_printed = number_as_printed(groups, &nodes);
    if (tree->numa_as_printed) {
        /* More than two NUMA nodes are taken for partitions of two sockets, as on EPYC with NPS2 or NPS4. */
        tree->sockets = MIN(nodes, 2);
        tree->numa_per_socket = (nodes + tree->sockets - 1) / tree->sockets;
    } else {
        number_by_socket(groups, &tree->sockets, &tree->numa_per_socket);
    }
    if (tree->numa_per_socket > MAX_NUMA_PER_SOCKET && tree->sockets == 1) {
        tree->sockets = (tree->numa_per_socket + MAX_NUMA_PER_SOCKET - 1) / MAX_NUMA_PER_SOCKET;
        tree->numa_per_socket = MAX_NUMA_PER_SOCKET;
    }
    if (tree->sockets > MAX_SOCKETS || tree->numa_per_socket > MAX_NUMA_PER_SOCKET) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: the cells SYS make %u groups of devices; a machine has at most %d sockets of %d NUMA nodes",
                    where, groups->len, MAX_SOCKETS, MAX_NUMA_PER_SOCKET);
        return false;
    }
    for (uint32_t i = 0; i < matrix->count; i++) {
        for (guint g = 0; g < groups->len; g++) {
            const NumaGroup *group = &g_array_index(groups, NumaGroup, g);
            if (tree->group[FAB_TREE_NUMA][i] == group->device)
                tree->numa[i] = group->index;
        }
    }
    return true;
}

FabTopoTree *
fab_topo_tree_infer(const FabTopoMatrix *matrix, const char *where, GError **error)
{
    g_autoptr(FabTopoTree) tree = g_new0(FabTopoTree, 1);

    for (FabTreeLevel level = FAB_TREE_SWITCH; level < FAB_TREE_LEVELS; level++)
        tree->group[level] = g_new0(uint32_t, matrix->count);
    tree->numa = g_new0(uint32_t, matrix->count);
    find_groups(matrix, tree);
    if (!check_tree(matrix, tree, where, error) || !number_numa_nodes(matrix, tree, where, error))
        return NULL;
    return g_steal_pointer(&tree);
}

void
fab_topo_tree_free(FabTopoTree *tree)
{
    if (tree == NULL)
        return;
    for (FabTreeLevel level = FAB_TREE_SWITCH; level < FAB_TREE_LEVELS; level++)
        g_free(tree->group[level]);
    g_free(tree->numa);
    g_free(tree);
}

/* ------------------------------------------------------------------ the tree as text */

/* Number of a device among its kind, as gpuN and nicN count. */
static uint32_t
device_number(const FabTopoMatrix *matrix, uint32_t device)
{
    uint32_t number = 0;

    for (uint32_t i = 0; i < device; i++)
        number += matrix->devices[i].is_gpu == matrix->devices[device].is_gpu;
    return number;
}

/* Groups of level `below` inside group `id` of level `level`. */
static uint32_t
count_inside(const FabTopoMatrix *matrix, const FabTopoTree *tree, FabTreeLevel level, uint32_t id, FabTreeLevel below)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < matrix->count; i++)
        count += tree->group[level][i] == id && tree->group[below][i] == i;
    return count;
}

static uint32_t
count_devices(const FabTopoMatrix *matrix, const FabTopoTree *tree, FabTreeLevel level, uint32_t id)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < matrix->count; i++)
        count += tree->group[level][i] == id;
    return count;
}

static void
append_switch(const FabTopoMatrix *matrix, const FabTopoTree *tree, uint32_t id, bool alone, GString *text)
{
    bool leaf_switch = !alone || count_devices(matrix, tree, FAB_TREE_SWITCH, id) > 1;

    g_string_append(text, leaf_switch ? " sw {" : "");
    for (uint32_t i = 0; i < matrix->count; i++) {
        if (tree->group[FAB_TREE_SWITCH][i] == id)
            g_string_append_printf(text, " %s%u", matrix->devices[i].is_gpu ? "gpu" : "nic", device_number(matrix, i));
    }
    g_string_append(text, leaf_switch ? " }" : "");
}

static void
append_root_port(const FabTopoMatrix *matrix, const FabTopoTree *tree, uint32_t id, GString *text)
{
    bool alone = count_inside(matrix, tree, FAB_TREE_ROOT_PORT, id, FAB_TREE_SWITCH) == 1;

    g_string_append(text, alone ? "" : " sw {");
    for (uint32_t i = 0; i < matrix->count; i++) {
        if (tree->group[FAB_TREE_ROOT_PORT][i] == id && tree->group[FAB_TREE_SWITCH][i] == i)
            append_switch(matrix, tree, i, alone, text);
    }
    g_string_append(text, alone ? "" : " }");
}

static void
append_bridge(const FabTopoMatrix *matrix, const FabTopoTree *tree, uint32_t id, GString *text)
{
    /* A host bridge with one port needs no word: the reader puts one above whatever hangs on a NUMA node. */
    bool alone = count_inside(matrix, tree, FAB_TREE_BRIDGE, id, FAB_TREE_ROOT_PORT) == 1;

    g_string_append(text, alone ? "" : " bridge {");
    for (uint32_t i = 0; i < matrix->count; i++) {
        if (tree->group[FAB_TREE_BRIDGE][i] == id && tree->group[FAB_TREE_ROOT_PORT][i] == i)
            append_root_port(matrix, tree, i, text);
    }
    g_string_append(text, alone ? "" : " }");
}

char *
fab_topo_tree_text(const FabTopoMatrix *matrix, const FabTopoTree *tree)
{
    GString *text = g_string_new(NULL);

    for (uint32_t numa = 0; numa < tree->sockets * tree->numa_per_socket; numa++) {
        gsize before = text->len;
        for (uint32_t i = 0; i < matrix->count; i++) {
            if (tree->numa[i] != numa || tree->group[FAB_TREE_BRIDGE][i] != i)
                continue;
            if (text->len == before)
                g_string_append_printf(text, "%snuma%u {", before == 0 ? "" : " ", numa);
            append_bridge(matrix, tree, i, text);
        }
        g_string_append(text, text->len == before ? "" : " }");
    }
    return g_string_free(text, FALSE);
}

/* ------------------------------------------------------------------ NVLink */

/* By device: the first GPU of its island of NVLinks, whole groups joined by NV cells. */
static uint32_t *
nvlink_islands(const FabTopoMatrix *matrix)
{
    uint32_t *island = g_new0(uint32_t, matrix->count);

    for (uint32_t i = 0; i < matrix->count; i++)
        island[i] = i;
    for (uint32_t i = 0; i < matrix->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (fab_topo_matrix_cell(matrix, i, j)->class == FAB_CELL_NV && island[i] != island[j])
                join(island, matrix->count, i, j);
        }
    }
    return island;
}

/* Whether every island has `*size` GPUs, all pairs of an island have `*links` and all GPUs are in one. */
static bool
is_uniform(const FabTopoMatrix *matrix, const uint32_t *island, uint32_t *size, uint32_t *links)
{
    *size = *links = 0;
    for (uint32_t i = 0; i < matrix->count; i++) {
        uint32_t members = 0;
        if (!matrix->devices[i].is_gpu)
            continue;
        for (uint32_t j = 0; j < matrix->count; j++) {
            const FabCell *cell = fab_topo_matrix_cell(matrix, i, j);
            if (island[j] != island[i])
                continue;
            members++;
            if (i == j)
                continue;
            if (cell->class != FAB_CELL_NV || (*links != 0 && cell->nvlinks != *links))
                return false;
            *links = cell->nvlinks;
        }
        if (*size != 0 && members != *size)
            return false;
        *size = members;
    }
    return *size > 1;
}

static bool
check_nvlink_cells(const FabTopoMatrix *matrix, const char *where, const char *model, uint32_t links, bool *any,
                   GError **error)
{
    *any = false;
    for (uint32_t i = 0; i < matrix->count; i++) {
        for (uint32_t j = i + 1; j < matrix->count; j++) {
            const FabCell *cell = fab_topo_matrix_cell(matrix, i, j);
            if (cell->class != FAB_CELL_NV)
                continue;
            *any = true;
            if (cell->nvlinks <= links)
                continue;
            if (links == 0)
                g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                            "%s: row %.40s column %.40s is NV%u, but %s has no NVLink; give the GPU model of this "
                            "machine", where, matrix->devices[i].label, matrix->devices[j].label, cell->nvlinks, model);
            else
                g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                            "%s: row %.40s column %.40s is NV%u, but %s has %u NVLinks; give the GPU model of this "
                            "machine", where, matrix->devices[i].label, matrix->devices[j].label, cell->nvlinks, model,
                            links);
            return false;
        }
    }
    return true;
}

/* Direct links only: no row may add up to more than a GPU has. */
static bool
check_mesh_budget(const FabTopoMatrix *matrix, const char *where, const char *model, uint32_t links, GError **error)
{
    for (uint32_t i = 0; i < matrix->count; i++) {
        uint32_t sum = 0;
        for (uint32_t j = 0; j < matrix->count; j++)
            sum += fab_topo_matrix_cell(matrix, i, j)->nvlinks;
        if (sum > links) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                        "%s: row %.40s adds up to %u NVLinks, %s has %u, and the pairs differ, so it is no NVSwitch "
                        "either; give the GPU model of this machine",
                        where, matrix->devices[i].label, sum, model, links);
            return false;
        }
    }
    return true;
}

bool
fab_nvlink_infer(const FabTopoMatrix *matrix, const char *where, const char *model, uint32_t links,
                 FabNvlinkPlan *plan, GError **error)
{
    g_autofree uint32_t *island = nvlink_islands(matrix);
    uint32_t size = 0, each = 0;
    bool any = false, direct;

    *plan = (FabNvlinkPlan) { .kind = FAB_NVLINK_NONE };
    if (!check_nvlink_cells(matrix, where, model, links, &any, error))
        return false;
    if (!any)
        return true;
    if (!is_uniform(matrix, island, &size, &each)) {
        plan->kind = FAB_NVLINK_MESH;
        return check_mesh_budget(matrix, where, model, links, error);
    }
    direct = (size - 1) * each <= links;
    *plan = (FabNvlinkPlan) { .kind = FAB_NVLINK_BRIDGE, .links = each, .island = size };
    /* All links of a GPU to every other GPU: through switches. Also a pair of SXM GPUs, which no bridge joins. */
    if (size == matrix->gpu_count && (!direct || (each == links && strstr(model, "sxm") != NULL)))
        plan->kind = FAB_NVLINK_SWITCH;
    else if (!direct) {
        /* Several islands: bridges of three or four GPUs, where the driver prints the GPU's links for each pair. */
        plan->shared = true;
        plan->links = links / (size - 1);
    } else if (size > 4)
        plan->kind = FAB_NVLINK_MESH;
    return true;
}
