/* fabricast report: results, stores of sweeps, or scenarios that are run for it, as one page of HTML. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/keyfile.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/claims.h"
#include "report/compare.h"
#include "report/explain.h"
#include "report/inference.h"
#include "report/page.h"
#include "report/report.h"
#include "report/sweep.h"
#include "report/training.h"
#include "predict/run.h"

/* Of a store: a browser opens no page of more, and the front is long drawn. */
enum { MOST_BYTES = 256 << 20, MOST_ROWS = 200000 };

typedef struct {
    gboolean quick, quiet;
    char **sets;
    char *path, *title;
} Options;

static void
clear_options(Options *options)
{
    g_strfreev(options->sets);
    g_free(options->path);
    g_free(options->title);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

/* What is being made, and what is run for it. */
typedef struct {
    FabPage *page;
    GPtrArray *scenarios; /* FabScenario */
    FabProgressLine line;
} Work;

static FabProgress
progress_of(const Work *work)
{
    return work->line.enabled ? fab_progress_update : NULL;
}

/* ------------------------------------------------------------------ what is run */

/* Results go the same way whether a file holds them or they were found a moment ago. */
typedef struct {
    FILE *stream;
    char *text;
    size_t length;
} Memory;

static bool
memory_open(Memory *memory, GError **error)
{
    memory->stream = open_memstream(&memory->text, &memory->length);
    if (memory->stream != NULL)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "there is no memory for a result");
    return false;
}

static bool
memory_add(Memory *memory, FabPage *page, const char *path, GError **error)
{
    bool good;

    fclose(memory->stream);
    good = fab_page_add(page, path, memory->text, memory->length, error);
    free(memory->text);
    return good;
}

static bool
add_comparison(Work *work, GError **error)
{
    g_autoptr(FabComparison) comparison = fab_compare(work->scenarios, progress_of(work), &work->line, error);
    Memory memory;

    if (comparison == NULL || !memory_open(&memory, error))
        return false;
    fab_report_comparison_json(comparison, memory.stream);
    return memory_add(&memory, work->page, "scenarios", error);
}

/* Collectives, copies and pipelines. */
static bool
add_results(Work *work, GError **error)
{
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func((GDestroyNotify)fab_result_free);
    Memory memory;

    for (guint i = 0; i < work->scenarios->len; i++) {
        const FabScenario *scenario = work->scenarios->pdata[i];
        FabResult *result = NULL;
        if (scenario->kind == FAB_SCENARIO_TRAINING || scenario->kind == FAB_SCENARIO_INFERENCE)
            continue;
        result = fab_run(scenario, progress_of(work), &work->line, error);
        if (result == NULL)
            return false;
        g_ptr_array_add(results, result);
    }
    if (results->len == 0)
        return true;
    return memory_open(&memory, error) && fab_report_json(results, memory.stream, error) &&
           memory_add(&memory, work->page, "scenarios", error);
}

static bool
add_steps(Work *work, GError **error)
{
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func((GDestroyNotify)fab_training_step_free);
    Memory memory;

    for (guint i = 0; i < work->scenarios->len; i++) {
        const FabScenario *scenario = work->scenarios->pdata[i];
        FabTrainingStep *step = NULL;
        if (scenario->kind != FAB_SCENARIO_TRAINING)
            continue;
        step = fab_training_step_new(scenario, NULL, NULL, error);
        if (step == NULL)
            return false;
        g_ptr_array_add(steps, step);
    }
    if (steps->len == 0)
        return true;
    if (!memory_open(&memory, error))
        return false;
    fab_report_training_step_json(steps, memory.stream);
    return memory_add(&memory, work->page, "scenarios", error);
}

static bool
add_inference(Work *work, GError **error)
{
    g_autoptr(GPtrArray) answers = g_ptr_array_new_with_free_func((GDestroyNotify)fab_inference_free);
    Memory memory;

    for (guint i = 0; i < work->scenarios->len; i++) {
        const FabScenario *scenario = work->scenarios->pdata[i];
        FabInference *answer = NULL;
        if (scenario->kind != FAB_SCENARIO_INFERENCE)
            continue;
        answer = fab_inference_new(scenario, NULL, error);
        if (answer == NULL)
            return false;
        g_ptr_array_add(answers, answer);
    }
    if (answers->len == 0)
        return true;
    if (!memory_open(&memory, error))
        return false;
    fab_report_inference_json(answers, memory.stream);
    return memory_add(&memory, work->page, "scenarios", error);
}

static bool
add_explanations(Work *work, GError **error)
{
    for (guint i = 0; i < work->scenarios->len; i++) {
        g_autoptr(FabExplanation) explanation = fab_explain(work->scenarios->pdata[i], progress_of(work), &work->line,
                                                            error);
        Memory memory;
        if (explanation == NULL || !memory_open(&memory, error))
            return false;
        fab_report_explanation_json(explanation, memory.stream);
        if (!memory_add(&memory, work->page, "scenarios", error))
            return false;
    }
    return true;
}

static bool
run_scenarios(Work *work, const Options *options, GError **error)
{
    if (work->scenarios->len == 0)
        return true;
    return (work->scenarios->len == 1 || add_comparison(work, error)) && add_results(work, error) &&
           add_steps(work, error) && add_inference(work, error) &&
           (options->quick || add_explanations(work, error));
}

/* ------------------------------------------------------------------ what is named */

static bool
add_claims(Work *work, const char *path, GError **error)
{
    g_autoptr(GPtrArray) claims = fab_claims_judge(path, progress_of(work), &work->line, error);
    Memory memory;

    if (claims == NULL || !memory_open(&memory, error))
        return false;
    fab_report_claims_json(claims, memory.stream);
    return memory_add(&memory, work->page, "scenarios", error);
}

/* The points of a store, whatever of its sweep is done. */
static bool
add_store(Work *work, const char *path, GError **error)
{
    g_autoptr(FabStore) store = fab_store_open_read(path, error);
    g_autoptr(FabSweep) sweep = NULL;
    g_autoptr(FabSweepFound) found = NULL;
    g_autofree char *name = NULL, *text = NULL;
    Memory memory;

    if (store == NULL || !fab_store_scenario(store, &name, &text, error))
        return false;
    sweep = fab_sweep_parse(path, name, text, error);
    found = sweep != NULL ? fab_sweep_found_new(sweep, store, path, error) : NULL;
    if (found != NULL && (found->rows->len == 0 || found->rows->len > MOST_ROWS)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, found->rows->len == 0
                    ? "%s: has no point that is possible yet; go on with `fabricast sweep SCENARIO --store %s`"
                    : "%s: has more rows than a page can hold; `fabricast sweep SCENARIO --store %s --csv` prints "
                      "them all", path, path);
        return false;
    }
    if (found == NULL || !memory_open(&memory, error))
        return false;
    fab_report_sweep_json(found, memory.stream);
    return memory_add(&memory, work->page, path, error);
}

static bool
holds_claims(const FabKeyfile *file)
{
    g_auto(GStrv) groups = fab_keyfile_groups(file);

    for (guint i = 0; groups[i] != NULL; i++) {
        if (g_str_has_prefix(groups[i], "claim "))
            return true;
    }
    return false;
}

/* A scenario waits until all arguments are read; everything else is added at once. */
static bool
add_argument(Work *work, const char *path, const Options *options, GError **error)
{
    bool exists = g_file_test(path, G_FILE_TEST_EXISTS);
    bool store = fab_store_is_one(path);
    size_t length = 0;
    g_autofree char *text = exists && !store ? fab_file_read(path, "a result or a scenario", MOST_BYTES, &length, error)
                                             : NULL;
    g_autoptr(FabKeyfile) file = NULL;
    FabScenario *scenario;

    if (store)
        return add_store(work, path, error);
    if (exists && text == NULL)
        return false;
    if (exists && (text[strspn(text, " \t\r\n")] == '{' || g_str_has_suffix(path, ".json")))
        return fab_page_add(work->page, path, text, length, error);
    file = exists ? fab_keyfile_parse(path, text, error) : NULL;
    if (exists && file == NULL)
        return false;
    if (file != NULL && holds_claims(file))
        return add_claims(work, path, error);
    scenario = fab_scenario_load(path, options->sets, error);
    if (scenario != NULL)
        g_ptr_array_add(work->scenarios, scenario);
    return scenario != NULL;
}

static bool
gather(Work *work, int count, char **paths, const Options *options, GError **error)
{
    bool good = true;

    fab_progress_init(&work->line, options->quiet);
    for (int i = 0; i < count && good; i++)
        good = add_argument(work, paths[i], options, error);
    if (good && options->sets != NULL && work->scenarios->len == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "command line: --set changes scenarios, and all that is named are results");
        good = false;
    }
    good = good && run_scenarios(work, options, error);
    fab_progress_clear(&work->line);
    return good;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .sets = NULL };
    const GOptionEntry entries[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.path, "Write to a file", "FILE" },
        { "title", 0, 0, G_OPTION_ARG_STRING, &options.title, "Heading; default: the question", "TEXT" },
        FAB_CLI_SET_KEY(&options.sets, "Any key of the scenarios"),
        { "quick", 0, 0, G_OPTION_ARG_NONE, &options.quick, "Run scenarios without what explain adds", NULL },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "Show no progress", NULL },
        { 0 },
    };
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(FabPage) page = NULL;
    g_autoptr(GPtrArray) scenarios = NULL;
    Work work;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, G_MAXINT - 1, "results or scenarios", error))
        return FAB_EXIT_DONE;
    output = fab_output_new(options.path, error);
    if (output == NULL)
        return FAB_EXIT_INPUT;
    page = fab_page_new();
    scenarios = g_ptr_array_new_with_free_func((GDestroyNotify)fab_scenario_free);
    work = (Work) { .page = page, .scenarios = scenarios };
    if (!gather(&work, argc - 1, argv + 1, &options, error))
        return FAB_EXIT_INPUT;
    fab_page_write(page, options.title, fab_output_stream(output));
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

const FabCommand fab_command_report = {
    .name = "report",
    .usage = "RESULT... | SCENARIO...",
    .summary = "Make one page of HTML of results: question, answer, curves, sources",
    .run = run,
};
