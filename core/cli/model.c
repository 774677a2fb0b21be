/* fabricast model: the shapes of models, and what follows from them. */
#include <stdio.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "report/training.h"
#include "scenario/model.h"

static int
run_list(const FabCommand *command, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = { { 0 } };
    g_auto(GStrv) names = NULL;
    g_autoptr(FabOutput) output = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 0, 0, "nothing", error))
        return FAB_EXIT_DONE;
    output = fab_output_new_for_eyes(NULL, error);
    if (output == NULL)
        return FAB_EXIT_SYSTEM;
    names = fab_model_list();
    for (guint i = 0; names[i] != NULL; i++) {
        g_autoptr(FabModel) model = fab_model_load(names[i], error);
        if (model == NULL)
            return FAB_EXIT_INPUT;
        fprintf(fab_output_stream(output), "%-18s %s\n", names[i], model->title != NULL ? model->title : "");
    }
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static int
run_show(const FabCommand *command, int argc, char **argv, GError **error)
{
    gint sequence = 0;
    const GOptionEntry entries[] = {
        { "sequence", 0, 0, G_OPTION_ARG_INT, &sequence, "Tokens of a sequence; default: the model's", "N" },
        { 0 },
    };
    g_autoptr(FabModel) model = NULL;
    g_autoptr(FabOutput) output = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a model", error))
        return FAB_EXIT_DONE;
    if (sequence < 0 || sequence > 1 << 27) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --sequence is %d, must be 1 to %d", sequence,
                    1 << 27);
        return FAB_EXIT_INPUT;
    }
    model = fab_model_load(argv[1], error);
    if (model == NULL)
        return FAB_EXIT_INPUT;
    output = fab_output_new_for_eyes(NULL, error);
    if (output == NULL)
        return FAB_EXIT_SYSTEM;
    fab_report_model(model, sequence > 0 ? (uint32_t)sequence : model->sequence, fab_output_stream(output));
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static const FabCommand children[] = {
    { .name = "list", .usage = "", .summary = "List the models that came with the program", .run = run_list },
    { .name = "show", .usage = "MODEL", .summary = "Print the shape and the parameters of a model", .run = run_show,
      .names = fab_model_list },
    { 0 },
};

const FabCommand fab_command_model = {
    .name = "model",
    .usage = "COMMAND ...",
    .summary = "List models and count their parameters",
    .children = children,
};
