/* fabricast claims: statements about machines, judged. */

#include "base/error.h"
#include "cli/output.h"
#include "cli/report-options.h"
#include "report/claims.h"

/* All claims of all files; `lists` keeps them. */
static GPtrArray *
judge_all(int count, char **paths, const FabReportOptions *options, GPtrArray *lists, GError **error)
{
    g_autoptr(GPtrArray) claims = g_ptr_array_new();
    FabProgressLine line;
    FabProgress progress = fab_report_options_progress(options, &line);

    for (int i = 0; i < count; i++) {
        GPtrArray *list = fab_claims_judge(paths[i], progress, &line, error);
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
    gboolean brief = FALSE;
    g_auto(FabReportOptions) report = { .sets = NULL };
    const GOptionEntry others[] = {
        { "brief", 0, 0, G_OPTION_ARG_NONE, &brief, "Print one line for each claim", NULL },
        { 0 },
    };
    g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(GPtrArray) claims = NULL;
    bool refuted = false;

    if (!fab_report_options_parse(&report, command, others, NULL, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, G_MAXINT - 1, "a file of claims", error))
        return FAB_EXIT_DONE;
    output = fab_report_options_output(&report, error);
    claims = output != NULL ? judge_all(argc - 1, argv + 1, &report, lists, error) : NULL;
    if (claims == NULL)
        return FAB_EXIT_INPUT;
    if (report.json)
        fab_report_claims_json(claims, fab_output_stream(output));
    else if (report.csv)
        fab_report_claims_csv(claims, fab_output_stream(output));
    else
        fab_report_claims(claims, brief, fab_output_stream(output));
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
