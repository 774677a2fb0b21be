#include "validate/resolve.h"

#include <string.h>

#include "base/datatype.h"
#include "base/units.h"
#include "collective/collective.h"
#include "collective/constants.h"
#include "plugin/loader.h"
#include "plugin/params.h"
#include "validate/resolve-network.h"
#include "validate/run-facts.h"
#include "topology/machine.h"

const char fab_reason_kind[] = "not a collective";
const char fab_reason_topology[] = "the machine is not known: [system] topology is missing";
const char fab_reason_nodes[] = "several nodes: networks are not modelled";
const char fab_reason_racks[] = "several NVLink domains: networks are not modelled";
const char fab_reason_machine[] = "the machine cannot be built";
const char fab_reason_scenario[] = "the call cannot be predicted";
const char fab_reason_ranks[] = "more ranks than --max-ranks";

/* Overrides that say how ranks are spread or what the network is: no parameters of a box without a network. */
static const char *const spread_keys[] = { "ranks_per_node", "nodes", "racks",     "ranks_per_rack", "fabric",
                                           "nics_per_node",  "nic_gbps", "transport", "gdr",            NULL };

/*
 * Settings of NCCL that cannot matter inside one NVLink domain, or on networks that no measurement says reduce: NCCL
 * ignores NCCL_COLLNET_ENABLE where nothing reduces.
 */
static const char *const idle_settings[] = {
    "NCCL_IGNORE_DISABLED_P2P", "NCCL_MNNVL_ENABLE", "NCCL_CUMEM_ENABLE", "NCCL_CROSS_NIC", "NCCL_COLLNET_ENABLE",
    "NCCL_NET_GDR_LEVEL",       "NCCL_NET",          "NCCL_DEBUG",        NULL,
};

enum { USUAL_SERVER = 8 }; /* cards in a server */

typedef struct {
    const FabMeasurement *measurement;
    FabResolved *out;
    GPtrArray *sets;  /* "group.key=value" */
    const FabTopologyPlugin *plugin; /* of the machine, or of the nodes' machine */
    bool cluster;
} Resolver;

/* ------------------------------------------------------------------ small helpers */

static bool
refuse(FabResolved *out, const char *reason, char *detail)
{
    out->reason = reason;
    out->detail = detail;
    return false;
}

static void
add_set(Resolver *resolver, const char *key, const char *value)
{
    g_ptr_array_add(resolver->sets, g_strdup_printf("%s=%s", key, value));
}

static void
add_note(Resolver *resolver, char *note)
{
    g_ptr_array_add(resolver->out->notes, note);
}

static const char *
fact(const Resolver *resolver, const char *group, const char *key)
{
    return fab_measurement_get(resolver->measurement, group, key);
}

static bool
declares(const Resolver *resolver, const char *parameter)
{
    return fab_param_find(resolver->plugin->params, parameter) != NULL;
}

/* A parameter of the machine, which in a cluster is that of the nodes. */
static void
add_machine_set(Resolver *resolver, const char *parameter, const char *value)
{
    g_autofree char *key = g_strconcat(resolver->cluster ? "topology.node." : "topology.", parameter, NULL);

    add_set(resolver, key, value);
}

/* ------------------------------------------------------------------ the machine */

bool
fab_is_cluster(const FabMeasurement *measurement)
{
    int64_t racks = fab_measurement_integer(measurement, "overrides", "racks", 0);

    return racks > 1 || (racks == 0 && fab_measurement_integer(measurement, "system", "nodes", 1) > 1);
}

static bool
check_domain(const Resolver *resolver)
{
    const FabMeasurement *measurement = resolver->measurement;
    int64_t nodes = fab_measurement_integer(measurement, "system", "nodes", 1);
    int64_t racks = fab_measurement_integer(measurement, "overrides", "racks", 0);

    if (fact(resolver, "system", "topology") == NULL)
        return refuse(resolver->out, fab_reason_topology,
                      g_strdup("[system] topology is missing, so the table covers several systems or one that the "
                               "catalogue does not hold"));
    if (resolver->cluster)
        return true;
    if (racks > 1)
        return refuse(resolver->out, fab_reason_racks, g_strdup_printf("%d racks", (int)racks));
    if (nodes > 1 && racks != 1)
        return refuse(resolver->out, fab_reason_nodes, g_strdup_printf("%d nodes", (int)nodes));
    return true;
}

static bool
find_plugin(Resolver *resolver)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;

    if (fab_machine_describe(fact(resolver, "system", "topology"), NULL, &name, &error))
        resolver->plugin = fab_plugin_load(name, &error);
    return resolver->plugin != NULL || refuse(resolver->out, fab_reason_machine, g_strdup(error->message));
}

static bool
add_overrides(Resolver *resolver)
{
    const GPtrArray *facts = resolver->measurement->facts;

    add_set(resolver, "topology.name", resolver->cluster ? "cluster" : fact(resolver, "system", "topology"));
    for (guint i = 0; i < facts->len; i++) {
        const FabFact *one = facts->pdata[i];
        if (strcmp(one->group, "overrides") != 0 || g_strv_contains(spread_keys, one->key))
            continue;
        if (!declares(resolver, one->key))
            return refuse(resolver->out, fab_reason_machine,
                          g_strdup_printf("[overrides] %s=%s: plugin %s of machine %s has no such parameter", one->key,
                                          one->value, resolver->plugin->name, fact(resolver, "system", "topology")));
        add_machine_set(resolver, one->key, one->value);
    }
    return true;
}

/* 1: peer access was in use, 0: it was not, -1: nobody says. */
static int
peer_access(const Resolver *resolver)
{
    const char *override = fact(resolver, "overrides", "p2p"), *system = fact(resolver, "system", "p2p");

    if (override != NULL)
        return strcmp(override, "on") == 0;
    return system != NULL ? strcmp(system, "yes") == 0 : -1;
}

static bool
has_nvlink(const FabTopology *topology)
{
    for (uint32_t i = 0; i < topology->link_count; i++) {
        if (topology->links[i].medium == FAB_MEDIUM_NVLINK)
            return true;
    }
    return false;
}

/* The driver's side of peer access is a parameter of the machine. */
static void
add_peer_access(Resolver *resolver)
{
    const char *values[] = { "off", "on" };
    int access = peer_access(resolver);

    if (access >= 0 && fact(resolver, "overrides", "p2p") == NULL && declares(resolver, "p2p"))
        add_machine_set(resolver, "p2p", values[access]);
}

static bool
states(const Resolver *resolver, const char *parameter)
{
    return fact(resolver, "overrides", parameter) != NULL;
}

/* The maker of the CPUs decides how far NCCL lets GPUs talk directly, and what it thinks of the paths. */
static void
add_cpu_vendor(Resolver *resolver)
{
    const char *cpu = fact(resolver, "system", "cpu");

    if (cpu == NULL || states(resolver, "cpu_vendor") || !declares(resolver, "cpu_vendor"))
        return;
    if (strstr(cpu, "AMD") != NULL || strstr(cpu, "EPYC") != NULL || strstr(cpu, "Threadripper") != NULL)
        add_machine_set(resolver, "cpu_vendor", "amd");
    else if (strstr(cpu, "Intel") != NULL || strstr(cpu, "Xeon") != NULL)
        add_machine_set(resolver, "cpu_vendor", "intel");
}

/*
 * A host of eight cards of which nobody says how they hang on its CPUs. Two sockets with two switches of two cards each
 * is how servers of eight double-wide cards are built (the dual-root boards of topologies/l40s-8-dual-root-4sw.ini).
 */
static void
add_usual_tree(Resolver *resolver)
{
    static const char *const tree_keys[] = { "sockets", "host_bridges", "switches", "tree", "nvlink_pairs", NULL };

    if (strcmp(fact(resolver, "system", "topology"), "pcie-host") != 0 ||
        fab_measurement_integer(resolver->measurement, "system", "gpus_per_node", 0) != USUAL_SERVER)
        return;
    for (guint i = 0; tree_keys[i] != NULL; i++) {
        if (states(resolver, tree_keys[i]))
            return;
    }
    add_machine_set(resolver, "sockets", "2");
    add_machine_set(resolver, "switches", "4");
    add_note(resolver, g_strdup("PCIe tree not stated: two sockets with two switches of two GPUs each are assumed"));
}

/*
 * Whether NCCL's own rule could have let the GPUs talk directly over PCIe at any distance: never on an Intel host, and
 * from 2.23 on for two GPUs only. Where it could not, "peer access: yes" is what the driver allows, not what NCCL used.
 */
static bool
could_be_direct(const Resolver *resolver)
{
    const char *vendor = fact(resolver, "overrides", "cpu_vendor"), *cpu = fact(resolver, "system", "cpu");
    int64_t ranks = fab_measurement_integer(resolver->measurement, "system", "ranks", 0);
    bool stated;
    int64_t minor = fab_release_facts(resolver->measurement, &stated);

    if (g_strcmp0(vendor, "intel") == 0 || (cpu != NULL && strstr(cpu, "Intel") != NULL))
        return false;
    return minor < 23 || ranks <= 2;
}

/*
 * How far NCCL goes, where no setting of its own says it: what was in use on a machine without NVLink, unless NCCL's
 * rule forbids it.
 */
static void
add_peer_level(Resolver *resolver, const FabTopology *topology)
{
    g_autofree char *level = fab_measurement_environment(resolver->measurement, "NCCL_P2P_LEVEL");
    g_autofree char *disable = fab_measurement_environment(resolver->measurement, "NCCL_P2P_DISABLE");
    int access = peer_access(resolver);

    if (level != NULL || disable != NULL)
        return;
    if (access == 1 && !has_nvlink(topology) && could_be_direct(resolver))
        add_set(resolver, "collective.peer", "sys");
    if (access == 0)
        add_set(resolver, "collective.peer", "nvlink");
}

/* ------------------------------------------------------------------ the call */

/* Copies of NCCL's send and receive have no algorithm to choose. */
static bool
takes_algorithm(const char *collective)
{
    return strcmp(collective, "alltoall") != 0 && strcmp(collective, "sendrecv") != 0;
}

/* A column that says what ran: as if NCCL had been told so. False when it says nothing that is known. */
static bool
add_choice(Resolver *resolver, const char *fact_key, const char *setting, const char *const *names)
{
    const char *name = fact(resolver, "run", fact_key);
    g_autofree char *key = g_strconcat("collective.", setting, NULL);

    if (name == NULL)
        return false;
    for (guint i = 0; names[i] != NULL; i++) {
        if (g_ascii_strcasecmp(name, names[i]) == 0) {
            add_set(resolver, key, name);
            return true;
        }
    }
    add_note(resolver, g_strdup_printf("%s %s is not known, NCCL's choice is taken", fact_key, name));
    return false;
}

/* Virtual ranks ran a program of ours: its algorithm and protocol by our names, whatever NCCL calls the like. */
static void
add_program(Resolver *resolver)
{
    static const char *const facts[] = { "algo", "proto" }, *const keys[] = { "algorithm", "protocol" };
    const char *channels = fact(resolver, "run", "channels");

    for (guint i = 0; i < G_N_ELEMENTS(facts); i++) {
        const char *name = fact(resolver, "run", facts[i]);
        g_autofree char *ours = name != NULL ? g_ascii_strdown(name, -1) : NULL;
        g_autofree char *key = g_strconcat("collective.", keys[i], NULL);
        if (name == NULL)
            continue;
        if (i == 0 ? fab_algorithm_find(ours, NULL) != NULL : g_strv_contains(fab_protocol_names, ours))
            add_set(resolver, key, ours);
        else
            add_note(resolver, g_strdup_printf("%s %s is not known, another is taken", facts[i], name));
    }
    if (channels != NULL)
        add_set(resolver, "collective.channels", channels);
}

/*
 * The plugin of AWS's network, whose tuner the measurement names, sets this variable on instances with Hopper and later
 * GPUs even where no network is used (aws-ofi-nccl, src/platform-aws.cpp: p5, p5en, p6-b200, p6-b300).
 */
static void
add_plugin_settings(Resolver *resolver)
{
    g_autofree char *tuner = fab_measurement_environment(resolver->measurement, "NCCL_TUNER_PLUGIN");
    g_autofree char *chunk = fab_measurement_environment(resolver->measurement, "NCCL_NVLS_CHUNKSIZE");
    const FabTopology *topology = resolver->out->topology;
    const FabGpuModel *gpu = topology->vertices[topology->gpus[0]].gpu;

    if (tuner == NULL || strcmp(tuner, "ofi") != 0 || chunk != NULL || gpu == NULL || gpu->compute_capability < 90)
        return;
    add_set(resolver, "collective.NCCL_NVLS_CHUNKSIZE", "524288");
    add_note(resolver, g_strdup("NCCL_NVLS_CHUNKSIZE is 524288, as AWS's network plugin sets it"));
}

/* NCCL's own settings, under their own names; what [run] says of the choice goes before what was asked for. */
static void
add_settings(Resolver *resolver)
{
    bool takes = takes_algorithm(fact(resolver, "run", "collective"));
    bool algorithm = takes && add_choice(resolver, "algo", "NCCL_ALGO", fab_nccl_algorithm_names);
    bool protocol = takes && add_choice(resolver, "proto", "NCCL_PROTO", fab_nccl_protocol_names);
    const char *channels = fact(resolver, "run", "channels");
    bool bounded = false;

    for (guint i = 0; fab_nccl_setting_keys[i] != NULL; i++) {
        const char *key = fab_nccl_setting_keys[i];
        g_autofree char *value = fab_measurement_environment(resolver->measurement, key);
        g_autofree char *name = g_strconcat("collective.", key, NULL);
        if (value == NULL || strcmp(key, "NCCL_GRAPH_FILE") == 0 || (algorithm && strcmp(key, "NCCL_ALGO") == 0) ||
            (protocol && strcmp(key, "NCCL_PROTO") == 0) || g_strv_contains(idle_settings, key))
            continue;
        bounded = bounded || g_str_has_suffix(key, "_NCHANNELS") || g_str_has_suffix(key, "_CTAS");
        add_set(resolver, name, value);
    }
    if (channels != NULL && !bounded)
        add_set(resolver, "collective.channels", channels);
}

static void
add_data(Resolver *resolver)
{
    static const char *const reductions[] = { "sum", "prod", "max", "min", "avg", NULL };
    const char *dtype = fact(resolver, "run", "dtype"), *redop = fact(resolver, "run", "redop");

    if (dtype != NULL && fab_datatype_find(dtype, NULL) != NULL)
        add_set(resolver, "collective.datatype", dtype);
    if (redop != NULL && g_strv_contains(reductions, redop))
        add_set(resolver, "collective.reduction", redop);
}

/* The release whose rules decided: the nearest one that is known. */
static void
add_release(Resolver *resolver)
{
    bool stated;
    int64_t minor = fab_release_facts(resolver->measurement, &stated);
    char release[32];

    if (minor == 0)
        return;
    g_snprintf(release, sizeof release, "2.%d", (int)CLAMP(minor, 18, 30));
    if (stated && (minor < 18 || minor > 30))
        add_note(resolver,
                 g_strdup_printf("NCCL %s decides as %s does", fact(resolver, "run", "nccl_version"), release));
    if (!stated)
        add_note(resolver, g_strdup_printf("release of NCCL not stated, %s taken by the date", release));
    add_set(resolver, "collective.nccl", release);
}

/* Who launched, and how it was timed. */
static void
add_launchers(Resolver *resolver)
{
    FabLaunchFacts facts = fab_launch_facts(resolver->measurement);
    char number[32];

    if (facts.from != NULL)
        add_note(resolver, g_strdup_printf("launched by %s", facts.from));
    g_snprintf(number, sizeof number, "%d", (int)facts.processes);
    if (facts.processes > 0)
        add_set(resolver, "collective.processes", number);
    g_snprintf(number, sizeof number, "%d", (int)facts.threads);
    if (facts.threads > 0)
        add_set(resolver, "collective.threads", number);
    add_set(resolver, "collective.timing", fab_timing_facts(resolver->measurement));
    if (fact(resolver, "run", "iterations") != NULL)
        add_set(resolver, "collective.calls", fact(resolver, "run", "iterations"));
    if (fab_registers_buffers(resolver->measurement))
        add_set(resolver, "collective.registered", "on");
    if (fab_sends_one_way(resolver->measurement))
        add_set(resolver, "collective.one_way", "on");
}

/* Which GPUs: the first ones of the machine or of each rack, or of each tray where not all of a tray took part. */
static void
add_ranks(Resolver *resolver)
{
    const FabMeasurement *measurement = resolver->measurement;
    int64_t ranks = fab_measurement_integer(measurement, "system", "ranks", 0);
    int64_t per_node = fab_measurement_integer(measurement, "overrides", "ranks_per_node", 0);
    int64_t in_node = fab_measurement_integer(measurement, "system", "gpus_per_node", 0);
    int64_t nodes = fab_measurement_integer(measurement, "system", "nodes", 1);
    int64_t per_rack = fab_measurement_integer(measurement, "overrides", "ranks_per_rack", 0);
    g_autoptr(GString) list = g_string_new(NULL);

    if (nodes > 1 && per_node > 0 && in_node > per_node && per_node * nodes == ranks) {
        for (int64_t i = 0; i < ranks; i++)
            g_string_append_printf(list, "%s%d", i > 0 ? "," : "", (int)(i / per_node * in_node + i % per_node));
    } else if (resolver->cluster && per_rack > 0) {
        int64_t rack = resolver->out->topology->nodes[0].gpus;
        for (int64_t i = 0; i < ranks; i++)
            g_string_append_printf(list, "%s%d", i > 0 ? "," : "", (int)(i / per_rack * rack + i % per_rack));
    } else {
        g_string_printf(list, "%d", (int)ranks);
    }
    add_set(resolver, "collective.ranks", list->str);
}

static int
compare_sizes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Each size once. A size of 0 moves nothing and is left out. */
static void
add_sizes(Resolver *resolver)
{
    const FabMeasurement *measurement = resolver->measurement;
    g_autofree uint64_t *sizes = g_new(uint64_t, measurement->rows->len);
    g_autoptr(GString) text = g_string_new("collective.sizes=");
    guint count = measurement->rows->len;

    for (guint i = 0; i < count; i++)
        sizes[i] = g_ascii_strtoull(fab_measurement_text(measurement, i, FAB_COLLECTIVE_SIZE), NULL, 10);
    qsort(sizes, count, sizeof *sizes, compare_sizes);
    for (guint i = 0; i < count; i++) {
        if (sizes[i] > 0 && (i == 0 || sizes[i] != sizes[i - 1]))
            g_string_append_printf(text, "%s%" G_GUINT64_FORMAT, text->str[text->len - 1] == '=' ? "" : ";", sizes[i]);
    }
    g_ptr_array_add(resolver->sets, g_string_free(g_steal_pointer(&text), FALSE));
}

static void
note_settings(Resolver *resolver)
{
    const char *env = fact(resolver, "run", "env");
    g_auto(GStrv) settings = g_strsplit(env != NULL ? env : "", ";", -1);

    for (guint i = 0; settings[i] != NULL; i++) {
        g_auto(GStrv) sides = g_strsplit(settings[i], "=", 2);
        if (g_str_has_prefix(settings[i], "NCCL_") && !g_strv_contains(idle_settings, sides[0]) &&
            (!g_strv_contains(fab_nccl_setting_keys, sides[0]) || strcmp(sides[0], "NCCL_GRAPH_FILE") == 0))
            add_note(resolver, g_strdup_printf("%s is not modelled", settings[i]));
    }
}

/* ------------------------------------------------------------------ all together */

/* Builds the machine before the rest of the scenario, which depends on whether it has NVLink. */
static bool
build_machine(Resolver *resolver)
{
    g_autoptr(GHashTable) overrides = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GError) error = NULL;
    size_t prefix = strlen("topology.");

    for (guint i = 1; i < resolver->sets->len; i++) {
        g_auto(GStrv) sides = g_strsplit((const char *)resolver->sets->pdata[i] + prefix, "=", 2);
        g_hash_table_insert(overrides, g_strdup(sides[0]), g_strdup(sides[1]));
    }
    resolver->out->topology =
        fab_machine_load(resolver->cluster ? "cluster" : fact(resolver, "system", "topology"), overrides, &error);
    return resolver->out->topology != NULL || refuse(resolver->out, fab_reason_machine, g_strdup(error->message));
}

static bool
build_scenario(Resolver *resolver)
{
    g_autoptr(GError) error = NULL;
    FabScenario *scenario;

    add_set(resolver, "collective.operation", fact(resolver, "run", "collective"));
    add_ranks(resolver);
    add_launchers(resolver);
    add_release(resolver);
    if (resolver->out->topology->shared != FAB_VERTEX_NONE)
        add_program(resolver);
    else
        add_settings(resolver);
    add_plugin_settings(resolver);
    add_data(resolver);
    add_peer_level(resolver, resolver->out->topology);
    add_sizes(resolver);
    note_settings(resolver);
    g_ptr_array_add(resolver->sets, NULL);
    scenario = fab_scenario_from_sets((char *const *)resolver->sets->pdata, &error);
    if (scenario == NULL)
        return refuse(resolver->out, fab_reason_scenario, g_strdup(error->message));
    g_free(scenario->path);
    scenario->path = g_strdup(resolver->measurement->path);
    g_free(scenario->name);
    scenario->name = g_strdup(resolver->measurement->id);
    resolver->out->scenario = scenario;
    return true;
}

static void
resolve(const FabMeasurement *measurement, bool cluster, bool left_out, FabResolved *resolved)
{
    g_autoptr(GPtrArray) sets = g_ptr_array_new_with_free_func(g_free);
    Resolver resolver = { .measurement = measurement, .out = resolved, .sets = sets, .cluster = cluster };

    *resolved = (FabResolved) { .notes = g_ptr_array_new_with_free_func(g_free) };
    if (measurement->kind != FAB_MEASUREMENT_COLLECTIVE) {
        refuse(resolved, fab_reason_kind, g_strdup(fab_measurement_kind_names[measurement->kind]));
        return;
    }
    if (!check_domain(&resolver) || !find_plugin(&resolver) || !add_overrides(&resolver))
        return;
    add_peer_access(&resolver);
    add_cpu_vendor(&resolver);
    add_usual_tree(&resolver);
    if (cluster)
        resolved->borrowed = fab_resolve_network(measurement, left_out, sets, resolved->notes);
    if (!build_machine(&resolver))
        return;
    if (cluster)
        fab_resolve_network_settings(measurement, sets, resolved->notes);
    build_scenario(&resolver);
}

void
fab_resolve(const FabMeasurement *measurement, FabResolved *resolved)
{
    resolve(measurement, false, false, resolved);
}

void
fab_resolve_cluster(const FabMeasurement *measurement, FabResolved *resolved)
{
    resolve(measurement, true, false, resolved);
}

void
fab_resolve_cluster_left_out(const FabMeasurement *measurement, FabResolved *resolved)
{
    resolve(measurement, true, true, resolved);
}

void
fab_resolved_clear(FabResolved *resolved)
{
    g_clear_pointer(&resolved->scenario, fab_scenario_free);
    g_clear_pointer(&resolved->topology, fab_topology_free);
    g_clear_pointer(&resolved->detail, g_free);
    g_clear_pointer(&resolved->notes, g_ptr_array_unref);
}
