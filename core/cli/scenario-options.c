/* The options by which sub-commands are told what to run: a scenario file, keys of it, or both. */
#include "cli/scenario-options.h"

#include <string.h>

#include "base/error.h"

/* An option that stands for a key of the scenario. */
typedef struct {
    const char *option, *key; /* a key without group belongs to what the scenario runs */
    const char *help, *value;
} KeyOption;

static const KeyOption key_options[FAB_SCENARIO_KEYS] = {
    { "topology", "topology.name", "The machine: an id of `fabricast topology list`, or a file", "NAME" },
    { "collective", "collective.operation", "The collective: all_reduce, all_gather, alltoall, ...", "NAME" },
    { "transfer", "transfer.flows", "Copies at the same time instead of a collective", "\"0>1 2<>3\"" },
    { "pipeline", "pipeline.bytes", "Copies in chunks to a GPU, through a kernel and back: bytes each way", "SIZE" },
    { "sizes", "sizes", "FIRST:LAST[:FACTOR], or a list 1M,2M; default 8:8G", "SIZES" },
    { "ranks", "collective.ranks", "How many GPUs, or which: 0,2,4,6; default all", "RANKS" },
    { "seeds", "seeds", "Draws of a network's hash: their median, 5 % and 95 %", "N" },
    { "algorithm", "collective.algorithm", "ring, tree, nvls, ...; default auto", "NAME" },
    { "protocol", "collective.protocol", "simple, ll or ll128; default auto", "NAME" },
    { "channels", "collective.channels", "Channels (CTAs); default: what NCCL would take", "N" },
    { "root", "collective.root", "Root rank of broadcast, reduce, gather, scatter", "RANK" },
    { "chunk", "collective.chunk", "Most bytes of one step", "SIZE" },
    { "slice", "collective.slice", "Bytes between two exchanges of counters", "SIZE" },
    { "slots", "collective.slots", "Slices in flight on a connection", "N" },
    { "calibration", "calibration.file", "Constants that `fabricast calibrate` fitted", "FILE" },
    { "datatype", "collective.datatype", "float, half, bfloat16, ...", "TYPE" },
    { "reduction", "collective.reduction", "sum, prod, max, min or avg", "OP" },
};

void
fab_scenario_options_clear(FabScenarioOptions *options)
{
    for (size_t i = 0; i < FAB_SCENARIO_KEYS; i++)
        g_free(options->values[i]);
    g_strfreev(options->given_sets);
    g_clear_pointer(&options->sets, g_ptr_array_unref);
}

void
fab_scenario_options_list(FabScenarioOptions *options, GOptionEntry entries[FAB_SCENARIO_ENTRIES])
{
    for (size_t i = 0; i < FAB_SCENARIO_KEYS; i++)
        entries[i] = (GOptionEntry) { key_options[i].option,   0, 0, G_OPTION_ARG_FILENAME, &options->values[i],
                                      key_options[i].help, key_options[i].value };
    entries[FAB_SCENARIO_KEYS] = (GOptionEntry)FAB_CLI_SET_KEY(&options->given_sets, "Any key of a scenario");
}

/* An option of its own wins over --set. */
static void
collect_sets(FabScenarioOptions *options)
{
    g_clear_pointer(&options->sets, g_ptr_array_unref);
    options->sets = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; options->given_sets != NULL && options->given_sets[i] != NULL; i++)
        g_ptr_array_add(options->sets, g_strdup(options->given_sets[i]));
    for (size_t i = 0; i < FAB_SCENARIO_KEYS; i++) {
        if (options->values[i] != NULL)
            g_ptr_array_add(options->sets, g_strdup_printf("%s=%s", key_options[i].key, options->values[i]));
    }
    g_ptr_array_add(options->sets, NULL);
}

bool
fab_scenario_options_collect(FabScenarioOptions *options, const FabCommand *command, int argc, char **argv,
                             GError **error)
{
    collect_sets(options);
    return argc > 1 || options->sets->len > 1 ||
           fab_cli_arguments(command, argc, argv, 1, 1, "a scenario, or --topology and --collective", error);
}

/* "command line: [collective] sizes: ..." becomes "command line: --sizes: ..." where that option was given. */
static void
name_options(const FabScenarioOptions *options, GError **error)
{
    for (size_t i = 0; i < FAB_SCENARIO_KEYS; i++) {
        const char *dot = strchr(key_options[i].key, '.');
        const char *key = dot != NULL ? dot + 1 : key_options[i].key;
        g_autofree char *pattern = g_strdup_printf("^command line: \\[\\w+\\] %s\\b", key);
        g_autofree char *place = g_strdup_printf("command line: --%s", key_options[i].option);
        g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
        char *message = NULL;

        if (options->values[i] != NULL)
            message = g_regex_replace_literal(regex, (*error)->message, -1, 0, place, 0, NULL);
        if (message != NULL) {
            g_free((*error)->message);
            (*error)->message = message;
        }
    }
}

static bool
is_set(const FabScenarioOptions *options, const char *start)
{
    for (guint i = 0; i + 1 < options->sets->len; i++) {
        if (g_str_has_prefix(options->sets->pdata[i], start))
            return true;
    }
    return false;
}

/* Without a file the options must say on which machine to run what. */
static FabScenario *
load_from_options(const FabScenarioOptions *options, GError **error)
{
    const char *missing = NULL;

    if (!is_set(options, "topology.name="))
        missing = "--topology is missing, it names a machine of `fabricast topology list` or a file";
    else if (!is_set(options, "collective.operation=") && !is_set(options, "transfer.flows=") &&
             !is_set(options, "pipeline.bytes="))
        missing = "--collective is missing, such as --collective all_reduce; or --transfer \"0>1\"";
    if (missing == NULL)
        return fab_scenario_from_sets((char *const *)options->sets->pdata, error);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: %s", missing);
    return NULL;
}

GPtrArray *
fab_scenario_options_load(const FabScenarioOptions *options, int count, char **paths, GError **error)
{
    g_autoptr(GPtrArray) scenarios = g_ptr_array_new_with_free_func((GDestroyNotify)fab_scenario_free);
    char *const *sets = (char *const *)options->sets->pdata;

    for (int i = 0; i < MAX(count, 1); i++) {
        FabScenario *scenario =
            count > 0 ? fab_scenario_load(paths[i], sets, error) : load_from_options(options, error);
        if (scenario == NULL) {
            name_options(options, error);
            return NULL;
        }
        g_ptr_array_add(scenarios, scenario);
    }
    return g_steal_pointer(&scenarios);
}

void
fab_scenario_options_blame(const FabScenarioOptions *options, const FabScenario *scenario, GError **error)
{
    if (!g_str_has_prefix((*error)->message, scenario->path) && !g_str_has_prefix((*error)->message, "command line: "))
        g_prefix_error(error, "%s: ", scenario->path);
    name_options(options, error);
}
