/* The plugins that come with the program: what their parameters build, and what they refuse. */
#include <check.h>
#include <dlfcn.h>
#include <string.h>

#include "base/error.h"
#include "base/paths.h"
#include "plugin-build.h"
#include "suite.h"
#include "topology/machine.h"
#include "topology/route.h"

static const char *const names[] = { "nvlink-bridge", "nvlink-mesh", "nvswitch", "pcie-switch" };

/* The link between two vertices given by name, or NULL. */
static const FabTopologyLink *
link_between(const FabTopology *topology, const char *a, const char *b)
{
    for (uint32_t i = 0; i < topology->link_count; i++) {
        const FabTopologyLink *link = &topology->links[i];
        const char *from = topology->vertices[link->a].name, *to = topology->vertices[link->b].name;
        if ((strcmp(from, a) == 0 && strcmp(to, b) == 0) || (strcmp(from, b) == 0 && strcmp(to, a) == 0))
            return link;
    }
    return NULL;
}

static const FabTopologyVertex *
vertex_named(const FabTopology *topology, const char *name)
{
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        if (strcmp(topology->vertices[i].name, name) == 0)
            return &topology->vertices[i];
    }
    return NULL;
}

static FabPathClass
class_between(const FabTopology *topology, uint32_t a, uint32_t b)
{
    return fab_path_class(topology, topology->gpus[a], topology->gpus[b]);
}

static uint32_t
nvlinks_between(const FabTopology *topology, uint32_t a, uint32_t b)
{
    return fab_path_nvlinks(topology, topology->gpus[a], topology->gpus[b]);
}

/* ------------------------------------------------------------------ bad input */

typedef struct {
    const char *plugin, *settings, *message;
} Bad;

#define PCIE "gpu=l40s|gpus=8|sockets=2|"
#define CUBE "gpu=v100-sxm2|gpus=8|"
#define SWITCHED "gpu=h100-sxm|gpus=8|"

static const Bad bad[] = {
    { "pcie-switch", "gpus=8", "gpu is missing" },
    { "pcie-switch", "gpu=l40s", "gpus is missing" },
    { "pcie-switch", "gpu=l40s|gpus=0", "gpus" },
    { "pcie-switch", "gpu=l40s|gpus=-4", "gpus" },
    { "pcie-switch", "gpu=l40s|gpus=1025", "gpus" },
    { "pcie-switch", "gpu=l40s|gpus=99999999999999999999", "gpus" },
    { "pcie-switch", "gpu=l40s|gpus=two", "gpus" },
    { "pcie-switch", "gpu=l4os|gpus=8", "did you mean l40s?" },
    { "pcie-switch", PCIE "gpu_1=nothing-like-it", "nothing-like-it" },
    { "pcie-switch", PCIE "gpu_8=l40s", "gpu_8 is given, but there are only 8 GPUs" },
    { "pcie-switch", PCIE "lanes_gpu_9=4", "lanes_gpu_9 is given, but there are only 8 GPUs" },
    { "pcie-switch", PCIE "lanes_gpu_1=3", "lanes_gpu_1 is 3, must be 1, 2, 4, 8 or 16" },
    { "pcie-switch", PCIE "lanes=12", "lanes is 12, must be 1, 2, 4, 8 or 16" },
    { "pcie-switch", PCIE "lanes=0", "lanes" },
    { "pcie-switch", PCIE "pcie_generation=7", "pcie_generation" },
    { "pcie-switch", PCIE "slots=4", "there are only 4 slots" },
    { "pcie-switch", PCIE "p2p=maybe", "p2p" },
    { "pcie-switch", PCIE "acs=perhaps", "acs" },
    { "pcie-switch", PCIE "roots=both", "roots" },
    { "pcie-switch", PCIE "swiches=2", "did you mean switches?" },
    { "pcie-switch", PCIE "host_bridges=0 1/2/3 4/4 5 6 7", "host_bridges names GPU 4 twice" },
    { "pcie-switch", PCIE "host_bridges=0-3/4-6", "host_bridges does not name GPU 7" },
    { "pcie-switch", PCIE "host_bridges=0-3/4-8", "host_bridges names GPU 8, must be 0 to 7" },
    { "pcie-switch", PCIE "host_bridges=0-3//4-7", "host_bridges has an empty group" },
    { "pcie-switch", PCIE "host_bridges=0-7/", "host_bridges has an empty group" },
    { "pcie-switch", PCIE "host_bridges=mine", "\"mine\" is not own, shared or groups" },
    { "pcie-switch", PCIE "gpu_numa=0-3:0", "gpu_numa does not say where GPU 4 is" },
    { "pcie-switch", PCIE "gpu_numa=0-7:2", "gpu_numa names NUMA node 2, must be 0 to 1" },
    { "pcie-switch", PCIE "gpu_numa=0-3:0 3-7:1", "gpu_numa names GPU 3 twice" },
    { "pcie-switch", PCIE "gpu_numa=7-0:0", "is not GPUS:NODE" },
    { "pcie-switch", PCIE "gpu_numa=0-3:0 4-7:1|host_bridges=0-7", "lies in NUMA node 1" },
    { "pcie-switch", PCIE "switches=3|gpus_per_switch=2", "8 GPUs do not fill 3 switches of 2" },
    { "pcie-switch", PCIE "switches=8|gpus_per_switch=2", "8 GPUs do not fill 8 switches of 2" },
    { "pcie-switch", PCIE "gpus_per_switch=2", "gpus_per_switch is 2, but switches is 0" },
    { "pcie-switch", PCIE "switches=-1", "switches" },
    { "pcie-switch", PCIE "switches=2|gpu_numa=0:0 1-7:1", "GPUs 0 and 1 hang on PCIe switch 0" },
    { "pcie-switch", PCIE "switch_links=0-1", "a PCIe switch that does not exist; there are 0" },
    { "pcie-switch", PCIE "switches=2|switch_links=0-1", "switch_links needs switch_link_rate" },
    { "pcie-switch", PCIE "switches=2|switch_links=0-0|switch_link_rate=5 GB/s", "is not two switches" },
    { "pcie-switch", PCIE "chipset_gpus=8", "chipset_gpus names GPU 8, must be 0 to 7" },
    { "pcie-switch", PCIE "chipset_gpus=0 0", "chipset_gpus names GPU 0 twice" },
    { "pcie-switch", PCIE "chipset_gpus=all", "\"all\" is not a GPU's number" },
    { "pcie-switch", PCIE "chipset_gpus=0|switches=2", "exclude each other" },
    { "pcie-switch", PCIE "nics_per_node=2|nic_attach=switch", "nic_attach=switch needs switches" },
    { "pcie-switch", PCIE "nics_per_node=2|nic_numa=5", "nic_numa: \"5\" is not a NUMA node, must be 0 to 1" },
    { "pcie-switch", PCIE "nics_per_node=2|nic_numa=0 x", "nic_numa: \"x\" is not a NUMA node" },
    { "pcie-switch", PCIE "attach=c2c|switches=2", "attach=c2c puts no GPU below a switch" },
    { "pcie-switch", PCIE "attach=c2c|c2c_rate=0 GB/s", "bandwidth" },
    { "pcie-switch", PCIE "bridge_rate=0 GB/s", "bandwidth" },
    { "pcie-switch", PCIE "peer_limit=-1 GB/s", "peer_limit" },
    { "pcie-switch", PCIE "peer_limit=39", "peer_limit" },
    { "pcie-switch", PCIE "memory_limit=nan GB/s", "memory_limit" },
    { "pcie-switch", PCIE "nvlink_pairs=0-1", "GPU 0 (L40S) has no NVLink" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7 }|switches=2", "switches is given, but tree already says" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7 }|attach=c2c", "attach=c2c puts no GPU on PCIe" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-6 }", "GPU 7 has no place" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-8 }", "names GPU 8, must be 0 to 7" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7 gpu3 }", "places GPU 3 again" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7 nic1 }", "NIC 0 of 1 is missing" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7 nic0 }|nics_per_node=2", "nics_per_node is 2, but tree names 1 NICs" },
    { "pcie-switch", PCIE "tree=numa2 { gpu0-7 }", "names NUMA node 2, must be 0 to 1" },
    { "pcie-switch", PCIE "tree=numa0 { swich { gpu0-7 } }", "\"swich\": not known; accepted: numaN, bridge" },
    { "pcie-switch", PCIE "tree=numa0 { sw { gpu0-7 }", "a } is missing at the end" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7 } }", "closes nothing" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7 { nic0 } }", "follows numaN, bridge" },
    { "pcie-switch", PCIE "tree=numa0 sw { gpu0-7 }", "a { must stand here" },
    { "pcie-switch", PCIE "tree=gpu0-7", "stand outside of all braces" },
    { "pcie-switch", PCIE "tree=numa0 { numa1 { gpu0-7 } }", "stand outside of all braces" },
    { "pcie-switch", PCIE "tree=numa0 { sw { bridge { gpu0-7 } } }", "cannot hang there" },
    { "pcie-switch", PCIE "tree=numa0 { stage { gpu0-7 } }", "cannot hang there" },
    { "pcie-switch", PCIE "tree=numa0 { gpu }", "needs a number" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7@9x16 }", "a link is written @4, @x8 or @4x8" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7@x3 }", "a link is written @4, @x8 or @4x8" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7@ }", "a link is written @4, @x8 or @4x8" },
    { "pcie-switch", PCIE "tree=numa0 { gpu0-7z }", "has letters after its end" },
    { "pcie-switch", PCIE "tree=numa0 { nic5000 gpu0-7 }", "NICs are numbered 0 to 1023" },
    { "nvlink-bridge", "gpu=rtx-4090|gpus=2", "has no NVLink" },
    { "nvlink-bridge", "gpu=rtx-3090|gpus=4|nvlink_pairs=0-1 1-0", "joins GPUs 1 and 0 twice" },
    { "nvlink-bridge", "gpu=rtx-3090|gpus=4|nvlink_pairs=0-1 1-2", "would use 8 NVLinks, it has 4" },
    { "nvlink-bridge", "gpu=rtx-3090|gpus=4|nvlink_pairs=0-4", "names GPU 4, must be 0 to 3" },
    { "nvlink-bridge", "gpu=rtx-3090|gpus=4|nvlink_pairs=2-2", "joins GPU 2 to itself" },
    { "nvlink-bridge", "gpu=rtx-3090|gpus=4|nvlink_pairs=0+1", "\"0+1\" is not A-B" },
    { "nvlink-bridge", "gpu=rtx-3090|gpus=4|nvlink_pairs=0-1x", "\"0-1x\" is not A-B" },
    { "nvlink-bridge", "gpu=rtx-3090|gpus=4|nvlink_links=5", "would use 5 NVLinks, it has 4" },
    { "nvlink-bridge", "gpu=rtx-3090|gpus=4|bridge_size=3", "bridge_size" },
    { "nvlink-bridge", "gpu=rtx-3090|gpus=2|gpu_1=rtx-2080ti", "must be of one generation" },
    { "nvlink-mesh", CUBE "links=0-9:1", "names GPU 9, must be 0 to 7" },
    { "nvlink-mesh", CUBE "links=0-1 1-0", "joins GPUs 1 and 0 twice" },
    { "nvlink-mesh", CUBE "links=0-1:7", "would use 7 NVLinks, it has 6" },
    { "nvlink-mesh", CUBE "links=0-1:0", "is not A-B or A-B:LINKS" },
    { "nvlink-mesh", CUBE "links=0-1:", "is not A-B or A-B:LINKS" },
    { "nvlink-mesh", CUBE "links=0-1|links_per_pair=2", "exclude each other" },
    { "nvlink-mesh", CUBE "links_per_pair=1", "would use 7 NVLinks, it has 6" },
    { "nvlink-mesh", CUBE "pcie_generation=3", "has 6 NVLinks, too few for 7 others" },
    { "nvswitch", SWITCHED "pcie_generation=5", "chips is missing" },
    { "nvswitch", SWITCHED "chips=0", "chips" },
    { "nvswitch", SWITCHED "chips=4|links_per_chip=5;4;4", "links_per_chip has 3 numbers for 4 chips" },
    { "nvswitch", SWITCHED "chips=4|links_per_chip=0", "is not a number of NVLinks from 1 to 64" },
    { "nvswitch", SWITCHED "chips=4|links_per_chip=many", "is not a number of NVLinks from 1 to 64" },
    { "nvswitch", SWITCHED "chips=4|links_per_chip=", "links_per_chip has 0 numbers" },
    { "nvswitch", SWITCHED "chips=4|boards=2", "boards is 2, but board_links is 0" },
    { "nvswitch", SWITCHED "chips=3|boards=2|board_links=4", "do not spread evenly over 2 boards" },
    { "nvswitch", SWITCHED "chips=4|trays=3", "8 GPUs do not spread evenly over 3 trays" },
    { "nvswitch", "gpu=l40s|gpus=8|chips=4", "has no NVLink" },
    { "nvswitch", SWITCHED "chips=4|gpu_7=b200-sxm", "must be of one generation" },
};

START_TEST(a_bad_parameter_gives_one_clear_sentence)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(FabTopology) topology = try_build(bad[i].plugin, bad[i].settings, &error);
        ck_assert_msg(topology == NULL, "%s accepts %s", bad[i].plugin, bad[i].settings);
        ck_assert_msg(error != NULL && error->domain == FAB_ERROR && error->code == FAB_ERROR_VALUE, "%s: no message",
                      bad[i].settings);
        ck_assert_msg(strstr(error->message, bad[i].message) != NULL, "%s: \"%s\" lacks \"%s\"", bad[i].settings,
                      error->message, bad[i].message);
        ck_assert_msg(g_str_has_prefix(error->message, "test: ") && strchr(error->message, '\n') == NULL, "\"%s\"",
                      error->message);
    }
}
END_TEST

/* ------------------------------------------------------------------ tables and files */

START_TEST(every_default_is_accepted_and_every_parameter_explained)
{
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const FabTopologyPlugin *plugin = fab_plugin_load(names[i], NULL);
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        GString *settings = g_string_new("gpu=h100-sxm|gpus=4|chips=4");
        ck_assert_ptr_nonnull(plugin);
        ck_assert_str_eq(plugin->name, names[i]);
        if (strcmp(names[i], "nvswitch") != 0)
            g_string_assign(settings, "gpu=h100-sxm|gpus=4");
        for (const FabParamSpec *spec = plugin->params; spec->name != NULL; spec++) {
            ck_assert_msg(spec->help != NULL && spec->help[0] != '\0', "%s", spec->name);
            ck_assert_msg(strchr(spec->help, '\n') == NULL, "%s", spec->name);
            ck_assert_msg(g_hash_table_add(seen, (gpointer)spec->name), "%s: %s twice", names[i], spec->name);
            if (spec->default_value != NULL)
                g_string_append_printf(settings, "|%s=%s", spec->name, spec->default_value);
        }
        fab_topology_free(build(names[i], settings->str));
        g_string_free(settings, TRUE);
    }
}
END_TEST

START_TEST(the_host_side_has_the_same_parameters_everywhere)
{
    const FabTopologyPlugin *first = fab_plugin_load(names[0], NULL);
    uint32_t same = 0;

    for (const FabParamSpec *spec = first->params; strcmp(spec->name, "nvlink") != 0; spec++, same++) {
        for (size_t i = 1; i < G_N_ELEMENTS(names); i++) {
            const FabTopologyPlugin *other = fab_plugin_load(names[i], NULL);
            ck_assert_str_eq(other->params[same].name, spec->name);
            ck_assert_str_eq(other->params[same].help, spec->help);
        }
    }
    ck_assert_uint_gt(same, 30);
}
END_TEST

START_TEST(a_plugin_exports_one_symbol)
{
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strdup_printf("%s/%s.so", fab_path_plugins(), names[i]);
        void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        ck_assert_msg(module != NULL, "%s", path);
        ck_assert_ptr_nonnull(dlsym(module, FAB_TOPOLOGY_PLUGIN_SYMBOL));
        ck_assert_ptr_null(dlsym(module, "fab_box_build"));
        dlclose(module);
    }
}
END_TEST

/* ------------------------------------------------------------------ PCIe */

START_TEST(lanes_and_generations_are_what_both_ends_can_do)
{
    g_autoptr(FabTopology) host =
        build("pcie-switch", "gpu=rtx-4090|gpus=3|gpu_2=rtx-5090|pcie_generation=5|lanes=8|lanes_gpu_1=4");
    const FabTopologyLink *first = link_between(host, "Host bridge 0", "GPU 0");
    const FabTopologyLink *second = link_between(host, "Host bridge 1", "GPU 1");
    const FabTopologyLink *third = link_between(host, "Host bridge 2", "GPU 2");

    ck_assert_uint_eq(first->generation, 4); /* the card's */
    ck_assert_uint_eq(first->lanes, 8);
    ck_assert_double_eq_tol(first->bandwidth, 15.754e9, 1e6);
    ck_assert_uint_eq(second->lanes, 4);
    ck_assert_uint_eq(third->generation, 5);
    ck_assert_double_eq_tol(third->bandwidth, 31.508e9, 1e6);
}
END_TEST

START_TEST(host_bridges_group_gpus)
{
    g_autoptr(FabTopology) six = build("pcie-switch", "gpu=rtx-4090|gpus=6|host_bridges=0 1/2/3 4/5");
    g_autoptr(FabTopology) shared = build("pcie-switch", "gpu=rtx-4090|gpus=4|sockets=2|host_bridges=shared");
    g_autoptr(FabTopology) quadrants = build("pcie-switch", "gpu=rtx-4090|gpus=4|numa_per_socket=4");

    ck_assert_int_eq(class_between(six, 0, 1), FAB_PATH_PHB);
    ck_assert_int_eq(class_between(six, 1, 2), FAB_PATH_NODE);
    ck_assert_int_eq(class_between(six, 3, 4), FAB_PATH_PHB);
    ck_assert_int_eq(class_between(shared, 0, 1), FAB_PATH_PHB);
    ck_assert_int_eq(class_between(shared, 1, 2), FAB_PATH_SYS);
    ck_assert_int_eq(class_between(quadrants, 0, 1), FAB_PATH_SYS);
    ck_assert_int_eq(quadrants->vertices[quadrants->gpus[3]].socket, 0);
    ck_assert_int_eq(quadrants->vertices[quadrants->gpus[3]].numa, 3);
}
END_TEST

START_TEST(devices_spread_evenly_over_the_sockets)
{
    g_autoptr(FabTopology) nine = build("pcie-switch", "gpu=rtx-5090|gpus=9|sockets=2");

    for (uint32_t i = 0; i < 9; i++)
        ck_assert_int_eq(nine->vertices[nine->gpus[i]].numa, i < 5 ? 0 : 1);
}
END_TEST

START_TEST(a_chipset_hangs_off_the_cpu_by_its_own_lanes)
{
    g_autoptr(FabTopology) desk =
        build("pcie-switch", "gpu=rtx-3090|gpus=3|lanes=8|chipset_gpus=0|chipset_lanes=4|host_bridges=shared");

    ck_assert_uint_eq(link_between(desk, "Chipset 0", "Host bridge 0")->lanes, 4);
    ck_assert_ptr_nonnull(link_between(desk, "Chipset 0", "GPU 0"));
    ck_assert_ptr_nonnull(link_between(desk, "Host bridge 0", "GPU 1"));
    ck_assert_int_eq(class_between(desk, 0, 1), FAB_PATH_PHB);
}
END_TEST

START_TEST(switches_take_gpus_in_order_and_share_roots_when_told)
{
    g_autoptr(FabTopology) separate = build("pcie-switch", "gpu=l40s|gpus=16|switches=4|gpus_per_switch=4");
    g_autoptr(FabTopology) shared = build("pcie-switch", "gpu=l40s|gpus=16|switches=4|gpus_per_switch=4|roots=shared");

    ck_assert_int_eq(class_between(separate, 0, 3), FAB_PATH_PIX);
    ck_assert_int_eq(class_between(separate, 3, 4), FAB_PATH_NODE);
    ck_assert_int_eq(class_between(shared, 3, 4), FAB_PATH_PHB);
    ck_assert_uint_eq(link_between(separate, "PCIe switch 3", "Host bridge 3")->lanes, 16);
    ck_assert_ptr_nonnull(link_between(shared, "PCIe switch 3", "Host bridge 0"));
}
END_TEST

START_TEST(switches_carry_their_flags_and_limits)
{
    g_autoptr(FabTopology) box = build("pcie-switch", "gpu=l40s|gpus=4|switches=2|acs=on|write_collapse=on|"
                                                      "switch_peer_limit=50 GB/s|peer_limit=39 GB/s|"
                                                      "memory_limit=200 GB/s|bridge_rate=73.1 GB/s|uplink_lanes=8");
    const FabTopologyVertex *chip = vertex_named(box, "PCIe switch 1");

    ck_assert_uint_eq(chip->flags, FAB_VERTEX_ACS | FAB_VERTEX_WRITE_COLLAPSE);
    ck_assert_double_eq(chip->peer_limit, 50e9);
    ck_assert_double_eq(vertex_named(box, "Host bridge 0")->peer_limit, 39e9);
    ck_assert_double_eq(vertex_named(box, "CPU 0")->memory_limit, 200e9);
    ck_assert_double_eq_tol(link_between(box, "Host bridge 0", "CPU 0")->bandwidth, 73.1e9, 1);
    ck_assert_uint_eq(link_between(box, "PCIe switch 1", "Host bridge 1")->lanes, 8);
}
END_TEST

START_TEST(peer_access_is_on_off_or_the_drivers)
{
    static const struct {
        const char *settings;
        bool allowed;
    } cases[] = {
        { "gpu=l40s|gpus=2", true },
        { "gpu=l40s|gpus=2|p2p=off", false },
        { "gpu=rtx-4090|gpus=2", false },
        { "gpu=rtx-4090|gpus=2|p2p=on", true },
        { "gpu=l40s|gpus=2|gpu_1=rtx-4090", false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(FabTopology) host = build("pcie-switch", cases[i].settings);
        bool allowed = fab_topology_peer_access(host, host->gpus[0], host->gpus[1]);
        ck_assert_msg(allowed == cases[i].allowed, "%s", cases[i].settings);
    }
}
END_TEST

START_TEST(the_tree_says_what_regular_parameters_cannot)
{
    g_autoptr(FabTopology) box =
        build("pcie-switch", "gpu=l40s|gpus=6|numa_per_socket=2|"
                             "tree=numa1{sw@3x8{sw{gpu0 nic0}stage{nic1}}gpu1@x4}"
                             "numa0 { bridge { gpu2-3 } chipset@3x4 { gpu4 } gpu5 }");

    ck_assert_int_eq(box->vertices[box->gpus[0]].numa, 1);
    ck_assert_int_eq(box->vertices[box->gpus[5]].numa, 0);
    ck_assert_int_eq(class_between(box, 2, 3), FAB_PATH_PHB);
    ck_assert_int_eq(class_between(box, 3, 4), FAB_PATH_NODE);
    ck_assert_int_eq(class_between(box, 0, 1), FAB_PATH_NODE);
    ck_assert_int_eq(class_between(box, 1, 2), FAB_PATH_SYS);
    ck_assert_uint_eq(link_between(box, "PCIe switch 0", "Host bridge 0")->generation, 3);
    ck_assert_uint_eq(link_between(box, "PCIe switch 0", "Host bridge 0")->lanes, 8);
    ck_assert_uint_eq(link_between(box, "GPU 1", "Host bridge 1")->lanes, 4);
    ck_assert_double_eq_tol(link_between(box, "Chipset 0", "Host bridge 3")->bandwidth, 3.938e9, 1e6);
    ck_assert_ptr_nonnull(link_between(box, "NIC 1", "Switch stage 0"));
}
END_TEST

START_TEST(nics_hang_where_they_are_told)
{
    g_autoptr(FabTopology) bridge = build("pcie-switch", "gpu=l40s|gpus=4|nics_per_node=2|nic_attach=bridge");
    g_autoptr(FabTopology) numa = build("pcie-switch", "gpu=l40s|gpus=4|sockets=2|nics_per_node=3|nic_numa=1 0");
    g_autoptr(FabTopology) below =
        build("pcie-switch", "gpu=l40s|gpus=4|switches=2|nics_per_node=4|nic_gbps=400|nic=CX|nic_generation=5");

    ck_assert_ptr_nonnull(link_between(bridge, "NIC 1", "Host bridge 2")); /* beside GPU 2 */
    ck_assert_int_eq(vertex_named(numa, "NIC 0")->numa, 1);
    ck_assert_int_eq(vertex_named(numa, "NIC 1")->numa, 0);
    ck_assert_int_eq(vertex_named(numa, "NIC 2")->numa, 1);
    ck_assert_uint_eq(link_between(below, "NIC 3", "PCIe switch 1")->generation, 5);
    ck_assert_str_eq(vertex_named(below, "NIC 3")->model, "CX 400 Gb/s");
}
END_TEST

START_TEST(empty_slots_leave_the_wiring_as_it_is)
{
    g_autoptr(FabTopology) half = build("nvlink-mesh", "gpu=v100-sxm2|gpus=2|slots=4|links=0-1:1 0-2:2 2-3:1|"
                                                       "switches=2|gpu_numa=0-1:0 2-3:1|sockets=2");

    ck_assert_uint_eq(half->gpu_count, 2);
    ck_assert_uint_eq(nvlinks_between(half, 0, 1), 1);
    ck_assert_ptr_nonnull(vertex_named(half, "PCIe switch 1"));
    ck_assert_ptr_null(vertex_named(half, "GPU 2"));
}
END_TEST

/* ------------------------------------------------------------------ NVLink */

START_TEST(bridges_join_pairs_or_fours)
{
    g_autoptr(FabTopology) pairs = build("nvlink-bridge", "gpu=h100-nvl|gpus=5");
    g_autoptr(FabTopology) crossed = build("nvlink-bridge", "gpu=h100-nvl|gpus=4|nvlink_pairs=0-2 1-3:6");
    g_autoptr(FabTopology) fours = build("nvlink-bridge", "gpu=h200-nvl|gpus=8|bridge_size=4");
    g_autoptr(FabTopology) cut = build("nvlink-bridge", "gpu=h200-nvl|gpus=8|bridge_size=4|nvlink=off");

    ck_assert_uint_eq(nvlinks_between(pairs, 0, 1), 12);
    ck_assert_uint_eq(nvlinks_between(pairs, 1, 2), 0);
    ck_assert_uint_eq(nvlinks_between(pairs, 3, 4), 0);
    ck_assert_uint_eq(nvlinks_between(crossed, 0, 2), 12);
    ck_assert_uint_eq(nvlinks_between(crossed, 1, 3), 6);
    ck_assert_double_eq(link_between(crossed, "GPU 1", "GPU 3")->bandwidth, 150e9);
    ck_assert_uint_eq(nvlinks_between(fours, 0, 3), 6);
    ck_assert_uint_eq(nvlinks_between(fours, 3, 4), 0);
    ck_assert_uint_eq(nvlinks_between(cut, 0, 3), 0);
}
END_TEST

START_TEST(a_mesh_shares_the_links_evenly_unless_told)
{
    g_autoptr(FabTopology) even = build("nvlink-mesh", "gpu=a100-sxm-40|gpus=4");
    g_autoptr(FabTopology) fewer = build("nvlink-mesh", "gpu=a100-sxm-40|gpus=4|links_per_pair=2");
    g_autoptr(FabTopology) alone = build("nvlink-mesh", "gpu=a100-sxm-40|gpus=1");

    ck_assert_uint_eq(nvlinks_between(even, 1, 2), 4);
    ck_assert_uint_eq(nvlinks_between(fewer, 1, 2), 2);
    ck_assert_uint_eq(alone->gpu_count, 1);
}
END_TEST

START_TEST(a_gpu_with_fewer_nvlinks_uses_all_it_has)
{
    g_autoptr(FabTopology) full = build("nvswitch", SWITCHED "chips=4|links_per_chip=5;4;4;5");
    g_autoptr(FabTopology) fewer = build("nvswitch", "gpu=h800-sxm|gpus=8|chips=4|links_per_chip=5;4;4;5");
    const FabTopologyLink *link = link_between(full, "GPU 0", "NVSwitch");

    ck_assert_uint_eq(link->lanes, 18);
    ck_assert_double_eq(link->bandwidth, 450e9);
    ck_assert_uint_eq(link_between(fewer, "GPU 0", "NVSwitch")->lanes, 8);
    ck_assert_uint_eq(vertex_named(full, "NVSwitch")->count, 4);
}
END_TEST

START_TEST(multicast_comes_with_the_third_switch_generation)
{
    g_autoptr(FabTopology) with = build("nvswitch", SWITCHED "chips=4|links_per_chip=5;4;4;5");
    g_autoptr(FabTopology) without = build("nvswitch", "gpu=a100-sxm-80|gpus=8|chips=6|links_per_chip=2");
    g_autoptr(FabTopology) off = build("nvswitch", SWITCHED "chips=4|multicast=off");

    ck_assert_uint_eq(vertex_named(with, "NVSwitch")->flags, FAB_VERTEX_MULTICAST);
    ck_assert_uint_eq(vertex_named(without, "NVSwitch")->flags, 0);
    ck_assert_uint_eq(vertex_named(off, "NVSwitch")->flags, 0);
}
END_TEST

START_TEST(trays_repeat_the_box)
{
    g_autoptr(FabTopology) rack = build("nvswitch", "gpu=gb200|gpus=8|trays=2|chips=18|attach=c2c|c2c_rate=225 GB/s|"
                                                    "sockets=2|cpu_vendor=nvidia|nics_per_node=4|pcie_generation=5");

    ck_assert_ptr_nonnull(link_between(rack, "GPU 5", "CPU 2"));
    ck_assert_int_eq(vertex_named(rack, "GPU 5")->box, 1);
    ck_assert_int_eq(vertex_named(rack, "CPU 2")->numa, 0);
    ck_assert_ptr_nonnull(vertex_named(rack, "NIC 7"));
    ck_assert_ptr_null(link_between(rack, "CPU 1", "CPU 2"));
    ck_assert_uint_eq(nvlinks_between(rack, 0, 7), 18);
}
END_TEST

/* ------------------------------------------------------------------ measured variants of the catalogue */

/* As the public measurements differ from their catalogue entry. */
static const char *const variants[] = {
    "pcie-host|p2p=off|lanes=16|gpu=rtx-2080ti|gpus=2|pcie_generation=3",
    "pcie-host|p2p=on|sockets=2|gpu=quadro-rtx-8000|gpus=8|nvlink_pairs=0-1 2-3 4-5 6-7|nvlink_links=2",
    "pcie-host|gpu=a40|gpus=8|nvlink_pairs=0-1 2-3 4-5 6-7|nvlink_links=4",
    "pcie-host|p2p=on|pcie_generation=5|sockets=2|gpu=rtx-5090|gpus=9|numa_per_socket=1|gpu_0=rtx-pro-6000-ws",
    "pcie-host|p2p=on|pcie_generation=4|lanes=4|gpu=rtx-4090|gpus=2|lanes_gpu_1=4",
    "pcie-host|p2p=on|pcie_generation=4|sockets=1|gpu=rtx-4090|gpus=6|host_bridges=0 1/2/3 4/5",
    "pcie-host|p2p=on|pcie_generation=4|gpu=rtx-3090|gpus=3|lanes=8|chipset_gpus=0|chipset_lanes=4",
    "pcie-host|p2p=on|sockets=2|gpu=h100-pcie|gpus=2|pcie_generation=5|nvlink_pairs=0-1|nvlink_links=12",
    "pcie-host|gpus=2|sockets=2|gpu=h100-nvl|pcie_generation=5|nics_per_node=1|nic_gbps=200",
    "pcie-switch|p2p=on|gpu=rtx-pro-6000-se|gpus=16|sockets=1|switches=4|gpus_per_switch=4|pcie_generation=5|acs=off",
    "pcie-switch|p2p=off|gpus=8|switches=4|gpus_per_switch=2",
    "nvlink-mesh|gpu=v100-sxm2|gpus=4|links_per_pair=2|nics_per_node=4|nic_gbps=100",
    "hgx-a100-4|nics_per_node=2|nic_gbps=200",
    "hgx-a100-4|gpu=a100-sxm-64",
    "azure-ncv4|p2p=off|pcie_generation=4",
    "dgx-a100|gpu=a100-sxm-40|nics_per_node=8|nic_gbps=200",
    "dgx-h100|gpu=h800-sxm",
    "dgx-h100|gpu=h20|nics_per_node=4|nic_gbps=200",
    "dgx-h100|nics_per_node=32|nic_gbps=100",
    "dgx-h100|gpus=1",
    "dgx-1v|gpus=4",
    "dgx-1v|nics_per_node=1|nic_gbps=100",
    "turin-direct-8|gpus=6|p2p=on|pcie_generation=5",
    "gb200-nvl72|nics_per_node=4|nic_gbps=400",
    "ws2-bridge-3090|pcie_generation=3",
    "ws2-x16|p2p=on|pcie_generation=4|cpu_vendor=intel",
    "wrx90-2sw-8|roots=shared|p2p=on",
};

START_TEST(measured_variants_of_the_catalogue_build)
{
    for (size_t i = 0; i < G_N_ELEMENTS(variants); i++) {
        g_auto(GStrv) words = g_strsplit(variants[i], "|", -1);
        g_autoptr(GHashTable) overrides = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GError) error = NULL;
        g_autoptr(FabTopology) machine = NULL;
        for (guint w = 1; words[w] != NULL; w++) {
            char *value = strchr(words[w], '=');
            *value++ = '\0';
            g_hash_table_insert(overrides, words[w], value);
        }
        machine = fab_machine_load(words[0], overrides, &error);
        ck_assert_msg(machine != NULL, "%s: %s", variants[i], error != NULL ? error->message : "no message");
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("plugins");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_bad_parameter_gives_one_clear_sentence);
    tcase_add_test(tests, every_default_is_accepted_and_every_parameter_explained);
    tcase_add_test(tests, the_host_side_has_the_same_parameters_everywhere);
    tcase_add_test(tests, a_plugin_exports_one_symbol);
    tcase_add_test(tests, lanes_and_generations_are_what_both_ends_can_do);
    tcase_add_test(tests, host_bridges_group_gpus);
    tcase_add_test(tests, devices_spread_evenly_over_the_sockets);
    tcase_add_test(tests, a_chipset_hangs_off_the_cpu_by_its_own_lanes);
    tcase_add_test(tests, switches_take_gpus_in_order_and_share_roots_when_told);
    tcase_add_test(tests, switches_carry_their_flags_and_limits);
    tcase_add_test(tests, peer_access_is_on_off_or_the_drivers);
    tcase_add_test(tests, the_tree_says_what_regular_parameters_cannot);
    tcase_add_test(tests, nics_hang_where_they_are_told);
    tcase_add_test(tests, empty_slots_leave_the_wiring_as_it_is);
    tcase_add_test(tests, bridges_join_pairs_or_fours);
    tcase_add_test(tests, a_mesh_shares_the_links_evenly_unless_told);
    tcase_add_test(tests, a_gpu_with_fewer_nvlinks_uses_all_it_has);
    tcase_add_test(tests, multicast_comes_with_the_third_switch_generation);
    tcase_add_test(tests, trays_repeat_the_box);
    tcase_add_test(tests, measured_variants_of_the_catalogue_build);
    return run_tests(tests);
}
