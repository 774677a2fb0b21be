/* fabricast program: the channel programs behind a scenario. */
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/scenario-options.h"
#include "program/program-show.h"
#include "predict/export.h"
#include "topology/machine.h"

/* What export and show need: where to write, a scenario, its machine. */
typedef struct {
    FabScenarioOptions *options;
    GPtrArray *scenarios;
    const FabScenario *scenario; /* the only one of them */
    FabTopology *topology;
    FabOutput *output;
} Work;

static bool
load_work(Work *work, const FabCommand *command, int argc, char **argv, const char *path, GError **error)
{
    FabScenarioOptions *options = work->options;

    if (!fab_cli_arguments(command, argc, argv, 0, 1, "a scenario", error) ||
        !fab_scenario_options_collect(options, command, argc, argv, error))
        return false;
    work->output = fab_output_new(path, error);
    work->scenarios = work->output != NULL ? fab_scenario_options_load(options, argc - 1, argv + 1, error) : NULL;
    if (work->scenarios == NULL)
        return false;
    work->scenario = work->scenarios->pdata[0];
    work->topology = fab_machine_load(work->scenario->topology, work->scenario->overrides, error);
    if (work->topology == NULL)
        fab_scenario_options_blame(options, work->scenario, error);
    return work->topology != NULL;
}

/* The exit status; what was written appears when it is `good`. */
static int
finish_work(Work *work, bool good, GError **error)
{
    int status = !good ? FAB_EXIT_INPUT : fab_output_finish(work->output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;

    g_clear_pointer(&work->scenarios, g_ptr_array_unref);
    fab_topology_free(work->topology);
    fab_output_free(work->output);
    return status;
}

static int
run_export(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(FabScenarioOptions) options = { .sets = NULL };
    g_autofree char *path = NULL;
    const GOptionEntry others[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Write to a file", "FILE" },
        { 0 },
    };
    GOptionEntry entries[FAB_SCENARIO_ENTRIES + G_N_ELEMENTS(others)];
    Work work = { .options = &options };
    bool good;

    fab_scenario_options_list(&options, entries);
    memcpy(entries + FAB_SCENARIO_ENTRIES, others, sizeof others);
    if (!fab_cli_parse(command, entries, &argc, &argv, error))
        return FAB_EXIT_DONE;
    good = load_work(&work, command, argc, argv, path, error);
    if (good) {
        good = fab_export(work.scenario, work.topology, fab_output_stream(work.output), error);
        if (!good)
            fab_scenario_options_blame(&options, work.scenario, error);
    }
    return finish_work(&work, good, error);
}

/* ------------------------------------------------------------------ show */

typedef struct {
    FabProgramPart part;
    FILE *out;
    guint count;
} Show;

static bool
show_one(const FabProgram *program, const FabProgramNote *note, void *user, GError **error)
{
    Show *show = user;
    bool rank = show->part.rank < (int64_t)program->ranks;

    if (!rank || show->part.channel >= (int64_t)program->channels) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "command line: --%s is %" G_GINT64_FORMAT ", must be between 0 and %u", rank ? "channel" : "rank",
                    rank ? show->part.channel : show->part.rank, (rank ? program->channels : program->ranks) - 1);
        return false;
    }
    fputs(show->count++ > 0 ? "\n" : "", show->out);
    fab_program_show(program, note, &show->part, show->out);
    return true;
}

static int
run_show(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(FabScenarioOptions) options = { .sets = NULL };
    g_autofree char *path = NULL;
    gboolean all = FALSE;
    int rank = 0, channel = 0;
    const GOptionEntry others[] = {
        { "rank", 0, 0, G_OPTION_ARG_INT, &rank, "Of this rank; default 0", "N" },
        { "channel", 0, 0, G_OPTION_ARG_INT, &channel, "Of this channel; default 0", "N" },
        { "all", 0, 0, G_OPTION_ARG_NONE, &all, "Of all ranks and channels", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Write to a file", "FILE" },
        { 0 },
    };
    GOptionEntry entries[FAB_SCENARIO_ENTRIES + G_N_ELEMENTS(others)];
    Work work = { .options = &options };
    Show show;
    bool good;

    fab_scenario_options_list(&options, entries);
    memcpy(entries + FAB_SCENARIO_ENTRIES, others, sizeof others);
    if (!fab_cli_parse(command, entries, &argc, &argv, error))
        return FAB_EXIT_DONE;
    if (rank < 0 || channel < 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --rank and --channel must be 0 or more");
        return FAB_EXIT_INPUT;
    }
    show.part = (FabProgramPart) { all ? -1 : rank, all ? -1 : channel };
    good = load_work(&work, command, argc, argv, path, error);
    if (good) {
        show.out = fab_output_stream(work.output);
        show.count = 0;
        good = fab_export_each(work.scenario, work.topology, show_one, &show, error);
        if (!good)
            fab_scenario_options_blame(&options, work.scenario, error);
    }
    return finish_work(&work, good, error);
}

/* ------------------------------------------------------------------ check */

static int
run_check(const FabCommand *command, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = { { 0 } };
    g_autoptr(GPtrArray) programs = NULL;
    g_autoptr(FabOutput) output = NULL;
    FILE *out;
    bool right = true;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a program file", error))
        return FAB_EXIT_DONE;
    output = fab_output_new(NULL, error);
    programs = output != NULL ? fab_program_read(argv[1], error) : NULL;
    if (programs == NULL)
        return FAB_EXIT_INPUT;
    out = fab_output_stream(output);
    for (guint i = 0; i < programs->len; i++) {
        const FabProgramEntry *entry = programs->pdata[i];
        g_autoptr(GError) wrong = NULL;
        g_autofree char *size = fab_format_bytes(entry->note.size);
        if (fab_program_prove(entry, &wrong))
            fprintf(out, "%s: right: %s %s, %s over %u ranks, %u channels\n", argv[1], entry->note.collective,
                    entry->note.algorithm, size, entry->program->ranks, entry->program->channels);
        else
            fprintf(out, "%s: wrong: %s: %s\n", argv[1], size, wrong->message);
        right = right && wrong == NULL;
    }
    if (!fab_output_finish(output, error))
        return FAB_EXIT_SYSTEM;
    return right ? FAB_EXIT_DONE : FAB_EXIT_NO;
}

static const FabCommand children[] = {
    { .name = "export", .usage = "[SCENARIO]", .summary = "Write what every rank does as a file that GPUs can run",
      .run = run_export },
    { .name = "show", .usage = "[SCENARIO]", .summary = "Print the steps of a rank by NCCL's names", .run = run_show },
    { .name = "check", .usage = "FILE", .summary = "Move numbers through a file's programs and say if they are right",
      .run = run_check },
    { 0 },
};

const FabCommand fab_command_program = {
    .name = "program",
    .usage = "COMMAND ...",
    .summary = "Write, show and check the channel programs behind a scenario",
    .children = children,
};
