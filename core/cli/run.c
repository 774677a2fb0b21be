/* fabricast run: predicts scenarios. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/output.h"
#include "cli/report-options.h"
#include "cli/scenario-options.h"
#include "report/inference.h"
#include "report/report.h"
#include "report/timeline.h"
#include "report/training.h"
#include "predict/fault.h"
#include "predict/run.h"
#include "predict/step-trace.h"
#include "predict/timeline.h"
#include "topology/machine.h"

typedef struct {
    FabScenarioOptions scenario;
    FabReportOptions report;
    char *trace, *gantt, *diagram;
} Options;

static void
clear_options(Options *options)
{
    fab_scenario_options_clear(&options->scenario);
    fab_report_options_clear(&options->report);
    g_free(options->trace);
    g_free(options->gantt);
    g_free(options->diagram);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

enum { OTHER_OPTIONS = 4 };

static void
list_entries(GOptionEntry entries[FAB_SCENARIO_ENTRIES + OTHER_OPTIONS], Options *options)
{
    const GOptionEntry others[OTHER_OPTIONS] = {
        { "trace", 0, 0, G_OPTION_ARG_FILENAME, &options->trace,
          "Timeline of a training step or a collective, for Perfetto", "FILE" },
        { "gantt", 0, 0, G_OPTION_ARG_FILENAME, &options->gantt, "Pipeline of a training step as SVG", "FILE" },
        { "diagram", 0, 0, G_OPTION_ARG_FILENAME, &options->diagram,
          "Use of the machine's links over a training step: x.svg, x.png, x.pdf or x.dot", "FILE" },
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

    result = fab_run(scenario, fab_report_options_progress(&options->report, &line), &line, error);
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
        if (options->report.json || options->report.csv)
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

/* Every rank is replayed, so that each link carries what it would. */
static bool
write_diagram(const FabScenario *scenario, const char *path, GError **error)
{
    g_autoptr(FabTopology) topology = NULL;
    g_autoptr(FabStepTrace) trace = NULL;
    g_autoptr(FabTraceRun) run = NULL;
    g_autofree double *left = NULL;
    FabDiagramLoad *load;
    bool drawn;

    if (!fab_file_check_place(path, error))
        return false;
    topology = fab_machine_load(scenario->topology, scenario->overrides, error);
    trace = topology != NULL ? fab_step_trace_new(scenario, topology, error) : NULL;
    run = trace != NULL ? fab_step_trace_replay(trace, topology, error) : NULL;
    if (run != NULL)
        left = fab_fault_left(scenario, topology, error);
    if (left == NULL)
        return false;
    load = fab_report_training_load(fab_step_trace_step(trace), run, topology);
    drawn = fab_report_diagram(topology, load, left, path, false, error);
    fab_diagram_load_free(load);
    return drawn;
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
        if (options->report.csv)
            fab_report_training_step_csv(step, i == 0, out);
        else if (!options->report.json)
            fab_report_training_step(step, out);
        if (!options->report.csv && !options->report.json && i + 1 < scenarios->len)
            fputc('\n', out);
    }
    if (options->report.json)
        fab_report_training_step_json(steps, out);
    return (options->trace == NULL || write_trace(steps->pdata[0], options->trace, error)) &&
           (options->gantt == NULL || write_gantt(steps->pdata[0], options->gantt, error)) &&
           (options->diagram == NULL || write_diagram(scenarios->pdata[0], options->diagram, error));
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
        if (options->report.csv)
            fab_report_inference_csv(answer, i == 0, out);
        else if (!options->report.json)
            fab_report_inference(answer, out);
        if (!options->report.csv && !options->report.json && i + 1 < scenarios->len)
            fputc('\n', out);
    }
    if (options->report.json)
        fab_report_inference_json(answers, out);
    return true;
}

/* ------------------------------------------------------------------ collectives */

/* Of one size: what the file holds of the call is said where it is not all. */
static void
remark_rest(const FabScenario *scenario, const FabRunTimeline *timeline, const char *path)
{
    g_autofree char *rest = fab_report_timeline_rest(timeline), *size = fab_format_bytes(timeline->size);

    if (rest == NULL && scenario->size_count == 1)
        return;
    fprintf(stderr, "fabricast: %s has %s of %s%s\n", path, size, timeline->collective,
            rest == NULL ? ", all ranks and channels" : "");
    if (rest != NULL)
        fprintf(stderr, "fabricast: %s has %s: a file of all would be too large to be shown\n", path, rest);
}

static bool
write_collective(const FabScenario *scenario, const Options *options, GError **error)
{
    enum { MOST_EVENTS = 300000 }; /* some 40 MB, which viewers still show well */
    g_autoptr(FabTopology) topology = fab_machine_load(scenario->topology, scenario->overrides, error);
    g_autoptr(FabRunTimeline) timeline =
        topology != NULL ? fab_run_timeline_whole(scenario, topology, MOST_EVENTS, error) : NULL;
    g_autoptr(FabOutput) output = timeline != NULL ? fab_output_new(options->trace, error) : NULL;

    if (output == NULL)
        return false;
    fab_report_timeline_trace(timeline, fab_output_stream(output));
    if (!fab_output_finish(output, error))
        return false;
    if (!options->report.quiet)
        remark_rest(scenario, timeline, options->trace);
    return true;
}

/* Runs what has figures of its own; one call prints one kind of them. */
typedef bool (*RunKind)(const Options *options, GPtrArray *scenarios, FabOutput *output, GError **error);

static bool
has_timeline(const FabScenario *scenario)
{
    return scenario->kind == FAB_SCENARIO_TRAINING || scenario->kind == FAB_SCENARIO_COLLECTIVE;
}

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
    else if ((options->gantt != NULL || options->diagram != NULL) && (steps != 1 || scenarios->len != 1))
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: %s is for one training step",
                    options->gantt != NULL ? "--gantt" : "--diagram");
    else if (options->trace != NULL && (scenarios->len != 1 || !has_timeline(scenarios->pdata[0])))
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "command line: --trace is for one training step or one collective");
    else
        return true;
    return false;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .trace = NULL };
    GOptionEntry entries[FAB_SCENARIO_ENTRIES + OTHER_OPTIONS];
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(GPtrArray) scenarios = NULL;
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func((GDestroyNotify)fab_result_free);
    RunKind kind = NULL;

    list_entries(entries, &options);
    if (!fab_report_options_parse(&options.report, command, entries, NULL, &argc, &argv, error))
        return FAB_EXIT_DONE;
    if (!fab_scenario_options_collect(&options.scenario, command, argc, argv, error))
        return FAB_EXIT_INPUT;
    output = fab_report_options_output(&options.report, error);
    scenarios = output != NULL ? fab_scenario_options_load(&options.scenario, argc - 1, argv + 1, error) : NULL;
    if (scenarios == NULL || !find_kind(&options, scenarios, &kind, error))
        return FAB_EXIT_INPUT;
    for (guint i = 0; i < scenarios->len && !options.report.quiet; i++) {
        if (((const FabScenario *)scenarios->pdata[i])->has_sweep)
            fab_cli_remark_sweep(scenarios->pdata[i]);
    }
    if (kind != NULL)
        return kind(&options, scenarios, output, error) && fab_output_finish(output, error) ? FAB_EXIT_DONE
                                                                                            : FAB_EXIT_INPUT;
    if (!run_all(&options, scenarios, results, output, error))
        return FAB_EXIT_INPUT;
    if (options.report.json && !fab_report_json(results, fab_output_stream(output), error))
        return FAB_EXIT_SYSTEM;
    if (options.report.csv && !fab_report_csv(results, fab_output_stream(output), error))
        return FAB_EXIT_SYSTEM;
    if (options.trace != NULL && !write_collective(scenarios->pdata[0], &options, error))
        return FAB_EXIT_INPUT;
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

const FabCommand fab_command_run = {
    .name = "run",
    .usage = "[SCENARIO...]",
    .summary = "Predict collectives, transfers and training steps",
    .run = run,
};
