/* Parameters of a plugin: finds a name in its table, reads a value by its type and checks its range. */
#ifndef FAB_PLUGIN_PARAMS_H
#define FAB_PLUGIN_PARAMS_H

#include <glib.h>

#include <fabricast/plugin.h>

/* More entries than this are taken for a table without an end. */
enum { FAB_PARAMS_MAX = 256 };

typedef struct {
    double number;
    int64_t integer;
    bool boolean;
    const char *text; /* belongs to the text given, or to the table for choices; see fab_param_parse() */
} FabParamValue;

/* The entry that `name` belongs to ("gpu_3" belongs to "gpu_*", "node.gpu" to "node.*"), or NULL. */
const FabParamSpec *fab_param_find(const FabParamSpec *params, const char *name);

/* Whether the entry stands for many names ("gpu_*"). */
bool fab_param_is_pattern(const FabParamSpec *spec);

/*
 * Reads `text` as a value of `spec`. Messages begin with `name`: "bandwidth is 0, must be ...". For texts
 * value->text is `text` itself; for choices it is the word as the file wrote it, equal to one of the choices.
 */
bool fab_param_parse(const FabParamSpec *spec, const char *name, const char *text, FabParamValue *value,
                     GError **error);

/* "1e6", "0.25": a figure as people write it, whatever the locale. Owned by the caller. */
char *fab_param_format(double value);

/* Names of all parameters, in table order, NULL-terminated. g_strfreev(). */
char **fab_param_names(const FabParamSpec *params);

/* Checks a table itself: names, types, ranges, defaults. Messages have no place in them. */
bool fab_params_check(const FabParamSpec *params, GError **error);

#endif
