/* fabricast calibrate: fits constants of the model to measurements. */

#include "base/error.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/measurements.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "collective/overlay.h"
#include "report/calibrate.h"
#include "validate/interval-fit.h"

typedef struct {
    gboolean json, list, force, quiet;
    char *path, *title, *start, *parameters, *groups;
} Options;

static void
clear_options(Options *options)
{
    g_free(options->path);
    g_free(options->title);
    g_free(options->start);
    g_free(options->parameters);
    g_free(options->groups);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

/* ------------------------------------------------------------------ options */

static bool
check_groups(char **groups, GError **error)
{
    for (; groups != NULL && *groups != NULL; groups++) {
        g_autofree char *near = fab_suggestion(*groups, fab_constant_groups);
        if (fab_constant_table(*groups) != NULL)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --group: \"%.60s\" is not known%s", *groups,
                    near);
        return false;
    }
    return true;
}

/* The words of a list "a,b"; NULL for no list. */
static char **
split(const char *list)
{
    char **words = list != NULL ? g_strsplit_set(list, ",;", -1) : NULL;

    for (guint i = 0; words != NULL && words[i] != NULL; i++)
        g_strstrip(words[i]);
    return words;
}

static char **
join(char *const *a, char *const *b)
{
    GPtrArray *words = g_ptr_array_new();

    for (; a != NULL && *a != NULL; a++)
        g_ptr_array_add(words, g_strdup(*a));
    for (; b != NULL && *b != NULL; b++)
        g_ptr_array_add(words, g_strdup(*b));
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

static const FabConstants *
start_of(const FabOverlay *overlay)
{
    return overlay != NULL ? &overlay->constants : fab_constants_shipped();
}

/* ------------------------------------------------------------------ --list */

static FabOutput *
new_output(const Options *options, const char *path, GError **error)
{
    return options->json ? fab_output_new(path, error) : fab_output_new_for_eyes(path, error);
}

static int
list(const Options *options, const FabConstants *constants, char *const *groups, GError **error)
{
    g_autoptr(FabOutput) output = new_output(options, options->path, error);
    bool good;

    if (output == NULL)
        return FAB_EXIT_INPUT;
    good = (options->json ? fab_report_constants_json : fab_report_constants)(
        constants, (const char *const *)groups, fab_output_stream(output), error);
    return good && fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

/* ------------------------------------------------------------------ fitting */

/* Today; the day of SOURCE_DATE_EPOCH where that is set, so that a build can be repeated. */
static char *
today(void)
{
    const char *epoch = g_getenv("SOURCE_DATE_EPOCH");
    int64_t seconds = 0;
    g_autoptr(GDateTime) now = epoch != NULL && fab_parse_integer(epoch, &seconds, NULL)
                                   ? g_date_time_new_from_unix_utc(seconds)
                                   : g_date_time_new_now_utc();

    return now != NULL ? g_date_time_format(now, "%Y-%m-%d") : g_strdup("unknown");
}

/* Whether the fit may become an overlay. */
static bool
is_believable(const FabFit *fit, const Options *options, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    guint identified = 0;

    for (guint i = 0; i < fit->parameters->len; i++) {
        const FabFitParameter *parameter = fit->parameters->pdata[i];
        identified += parameter->identified;
        if (parameter->at_bound)
            g_string_append_printf(names, "%s%s.%s", names->len > 0 ? ", " : "", parameter->group,
                                   parameter->constant->key);
    }
    if (identified == 0)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "calibrate: the measurements tell none of the %u constants, so there is nothing to write%s",
                    fit->parameters->len, options->path != NULL ? "" : " to an overlay");
    else if (names->len > 0 && !options->force)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "calibrate: fitted to the end of the plausible range: %s; the measurements do not fit the machine "
                    "or the model; name others to fit with --parameters, or take these all the same with --force",
                    names->str);
    return identified > 0 && (names->len == 0 || options->force);
}

static bool
write_overlay(const FabFit *fit, GPtrArray *measurements, const Options *options, FabOutput *overlay, GError **error)
{
    g_autofree char *date = today();
    g_autoptr(FabValidation) validation = fab_validate(measurements, &fit->constants, NULL, NULL);
    g_autoptr(GArray) intervals = fab_intervals_calibrated(validation);

    return fab_report_overlay(fit, intervals, options->title, date, fab_output_stream(overlay), error) &&
           fab_output_finish(overlay, error);
}

static FabFit *
fit_to(GPtrArray *measurements, const Options *options, const FabConstants *start, char *const *names, GError **error)
{
    FabProgressLine line;
    FabFit *fit;

    fab_progress_init(&line, options->quiet);
    fit = fab_calibrate(measurements, start, names[0] != NULL ? (const char *const *)names : NULL,
                        line.enabled ? fab_progress_update : NULL, &line, error);
    fab_progress_clear(&line);
    return fit;
}

static int
calibrate(char **words, const Options *options, const FabConstants *start, char *const *names, GError **error)
{
    g_autoptr(FabOutput) output = new_output(options, NULL, error);
    g_autoptr(FabOutput) overlay = options->path != NULL ? fab_output_new(options->path, error) : NULL;
    g_autoptr(GPtrArray) measurements = NULL;
    g_autoptr(FabFit) fit = NULL;
    bool believable, good;

    if (output == NULL || (options->path != NULL && overlay == NULL))
        return FAB_EXIT_INPUT;
    measurements = fab_cli_measurements(words, error);
    fit = measurements != NULL ? fit_to(measurements, options, start, names, error) : NULL;
    if (fit == NULL)
        return FAB_EXIT_INPUT;
    good = (options->json ? fab_report_fit_json : fab_report_fit)(fit, fab_output_stream(output), error) &&
           fab_output_finish(output, error);
    believable = good && is_believable(fit, options, error);
    if (!believable)
        return good ? FAB_EXIT_INPUT : FAB_EXIT_SYSTEM;
    good = overlay == NULL || write_overlay(fit, measurements, options, overlay, error);
    return good ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .path = NULL };
    const GOptionEntry entries[] = {
        { "parameters", 0, 0, G_OPTION_ARG_FILENAME, &options.parameters,
          "Fit only these constants: hopper.ll_round_us,hopper.launch_us; default all that can matter", "NAMES" },
        { "group", 0, 0, G_OPTION_ARG_FILENAME, &options.groups, "Fit all constants of these groups: hopper,pcie-peer",
          "GROUPS" },
        { "calibration", 0, 0, G_OPTION_ARG_FILENAME, &options.start, "Begin with the constants of an overlay",
          "FILE" },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.path, "Write the overlay to a file; default none", "FILE" },
        { "title", 0, 0, G_OPTION_ARG_FILENAME, &options.title, "What the overlay calls itself", "TEXT" },
        { "force", 0, 0, G_OPTION_ARG_NONE, &options.force, "Write also values at the end of their range", NULL },
        { "list", 0, 0, G_OPTION_ARG_NONE, &options.list, "Print all constants: meaning, range, value, source", NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print JSON", NULL },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "Show no progress", NULL },
        { 0 },
    };
    g_autoptr(FabOverlay) start = NULL;
    g_auto(GStrv) groups = NULL, parameters = NULL, names = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error))
        return FAB_EXIT_DONE;
    groups = split(options.groups);
    parameters = split(options.parameters);
    names = join(parameters, groups);
    start = options.start != NULL ? fab_overlay_load(options.start, error) : NULL;
    if ((options.start != NULL && start == NULL) || !check_groups(groups, error))
        return FAB_EXIT_INPUT;
    if (options.list)
        return fab_cli_arguments(command, argc, argv, 0, 0, "nothing beside --list", error)
                   ? list(&options, start_of(start), groups, error)
                   : FAB_EXIT_INPUT;
    if (!fab_cli_arguments(command, argc, argv, 1, 1 << 20, "a measurement", error))
        return FAB_EXIT_INPUT;
    return calibrate(argv + 1, &options, start_of(start), names, error);
}

const FabCommand fab_command_calibrate = {
    .name = "calibrate",
    .usage = "MEASUREMENT...",
    .summary = "Fit constants of the model to measurements",
    .run = run,
};
