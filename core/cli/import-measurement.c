#include "cli/import-measurement.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/output.h"
#include "measure/draft.h"
#include "measure/import-link.h"
#include "measure/import-nccl-tests.h"
#include "measure/import-nccl-xml.h"

typedef struct {
    char *collective, *topology, *id;
    int ranks, run;
} Options;

static void
clear_options(Options *options)
{
    g_free(options->collective);
    g_free(options->topology);
    g_free(options->id);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

const char *
fab_cli_input(const char *word)
{
    return strcmp(word, "-") == 0 ? "/dev/stdin" : word;
}

static void
print_remark(void *data, const char *message)
{
    (void)data;
    g_printerr("fabricast: %s\n", message);
}

/* ID; of several ID-1, ID-2, ..., or ID-on, ID-off where they have names of their own. */
static FabMeasurement *
name_draft(FabDraft *draft, const char *id, guint number, guint count, GError **error)
{
    const char *suffix = fab_draft_suffix(draft);
    g_autofree char *digits = g_strdup_printf("%u", number);
    g_autofree char *name = count == 1 ? g_strdup(id)
                                       : g_strdup_printf("%s-%s", id, suffix[0] != '\0' ? suffix : digits);

    if (fab_draft_get(draft, "source", "machine") == NULL)
        fab_draft_set(draft, "source", "machine", "%s", id);
    return fab_draft_measurement(draft, name, error);
}

/* All or none: what was new is taken away again when a later one cannot be written. */
static bool
write_all(const GPtrArray *measurements, const char *folder, GError **error)
{
    g_autoptr(GPtrArray) written = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < measurements->len; i++) {
        const FabMeasurement *measurement = measurements->pdata[i];
        static const char *const suffixes[] = { ".csv", ".ini" };
        for (guint j = 0; j < 2; j++) {
            g_autofree char *path = g_strconcat(folder, "/", measurement->id, suffixes[j], NULL);
            if (!g_file_test(path, G_FILE_TEST_EXISTS))
                g_ptr_array_add(written, g_steal_pointer(&path));
        }
        if (fab_measurement_write(measurement, folder, error))
            continue;
        for (guint j = 0; j < written->len; j++)
            g_unlink(written->pdata[j]);
        return false;
    }
    return true;
}

static int
print_drafts(const GPtrArray *drafts, GError **error)
{
    g_autoptr(FabOutput) output = fab_output_new(NULL, error);

    if (output == NULL)
        return FAB_EXIT_SYSTEM;
    for (guint i = 0; i < drafts->len; i++) {
        g_autofree char *facts = fab_draft_ini(drafts->pdata[i]);
        fprintf(fab_output_stream(output), "%s%s\n%s", i > 0 ? "\n" : "", facts, fab_draft_csv(drafts->pdata[i]));
    }
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

/* Writes FOLDER/ID.ini and FOLDER/ID.csv, or prints both. */
static int
put_drafts(GPtrArray *drafts, const char *path, const char *target, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(target != NULL ? target : "imported");
    g_autofree char *id = g_path_get_basename(target != NULL ? target : "imported");
    g_autoptr(GPtrArray) measurements = g_ptr_array_new_with_free_func((GDestroyNotify)fab_measurement_free);

    if (target != NULL && (target[0] == '\0' || g_str_has_suffix(target, "/"))) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --output is \"%s\", must be ID or FOLDER/ID",
                    target);
        return FAB_EXIT_INPUT;
    }
    if (g_str_has_suffix(id, ".ini") || g_str_has_suffix(id, ".csv"))
        id[strlen(id) - 4] = '\0';
    for (guint i = 0; i < drafts->len; i++) {
        FabMeasurement *measurement = name_draft(drafts->pdata[i], id, i + 1, drafts->len, error);
        if (measurement == NULL) {
            g_prefix_error(error, "%s: ", path);
            return FAB_EXIT_INPUT;
        }
        g_ptr_array_add(measurements, measurement);
    }
    if (target == NULL)
        return print_drafts(drafts, error);
    return write_all(measurements, folder, error) ? FAB_EXIT_DONE : FAB_EXIT_INPUT;
}

int
fab_cli_import_nccl_tests(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { 0 };
    const GOptionEntry entries[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.id,
          "Write ID.ini and ID.csv, ID-1 and so on when the log holds several runs; without it both are printed",
          "ID" },
        { "collective", 0, 0, G_OPTION_ARG_FILENAME, &options.collective, "Where the log does not say it", "NAME" },
        { "ranks", 0, 0, G_OPTION_ARG_INT, &options.ranks, "How many GPUs, where the log does not say it", "N" },
        { "topology", 0, 0, G_OPTION_ARG_FILENAME, &options.topology, "The machine of the catalogue", "ID" },
        { "run", 0, 0, G_OPTION_ARG_INT, &options.run, "Only this run of the log, from 1", "N" },
        { 0 },
    };
    FabImportOptions import = { .remark = print_remark };
    g_autoptr(GPtrArray) drafts = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error)
        || !fab_cli_arguments(command, argc, argv, 1, 1, "a file", error))
        return FAB_EXIT_DONE;
    if (options.ranks < 0 || options.run < 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --ranks and --run must be 1 or more");
        return FAB_EXIT_INPUT;
    }
    import.collective = options.collective;
    import.topology = options.topology;
    import.ranks = (uint32_t)options.ranks;
    drafts = fab_import_nccl_tests(fab_cli_input(argv[1]), &import, error);
    if (drafts == NULL)
        return FAB_EXIT_INPUT;
    if ((guint)options.run > drafts->len) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --run is %d, %s holds %u", options.run, argv[1],
                    drafts->len);
        return FAB_EXIT_INPUT;
    }
    if (options.run > 0) {
        g_ptr_array_remove_range(drafts, (guint)options.run, drafts->len - (guint)options.run);
        g_ptr_array_remove_range(drafts, 0, (guint)options.run - 1);
    }
    return put_drafts(drafts, fab_cli_input(argv[1]), options.id, error);
}

typedef GPtrArray *(*Importer)(const char *path, const FabImportOptions *options, GError **error);

static int
import_links(const FabCommand *command, int argc, char **argv, Importer importer, GError **error)
{
    g_auto(Options) options = { 0 };
    const GOptionEntry entries[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.id,
          "Write ID.ini and ID.csv, with a name added when there are several; without it they are printed", "ID" },
        { "topology", 0, 0, G_OPTION_ARG_FILENAME, &options.topology, "The machine of the catalogue", "ID" },
        { 0 },
    };
    FabImportOptions import = { .remark = print_remark };
    g_autoptr(GPtrArray) drafts = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error)
        || !fab_cli_arguments(command, argc, argv, 1, 1, "a file", error))
        return FAB_EXIT_DONE;
    import.topology = options.topology;
    drafts = importer(fab_cli_input(argv[1]), &import, error);
    return drafts != NULL ? put_drafts(drafts, fab_cli_input(argv[1]), options.id, error) : FAB_EXIT_INPUT;
}

int
fab_cli_import_nvbandwidth(const FabCommand *command, int argc, char **argv, GError **error)
{
    return import_links(command, argc, argv, fab_import_nvbandwidth, error);
}

int
fab_cli_import_p2p(const FabCommand *command, int argc, char **argv, GError **error)
{
    return import_links(command, argc, argv, fab_import_p2p, error);
}

int
fab_cli_import_nccl_topology(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_autofree char *gpu = NULL, *path = NULL;
    const GOptionEntry entries[] = {
        { "gpu", 0, 0, G_OPTION_ARG_FILENAME, &gpu, "Which GPUs they are, where the PCI identifiers do not say it",
        "MODEL" },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Write to a file", "FILE" },
        { 0 },
    };
    const FabImportOptions import = { .remark = print_remark };
    g_autoptr(FabOutput) output = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error)
        || !fab_cli_arguments(command, argc, argv, 1, 1, "a file", error))
        return FAB_EXIT_DONE;
    output = fab_output_new(path, error);
    if (output == NULL ||
        !fab_import_nccl_topology(fab_cli_input(argv[1]), gpu, &import, fab_output_stream(output), error))
        return FAB_EXIT_INPUT;
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

int
fab_cli_import_nccl_graph(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_autofree char *path = NULL;
    const GOptionEntry entries[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Write to a file", "FILE" },
        { 0 },
    };
    const FabImportOptions import = { .remark = print_remark };
    g_autoptr(FabOutput) output = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error)
        || !fab_cli_arguments(command, argc, argv, 1, 1, "a file", error))
        return FAB_EXIT_DONE;
    output = fab_output_new(path, error);
    if (output == NULL || !fab_import_nccl_graph(fab_cli_input(argv[1]), &import, fab_output_stream(output), error))
        return FAB_EXIT_INPUT;
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}
