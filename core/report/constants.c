/* The table of constants: what an overlay may set, and what ships. */
#include <string.h>

#include "report/calibrate.h"
#include "report/stream.h"

enum { WIDTH = 110 };

/* What a group is, and where its values come from. */
typedef struct {
    char *what;
    const char *source;
} About;

static void
clear_about(About *about)
{
    g_free(about->what);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(About, clear_about)

static About
about(const FabConstants *constants, const char *group)
{
    for (int i = 0; i < FAB_GENERATIONS; i++) {
        const FabKernelCosts *kernel = &constants->kernel[i];
        if (strcmp(kernel->group, group) == 0)
            return (About) { g_strdup_printf("%s GPUs, compute capability %u.%u and on", kernel->generation,
                                             kernel->compute_capability / 10, kernel->compute_capability % 10),
                             kernel->source };
    }
    if (strcmp(constants->peer.group, group) == 0)
        return (About) { g_strdup("rings whose neighbours talk directly over PCIe"), constants->peer.source };
    if (strcmp(constants->shared.group, group) == 0)
        return (About) { g_strdup("virtual ranks: factors on what the machine of the plugin loopback says"),
                         constants->shared.source };
    return (About) { g_strdup("rings whose neighbours talk through host memory"), constants->staged.source };
}

static bool
asked_for(const char *const *groups, const char *group)
{
    return groups == NULL || g_strv_contains(groups, group);
}

static void
write_folded(FILE *out, const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \n", -1);
    size_t column = WIDTH;

    for (guint i = 0; words[i] != NULL; i++) {
        size_t length = strlen(words[i]);
        if (length == 0)
            continue;
        if (column + 1 + length > WIDTH) {
            fputs(i > 0 ? "\n#    " : "#    ", out);
            column = 5;
        }
        fprintf(out, " %s", words[i]);
        column += 1 + length;
    }
    fputs("\n", out);
}

static void
write_constant(FILE *out, const FabConstant *constant, double value)
{
    g_autofree char *shown = fab_constant_format(constant, value);
    g_autofree char *low = fab_constant_format(constant, constant->low);
    g_autofree char *high = fab_constant_format(constant, constant->high);
    g_autofree char *range = g_strdup_printf("%s to %s", low, high);

    fprintf(out, "%-22s %12s  %-22s %s\n", constant->key, shown, range, constant->meaning);
}

bool
fab_report_constants(const FabConstants *constants, const char *const *groups, FILE *out, GError **error)
{
    FabConstants all = *constants;
    bool first = true;

    for (int g = 0; fab_constant_groups[g] != NULL; g++) {
        const char *group = fab_constant_groups[g];
        g_auto(About) what = { NULL, NULL };
        if (!asked_for(groups, group))
            continue;
        what = about(constants, group);
        fprintf(out, "%s[%s]  # %s\n", first ? "" : "\n", group, what.what);
        if (what.source != NULL)
            write_folded(out, what.source);
        for (const FabConstant *one = fab_constant_table(group); one->key != NULL; one++)
            write_constant(out, one, *fab_constants_find(&all, group, one->key));
        first = false;
    }
    return fab_stream_finish(out, error);
}

/* ------------------------------------------------------------------ JSON */

static void
write_group_json(FILE *out, FabConstants *constants, const char *group)
{
    g_auto(About) what = about(constants, group);

    fputs("    {", out);
    fab_stream_json_member(out, "group", group, ", ");
    fab_stream_json_member(out, "title", what.what, ", ");
    fab_stream_json_member(out, "source", what.source != NULL ? what.source : "", ", ");
    fputs("\"constants\": [", out);
    for (const FabConstant *one = fab_constant_table(group); one->key != NULL; one++) {
        fputs(one == fab_constant_table(group) ? "\n      {" : ",\n      {", out);
        fab_stream_json_member(out, "key", one->key, ", ");
        fab_stream_json_member(out, "unit", one->unit, ", ");
        fab_stream_json_member(out, "meaning", one->meaning, ", ");
        fab_stream_json_number(out, "low", one->low, ", ");
        fab_stream_json_number(out, "high", one->high, ", ");
        fab_stream_json_number(out, "value", *fab_constants_find(constants, group, one->key), "}");
    }
    fputs("]}", out);
}

bool
fab_report_constants_json(const FabConstants *constants, const char *const *groups, FILE *out, GError **error)
{
    FabConstants all = *constants;
    const char *separator = "\n";

    fputs("{\"schema\": \"fabricast-constants\", \"schema_version\": 1,\n  \"groups\": [", out);
    for (int g = 0; fab_constant_groups[g] != NULL; g++) {
        if (!asked_for(groups, fab_constant_groups[g]))
            continue;
        fputs(separator, out);
        write_group_json(out, &all, fab_constant_groups[g]);
        separator = ",\n";
    }
    fputs("]}\n", out);
    return fab_stream_finish(out, error);
}
