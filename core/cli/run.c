/* fabricast run: predicts scenarios. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/report.h"
#include "scenario/scenario.h"
#include "study/run.h"

/* An option that stands for a key of the scenario. */
typedef struct {
    const char *option, *key; /* a key without group belongs to what the scenario runs */
    const char *help, *value;
} KeyOption;

static const KeyOption key_options[] = {
    { "topology", "topology.name", "The machine: an id of `fabricast topology list`, or a file", "NAME" },
    { "collective", "collective.operation", "The collective: all_reduce, all_gather, alltoall, ...", "NAME" },
    { "transfer", "transfer.flows", "Copies at the same time instead of a collective", "\"0>1 2<>3\"" },
    { "sizes", "sizes", "FIRST:LAST[:FACTOR], or a list 1M,2M; default 8:8G", "SIZES" },
    { "ranks", "collective.ranks", "How many GPUs, or which: 0,2,4,6; default all", "RANKS" },
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

typedef struct {
    char *values[G_N_ELEMENTS(key_options)]; /* of the key options; NULL: not given */
    char **given_sets;                       /* of --set */
    GPtrArray *sets;                         /* both as "key=value", NULL at the end */
    gboolean json, csv, quiet;
    char *path;
} Options;

static void
clear_options(Options *options)
{
    for (size_t i = 0; i < G_N_ELEMENTS(key_options); i++)
        g_free(options->values[i]);
    g_strfreev(options->given_sets);
    g_clear_pointer(&options->sets, g_ptr_array_unref);
    g_free(options->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

enum { OTHER_OPTIONS = 7 };

static void
list_entries(GOptionEntry entries[G_N_ELEMENTS(key_options) + OTHER_OPTIONS], Options *options)
{
    const GOptionEntry others[OTHER_OPTIONS] = {
        { "set", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->given_sets, "Any key of a scenario", "GROUP.KEY=VALUE" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print JSON", NULL },
        { "csv", 0, 0, G_OPTION_ARG_NONE, &options->csv, "Print CSV", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options->path, "Write to a file", "FILE" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "Show no progress", NULL },
        { "no-progress", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->quiet, "The same as --quiet", NULL },
        { 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(key_options); i++)
        entries[i] = (GOptionEntry) { key_options[i].option,   0, 0, G_OPTION_ARG_FILENAME, &options->values[i],
                                      key_options[i].help, key_options[i].value };
    memcpy(entries + G_N_ELEMENTS(key_options), others, sizeof others);
}

/* An option of its own wins over --set. */
static void
collect_sets(Options *options)
{
    options->sets = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; options->given_sets != NULL && options->given_sets[i] != NULL; i++)
        g_ptr_array_add(options->sets, g_strdup(options->given_sets[i]));
    for (size_t i = 0; i < G_N_ELEMENTS(key_options); i++) {
        if (options->values[i] != NULL)
            g_ptr_array_add(options->sets, g_strdup_printf("%s=%s", key_options[i].key, options->values[i]));
    }
    g_ptr_array_add(options->sets, NULL);
}

/* "command line: [collective] sizes: ..." becomes "command line: --sizes: ..." where that option was given. */
static void
name_options(const Options *options, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(key_options); i++) {
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
is_set(const Options *options, const char *start)
{
    for (guint i = 0; i + 1 < options->sets->len; i++) {
        if (g_str_has_prefix(options->sets->pdata[i], start))
            return true;
    }
    return false;
}

/* Without a file the options must say on which machine to run what. */
static FabScenario *
load_from_options(const Options *options, GError **error)
{
    const char *missing = NULL;

    if (!is_set(options, "topology.name="))
        missing = "--topology is missing, it names a machine of `fabricast topology list` or a file";
    else if (!is_set(options, "collective.operation=") && !is_set(options, "transfer.flows="))
        missing = "--collective is missing, such as --collective all_reduce; or --transfer \"0>1\"";
    if (missing == NULL)
        return fab_scenario_from_sets((char *const *)options->sets->pdata, error);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: %s", missing);
    return NULL;
}

/* Reads every scenario before the first one runs. Owned by the caller; NULL with an error. */
static GPtrArray *
load_scenarios(const Options *options, int count, char **paths, GError **error)
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

static FabResult *
run_one(const FabScenario *scenario, const Options *options, GError **error)
{
    FabProgressLine line;
    FabResult *result;

    fab_progress_init(&line, options->quiet);
    result = fab_run(scenario, line.enabled ? fab_progress_update : NULL, &line, error);
    fab_progress_clear(&line);
    if (result != NULL)
        return result;
    /* What the stages below the scenario refuse does not say which scenario asked for it. */
    if (!g_str_has_prefix((*error)->message, scenario->path) && !g_str_has_prefix((*error)->message, "command line: "))
        g_prefix_error(error, "%s: ", scenario->path);
    name_options(options, error);
    return NULL;
}

/* Tables appear one by one as they are ready. */
static bool
run_all(const Options *options, GPtrArray *scenarios, GPtrArray *results, FabOutput *output, GError **error)
{
    for (guint i = 0; i < scenarios->len && !fab_output_closed(output); i++) {
        FabResult *result = run_one(scenarios->pdata[i], options, error);
        if (result == NULL)
            return false;
        g_ptr_array_add(results, result);
        if (options->json || options->csv)
            continue;
        if (i > 0)
            fputs("\n", fab_output_stream(output));
        if (!fab_report_table(result, fab_output_stream(output), error) || !fab_output_flush(output, error))
            return false;
    }
    return true;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .sets = NULL };
    GOptionEntry entries[G_N_ELEMENTS(key_options) + OTHER_OPTIONS];
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(GPtrArray) scenarios = NULL;
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func((GDestroyNotify)fab_result_free);

    list_entries(entries, &options);
    if (!fab_cli_parse(command, entries, &argc, &argv, error))
        return FAB_EXIT_DONE;
    if (options.json && options.csv) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --json and --csv exclude each other");
        return FAB_EXIT_INPUT;
    }
    collect_sets(&options);
    if (argc < 2 && options.sets->len == 1 &&
        !fab_cli_arguments(command, argc, argv, 1, 1, "a scenario, or --topology and --collective", error))
        return FAB_EXIT_INPUT;
    output = fab_output_new(options.path, error);
    scenarios = output != NULL ? load_scenarios(&options, argc - 1, argv + 1, error) : NULL;
    if (scenarios == NULL || !run_all(&options, scenarios, results, output, error))
        return FAB_EXIT_INPUT;
    if (options.json && !fab_report_json(results, fab_output_stream(output), error))
        return FAB_EXIT_SYSTEM;
    if (options.csv && !fab_report_csv(results, fab_output_stream(output), error))
        return FAB_EXIT_SYSTEM;
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

const FabCommand fab_command_run = {
    .name = "run",
    .usage = "[SCENARIO...]",
    .summary = "Predict time and bandwidth of collectives and transfers",
    .run = run,
};
