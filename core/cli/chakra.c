/* fabricast chakra: execution traces in the Chakra format. */

#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "scenario/scenario.h"
#include "predict/step-trace.h"
#include "predict/trace-order.h"

static char *
path_of(const char *prefix, uint32_t rank, bool json)
{
    return g_strdup_printf("%s.%u.%s", prefix, rank, json ? "json" : "et");
}

/*
 * Other commands take a device, a folder and "-" behind -o for what they are; here files would appear beside them, or
 * hidden ones in the folder.
 */
static bool
check_prefix(const char *prefix, bool json, GError **error)
{
    g_autofree char *first = NULL;
    const char *kind = NULL;
    struct stat info;

    if (prefix == NULL || *prefix == '\0') {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: export needs -o PREFIX, what the names of the "
                    "ranks' files begin with");
        return false;
    }
    if (strcmp(prefix, "-") == 0)
        kind = "standard output";
    else if (g_str_has_suffix(prefix, "/") || (stat(prefix, &info) == 0 && S_ISDIR(info.st_mode)))
        kind = "a folder";
    else if (stat(prefix, &info) == 0 && !S_ISREG(info.st_mode))
        kind = "a device or a pipe";
    first = path_of(prefix, 0, json);
    if (kind == NULL)
        return fab_file_check_place(first, error);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --output is %s, %s, must be PREFIX or FOLDER/PREFIX: "
                "every rank has a file of its own, PREFIX.0.%s and so on", prefix, kind, json ? "json" : "et");
    return false;
}

static bool
write_ranks(const FabStepTrace *trace, const char *prefix, bool json, uint64_t *nodes, GError **error)
{
    for (uint32_t r = 0; r < fab_step_trace_ranks(trace); r++) {
        g_autoptr(FabTraceRank) rank = fab_step_trace_rank(trace, r, error);
        g_autofree char *path = path_of(prefix, r, json);
        if (rank == NULL || !fab_trace_write(rank, r, path, json, error))
            return false;
        *nodes += rank->nodes->len;
    }
    return true;
}

static int
run_export(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(GStrv) sets = NULL;
    g_autofree char *prefix = NULL;
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        FAB_CLI_SET_KEY(&sets, "Any key of the scenario"),
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &prefix, "Write PREFIX.0.et, PREFIX.1.et, ...", "PREFIX" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Write JSON: PREFIX.0.json, ...", NULL },
        { 0 },
    };
    g_autoptr(FabScenario) scenario = NULL;
    g_autoptr(FabStepTrace) trace = NULL;
    g_autoptr(FabOutput) output = NULL;
    g_autofree char *time = NULL;
    uint64_t nodes = 0;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a scenario", error) || !check_prefix(prefix, json, error))
        return FAB_EXIT_DONE;
    output = fab_output_new(NULL, error);
    scenario = output != NULL ? fab_scenario_load(argv[1], sets, error) : NULL;
    trace = scenario != NULL ? fab_step_trace_new(scenario, NULL, error) : NULL;
    if (trace == NULL || !write_ranks(trace, prefix, json, &nodes, error))
        return FAB_EXIT_INPUT;
    time = fab_format_time(fab_ps_from_seconds(fab_step_trace_step(trace)->seconds));
    fprintf(fab_output_stream(output), "%s: %u rank%s, %" G_GUINT64_FORMAT " node%s; the step takes %s\n", prefix,
            fab_step_trace_ranks(trace), fab_plural(fab_step_trace_ranks(trace)), nodes, fab_plural(nodes), time);
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static int
run_check(const FabCommand *command, int argc, char **argv, GError **error)
{
    gboolean all = FALSE;
    const GOptionEntry entries[] = {
        { "all-dependences", 0, 0, G_OPTION_ARG_NONE, &all, "Control dependences are waited for too", NULL },
        { 0 },
    };
    g_autoptr(FabTrace) trace = NULL;
    g_autoptr(FabTraceMatch) match = NULL;
    g_autoptr(FabOutput) output = NULL;
    g_autofree char *lone = NULL, *count = NULL;
    uint64_t nodes = 0, metadata;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a trace's files without .0.et", error))
        return FAB_EXIT_DONE;
    output = fab_output_new(NULL, error);
    trace = output != NULL ? fab_trace_read(argv[1], all ? FAB_TRACE_ALL : FAB_TRACE_DATA, error) : NULL;
    match = trace != NULL ? fab_trace_match_new(trace, error) : NULL;
    if (match == NULL || !fab_trace_order_check(trace, match, error))
        return FAB_EXIT_INPUT;
    for (guint r = 0; r < trace->ranks->len; r++)
        nodes += ((const FabTraceRank *)trace->ranks->pdata[r])->nodes->len;
    metadata = fab_trace_metadata(trace);
    count = fab_trace_count_text(nodes - metadata, metadata);
    fprintf(fab_output_stream(output), "%s: %u rank%s, %s, %u %s, which fit together\n", argv[1],
            trace->ranks->len, fab_plural(trace->ranks->len), count, match->calls->len,
            match->calls->len == 1 ? "collective or message" : "collectives and messages");
    lone = fab_trace_match_lone(match->lone);
    if (lone != NULL)
        fprintf(fab_output_stream(output), "%s\n", lone);
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static const FabCommand children[] = {
    { .name = "export",
      .usage = "SCENARIO -o PREFIX",
      .summary = "Write a training step as one Chakra trace for each rank",
      .run = run_export },
    { .name = "check", .usage = "PREFIX", .summary = "Read traces and say whether their ranks fit together",
      .run = run_check },
    { 0 },
};

const FabCommand fab_command_chakra = {
    .name = "chakra",
    .usage = "COMMAND ...",
    .summary = "Write and check execution traces in the Chakra format; `run` replays them",
    .children = children,
};
