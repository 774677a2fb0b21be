/* [sweep] of a scenario: which keys are varied over which values, all combinations or a random sample of them. */
#ifndef FAB_SCENARIO_SWEEP_H
#define FAB_SCENARIO_SWEEP_H

#include <glib.h>
#include <stdint.h>

typedef struct {
    char *key;      /* "parallel.tp", or several that change together: "topology.name & price.gpu_hour" */
    GStrv values;   /* of several keys as many, "dgx-h100 & 2.50 USD/h" */
    uint32_t count;
} FabSweepAxis;

typedef struct {
    FabSweepAxis *axes;
    uint32_t axis_count;
    uint64_t grid;      /* combinations of all values */
    uint64_t points;    /* of the sweep: the grid, or a sample of it */
    uint64_t *sample;   /* `points` different numbers of the grid, ascending; NULL: all */
    uint64_t seed;
    char *name;         /* of the scenario */
    char *text;         /* the scenario's file and the texts set over it: what the points depend on */
} FabSweep;

/*
 * Reads the [sweep] of a scenario's file; `sets` as for fab_scenario_load(), so that sweep.random=100 can be set too.
 * Owned by the caller.
 */
FabSweep *fab_sweep_load(const char *path, char *const *sets, GError **error);
/* The same from the text of a sweep that is called `name`; `path` is only for messages. */
FabSweep *fab_sweep_parse(const char *path, const char *name, const char *text, GError **error);
void fab_sweep_free(FabSweep *sweep);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabSweep, fab_sweep_free)

/* "group.key=value" of a point, one for each key, NULL-terminated; g_strfreev(). The last axis changes fastest. */
char **fab_sweep_settings(const FabSweep *sweep, uint64_t point);
/* The same of the grid's first combination with the value `value` of an axis in its place. */
char **fab_sweep_settings_with(const FabSweep *sweep, uint32_t axis, uint32_t value);
/* Keys of an axis, or the parts of a value: "a & b" as a and b. g_strfreev(). */
char **fab_sweep_split(const char *text);
/* Its value on an axis. Belongs to the sweep. */
const char *fab_sweep_value(const FabSweep *sweep, uint64_t point, uint32_t axis);

/*
 * "a | b | c", of which each may be a range: "1..8", "100..400+50 Gb/s", "1..64*2". NULL-terminated, at least one;
 * g_strfreev(). The message has no place in it.
 */
char **fab_parse_values(const char *text, GError **error);

#endif
