/* fabricast claims: statements about machines, judged. */
#include <stdio.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/claims.h"

typedef struct {
    gboolean json, csv, brief, quiet;
    char *path;
} Options;

/* All claims of all files; `lists` keeps them. */
static GPtrArray *
judge_all(int count, char **paths, const Options *options, GPtrArray *lists, GError **error)
{
    g_autoptr(GPtrArray) claims = g_ptr_array_new();
    FabProgressLine line;

    fab_progress_init(&line, options->quiet);
    for (int i = 0; i < count; i++) {
        GPtrArray *list = fab_claims_judge(paths[i], line.enabled ? fab_progress_update : NULL, &line, error);
        if (list == NULL) {
            fab_progress_clear(&line);
            return NULL;
        }
        g_ptr_array_add(lists, list);
        for (guint k = 0; k < list->len; k++)
            g_ptr_array_add(claims, list->pdata[k]);
    }
    fab_progress_clear(&line);
    return g_steal_pointer(&claims);
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    Options options = { .json = FALSE };
    const GOptionEntry entries[] = {
        { "brief", 0, 0, G_OPTION_ARG_NONE, &options.brief, "Print one line for each claim", NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print JSON", NULL },
        { "csv", 0, 0, G_OPTION_ARG_NONE, &options.csv, "Print CSV", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.path, "Write to a file", "FILE" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "Show no progress", NULL },
        { 0 },
    };
    g_autofree char *path = NULL;
    g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(GPtrArray) claims = NULL;
    bool parsed = fab_cli_parse(command, entries, &argc, &argv, error), refuted = false;

    path = options.path;
    if (!parsed || !fab_cli_arguments(command, argc, argv, 1, G_MAXINT - 1, "a file of claims", error))
        return FAB_EXIT_DONE;
    if (options.json && options.csv) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --json and --csv exclude each other");
        return FAB_EXIT_INPUT;
    }
    output = fab_output_new(path, error);
    claims = output != NULL ? judge_all(argc - 1, argv + 1, &options, lists, error) : NULL;
    if (claims == NULL)
        return FAB_EXIT_INPUT;
    if (options.json)
        fab_report_claims_json(claims, fab_output_stream(output));
    else if (options.csv)
        fab_report_claims_csv(claims, fab_output_stream(output));
    else
        fab_report_claims(claims, options.brief, fab_output_stream(output));
    if (!fab_output_finish(output, error))
        return FAB_EXIT_SYSTEM;
    for (guint i = 0; i < claims->len; i++)
        refuted = refuted || ((const FabClaim *)claims->pdata[i])->verdict == FAB_CLAIM_REFUTED;
    return refuted ? FAB_EXIT_NO : FAB_EXIT_DONE;
}

const FabCommand fab_command_claims = {
    .name = "claims",
    .usage = "FILE...",
    .summary = "Judge statements about machines: supported, refuted, or on what it depends",
    .run = run,
};
