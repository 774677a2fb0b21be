/* fabricast validate: prediction beside measurement. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/measurements.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "collective/overlay.h"
#include "report/device.h"
#include "report/training-validate.h"
#include "report/validate.h"
#include "validate/leave-out.h"

typedef struct {
    gboolean json, csv, rows, leave_out, table, quiet, training, clusters, device;
    gint most_ranks; /* of a table over several nodes; 0: any number */
    char *path, *bound, *plots, *calibration;
    double most[FAB_BANDS]; /* bound of the mean error, as a share; infinity: none */
} Options;

/* Tables of up to 64 ranks take a minute or two, racks of GB200 minutes, hundreds of nodes hours. */
enum { USUAL_RANKS = 64, NOT_GIVEN = G_MININT };

static void
clear_options(Options *options)
{
    g_free(options->path);
    g_free(options->bound);
    g_free(options->plots);
    g_free(options->calibration);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

/* "10", or one bound for each band, the smallest sizes first: "15,12,5". */
static bool
parse_bound(Options *options, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(options->bound != NULL ? options->bound : "", ",", -1);
    guint count = g_strv_length(parts);

    for (int b = 0; b < FAB_BANDS; b++) {
        const char *text = count == FAB_BANDS ? parts[b] : parts[0];
        double percent = INFINITY;
        if (options->bound != NULL && (count == 0 || (count != 1 && count != FAB_BANDS) ||
                                       !fab_parse_quantity(text, "", &percent, NULL) || percent < 0)) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                        "command line: --max-error is \"%.60s\", must be a number of percent, or three for below "
                        "64 KiB, to 8 MiB and from 8 MiB: 15,12,5", options->bound);
            return false;
        }
        options->most[b] = percent / 100;
    }
    return true;
}

/* Whether so many ranks may be asked for; sets the default. */
static bool
check_most_ranks(Options *options, GError **error)
{
    if (options->most_ranks == NOT_GIVEN) {
        options->most_ranks = USUAL_RANKS;
        return true;
    }
    if (!options->clusters)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "command line: --max-ranks is for --clusters, which is not given");
    else if (options->most_ranks < 0)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "command line: --max-ranks is %d, must be 0 (no bound) or a number of ranks", options->most_ranks);
    else
        return true;
    return false;
}

/* ------------------------------------------------------------------ running them */

/* Says on standard error which bound is missed. Without anything to judge a bound is not kept. */
static bool
within_bounds(const FabValidation *validation, const double *most)
{
    g_autoptr(GPtrArray) groups = fab_validation_groups(validation, FAB_GROUP_ALL);
    bool within = groups->len > 0 || isinf(most[0]);

    if (!within)
        fprintf(stderr, "fabricast: no measurement is scored, so --max-error cannot be judged\n");
    for (int b = 0; b < FAB_BANDS && groups->len > 0; b++) {
        const FabValidationGroup *all = groups->pdata[0];
        double mean = all->summary[b][FAB_PREDICTOR_ENGINE].mean;
        if (!(mean > most[b]))
            continue;
        fprintf(stderr, "fabricast: the mean error %s is %.1f %%, above --max-error %g\n", fab_band_names[b],
                100 * mean, 100 * most[b]);
        within = false;
    }
    return within;
}

/* Before the table of clusters, which takes long to make: how well it holds. */
static void
write_basis(const FabValidation *validation, FILE *out)
{
    FabCoverage coverage[FAB_COVERAGES];

    fab_intervals_coverage(validation, coverage);
    fprintf(out, "/* Inside, %s:", validation->left_out ? "each cluster by the others" : "with the shipped intervals");
    for (int b = 0; b < FAB_COVERAGES; b++) {
        if (coverage[b].rows > 0)
            fprintf(out, "\n *   %s: %u of %u rows, %.0f %% on the mean of %u clusters",
                    fab_coverage_name(validation, b), coverage[b].inside, coverage[b].rows,
                    100 * coverage[b].by_machine, coverage[b].machines);
    }
    fputs("\n */\n", out);
}

/* The table of intervals that these rows yield. */
static bool
write_table(const FabValidation *validation, FILE *out, GError **error)
{
    FabIntervals intervals;

    fab_intervals_fit(validation, NULL, &intervals);
    if (validation->clusters)
        write_basis(validation, out);
    return fab_report_interval_table(&intervals, validation->clusters, out, error);
}

static bool
write_report(const FabValidation *validation, const Options *options, bool rows, FILE *out, GError **error)
{
    if (options->table)
        return write_table(validation, out, error);
    if (options->json)
        return fab_report_validation_json(validation, out, error);
    if (options->csv)
        return fab_report_validation_csv(validation, out, error);
    return fab_report_validation(validation, rows, out, error);
}

/* Before the long work: whether plots can be written there. */
static bool
make_folder(const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "plot.svg", NULL);

    if (g_mkdir_with_parents(folder, 0777) == 0)
        return fab_file_check_place(path, error);
    g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "command line: --plots: the folder %s cannot be made: %s", folder,
                g_strerror(errno));
    return false;
}

/* PLOTS/ID.svg for each case that was predicted. */
static bool
write_plots(const FabValidation *validation, const char *folder, GError **error)
{
    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *one = validation->cases->pdata[i];
        g_autofree char *name = g_strconcat(one->id, ".svg", NULL);
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autoptr(FabOutput) output = NULL;
        if (one->rows->len == 0)
            continue;
        output = fab_output_new(path, error);
        if (output == NULL || !fab_report_validation_plot(one, fab_output_stream(output), error) ||
            !fab_output_finish(output, error))
            return false;
    }
    return true;
}

static FabValidation *
validate(GPtrArray *measurements, const Options *options, const FabOverlay *overlay, GError **error)
{
    FabProgressLine line;
    FabValidation *validation;

    fab_progress_init(&line, options->quiet);
    if (options->leave_out && options->clusters)
        validation = fab_validate_clusters_left_out(measurements, (uint32_t)options->most_ranks,
                                                    line.enabled ? fab_progress_update : NULL, &line, error);
    else if (options->leave_out)
        validation = fab_validate_left_out(measurements, line.enabled ? fab_progress_update : NULL, &line, error);
    else if (options->clusters)
        validation = fab_validate_clusters(measurements, overlay != NULL ? &overlay->constants : NULL,
                                           (uint32_t)options->most_ranks,
                                           line.enabled ? fab_progress_update : NULL, &line);
    else
        validation = fab_validate(measurements, overlay != NULL ? &overlay->constants : NULL,
                                  line.enabled ? fab_progress_update : NULL, &line);
    fab_progress_clear(&line);
    if (validation != NULL && overlay != NULL) {
        validation->calibration = g_strdup(overlay->path);
        fab_intervals_apply_overlay(validation, overlay);
    }
    return validation;
}

/* ------------------------------------------------------------------ training steps */

static guint
count_training(GPtrArray *measurements)
{
    guint count = 0;

    for (guint i = 0; i < measurements->len; i++) {
        const FabMeasurement *one = measurements->pdata[i];
        count += one->kind == FAB_MEASUREMENT_TRAINING || one->kind == FAB_MEASUREMENT_APPLICATION;
    }
    return count;
}

/* Where all measurements are of training and applications, their steps are what is asked for. */
static bool
wants_training(const Options *options, GPtrArray *measurements)
{
    return options->training || (measurements->len > 0 && count_training(measurements) == measurements->len);
}

/* Says where the steps are that a table of collectives leaves out. */
static void
mention_training(const Options *options, GPtrArray *measurements, FILE *out)
{
    guint count = count_training(measurements);

    if (count > 0 && !options->json && !options->csv && !options->table)
        fprintf(out, "\n# %u tables of training and applications are among them: --training predicts their steps\n",
                count);
}

/* The same as within_bounds() for steps, which have one bound. */
static bool
steps_are_within(const FabStepErrors *errors, double most)
{
    if (errors->rows == 0 && isfinite(most))
        fprintf(stderr, "fabricast: no step is scored, so --max-error cannot be judged\n");
    else if (errors->mean > most)
        fprintf(stderr, "fabricast: the mean error of steps is %.1f %%, above --max-error %g\n", 100 * errors->mean,
                100 * most);
    else
        return true;
    return false;
}

static int
run_training(GPtrArray *measurements, const Options *options, FabOutput *output, GError **error)
{
    FabProgressLine line;
    g_autoptr(FabStepValidation) validation = NULL;
    g_autoptr(GPtrArray) left = NULL;
    FabStepErrors errors;

    if (options->table || options->plots != NULL || options->calibration != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: training steps are printed as a table or with "
                    "--csv or --json; --plots, --interval-table and --calibration are for collectives");
        return FAB_EXIT_INPUT;
    }
    if (options->csv && options->leave_out) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --csv has rows of training steps, "
                    "--leave-one-out errors of tables; take --json or neither");
        return FAB_EXIT_INPUT;
    }
    fab_progress_init(&line, options->quiet);
    validation = fab_step_validate(measurements, NULL, line.enabled ? fab_progress_update : NULL, &line);
    if (options->leave_out)
        left = fab_step_leave_out(measurements, validation, line.enabled ? fab_progress_update : NULL, &line);
    fab_progress_clear(&line);
    if (options->csv)
        fab_report_step_validation_csv(validation, fab_output_stream(output));
    else if (options->json)
        fab_report_step_validation_json(validation, left, fab_output_stream(output));
    else if (options->leave_out)
        fab_report_step_left_out(left, fab_output_stream(output));
    else
        fab_report_step_validation(validation, options->rows || measurements->len <= 4, fab_output_stream(output));
    if (!fab_output_finish(output, error))
        return FAB_EXIT_SYSTEM;
    errors = fab_step_errors(validation, NULL);
    return steps_are_within(&errors, options->most[0]) ? FAB_EXIT_DONE : FAB_EXIT_NO;
}

/* Tables of kind device: links, pipelines, kernels, products. */
static int
run_device(GPtrArray *measurements, const Options *options, FabOutput *output, GError **error)
{
    g_autoptr(GPtrArray) cases = NULL;

    if (options->json || options->table || options->plots != NULL || options->leave_out || options->bound != NULL ||
        options->calibration != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --device prints a table, or CSV with --csv; "
                    "--json, --plots, --interval-table, --leave-one-out, --max-error and --calibration are for "
                    "collectives");
        return FAB_EXIT_INPUT;
    }
    cases = fab_device_validate(measurements);
    if (cases->len == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --device: none of %u measurements is of kind "
                    "device; fabricast-measure writes such", measurements->len);
        return FAB_EXIT_INPUT;
    }
    (options->csv ? fab_report_device_csv : fab_report_device)(cases, fab_output_stream(output));
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static bool
check_apart(const Options *options, GError **error)
{
    if (options->json + options->csv + options->table > 1) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: %s and %s exclude each other",
                    options->json ? "--json" : "--csv", options->table ? "--interval-table" : "--csv");
        return false;
    }
    if (options->leave_out && options->calibration != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --leave-one-out and --calibration exclude each "
                    "other: the first fits constants of its own");
        return false;
    }
    return true;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .most_ranks = NOT_GIVEN };
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print JSON", NULL },
        { "csv", 0, 0, G_OPTION_ARG_NONE, &options.csv, "Print CSV, one line for each measured row", NULL },
        { "rows", 0, 0, G_OPTION_ARG_NONE, &options.rows, "Print every row also where many cases are asked for", NULL },
        { "training", 0, 0, G_OPTION_ARG_NONE, &options.training,
          "Print training steps instead of collectives; so it is where nothing else is named", NULL },
        { "device", 0, 0, G_OPTION_ARG_NONE, &options.device,
          "Print links, pipelines, kernels and products that fabricast-measure timed, instead of collectives", NULL },
        { "max-error", 0, 0, G_OPTION_ARG_STRING, &options.bound,
          "Exit status 1 when the mean error of a band is above; one bound, or one for each band: 15,12,5", "PERCENT" },
        { "leave-one-out", 0, 0, G_OPTION_ARG_NONE, &options.leave_out,
          "Predict each machine with constants fitted without it; intervals come from the others", NULL },
        { "clusters", 0, 0, G_OPTION_ARG_NONE, &options.clusters,
          "Predict the tables of several nodes, and those alone", NULL },
        { "max-ranks", 0, 0, G_OPTION_ARG_INT, &options.most_ranks,
          "With --clusters: leave out tables of more ranks, each named; 0: none; default 64", "N" },
        { "interval-table", 0, 0, G_OPTION_ARG_NONE, &options.table,
          "Print the intervals that the rows yield, as core/predict/interval-table.c", NULL },
        { "plots", 0, 0, G_OPTION_ARG_FILENAME, &options.plots, "Draw each case: DIR/ID.svg", "DIR" },
        { "calibration", 0, 0, G_OPTION_ARG_FILENAME, &options.calibration,
          "Constants that `fabricast calibrate` fitted", "FILE" },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.path, "Write to a file", "FILE" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "Show no progress", NULL },
        { 0 },
    };
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(GPtrArray) measurements = NULL;
    g_autoptr(FabOverlay) overlay = NULL;
    g_autoptr(FabValidation) validation = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error))
        return FAB_EXIT_DONE;
    if (!check_most_ranks(&options, error) || !check_apart(&options, error) || !parse_bound(&options, error))
        return FAB_EXIT_INPUT;
    output = options.json || options.csv || options.table ? fab_output_new(options.path, error)
                                                          : fab_output_new_for_eyes(options.path, error);
    measurements = output != NULL ? fab_cli_measurements(argv + 1, error) : NULL;
    if (measurements == NULL)
        return FAB_EXIT_INPUT;
    if (options.device)
        return run_device(measurements, &options, output, error);
    if (wants_training(&options, measurements))
        return run_training(measurements, &options, output, error);
    overlay = options.calibration != NULL ? fab_overlay_load(options.calibration, error) : NULL;
    if (options.calibration != NULL && overlay == NULL)
        return FAB_EXIT_INPUT;
    if (options.plots == NULL || make_folder(options.plots, error))
        validation = validate(measurements, &options, overlay, error);
    if (validation == NULL)
        return FAB_EXIT_INPUT;
    if (options.plots != NULL && !write_plots(validation, options.plots, error))
        return FAB_EXIT_SYSTEM;
    if (!write_report(validation, &options, options.rows || measurements->len <= 4, fab_output_stream(output), error))
        return FAB_EXIT_SYSTEM;
    mention_training(&options, measurements, fab_output_stream(output));
    if (!fab_output_finish(output, error))
        return FAB_EXIT_SYSTEM;
    return within_bounds(validation, options.most) ? FAB_EXIT_DONE : FAB_EXIT_NO;
}

const FabCommand fab_command_validate = {
    .name = "validate",
    .usage = "[MEASUREMENT...]",
    .summary = "Compare predictions with measurements",
    .run = run,
};
