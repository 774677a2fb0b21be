/*
 * Measurements of real machines: a key file that says what was measured, on what and by whom, and a table beside it
 * (docs/measurements.md). Values stay as they were written, so that what is read and written again is the same; all
 * of them have been checked.
 */
#ifndef FAB_MEASURE_MEASUREMENT_H
#define FAB_MEASURE_MEASUREMENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    FAB_MEASUREMENT_COLLECTIVE,
    FAB_MEASUREMENT_LINK,
    FAB_MEASUREMENT_FLOW,
    FAB_MEASUREMENT_MOE,
    FAB_MEASUREMENT_TRAINING,
    FAB_MEASUREMENT_APPLICATION,
    FAB_MEASUREMENT_DEVICE,
    FAB_MEASUREMENT_KINDS
} FabMeasurementKind;

/* "collective", "link", ...; NULL-terminated, indexed by the enum. */
extern const char *const fab_measurement_kind_names[];

/* Columns of each kind's table, of the first three by index. */
enum { FAB_COLLECTIVE_SIZE, FAB_COLLECTIVE_TIME, FAB_COLLECTIVE_ALGBW, FAB_COLLECTIVE_BUSBW, FAB_COLLECTIVE_IN_PLACE };
enum { FAB_LINK_SRC, FAB_LINK_DST, FAB_LINK_UNIDIR, FAB_LINK_BIDIR, FAB_LINK_LATENCY };
enum {
    FAB_FLOW_GROUP,
    FAB_FLOW_PATTERN,
    FAB_FLOW_FLOWS,
    FAB_FLOW_TRANSFERS,
    FAB_FLOW_METRIC,
    FAB_FLOW_VALUE,
    FAB_FLOW_UNIT
};

/* One line of the key file. */
typedef struct {
    char *group, *key, *value;
} FabFact;

typedef struct {
    char *path;       /* of the key file; the id when it was made in memory */
    char *id;         /* file name without .ini */
    FabMeasurementKind kind;
    GPtrArray *facts; /* FabFact, in file order; change them with fab_measurement_set() */
    GPtrArray *rows;  /* char **: a text for each column, "" where nothing is known; fab_measurement_add_row() */
} FabMeasurement;

/*
 * Reads PATH and the table of the same name that ends in .csv. The error names file, group and key, or file and
 * line, and says what would be right.
 */
FabMeasurement *fab_measurement_load(const char *path, GError **error);

/* An empty one, with [source] kind set: for importers. NULL with an error for a bad id. */
FabMeasurement *fab_measurement_new(const char *id, FabMeasurementKind kind, GError **error);
void fab_measurement_free(FabMeasurement *measurement);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabMeasurement, fab_measurement_free)

/* FOLDER/ID.csv and FOLDER/ID.ini, each whole or not at all; the key file last. */
bool fab_measurement_write(const FabMeasurement *measurement, const char *folder, GError **error);

/* The value as written, or NULL. Belongs to the measurement. */
const char *fab_measurement_get(const FabMeasurement *measurement, const char *group, const char *key);
/* Of a key that the format defines as a whole number; `fallback` when it is not there. */
int64_t fab_measurement_integer(const FabMeasurement *measurement, const char *group, const char *key,
                                int64_t fallback);
/* The value of NAME in [run] env, or NULL. Owned by the caller. */
char *fab_measurement_environment(const FabMeasurement *measurement, const char *name);

/* Sets or replaces; refuses unknown groups and keys and bad values. A value NULL removes the key. */
bool fab_measurement_set(FabMeasurement *measurement, const char *group, const char *key, const char *value,
                         GError **error);

/* `cells` has a text for each column of the kind, "" for what is not known; copied and checked. */
bool fab_measurement_add_row(FabMeasurement *measurement, const char *const *cells, GError **error);

/* A cell as a number; NaN when it is empty. */
double fab_measurement_number(const FabMeasurement *measurement, guint row, guint column);
const char *fab_measurement_text(const FabMeasurement *measurement, guint row, guint column);

/* Whether every key that the format asks for is there ([source] kind, [quality] grade, ...). */
bool fab_measurement_check(const FabMeasurement *measurement, GError **error);

/* Column names of a kind, NULL-terminated. */
const char *const *fab_measurement_columns(FabMeasurementKind kind);

/* Ids of the measurements in a folder, sorted, NULL-terminated: the names of its .ini files. g_strfreev(). */
char **fab_measurement_list(const char *folder, GError **error);

#endif
