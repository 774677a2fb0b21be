/* fabricast run: predicts scenarios. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/scenario-options.h"
#include "report/inference.h"
#include "report/report.h"
#include "report/training.h"
#include "study/run.h"

typedef struct {
    FabScenarioOptions scenario;
    gboolean json, csv, quiet;
    char *path, *trace, *gantt;
} Options;

static void
clear_options(Options *options)
{
    fab_scenario_options_clear(&options->scenario);
    g_free(options->path);
    g_free(options->trace);
    g_free(options->gantt);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

enum { OTHER_OPTIONS = 8 };

static void
list_entries(GOptionEntry entries[FAB_SCENARIO_ENTRIES + OTHER_OPTIONS], Options *options)
{
    const GOptionEntry others[OTHER_OPTIONS] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print JSON", NULL },
        { "csv", 0, 0, G_OPTION_ARG_NONE, &options->csv, "Print CSV", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options->path, "Write to a file", "FILE" },
        { "trace", 0, 0, G_OPTION_ARG_FILENAME, &options->trace, "Timeline of a training step, for Perfetto", "FILE" },
        { "gantt", 0, 0, G_OPTION_ARG_FILENAME, &options->gantt, "Pipeline of a training step as SVG", "FILE" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "Show no progress", NULL },
        { "no-progress", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->quiet, "The same as --quiet", NULL },
        { 0 },
    };

    fab_scenario_options_list(&options->scenario, entries);
    memcpy(entries + FAB_SCENARIO_ENTRIES, others, sizeof others);
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
    fab_scenario_options_blame(&options->scenario, scenario, error);
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

/* ------------------------------------------------------------------ training steps */

static bool
write_trace(const FabTrainingStep *step, const char *path, GError **error)
{
    g_autoptr(FabOutput) output = fab_output_new(path, error);

    if (output == NULL)
        return false;
    fab_report_training_trace(step, fab_output_stream(output));
    return fab_output_finish(output, error);
}

static bool
write_gantt(const FabTrainingStep *step, const char *path, GError **error)
{
    g_autoptr(FabOutput) output = fab_output_new(path, error);

    return output != NULL && fab_report_training_gantt(step, fab_output_stream(output), error) &&
           fab_output_finish(output, error);
}

static bool
run_steps(const Options *options, GPtrArray *scenarios, FabOutput *output, GError **error)
{
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func((GDestroyNotify)fab_training_step_free);
    FILE *out = fab_output_stream(output);

    for (guint i = 0; i < scenarios->len && !fab_output_closed(output); i++) {
        FabTrainingStep *step = fab_training_step_new(scenarios->pdata[i], NULL, NULL, error);
        if (step != NULL)
            g_ptr_array_add(steps, step);
        if (step == NULL || !fab_training_step_costs(step, scenarios->pdata[i], NULL, error)) {
            fab_scenario_options_blame(&options->scenario, scenarios->pdata[i], error);
            return false;
        }
        if (options->csv)
            fab_report_training_step_csv(step, i == 0, out);
        else if (!options->json)
            fab_report_training_step(step, out);
        if (!options->csv && !options->json && i + 1 < scenarios->len)
            fputc('\n', out);
    }
    if (options->json)
        fab_report_training_step_json(steps, out);
    return (options->trace == NULL || write_trace(steps->pdata[0], options->trace, error)) &&
           (options->gantt == NULL || write_gantt(steps->pdata[0], options->gantt, error));
}

static bool
run_inference(const Options *options, GPtrArray *scenarios, FabOutput *output, GError **error)
{
    g_autoptr(GPtrArray) answers = g_ptr_array_new_with_free_func((GDestroyNotify)fab_inference_free);
    FILE *out = fab_output_stream(output);

    for (guint i = 0; i < scenarios->len && !fab_output_closed(output); i++) {
        FabInference *answer = fab_inference_new(scenarios->pdata[i], NULL, error);
        if (answer == NULL) {
            fab_scenario_options_blame(&options->scenario, scenarios->pdata[i], error);
            return false;
        }
        g_ptr_array_add(answers, answer);
        if (options->csv)
            fab_report_inference_csv(answer, i == 0, out);
        else if (!options->json)
            fab_report_inference(answer, out);
        if (!options->csv && !options->json && i + 1 < scenarios->len)
            fputc('\n', out);
    }
    if (options->json)
        fab_report_inference_json(answers, out);
    return true;
}

/* Runs what has figures of its own; one call prints one kind of them. */
typedef bool (*RunKind)(const Options *options, GPtrArray *scenarios, FabOutput *output, GError **error);

/* NULL in *kind: collectives, transfers and pipelines. False with an error for several kinds. */
static bool
find_kind(const Options *options, GPtrArray *scenarios, RunKind *kind, GError **error)
{
    guint steps = 0, answers = 0;

    for (guint i = 0; i < scenarios->len; i++) {
        const FabScenario *scenario = scenarios->pdata[i];
        steps += scenario->kind == FAB_SCENARIO_TRAINING;
        answers += scenario->kind == FAB_SCENARIO_INFERENCE;
    }
    *kind = steps > 0 ? run_steps : answers > 0 ? run_inference : NULL;
    if (steps + answers > 0 && MAX(steps, answers) < scenarios->len)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "command line: %s and other scenarios have different figures, run them apart",
                    steps > 0 ? "training steps" : "inference");
    else if ((options->trace != NULL || options->gantt != NULL) && (steps != 1 || scenarios->len != 1))
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: %s is for one training step",
                    options->trace != NULL ? "--trace" : "--gantt");
    else
        return true;
    return false;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .path = NULL };
    GOptionEntry entries[FAB_SCENARIO_ENTRIES + OTHER_OPTIONS];
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(GPtrArray) scenarios = NULL;
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func((GDestroyNotify)fab_result_free);
    RunKind kind = NULL;

    list_entries(entries, &options);
    if (!fab_cli_parse(command, entries, &argc, &argv, error))
        return FAB_EXIT_DONE;
    if (options.json && options.csv) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --json and --csv exclude each other");
        return FAB_EXIT_INPUT;
    }
    if (!fab_scenario_options_collect(&options.scenario, command, argc, argv, error))
        return FAB_EXIT_INPUT;
    output = fab_output_new(options.path, error);
    scenarios = output != NULL ? fab_scenario_options_load(&options.scenario, argc - 1, argv + 1, error) : NULL;
    if (scenarios == NULL || !find_kind(&options, scenarios, &kind, error))
        return FAB_EXIT_INPUT;
    if (kind != NULL)
        return kind(&options, scenarios, output, error) && fab_output_finish(output, error) ? FAB_EXIT_DONE
                                                                                            : FAB_EXIT_INPUT;
    if (!run_all(&options, scenarios, results, output, error))
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
    .summary = "Predict collectives, transfers and training steps",
    .run = run,
};
